"""The exact likelihood of factors and one effect of independent levels where entries are missing.

Given the coefficients β of its level (r × p), what was observed of a row is N(μ + βᵀz_i, S_oo). With M_i = S_oo⁻¹,
zero where nothing was observed, M_i = D_i⁻¹ − V_i V_iᵀ with V_i (p × d), the posterior of a level has the precision

    Λ_j = ⊕_m Σ_m⁻¹ + Σ_i (z_i z_iᵀ) ⊗ M_i

of order r p: dense, so that this serves as long as levels times (r p)² numbers can be kept. Latents given β are those
of the rows alone, and EM has both hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.factor_rows import factor_posterior
from intertwine.fitting.random_effects.factor_steps import NOISE_FLOOR, aligned
from intertwine.fitting.random_effects.joint_levels import JointLevels
from intertwine.fitting.random_effects.pca_exact import PCAParameters

__all__ = ["MissingProblem"]

Array = NDArray[np.float64]

_BLOCK = 8_000_000  # numbers of one temporary
_SMALLEST = 1e-12  # of a variance, so that its inverse exists


class _Levels(NamedTuple):
    """Some levels: their rows, and what is known of their coefficients (order: basis, then features)."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    member: NDArray[np.int64]
    z: Array
    weight: Array
    V: Array
    G: Array
    C: Array
    covariance: Array
    log_determinant: Array
    right: Array
    touch: Array


