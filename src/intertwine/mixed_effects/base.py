"""What every Gaussian system answers, whatever its algebra.

    y_m = C γ_m + Σ_t Z_t b_tm + e_m,     b_tm ~ N(0, K_t ⊗ Σ_tm),     e_m ~ N(0, σ_m² W_m⁻¹)

for outputs m = 1 … p. The b are integrated out exactly; the γ are too, under a flat prior (restricted likelihood), or
set to their best value (maximum likelihood). W holds weights of rows, or of entries: an entry that is missing has
weight zero. A system is set up once for a design (rows, levels, K, C, W); residuals and variances come and go.

Source: Henderson (1975); Bates et al., Fitting linear mixed-effects models using lme4 (2015); Searle, Casella &
McCulloch, Variance Components (1992), chapters 6 and 8.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, Located
from intertwine.mixed_effects.row_cells import RowTables

__all__ = [
    "AbstractClimbable",
    "AbstractDivisible",
    "AbstractGaussianSystem",
    "AbstractObserved",
    "AbstractObservedSystem",
    "AbstractPosterior",
    "AbstractScoredPosterior",
    "AbstractTabledPosterior",
    "Climber",
    "VarianceComponents",
    "as_numbers",
    "posteriors",
]

Array = NDArray[np.float64]


class VarianceComponents(NamedTuple):
    """Variances of p outputs: of the noise (p,), and Σ of each effect (p, r, r) in the order of the effects."""

    noise: Array
    effects: tuple[Array, ...]

    def require_effects(self, effects: Sequence[AbstractBoundEffect], shapes: Sequence[Array]) -> None:
        """Refuse variances, or shapes, of other effects: kernels trust them.

        Raises
        ------
        ValueError
        """
        if not len(effects) == len(shapes) == len(self.effects):
            raise ValueError(
                f"{len(effects)} effects have {len(shapes)} shapes, {len(self.effects)} variances"
            )
        for effect, shape, variance in zip(effects, shapes, self.effects, strict=True):
            if np.shape(shape) != (len(effect.shape_names),):
                raise ValueError(f"an effect with the shape {effect.shape_names} is given {np.shape(shape)}")
            if variance.shape != (len(self.noise), effect.n_basis, effect.n_basis):
                raise ValueError(
                    f"the variances of {effect.n_basis} functions, for {len(self.noise)} outcomes, have shape "
                    f"{variance.shape}"
                )


class AbstractPosterior(abc.ABC):
    """What is known of the coefficients once y has been seen, at given variances.

    All second moments of a restricted system include that the fixed effects are not known.
    """

    fixed: Array  # γ̂ (c, p)
    fixed_covariance: Array  # (p, c, c)
    effects: tuple[Array, ...]  # E[b_t | y] of each effect, (q, r, p), at its levels also where K has a basis
    log_likelihood: Array  # (p,): restricted, or with γ at its best value

    @abc.abstractmethod
    def fitted(self) -> Array:
        """Σ_t Z_t E[b_t | y] at the rows, (n, p), without C γ̂."""

    @abc.abstractmethod
    def row_variance(self) -> Array:
        """Posterior variance of Σ_t Z_t b_t at the rows, (n, p)."""

    @abc.abstractmethod
    def level_covariance(self, effect: int) -> Array:
        """Posterior covariance of the r coefficients at each level, (q, p, r, r)."""

    @abc.abstractmethod
    def second_moments(self) -> tuple[Array, ...]:
        """E[Σ_ll' (K⁻¹)_ll' b_l b_l'ᵀ | y] of each effect, (p, r, r): divided by q, what EM takes for Σ.

        The gradient of the log-likelihood with respect to Σ is ½ Σ⁻¹ (this − q Σ) Σ⁻¹.
        """

    @abc.abstractmethod
    def noise_moment(self) -> Array:
        """E[eᵀ W e | y], (p,). The gradient with respect to σ² is ½ (this / σ² − number of entries) / σ²."""

    @abc.abstractmethod
    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        """Mean and variance, (n, p) each, of C γ + Σ_t Z_t b_t at other rows; not of the noise."""


class AbstractScoredPosterior(AbstractPosterior):
    """One that finds the gradient where Σ is singular, or nearly, and moments tell nothing of it."""

    @abc.abstractmethod
    def score(self) -> tuple[Array, ...]:
        """Gradient of the log-likelihood with respect to Σ of each effect, (p, r, r), symmetric."""


class AbstractTabledPosterior(AbstractPosterior):
    """One whose rows follow from tables of levels, and of pairs of levels that meet."""

    @abc.abstractmethod
    def row_tables(self) -> RowTables | None:
        """The tables; None where rows also know what all rows do, or where the tables would not fit."""


class AbstractGaussianSystem(abc.ABC):
    """One design, ready to be solved for any residuals at any variances."""

    n_levels: tuple[int, ...]  # q of each effect; of its functions where K has a basis
    n_basis: tuple[int, ...]  # r of each effect
    n_entries: Array  # observed entries (p,) or one number for all outputs (1,)
    n_fixed: int

    @abc.abstractmethod
    def posterior(self, y: Array, variances: VarianceComponents) -> AbstractPosterior:
        """Solve for y (n, p); what stands at entries of weight zero is never read."""


class AbstractObserved(abc.ABC):
    """What a system needs to know of y, whatever the variances: sums over levels, projections."""

    @abc.abstractmethod
    def posterior(self, variances: VarianceComponents) -> AbstractPosterior:
        """Solve at these variances."""


class AbstractDivisible(AbstractObserved):
    """One that can be asked for some of the outputs only, at the cost of these."""

    @abc.abstractmethod
    def take(self, outputs: NDArray[np.int64]) -> AbstractObserved:
        """Of these outputs."""


Climber = Callable[[Array, NDArray[np.int64]], tuple[Array, Array]]


class AbstractClimbable(AbstractDivisible):
    """One of a single effect that can tell value and gradient at the points of a search without a posterior."""

    @abc.abstractmethod
    def climber(
        self, root: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], centre: Array, farthest: float
    ) -> Climber | None:
        """What a search climbs, where so little is to be computed that a posterior for each point would cost more.

        Parameters
        ----------
        root : ndarray of shape (r, r)
            R of Σ = σ² R L Lᵀ Rᵀ.
        rows, columns : ndarray of int, shape (e,)
            Which entries of L are free.
        centre : ndarray of shape (p,)
            Log σ² of each output from which ...
        farthest : float
            ... its points may lie no farther: beyond, the value is −∞ and the gradient zero.

        Returns
        -------
        callable or None
            Points (k, 1 + e), log σ² and the free entries of L, of some outputs, and which outputs these are (k,); to
            log-likelihoods (k,) and gradients (k, 1 + e).
        """


class AbstractObservedSystem(AbstractGaussianSystem):
    """A system that reads the rows of y once for all variances that are tried."""

    @abc.abstractmethod
    def observe(self, y: Array) -> AbstractObserved:
        """All that depends on y, float64 or float32, and not on the variances."""

    @final
    def posterior(self, y: Array, variances: VarianceComponents) -> AbstractPosterior:
        return self.observe(y).posterior(variances)


def as_numbers(y: NDArray[Any]) -> Any:
    """In one piece, in float32 where it came so: sums are in double precision all the same, and half is read."""
    return np.ascontiguousarray(y, dtype=np.float32 if y.dtype == np.float32 else np.float64)


def posteriors(system: AbstractGaussianSystem, y: Array) -> Callable[[VarianceComponents], AbstractPosterior]:
    """The posterior of one y as a function of the variances, with what they share done once."""
    if isinstance(system, AbstractObservedSystem):
        return system.observe(y).posterior
    return partial(system.posterior, y)
