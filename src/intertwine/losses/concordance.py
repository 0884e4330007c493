"""Harrell's concordance of risk scores with survival times."""

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from intertwine.validation.wording import counted

from .base import require_length
from .cox import EfronLoss


def concordance_index(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    entry: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Probability that of two rows the one with the higher risk has the event first.

    A pair is comparable when one row has its event while the other is at risk and stays so: it entered
    before, and leaves later or is censored at that time. Two events at the same time are not comparable.
    Pairs with equal risks count one half; rows of different strata are not compared; a pair weighs the
    product of its weights.

    Parameters
    ----------
    time, event, entry, strata, sample_weight
        As for `CoxLoss`.
    risk : array-like of shape (n,)
        Score, higher where the event is expected sooner.

    Returns
    -------
    float
        Between 0 and 1; 0.5 for risks that say nothing.

    Raises
    ------
    ValueError
        For bad survival data as in `CoxLoss`, a risk that is NaN, or when no two rows can be compared.

    Notes
    -----
    Costs O(n log n). Equals survival::concordance(..., reverse = TRUE) of R.

    Source: Harrell, Lee & Mark, Statistics in Medicine 15 (1996), 361-387.

    Examples
    --------
    >>> concordance_index(time=[1, 2, 3, 4], event=[1, 1, 0, 1], risk=[4.0, 2.0, 3.0, 1.0])
    0.8
    """
    data = EfronLoss(time, event, entry, strata, sample_weight)
    scores = np.asarray(risk, dtype=np.float64)
    require_length(scores, "risk", data.n_rows)
    if np.isnan(scores).any():
        raise ValueError(f"risk contains NaN in {counted(int(np.isnan(scores).sum()), 'row', 'rows')}")

    arrived = np.full(data.n_rows, -np.inf) if data.entry is None else data.entry
    stratum = np.unique(data.strata, return_inverse=True)[1]
    # one scan over all strata: when a new one begins, everyone of those before has left
    by_exit = np.lexsort((-data.time, stratum))
    by_entry = np.lexsort((-arrived, stratum))
    levels, level = np.unique(scores, return_inverse=True)
    concordant, tied, total = _weigh_pairs(
        data.time, data.event, arrived, stratum, level, levels.size, data.sample_weight, by_exit, by_entry
    )
    # weights that left the tree leave rounding behind, which must not pass for a comparable pair
    if total <= 1e-13 * data.total_weight**2:
        raise ValueError("no two rows can be compared: every event is the last one, or tied")
    return float((concordant + 0.5 * tied) / total)


@njit(cache=True)
def _weigh_pairs(time, event, arrived, stratum, level, n_levels, weight, by_exit, by_entry):
    """Weigh concordant, tied and all comparable pairs, going back in time with a tree of those at risk."""
    tree = np.zeros(n_levels + 1)  # Fenwick tree of weights by level of risk
    at_level = np.zeros(n_levels)
    n = time.size
    concordant = tied = total = 0.0
    start = leaving = 0
    while start < n:
        now, here = time[by_exit[start]], stratum[by_exit[start]]
        stop = start
        while stop < n and time[by_exit[stop]] == now and stratum[by_exit[stop]] == here:
            stop += 1
        # those of earlier strata, and those who had not yet entered, are not at risk
        while leaving < n and (
            stratum[by_entry[leaving]] < here
            or (stratum[by_entry[leaving]] == here and arrived[by_entry[leaving]] >= now)
        ):
            row = by_entry[leaving]
            at_level[level[row]] -= weight[row]
            _add(tree, level[row], -weight[row])
            leaving += 1
        for row in by_exit[start:stop]:
            if not event[row]:
                at_level[level[row]] += weight[row]
                _add(tree, level[row], weight[row])
        for row in by_exit[start:stop]:
            if event[row]:
                below = _sum_below(tree, level[row])
                concordant += weight[row] * below
                tied += weight[row] * at_level[level[row]]
                total += weight[row] * _sum_below(tree, n_levels)
        for row in by_exit[start:stop]:
            if event[row]:
                at_level[level[row]] += weight[row]
                _add(tree, level[row], weight[row])
        start = stop
    return concordant, tied, total


@njit(cache=True)
def _add(tree, level, amount):
    k = level + 1
    while k < tree.size:
        tree[k] += amount
        k += k & -k


@njit(cache=True)
def _sum_below(tree, level):
    total = 0.0
    k = level
    while k > 0:
        total += tree[k]
        k -= k & -k
    return total
