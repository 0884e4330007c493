"""The Gaussian system of effects too large for a factor: conjugate gradients, and random probes for traces.

Means, fixed effects and their covariance are exact to the tolerance of the solver. Log-likelihoods and second moments
are *stochastic*: with M the matrix of the equations, scaled so that its diagonal blocks are I, and z of random signs,
log|M| is the mean of zᵀ log(M) z and M⁻¹ that of (M⁻¹z) zᵀ. The probes are drawn once for a system, so that what
depends on variances does so smoothly; what probes leave undetermined falls with 1/√n_probes.

Source: Hutchinson (1990); Ubaru, Chen & Saad (2017).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from intertwine.effects.random import AbstractBoundEffect, CovariancePrior, Located, PrecisionPrior
from intertwine.mixed_effects.base import (
    AbstractObserved,
    AbstractObservedSystem,
    AbstractPosterior,
    VarianceComponents,
)
from intertwine.mixed_effects.conjugate_gradients import Solution, conjugate_gradients, log_quadratic_forms
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.mixed_effects.gram import Gram
from intertwine.mixed_effects.henderson_means import (
    at_levels,
    basis_forms,
    distinct_ratios,
    log_prior,
    prior_moments,
)
from intertwine.mixed_effects.located_rows import LocatedRows
from intertwine.mixed_effects.row_design import RowDesign
from intertwine.mixed_effects.scaled_equations import ScaledEquations
from intertwine.validation.caller import depth_of_caller

__all__ = ["IterativeObserved", "IterativePosterior", "IterativeSystem"]

Array = NDArray[np.float64]


@final
class IterativeSystem(AbstractObservedSystem):
    """Any sum of effects, without a factor.

    Parameters
    ----------
    effects, shapes, fixed, weights, n_outputs, restricted
        As of `intertwine.mixed_effects.choose.system_for`.
    n_probes : int, default=32
        Random vectors that stand for a trace. The relative error of a second moment is about √(2/(n_probes q)) for q
        levels; of the variance of one level or row some 1/√n_probes of what its neighbours contribute.
    seed : int, default=0
        Of the probes.
    tolerance : float, default=1e-9
        Relative residual of the means; probes are solved to a thousand times that.
    max_iter : int, default=2000
        Steps of conjugate gradients; a warning is given where they do not suffice.
    """

    def __init__(
        self,
        effects: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        fixed: Array | None = None,
        weights: Array | None = None,
        n_outputs: int = 1,
        restricted: bool = True,
        *,
        n_probes: int = 32,
        seed: int = 0,
        tolerance: float = 1e-9,
        max_iter: int = 2000,
    ) -> None:
        priors = [effect.prior(shape) for effect, shape in zip(effects, shapes, strict=True)]
        self.design = RowDesign(effects, priors, fixed, weights)
        self.gram = Gram(self.design)
        self.n_levels = tuple(block.n_nodes for block in self.design.blocks[:-1])
        self.n_basis = tuple(block.n_basis for block in self.design.blocks[:-1])
        self.n_fixed, self.restricted = self.design.n_fixed, restricted
        self.tolerance, self.max_iter = tolerance, max_iter
        self.n_entries, self.log_weights = self.design.n_entries, self.design.log_weights
        n = self.design.blocks[-1].begin
        self.probes = np.where(np.random.default_rng(seed).random((n, n_probes)) < 0.5, -1.0, 1.0)
        self._matrix: tuple[int, sparse.csr_array] | None = None

    def matrix(self, output: int) -> sparse.csr_array:
        """ZᵀWZ and CᵀWZ of an output; the last one is kept."""
        own = output if self.design.weights is not None and len(self.design.weights) > 1 else 0
        if self._matrix is None or self._matrix[0] != own:
            self._matrix = own, self.gram.matrix(own)
        return self._matrix[1]

    def observe(self, y: Array) -> IterativeObserved:
        return IterativeObserved(self, y)


@final
class IterativeObserved(AbstractObserved):
    """Outcomes with the sums over their levels."""

    def __init__(self, system: IterativeSystem, y: Array) -> None:
        self.system = system
        self.y = system.design.observed(y)  # (n, outputs)
        self.sums = system.design.right_sides(self.y)

    def posterior(self, variances: VarianceComponents) -> IterativePosterior:
        return IterativePosterior(self, variances)


_PROBE_TOLERANCE = 1e3  # times that of the means: probes stand for traces, which are known to three digits
_BYTES_OF_PROBES = 1_000_000_000  # kept; more are solved for again when they are asked for


@final
class _Spread(NamedTuple):
    """What the covariance of the coefficients over σ² is made from, for one set of outputs.

    Cov(b) = E[solved probeᵀ] + exact · fixed_covariance · exactᵀ, the latter where fixed effects are not known.
    """

    solved: Array  # (unknowns, probes)
    probe: Array
    exact: Array  # (unknowns, c): what a fixed effect moves
    fixed_covariance: Array  # (c, c)
    least: list[Array]  # (q, r, r) of each effect: a lower bound of the covariance of a node
    traces: list[Array]  # Σ (K⁻¹)_ll' Cov(v_l, v_l') of each effect


@final
class IterativePosterior(AbstractPosterior):
    """Posterior at given variances: means exact, the log-likelihood and second moments by probes."""

    def __init__(self, observed: IterativeObserved, variances: VarianceComponents) -> None:
        self._system, self._design = observed.system, observed.system.design
        self._noise = np.asarray(variances.noise, np.float64)
        self._sigma = tuple(np.asarray(Sigma, np.float64) for Sigma in variances.effects)
        first, self._set_of = distinct_ratios(variances, self._design.weights)
        relative = [Sigma[first] / self._noise[first, None, None] for Sigma in self._sigma]
        self._first, self._roots = first, [semidefinite_factor(R) for R in relative]
        self._kept: list[_Spread] | None = None
        self._solve(observed)

    def _equations(self, f: int) -> ScaledEquations:
        matrix = self._system.matrix(int(self._first[f]))
        return ScaledEquations(self._design, matrix, [root[f] for root in self._roots])

    def _solved(self, equations: ScaledEquations, right: Array, tolerance: float) -> Solution:
        found = conjugate_gradients(equations.apply, right, tolerance, self._system.max_iter)
        if not found.converged:
            warnings.warn(
                f"conjugate gradients did not converge in {self._system.max_iter} steps: variances are very large "
                "beside the noise, or effects are all but the same",
                ConvergenceWarning,
                stacklevel=depth_of_caller(),
            )
        return found

    def _solve(self, observed: IterativeObserved) -> None:
        system, design = self._system, self._design
        p, n, c = len(self._noise), design.blocks[-1].begin, design.n_fixed
        sums = design.joined(observed.sums)
        coefficients, parts = np.empty((n, p)), np.empty((n, p))
        self.fixed, self.fixed_covariance = np.empty((c, p)), np.empty((p, c, c))
        log_det, spreads, kept_bytes = np.empty(p), [], 0
        for f in range(len(self._first)):
            outputs = np.flatnonzero(self._set_of == f)
            equations = self._equations(f)
            right = np.concatenate([sums[:n, outputs], equations.mixed], axis=1)
            x = self._solved(equations, equations.from_sums(right), system.tolerance).x
            back = equations.to_coefficients(x)
            moved = back[:, len(outputs) :]
            S = equations.fixed - equations.mixed.T @ moved
            inverse = np.linalg.inv(S)
            gamma = inverse @ (sums[n:, outputs] - equations.mixed.T @ back[:, : len(outputs)])
            self.fixed[:, outputs] = gamma
            self.fixed_covariance[outputs] = self._noise[outputs, None, None] * inverse
            coefficients[:, outputs] = back[:, : len(outputs)] - moved @ gamma
            parts[:, outputs] = equations.to_prior(x[:, : len(outputs)] - x[:, len(outputs) :] @ gamma)
            spread, log_random = self._probe(equations, x[:, len(outputs) :], inverse)
            log_det[outputs] = log_random + (np.linalg.slogdet(S)[1] if system.restricted else 0.0)
            kept_bytes += spread.solved.nbytes + spread.probe.nbytes
            if kept_bytes <= _BYTES_OF_PROBES:
                spreads.append(spread)
        self._kept = spreads if len(spreads) == len(self._first) else None
        self._coefficients = design.split(coefficients)
        self.effects = tuple(
            at_levels(b, block) for b, block in zip(self._coefficients, design.blocks[:-1], strict=True)
        )
        by_effect = design.split(parts)
        whitened = [
            v for v, prior in zip(by_effect, design.priors, strict=True) if isinstance(prior, CovariancePrior)
        ]
        self._mean_moments = prior_moments(design, by_effect, whitened)
        self._misfit = design.misfit(observed.y, [*self._coefficients, self.fixed.T[:, :, None]])
        penalty = sum(np.trace(moment, axis1=1, axis2=2) for moment in self._mean_moments)
        free = system.n_entries - (c if system.restricted else 0)
        self.log_likelihood = -0.5 * (
            free * np.log(2.0 * np.pi * self._noise)
            - system.log_weights
            + log_prior(design)
            + log_det
            + (self._misfit + penalty) / self._noise
        )

    def _probe(self, equations: ScaledEquations, moved: Array, inverse: Array) -> tuple[_Spread, float]:
        """Solve for the probes; ``moved`` are the solutions for the fixed columns. And log|M|."""
        z = self._system.probes
        found = self._solved(equations, z, self._system.tolerance * _PROBE_TOLERANCE)
        log_det = equations.log_determinant + float(log_quadratic_forms(found, z).mean())
        inverse = inverse if self._system.restricted else np.zeros_like(inverse)
        solved, probe, fixed = (self._design.split(equations.to_prior(part)) for part in (found.x, z, moved))
        traces = []
        for t, prior in enumerate(self._design.priors):
            K = prior.precision if isinstance(prior, PrecisionPrior) else None
            trace = np.einsum("kqa,kqb->ab", solved[t], _times(K, probe[t])) / z.shape[1]
            if fixed[t].size:
                trace = trace + np.einsum(
                    "cqa,cd,dqb->ab", fixed[t], inverse, _times(K, fixed[t]), optimize=True
                )
            traces.append(0.5 * (trace + trace.T))
        solved_b, probe_b, fixed_b = (equations.to_coefficients(part) for part in (found.x, z, moved))
        return _Spread(solved_b, probe_b, fixed_b, inverse, equations.least_covariances(), traces), log_det

    def _spreads(self) -> Iterator[tuple[int, _Spread]]:
        """The spread of every set of outputs, found again where all together would not fit."""
        for f in range(len(self._first)):
            if self._kept is not None:
                yield f, self._kept[f]
                continue
            equations = self._equations(f)
            right = equations.from_sums(equations.mixed)
            moved = self._solved(equations, right, self._system.tolerance).x
            S = equations.fixed - equations.mixed.T @ equations.to_coefficients(moved)
            yield f, self._probe(equations, moved, np.linalg.inv(S))[0]

    def fitted(self) -> Array:
        return self._design.values_at_rows(self._coefficients)

    def row_variance(self) -> Array:
        located = [Located(block.of_level(), block.basis, None, None) for block in self._design.blocks[:-1]]
        return self._variance(located, None)

    def _variance(self, located: Sequence[Located], fixed: Array | None) -> Array:
        """Variance at rows, with the part of fixed columns where these are given: (n, p)."""
        rows = LocatedRows(self._design, located, None)
        out = np.empty((len(self._first), rows.n_rows))
        for f, spread in self._spreads():
            solved, probe, exact = (
                self._design.split(part) for part in (spread.solved, spread.probe, spread.exact)
            )
            for some, part in rows.parts(spread.solved.shape[1]):
                found = (part.mean(solved) * part.mean(probe)).mean(axis=1)
                # By Cauchy and Schwarz it is at least this; a probe may say less.
                found = np.maximum(found, part.mean_forms(spread.least))
                if spread.exact.shape[1]:
                    moved = part.mean(exact)
                    moved = moved if fixed is None else moved - fixed[some]
                    found = found + np.einsum("ic,cd,id->i", moved, spread.fixed_covariance, moved)
                out[f, some] = found
        return (out[self._set_of] * self._noise[:, None]).T

    def level_covariance(self, effect: int) -> Array:
        block = self._design.blocks[effect]
        r = block.n_basis
        n_levels = block.n_nodes if block.loadings is None else len(block.loadings)
        out = np.empty((n_levels, len(self._first), r, r))
        for f, spread in self._spreads():
            solved, probe, exact = (
                at_levels(self._design.split(part)[effect], block)
                for part in (spread.solved, spread.probe, spread.exact)
            )
            found = np.einsum("lak,lbk->lab", solved, probe) / probe.shape[2]
            found = 0.5 * (found + found.transpose(0, 2, 1))
            if r == 1 and block.loadings is None:
                found = np.maximum(found, spread.least[effect])
            out[:, f] = found + np.einsum(
                "lac,cd,lbd->lab", exact, spread.fixed_covariance, exact, optimize=True
            )
        return out[:, self._set_of] * self._noise[:, None, None]

    def _traces(self) -> list[Array]:
        by_set = [spread.traces for _, spread in self._spreads()]
        return [np.stack(part)[self._set_of] for part in zip(*by_set, strict=True)]

    def second_moments(self) -> tuple[Array, ...]:
        out = []
        for root, mean, trace in zip(self._roots, self._mean_moments, self._traces(), strict=True):
            own = root[self._set_of]
            out.append(own @ (mean + self._noise[:, None, None] * trace) @ own.transpose(0, 2, 1))
        return tuple(out)

    def noise_moment(self) -> Array:
        prior = sum(np.trace(trace, axis1=1, axis2=2) for trace in self._traces())
        known = 0 if self._system.restricted else self._system.n_fixed
        return self._misfit + self._noise * (self._design.n_unknowns - known - prior)

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        rows = LocatedRows(self._design, located, None)
        mean = np.empty((rows.n_rows, len(self._noise)))
        for some, part in rows.parts(len(self._noise)):
            mean[some] = part.mean(self._coefficients)
        if fixed is not None:
            mean += fixed @ self.fixed
        variance = self._variance(located, fixed)
        for where, Sigma in zip(located, self._sigma, strict=True):
            if where.extra is not None:
                variance += where.extra[where.level, None] * basis_forms(where.basis, Sigma)
        return mean, variance


def _times(K, v: Array) -> Array:
    """K⁻¹ v along the levels of (k, q, r); None is the identity."""
    if K is None:
        return v
    flat = np.moveaxis(v, 1, 0).reshape(v.shape[1], -1)
    return np.moveaxis((K @ flat).reshape(v.shape[1], len(v), -1), 0, 1)
