"""Which pairs of features a factorization machine lets interact, and how sure its draws are of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.fitting.fm.model import FMModel, presence
from intertwine.structures.fm_sweep import exclusive_runs

__all__ = [
    "Categories",
    "aligned_factors",
    "categories_of",
    "largest_products",
    "pair_moments",
    "strongest_pairs",
]

_SCREENING_DRAWS = 16  # that choose the candidates; all draws judge them
_CANDIDATES = 20  # per pair asked for
_FIRST_ROWS = 64  # the longest, which say how large a product must be
_ENTRIES = 1 << 22  # of a block of pairs in memory


class Categories(NamedTuple):
    """Which features are levels of one category.

    Where every row has exactly one level of a category, factors v_j + c for all of them say the same as v_j: the rest
    goes into the linear weights of the other features. Pairs are therefore told for factors whose mean over the rows is
    zero in each such category, as interactions are in an analysis of variance.

    Attributes
    ----------
    run : ndarray of int, shape (p,)
        Features with the same number never occur together.
    share : ndarray of shape (p,)
        Share of the rows that have this level, in categories of which every row has one; zero elsewhere.
    """

    run: NDArray[np.intp]
    share: NDArray[np.float64]

    def centred(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factors (p, k) about their mean in each complete category."""
        count = int(self.run[-1]) + 1
        means = np.zeros((count, factors.shape[1]))
        np.add.at(means, self.run, self.share[:, None] * factors)
        complete = np.bincount(self.run, weights=self.share, minlength=count) > 0
        return factors - np.where(complete[:, None], means, 0.0)[self.run]


def categories_of(rows: Any, weight: NDArray[np.float64]) -> Categories:
    """Find the categories among neighbouring columns.

    Examples
    --------
    >>> two = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # one of two levels, and a lone column
    >>> categories_of(two, np.ones(3))
    Categories(run=array([0, 0, 1]), share=array([0.66666667, 0.33333333, 0.        ]))
    """
    columns = sparse.csc_array(rows)
    run = exclusive_runs(columns)
    held = presence(columns).T @ weight / weight.sum()
    filled = np.flatnonzero(np.diff(columns.indptr))
    low, high = np.full(run[-1] + 1, np.inf), np.full(run[-1] + 1, -np.inf)
    if filled.size:
        starts = columns.indptr[filled]
        np.minimum.at(low, run[filled], np.minimum.reduceat(columns.data, starts))
        np.maximum.at(high, run[filled], np.maximum.reduceat(columns.data, starts))
    several = np.bincount(run) > 1
    complete = several & (np.bincount(run, weights=held) > 1 - 1e-9) & (low == high)
    return Categories(run, np.where(complete[run], held, 0.0))


def pair_moments(
    model: FMModel, categories: Categories, first, second
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over the draws of ⟨v_j, v_k⟩ for given pairs, in the outcome's units."""
    mean, square = np.zeros(len(first)), np.zeros(len(first))
    for number, params in enumerate(model.params(), start=1):
        factors = categories.centred(params.factors)
        value = np.einsum("ic,ic->i", factors[first], factors[second])
        change = value - mean
        mean += change / number
        square += change * (value - mean)
    return model.spread * mean, model.spread * np.sqrt(square / model.n_draws)


def strongest_pairs(model: FMModel, features, categories: Categories, scale, k: int):
    """Positions of the k pairs of the largest mean effect |⟨v_j, v_k⟩| s_j s_k.

    Parameters
    ----------
    model : FMModel
    features : ndarray of int
        Among which to look.
    categories : Categories
        Features of one category have no interaction.
    scale : ndarray of shape (p,)
        Typical sizes s of the features.
    k : int

    Returns
    -------
    first, second : ndarray of int
    """
    draws = np.linspace(0, model.n_draws - 1, min(_SCREENING_DRAWS, model.n_draws)).astype(int)
    begin = int(model.shape.linear)
    V = model.tables[draws][:, :, begin : begin + model.shape.n_components].astype(np.float64)
    V = np.stack([categories.centred(factors)[features] for factors in V])
    # the mean over draws of ⟨v_j, v_k⟩ is one inner product of all draws side by side
    wide = np.concatenate(list(V), axis=1) * (scale[features] / np.sqrt(len(draws)))[:, None]
    wanted = k if len(draws) == model.n_draws else k * _CANDIDATES
    first, second = largest_products(wide, categories.run[features], wanted)
    first, second = features[first], features[second]
    mean, _ = pair_moments(model, categories, first, second)
    order = np.argsort(-np.abs(mean) * scale[first] * scale[second], kind="stable")[:k]
    return first[order], second[order]


def largest_products(rows: NDArray, label: NDArray, wanted: int) -> tuple[NDArray, NDArray]:
    """Positions a < b of the largest |⟨row_a, row_b⟩| of different labels, in falling order.

    Rows are taken in falling order of their lengths, so that |⟨a, b⟩| ≤ ‖a‖ ‖b‖ ends the search where no product that
    is left can be among the largest.
    """
    lengths = np.linalg.norm(rows, axis=1)
    order = np.argsort(-lengths, kind="stable")
    rows, lengths, label = rows[order], lengths[order], label[order]
    strength, first, second = np.zeros(0), np.zeros(0, np.intp), np.zeros(0, np.intp)
    start, size = 0, _FIRST_ROWS
    while start < len(rows):
        least = -1.0 if strength.size < wanted else float(strength.min())
        reach = int(np.searchsorted(-lengths * lengths[start], -least * (1.0 - 1e-9), side="right"))
        if reach <= start:
            break
        stop = min(start + size, reach)
        values = np.abs(rows[start:stop] @ rows[start:reach].T)
        a, b = np.nonzero(values >= least)
        kept = (b > a) & (label[start + a] != label[start + b])
        a, b = a[kept], b[kept]
        strength = np.append(strength, values[a, b])
        first, second = np.append(first, start + a), np.append(second, start + b)
        if strength.size > wanted:
            best = np.argpartition(-strength, wanted - 1)[:wanted]
            strength, first, second = strength[best], first[best], second[best]
        start, size = stop, max(1, _ENTRIES // max(reach - stop, 1))
    left, right = np.minimum(order[first], order[second]), np.maximum(order[first], order[second])
    ranked = np.lexsort((right, left, -strength))
    return left[ranked], right[ranked]


def aligned_factors(model: FMModel, categories: Categories) -> NDArray[np.float64]:
    """Mean of the factors over the draws (p, k), each turned to the last, in principal axes.

    Factors are known up to a rotation; the model sees ⟨v_j, v_k⟩ only.
    """
    draws = [categories.centred(params.factors) for params in model.params()]
    reference = draws[-1]
    mean = np.zeros_like(reference)
    for factors in draws:
        left, _, right = np.linalg.svd(factors.T @ reference)
        mean += factors @ (left @ right) / len(draws)
    axes = np.linalg.svd(mean, full_matrices=False)[2]
    turned = np.zeros_like(mean)
    turned[:, : len(axes)] = mean @ axes.T  # fewer axes than factors where features are few
    return turned * np.sqrt(model.spread) * np.where(turned.sum(axis=0) < 0, -1.0, 1.0)
