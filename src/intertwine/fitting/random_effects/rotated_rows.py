"""Rows turned so that an effect meets few of them at a time: what an exact likelihood reads of n rows.

Let Z_j (n_j × r) be the basis of an effect at the rows of level j, and Z_j = Q_j R_j with orthonormal columns of Q_j.
The turned rows Y_j = Q_jᵀ X_j hold all that the level's coefficients touch, with covariance R_j Σ R_jᵀ from the effect;
all directions orthogonal to every Q_j are free of it, and enter through their scatter alone. A level that has fewer
than r rows is filled up with rows of zeros, which are taken from the free ones again. With one intercept per level Y_j
is √n_j times the mean of its rows.

An effect whose levels share K = L Lᵀ is turned to the eigenvectors of LᵀZᵀZL: its modes are independent, and each meets
one turned row, with √eigenvalue for R.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

__all__ = ["RotatedRows"]

Array = NDArray[np.float64]


class RotatedRows(NamedTuple):
    """Sufficient statistics of complete rows (n, p) with one effect of independent levels, or none.

    Levels with the same R_j and Q_jᵀ1 are of one kind: their covariance is computed once.

    Attributes
    ----------
    Y : ndarray of shape (q, r, p)
    kind : ndarray of int of shape (q,)
    counts : ndarray of shape (k,)
        Levels of each kind.
    R : ndarray of shape (k, r, r)
    ones : ndarray of shape (k, r)
        Q_jᵀ1: what the mean of the features is multiplied by.
    scatter : ndarray of shape (p, p)
        Sum of squares and products of the free rows.
    ones_rest : ndarray of shape (p,)
        Their products with what of the column of ones is free.
    weight_rest : float
        The squared length of that.
    n_rows : int
    """

    Y: Array
    kind: NDArray[np.int64]
    counts: Array
    R: Array
    ones: Array
    scatter: Array
    ones_rest: Array
    weight_rest: float
    n_rows: int

    @property
    def n_rest(self) -> int:
        """Free rows; less than zero where levels were filled up."""
        return self.n_rows - self.Y.shape[0] * self.Y.shape[1]

    @classmethod
    def plain(cls, X: Array) -> RotatedRows:
        """Rows without an effect."""
        empty = np.empty((0, 1, X.shape[1]))
        kinds = np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, 1, 1)), np.empty((0, 1))
        return cls(empty, *kinds, X.T @ X, X.sum(axis=0), float(len(X)), len(X))

    @classmethod
    def of_levels(cls, X: Array, level: NDArray[np.int64], n_levels: int, basis: Array | None) -> RotatedRows:
        """Rows with one effect: ``basis`` (n, r) of the coefficients of ``level``; None is a column of ones."""
        order = np.argsort(level, kind="stable")
        starts = np.searchsorted(level[order], np.arange(n_levels + 1))
        occupied = np.flatnonzero(np.diff(starts))
        basis = np.ones((len(X), 1)) if basis is None else basis
        r = basis.shape[1]

        def summed(values: Array) -> Array:
            found = np.zeros((n_levels, values.shape[1]))
            found[occupied] = np.add.reduceat(values[order], starts[:-1][occupied], axis=0)
            return found

        gram = summed((basis[:, :, None] * basis[:, None, :]).reshape(len(X), r * r)).reshape(-1, r, r)
        products = np.stack([summed(basis[:, [a]] * X) for a in range(r)], axis=1)
        sums = summed(basis)
        unique, kind, counts = np.unique(
            np.concatenate([gram.reshape(-1, r * r), sums], axis=1),
            axis=0,
            return_inverse=True,
            return_counts=True,
        )
        R, turn = _square_roots(unique[:, : r * r].reshape(-1, r, r))
        Y = turn[kind] @ products
        ones = np.einsum("kab,kb->ka", turn, unique[:, r * r :])
        flat = Y.reshape(-1, X.shape[1])
        mine = ones[kind].ravel()
        return cls(
            Y,
            kind,
            counts.astype(np.float64),
            R,
            ones,
            X.T @ X - flat.T @ flat,
            X.sum(axis=0) - mine @ flat,
            float(len(X) - mine @ mine),
            len(X),
        )

    @classmethod
    def of_modes(cls, X: Array, level: NDArray[np.int64], loadings: Array) -> tuple[RotatedRows, Array]:
        """Rows with one effect L e at their levels, e independent; with the columns of L (q, m) turned to its modes."""
        q, m = loadings.shape
        counts = np.bincount(level, minlength=q).astype(np.float64)
        sums = np.stack([np.bincount(level, column, q) for column in X.T], axis=1)
        values, vectors = eigh((loadings * counts[:, None]).T @ loadings, driver="evd")
        modes = loadings @ vectors
        kept = values > 1e-12 * values[-1]
        root = np.sqrt(np.where(kept, values, 0.0))
        inverse = np.divide(1.0, root, out=np.zeros(m), where=kept)[:, None]
        Y, ones = inverse * (modes.T @ sums), (inverse * (modes.T @ counts)[:, None])[:, 0]
        rows = cls(
            Y[:, None],
            np.arange(m),
            np.ones(m),
            root[:, None, None],
            ones[:, None],
            X.T @ X - Y.T @ Y,
            X.sum(axis=0) - ones @ Y,
            float(len(X) - ones @ ones),
            len(X),
        )
        return rows, vectors


def _square_roots(gram: Array) -> tuple[Array, Array]:
    """R with RᵀR = ZᵀZ, and the map from ZᵀX to QᵀX; rows of zeros where ZᵀZ has less than full rank.

    Its rank is that of its correlations: a column of ones beside years of the calendar is small, and no less there.
    """
    size = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    size = np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / size[:, :, None] / size[:, None, :])
    kept = values > 1e-12 * values[:, -1:]
    root = np.where(kept, np.sqrt(np.where(kept, values, 1.0)), 0.0)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=kept)
    turned = np.swapaxes(vectors, 1, 2)
    return root[:, :, None] * turned * size[:, None, :], inverse[:, :, None] * turned / size[:, None, :]
