"""No random effects: weighted least squares, for several outputs that may be missing in different rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import Located
from intertwine.mixed_effects.base import AbstractGaussianSystem, AbstractPosterior, Array, VarianceComponents

__all__ = ["LeastSquaresSystem"]

_LOG_TWO_PI = float(np.log(2.0 * np.pi))
_DIGITS = 1e-15  # of the mean square of y: what rounding leaves of residuals that are zero


class _Pattern(NamedTuple):
    """Outputs whose entries have the same weights."""

    outputs: NDArray[np.int64]
    root: Array  # (n,) square roots of the weights
    columns: Array  # (n, c) orthonormal
    back: Array  # (c, c): γ = back @ columnsᵀ (root · y)


@final
class LeastSquaresSystem(AbstractGaussianSystem):
    """The system without effects.

    Parameters
    ----------
    fixed : array of shape (n, c)
        Columns of the fixed effects, linearly independent; c may be zero.
    weights : array of shape (n,) or (n, p), optional
    n_outputs : int
    restricted : bool
    """

    def __init__(
        self, fixed: Array, weights: Array | None = None, n_outputs: int = 1, restricted: bool = True
    ) -> None:
        n, self.n_fixed = fixed.shape
        self.n_levels, self.n_basis = (), ()
        self.restricted, self.n_rows = restricted, n
        given = np.ones((n, 1)) if weights is None else np.asarray(weights, dtype=float).reshape(n, -1)
        seen: dict[bytes, int] = {}
        kinds = np.array([seen.setdefault(column.tobytes(), len(seen)) for column in given.T])
        if len(kinds) == 1:
            kinds = np.repeat(kinds, n_outputs)
        there = given > 0.0
        logs = np.log(np.where(there, given, 1.0)).sum(axis=0)
        self.n_entries = np.broadcast_to(there.sum(axis=0).astype(float), (n_outputs,))
        self.log_weights = np.broadcast_to(logs, (n_outputs,))
        self.patterns = []
        for kind in range(len(seen)):
            outputs = np.flatnonzero(kinds == kind)
            root = np.sqrt(given[:, 0 if given.shape[1] == 1 else outputs[0]])
            columns, triangle = np.linalg.qr(root[:, None] * fixed)
            self.patterns.append(_Pattern(outputs, root, columns, np.linalg.inv(triangle)))

    def noise(self, y: Array) -> Array:
        """The variance of the noise that makes y most likely, (p,)."""
        squares, floor = self._fit(y)[1:]
        free = self.n_entries - (self.n_fixed if self.restricted else 0)
        return np.maximum(squares / np.maximum(free, 1.0), floor)

    def posterior(self, y: Array, variances: VarianceComponents) -> AbstractPosterior:
        return LeastSquaresPosterior(self, *self._fit(y)[:2], np.asarray(variances.noise, dtype=float))

    def _fit(self, y: Array) -> tuple[Array, Array, Array]:
        """Coefficients (c, p), sums of squares (p,), and what of their mean is rounding."""
        p = y.shape[1]
        fixed, squares, floor = np.zeros((self.n_fixed, p)), np.zeros(p), np.zeros(p)
        for outputs, root, columns, back in self.patterns:
            scaled = np.where(root[:, None] > 0, y[:, outputs], 0.0) * root[:, None]
            products = columns.T @ scaled
            left = scaled - columns @ products
            fixed[:, outputs] = back @ products
            squares[outputs] = np.sum(left**2, axis=0)
            floor[outputs] = _DIGITS * np.mean(scaled**2, axis=0) + np.finfo(float).tiny
        return fixed, squares, floor


@final
class LeastSquaresPosterior(AbstractPosterior):
    """Coefficients of fixed effects only."""

    def __init__(self, system: LeastSquaresSystem, fixed: Array, squares: Array, noise: Array) -> None:
        self._system, self._noise, self._squares = system, noise, squares
        self.fixed, self.effects = fixed, ()
        c, p = fixed.shape
        self.fixed_covariance = np.zeros((p, c, c))
        information = np.zeros(p)
        for outputs, _, _, back in system.patterns:
            self.fixed_covariance[outputs] = noise[outputs, None, None] * (back @ back.T)
            information[outputs] = -2.0 * np.log(np.abs(np.diag(back))).sum()
        entries = system.n_entries - (c if system.restricted else 0)
        self.log_likelihood = -0.5 * (
            entries * (_LOG_TWO_PI + np.log(noise)) - system.log_weights + squares / noise
        )
        if system.restricted:
            self.log_likelihood -= 0.5 * information

    def fitted(self) -> Array:
        return np.zeros((self._system.n_rows, len(self._noise)))

    def row_variance(self) -> Array:
        return self.fitted()

    def level_covariance(self, effect: int) -> Array:
        raise IndexError("there are no random effects")

    def second_moments(self) -> tuple[Array, ...]:
        return ()

    def noise_moment(self) -> Array:
        unknown = self._system.n_fixed if self._system.restricted else 0
        return self._squares + unknown * self._noise

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        columns = np.zeros((0, self._system.n_fixed)) if fixed is None else np.asarray(fixed)
        spread = np.einsum("ia,mab,ib->im", columns, self.fixed_covariance, columns, optimize=True)
        known = spread if self._system.restricted else np.zeros_like(spread)
        return columns @ self.fixed, known
