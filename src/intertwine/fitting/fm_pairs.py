"""Which pairs of features a factorization machine lets interact, and how sure its draws are of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.fm import FMModel

__all__ = ["aligned_factors", "pair_moments", "strongest_pairs"]

_SCREENING_DRAWS = 16  # that choose the candidates; all draws judge them
_CANDIDATES = 20  # per pair asked for
_ENTRIES = 1 << 22  # of a block of pairs in memory


def pair_moments(model: FMModel, first, second) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over the draws of ⟨v_j, v_k⟩ for given pairs, in the outcome's units."""
    mean, square = np.zeros(len(first)), np.zeros(len(first))
    for number, params in enumerate(model.params(), start=1):
        value = np.einsum("ic,ic->i", params.factors[first], params.factors[second])
        change = value - mean
        mean += change / number
        square += change * (value - mean)
    return model.spread * mean, model.spread * np.sqrt(square / model.n_draws)


def strongest_pairs(model: FMModel, features, exclusive, scale, k: int):
    """Positions of the k pairs of the largest mean effect |⟨v_j, v_k⟩| s_j s_k.

    Parameters
    ----------
    model : FMModel
    features : ndarray of int
        Among which to look.
    exclusive : ndarray of int, shape (p,)
        Features with the same number never occur together: they have no interaction.
    scale : ndarray of shape (p,)
        Typical sizes s of the features.
    k : int

    Returns
    -------
    first, second : ndarray of int
    """
    draws = np.linspace(0, model.n_draws - 1, min(_SCREENING_DRAWS, model.n_draws)).astype(int)
    begin = int(model.shape.linear)
    V = model.tables[draws][:, features, begin : begin + model.shape.n_components]
    # the mean over draws of ⟨v_j, v_k⟩ is one inner product of all draws side by side
    wide = np.concatenate(list(V), axis=1) * (scale[features] / np.sqrt(len(draws)))[:, None]
    wanted = k if len(draws) == model.n_draws else k * _CANDIDATES
    size, found = max(1, _ENTRIES // max(len(features), 1)), []
    for start in range(0, len(features), size):
        stop = min(start + size, len(features))
        values = np.abs(wide[start:stop] @ wide.T)
        a, b = np.arange(start, stop)[:, None], np.arange(len(features))[None, :]
        values[(b <= a) | (exclusive[features[a]] == exclusive[features[b]])] = -1.0
        best = np.argpartition(values, -min(wanted, values.size), axis=None)[-min(wanted, values.size) :]
        rows, columns = np.unravel_index(best, values.shape)
        found.append((values[rows, columns], rows + start, columns))
    strength, first, second = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-strength, kind="stable")[:wanted]
    order = order[strength[order] >= 0]
    first, second = features[first[order]], features[second[order]]
    mean, _ = pair_moments(model, first, second)
    order = np.argsort(-np.abs(mean) * scale[first] * scale[second], kind="stable")[:k]
    return first[order], second[order]


def aligned_factors(model: FMModel) -> NDArray[np.float64]:
    """Mean of the factors over the draws (p, k), each turned to the last, in principal axes.

    Factors are known up to a rotation; the model sees ⟨v_j, v_k⟩ only.
    """
    draws = [params.factors for params in model.params()]
    reference = draws[-1]
    mean = np.zeros_like(reference)
    for factors in draws:
        left, _, right = np.linalg.svd(factors.T @ reference)
        mean += factors @ (left @ right) / len(draws)
    axes = np.linalg.svd(mean, full_matrices=False)[2]
    turned = mean @ axes.T
    return turned * np.sqrt(model.spread) * np.where(turned.sum(axis=0) < 0, -1.0, 1.0)
