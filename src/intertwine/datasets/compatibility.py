"""Transplants that last when donor and recipient fit: a stand-in for a registry nobody may share."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from intertwine.datasets.simulate import linear_score, scaled_to_signal, squared_distances, survival_times

__all__ = ["simulate_compatibility"]

_LOCI = ("A", "B", "DR")


def simulate_compatibility(
    n: int = 4000,
    *,
    n_antigens: int = 6,
    rare: float = 0.4,
    d: int = 2,
    sigma2: float = 0.0,
    main_effect: float = 0.3,
    signal: float = 1.5,
    censoring: float = 0.5,
    pairs: Literal["donor-recipient", "all"] = "donor-recipient",
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw transplants: tissue types of donor and recipient, and how long the graft lasts.

    Each person carries two antigens at each of the loci A, B and DR; the common ones are features, the rare
    ones are not listed. Every listed antigen of a donor and of a recipient has a place on a hidden map; a
    pair that is present adds α₀ − ‖z_j − z_k‖² to the log hazard of losing the graft: near ones harm, far
    ones protect. How common an antigen is has nothing to do with its place, so a principal component
    analysis of the types cannot find the map.

    Parameters
    ----------
    n : int, default=4000
        Transplants.
    n_antigens : int, default=6
        Listed antigens at each locus; there are p = 6 · n_antigens binary features.
    rare : float in [0, 1), default=0.4
        Share of antigens too rare to be listed. At 0 everyone carries as many listed antigens as everyone
        else, and a shift of all donors on the map against all recipients is hidden in the main effects.
    d : int, default=2
        Dimension of the map.
    sigma2 : float, default=0.0
        Variance of the pairs' deviations from the map, before scaling.
    main_effect : float, default=0.3
        Standard deviation of the antigens' own effects, before scaling.
    signal : float, default=1.5
        Standard deviation of the log relative hazard over the transplants.
    censoring : float in [0, 1), default=0.5
        Expected share of grafts that still work at the end of follow-up.
    pairs : {"donor-recipient", "all"}, default="donor-recipient"
        Which pairs of antigens interact: only a donor's with a recipient's, or those of one person, too.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (n, p) of 0 and 1, ``target`` (n,) with ``time`` and ``event``, ``feature_names`` (p,) such
        as "donor A1" and "recipient DR3"; the truth: ``score`` (n,), ``coef`` (p,), ``interactions`` (p,
        p), ``latent`` (p, d), ``offset``; and ``is_donor`` (p,).

    Notes
    -----
    Source: designed after the kidney study of arXiv 2506.15492, whose registry data are restricted.

    Examples
    --------
    >>> transplants = simulate_compatibility(200, random_state=0)
    >>> transplants.data.shape, transplants.feature_names[[0, -1]].tolist()
    ((200, 36), ['donor A1', 'recipient DR6'])
    """
    if pairs not in ("donor-recipient", "all"):
        raise ValueError(f"pairs must be 'donor-recipient' or 'all', got {pairs!r}")
    if not 0 <= rare < 1:
        raise ValueError(f"rare must be in [0, 1), got {rare}")
    rng = check_random_state(random_state)
    frequencies = [(1 - rare) * rng.dirichlet(np.full(n_antigens, 3.0)) for _ in _LOCI]
    X = np.hstack([_carried(rng, n, frequency) for _ in ("donor", "recipient") for frequency in frequencies])
    p = X.shape[1]
    is_donor = np.arange(p) < p // 2
    interacting = ~np.eye(p, dtype=bool) if pairs == "all" else is_donor[:, None] != is_donor

    Z = rng.standard_normal((p, d))
    distances = squared_distances(Z)
    offset = distances[interacting].mean()
    deviation = np.triu(rng.standard_normal((p, p)), 1) * sigma2**0.5
    theta = np.where(interacting, offset - distances + deviation + deviation.T, 0.0)
    coef = main_effect * rng.standard_normal(p)
    names = [
        f"{person} {locus}{antigen + 1}"
        for person in ("donor", "recipient")
        for locus in _LOCI
        for antigen in range(n_antigens)
    ]
    truth = Bunch(
        data=X,
        feature_names=np.array(names, dtype=object),
        score=linear_score(X, coef, theta),
        coef=coef,
        interactions=theta,
        latent=Z,
        offset=float(offset),
        is_donor=is_donor,
    )
    truth = scaled_to_signal(truth, signal)
    truth["target"] = survival_times(rng, truth.score, 1.0, censoring, None)
    return truth


def _carried(rng: np.random.RandomState, n: int, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which listed antigens of a locus each of n persons carries, (n, antigens): two draws each."""
    unlisted = len(frequency)
    drawn = rng.choice(unlisted + 1, size=(n, 2), p=[*frequency, 1 - frequency.sum()])
    carried = np.zeros((n, unlisted + 1))
    carried[np.arange(n)[:, None], drawn] = 1.0
    return carried[:, :unlisted]