@final
class MissingProblem:
    """Rows of one effect, some of whose entries are missing.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where an entry is missing; every row has some.
    level : ndarray of int of shape (n,)
    n_levels : int
    basis : ndarray of shape (n, r) or None
    isotropic, correlated : bool
    """

    def __init__(
        self,
        X: Array,
        level: NDArray[np.int64],
        n_levels: int,
        basis: Array | None,
        isotropic: bool,
        correlated: bool,
    ) -> None:
        self.order = np.argsort(level, kind="stable")
        self.X, self.level = X[self.order], level[self.order]
        self.basis = (np.ones((len(X), 1)) if basis is None else basis)[self.order]
        self.starts = np.searchsorted(self.level, np.arange(n_levels + 1))
        self.isotropic, self.correlated = isotropic, correlated
        self._kept: tuple[PCAParameters, _Levels] | None = None

    def step(self, params: PCAParameters) -> tuple[PCAParameters, float]:
        """EM's next point, and the log-likelihood with the mean at its best value."""
        mean, value = self.mean_and_value(params)
        W = params.loadings
        p, d, r = *W.shape, params.effects[0].shape[1]
        gram, products = np.zeros((p, d, d)), np.zeros((p, d))
        squares, counts, second = np.zeros(p), np.zeros(p), np.zeros((p, r, r))
        for part in self._parts(params):
            beta = self._coefficients(part, mean)
            second += np.einsum("jam,jbm->mab", beta, beta)
            second += np.einsum("jambm->mab", part.covariance.reshape(-1, r, p, r, p))
            X, there = self.X[part.rows], np.isfinite(self.X[part.rows])
            fitted = np.einsum("ia,iam->im", part.z, beta[part.member])
            y = np.where(there, X - mean - fitted, 0.0)
            spread = _at_rows(part, r, p)
            latents = np.einsum("idm,im->id", part.G, y)
            with_u = y[:, :, None] * latents[:, None, :] + spread @ np.swapaxes(part.G, 1, 2)
            moments = part.C + latents[:, :, None] * latents[:, None, :]
            moments = moments + part.G @ spread @ np.swapaxes(part.G, 1, 2)
            gram += np.einsum("im,iab->mab", there.astype(float), moments, optimize=True)
            products += np.einsum("im,ima->ma", there.astype(float), with_u)
            squares += np.sum(there * (y**2 + np.einsum("imm->im", spread)), axis=0)
            counts += there.sum(axis=0)
        ridge = 1e-10 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(d)
        loadings = np.linalg.solve(gram + ridge, products[:, :, None])[:, :, 0]
        total = squares - 2.0 * np.sum(loadings * products, axis=1)
        total += np.einsum("ma,mab,mb->m", loadings, gram, loadings)
        left = np.full(p, total.sum() / counts.sum()) if self.isotropic else total / counts
        second /= len(self.starts) - 1
        effect = second if self.correlated else second * np.eye(r)
        after = PCAParameters(mean, aligned(loadings, W), np.maximum(left, NOISE_FLOOR), (effect,))
        return after, value

    def mean_and_value(self, params: PCAParameters) -> tuple[Array, float]:
        """The best mean at variances, and the log-likelihood there."""
        p = len(params.noise)
        precision, right = np.zeros((p, p)), np.zeros(p)
        for part in self._parts(params):
            shown = np.nan_to_num(self.X[part.rows])
            V = part.V.transpose(1, 0, 2).reshape(p, -1)
            precision += np.diag(part.weight.sum(axis=0)) - V @ V.T
            precision -= np.einsum("jam,jab,jbn->mn", part.touch, part.covariance, part.touch, optimize=True)
            right += np.sum(part.weight * shown, axis=0)
            right -= V @ np.einsum("imd,im->id", part.V, shown).ravel()
            right -= np.einsum("jam,jab,jb->m", part.touch, part.covariance, part.right, optimize=True)
        mean = np.asarray(np.linalg.solve(precision, right))
        density = factor_posterior(self.X - mean, params.noise, params.loadings).log_density
        value = float(density.sum())
        for part in self._parts(params):
            left = part.right - part.touch @ mean
            value += 0.5 * float(np.einsum("ja,jab,jb->", left, part.covariance, left, optimize=True))
            value += 0.5 * float(part.log_determinant.sum())
        return mean, value

    def known(self, params: PCAParameters) -> tuple[Array, Array]:
        """Means (q, r, p) of the coefficients, and roots (q, p, r, r p) of their covariances."""
        r, p = params.effects[0].shape[1], len(params.noise)
        means, roots = [], []
        for part in self._parts(params):
            means.append(self._coefficients(part, params.mean))
            values, vectors = np.linalg.eigh(part.covariance)
            root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
            roots.append(root.reshape(-1, r, p, r * p).transpose(0, 2, 1, 3))
        return np.concatenate(means), np.concatenate(roots)

    def from_mean(self, params: PCAParameters) -> Array:
        """Variances of the coefficients for that the mean is estimated, (q, p, r)."""
        weight = np.isfinite(self.X) / params.noise
        d = params.loadings.shape[1]

        def slopes_at(rows: NDArray[np.int64]) -> Array:
            return np.broadcast_to(params.loadings, (*rows.shape, *params.loadings.shape))

        levels = JointLevels(
            self.X, np.zeros((len(self.X), d)), slopes_at, weight,
            self.level, len(self.starts) - 1, self.basis, params.effects[0],
        )  # fmt: skip
        return (levels.variances_beside_means() - levels.variances()).transpose(0, 2, 1)

    def _coefficients(self, part: _Levels, mean: Array) -> Array:
        left = part.right - part.touch @ mean
        return (part.covariance @ left[:, :, None]).reshape(len(left), -1, len(mean))

    def _parts(self, params: PCAParameters) -> Iterator[_Levels]:
        p, r = len(params.noise), params.effects[0].shape[1]
        most, most_rows = max(1, _BLOCK // (r * p) ** 2), max(1, _BLOCK // p**2)
        n_levels, first = len(self.starts) - 1, 0
        if (
            len(self.X) <= most_rows and n_levels <= most
        ):  # all at once, for all that is asked at these parameters
            if self._kept is None or self._kept[0] is not params:
                self._kept = params, self._some(params, 0, n_levels)
            yield self._kept[1]
            return
        while first < n_levels:
            last = int(np.searchsorted(self.starts, self.starts[first] + most_rows, side="right")) - 1
            last = min(max(last, first + 1), n_levels, first + most)
            yield self._some(params, first, last)
            first = last

    def _some(self, params: PCAParameters, first: int, last: int) -> _Levels:
        W, noise, Sigma = params.loadings, params.noise, params.effects[0]
        p, r, q = len(noise), Sigma.shape[1], last - first
        rows = np.arange(self.starts[first], self.starts[last])
        X, z = self.X[rows], self.basis[rows]
        weight, shown = np.isfinite(X) / noise, np.nan_to_num(X)
        C = factor_posterior(X, noise, W).covariance
        weighted = weight[:, :, None] * W
        G, V = C @ np.swapaxes(weighted, 1, 2), weighted @ np.linalg.cholesky(C)
        told = weight * shown - (V @ np.einsum("imd,im->id", V, shown)[:, :, None])[:, :, 0]
        starts = self.starts[first : last + 1] - self.starts[first]  # no level of a fit is without rows
        own = np.linalg.inv(Sigma + _SMALLEST * np.eye(r))
        squares = (z[:, :, None] * z[:, None, :])[:, :, :, None] * weight[:, None, None, :]
        blocks, sums = np.zeros((q, r, p, r, p)), np.zeros((q, r, p, p))
        each = np.arange(p)
        blocks[:, :, each, :, each] = np.moveaxis(np.add.reduceat(squares, starts[:-1]), 3, 0)
        blocks[:, :, each, :, each] += own[:, None]
        sums[:, :, each, each] = np.add.reduceat(z[:, :, None] * weight[:, None, :], starts[:-1])
        precision, touch = blocks.reshape(q, r * p, r * p), sums.reshape(q, r * p, p)
        for j in range(q):
            mine = slice(starts[j], starts[j + 1])
            tall = (z[mine, :, None, None] * V[mine, None]).transpose(1, 2, 0, 3).reshape(r * p, -1)
            precision[j] -= tall @ tall.T
            touch[j] -= tall @ V[mine].transpose(0, 2, 1).reshape(-1, p)
        right = np.add.reduceat(z[:, :, None] * told[:, None, :], starts[:-1]).reshape(q, r * p)
        factor = np.linalg.cholesky(precision)
        log_determinant = -2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        log_determinant += np.linalg.slogdet(own)[1].sum()
        return _Levels(
            rows,
            starts,
            self.level[rows] - first,
            z,
            weight,
            V,
            G,
            C,
            np.asarray(np.linalg.inv(precision)),
            log_determinant,
            right,
            touch,
        )


def _at_rows(part: _Levels, r: int, p: int) -> Array:
    """Covariances between features of the effects at rows, (n, p, p)."""
    squares = (part.z[:, :, None] * part.z[:, None, :]).reshape(len(part.z), r * r)
    blocks = part.covariance.reshape(-1, r, p, r, p).transpose(0, 1, 3, 2, 4).reshape(-1, r * r, p * p)
    found = np.empty((len(squares), p * p))
    for j, block in enumerate(blocks):
        mine = slice(part.starts[j], part.starts[j + 1])
        found[mine] = squares[mine] @ block
    return found.reshape(-1, p, p)
