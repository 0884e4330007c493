"""Adam on mini-batches of ratings: the first-order method of the comparison that the library itself does not offer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.solvers.row_adam import RowMoments, step_rows

__all__ = ["AdamFactors", "fit_adam"]

_BATCH = 2048  # ratings
_INIT_SCALE = 0.02  # from a larger start it predicts worse, here


class AdamFactors(NamedTuple):
    """Factors fitted by Adam.

    Attributes
    ----------
    users, items : ndarray of shape (·, 1 + k)
        Bias, then factors.
    center, spread : float
        Of the ratings.
    validation_rmse : float
        Of the ratings held out, at the epoch that was kept.
    epochs : int
        Until it stopped: as many passes.
    """

    users: NDArray[np.float64]
    items: NDArray[np.float64]
    center: float
    spread: float
    validation_rmse: float
    epochs: int

    def predict(self, X: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ratings of pairs of codes (n, 2)."""
        return self.center + self.spread * _scores(self.users, self.items, X)


def fit_adam(
    X: NDArray[np.int64],
    y: NDArray[np.float64],
    sizes: tuple[int, int],
    *,
    n_components: int,
    learning_rate: float,
    alpha: float,
    max_iter: int,
    patience: int,
    validation_fraction: float,
    seed: int,
) -> AdamFactors:
    """Fit biases and factors to standardised ratings, the ridge strength counted at every rating, as the library does.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
        Codes of user and item.
    y : ndarray of shape (n,)
    sizes : (n_users, n_items)
    n_components, learning_rate, alpha, max_iter, patience, validation_fraction, seed
        As of ``LatentFactorModel(solver="sgd")``; ``patience`` counts epochs without a gain.

    Returns
    -------
    AdamFactors

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack(np.divmod(rng.permutation(600), 20))
    >>> y = 3.0 + rng.standard_normal(30)[X[:, 0]]
    >>> model = fit_adam(X, y, (30, 20), n_components=2, learning_rate=0.1, alpha=0.01, max_iter=100, patience=5,
    ...                  validation_fraction=0.1, seed=0)
    >>> bool(model.validation_rmse < 0.3)
    True
    """
    rng = np.random.default_rng(seed)
    center, spread = float(y.mean()), float(y.std())
    target = (y - center) / spread
    order = rng.permutation(len(y))
    held, train = np.split(order, [max(1, round(validation_fraction * len(y)))])
    tables = [_INIT_SCALE * rng.standard_normal((size, 1 + n_components)) for size in sizes]
    for table in tables:
        table[:, 0] = 0.0
    moments = [RowMoments.of(table) for table in tables]

    def error(params: list[NDArray]) -> float:
        users, items = params
        return float(np.sqrt(np.mean((_scores(users, items, X[held]) - target[held]) ** 2)))

    stopping = EarlyStopping(error, patience)
    step = 0
    for epoch in range(1, max_iter + 1):
        order = rng.permutation(train)
        for start in range(0, len(order), _BATCH):
            step += 1
            rows = order[start : start + _BATCH]
            _step(tables, moments, X[rows], target[rows], step, learning_rate, alpha)
        if stopping.see(epoch, [table.copy() for table in tables]):
            break
    users, items = stopping.best
    return AdamFactors(users, items, center, spread, stopping.least * spread, epoch)


def _scores(users: NDArray, items: NDArray, X: NDArray) -> NDArray:
    p, q = users[X[:, 0]], items[X[:, 1]]
    return p[:, 0] + q[:, 0] + np.einsum("nk,nk->n", p[:, 1:], q[:, 1:])


def _step(
    tables: list[NDArray],
    moments: list[RowMoments],
    X: NDArray,
    target: NDArray,
    step: int,
    rate: float,
    alpha: float,
) -> None:
    p, q = (table[codes] for table, codes in zip(tables, X.T, strict=True))
    error = _scores(tables[0], tables[1], X) - target
    slopes = []
    for own, other in ((p, q), (q, p)):
        slope = alpha * own
        slope[:, 0] += error
        slope[:, 1:] += error[:, None] * other[:, 1:]
        slopes.append(slope)
    for table, remembered, slope, codes in zip(tables, moments, slopes, X.T, strict=True):
        met, place = np.unique(codes, return_inverse=True)
        summed = sparse.csr_array((np.ones(len(codes)), (place, np.arange(len(codes)))))
        gradient = np.zeros_like(table)
        gradient[met] = summed @ slope
        step_rows(table, gradient, remembered, met, step, rate, 0.0)
