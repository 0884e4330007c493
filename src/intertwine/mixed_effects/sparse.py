"""The Gaussian system of any sum of effects, by Henderson's equations and sparse Cholesky factors.

Outputs with the same weights and the same Σ_t/σ² have one factor between them; all have one pattern. With H the matrix
of the equations (see `henderson`), N entries and c fixed columns,

    −2 log L   = N log 2πσ² − Σ log w + Σ_t r_t log|K_t| + log|H_vv| + (‖√W e‖² + vᵀK⁻¹v)/σ²
    −2 log L_R = the same with H for H_vv, and N − c for N,

and σ²H⁻¹ is the posterior covariance of v (and γ); under maximum likelihood σ²H_vv⁻¹.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import (
    AbstractBoundEffect,
    CovariancePrior,
    Located,
    PrecisionPrior,
)
from intertwine.mixed_effects import _henderson_kernels as kernels
from intertwine.mixed_effects.base import (
    AbstractObserved,
    AbstractObservedSystem,
    AbstractTabledPosterior,
    VarianceComponents,
)
from intertwine.mixed_effects.factors import semidefinite_factor
from intertwine.mixed_effects.henderson import HendersonEquations
from intertwine.mixed_effects.henderson_means import (
    at_levels,
    basis_forms,
    distinct_ratios,
    log_prior,
    prior_moments,
)
from intertwine.mixed_effects.located_rows import LocatedRows
from intertwine.mixed_effects.met_levels import MetLevels
from intertwine.mixed_effects.row_cells import RowTables
from intertwine.mixed_effects.row_design import RowDesign
from intertwine.mixed_effects.sparse_cholesky import AbstractFactors
from intertwine.resources import available_memory, require_memory

__all__ = ["SparseObserved", "SparsePosterior", "SparseSystem"]

Array = NDArray[np.float64]


@final
class SparseSystem(AbstractObservedSystem):
    """Any sum of effects with any priors over their levels.

    Parameters
    ----------
    effects : sequence of AbstractBoundEffect
    shapes : sequence of arrays
        Shape of each effect.
    fixed : (n, c) array or None
        Columns with a flat prior.
    weights : (n,) or (n, p) array, or None
        Of the rows, or of the entries; zero where an entry is missing.
    n_outputs : int
    restricted : bool
        Whether the fixed effects are integrated out (REML) or set to their best value.

    Raises
    ------
    MemoryError
        Before anything large is allocated, where a factor would not fit.
    """

    def __init__(
        self,
        effects: Sequence[AbstractBoundEffect],
        shapes: Sequence[Array],
        fixed: Array | None = None,
        weights: Array | None = None,
        n_outputs: int = 1,
        restricted: bool = True,
    ) -> None:
        priors = [effect.prior(shape) for effect, shape in zip(effects, shapes, strict=True)]
        self.equations = HendersonEquations(
            RowDesign(effects, priors, fixed, weights), available_memory() / 24.0
        )
        require_memory(
            24.0 * self.equations.pattern.n_entries, "a factor of the equations", "IterativeSystem"
        )
        blocks = self.equations.design.blocks[:-1]
        self.n_levels = tuple(block.n_nodes for block in blocks)
        self.n_basis = tuple(block.n_basis for block in blocks)
        self.n_fixed = self.equations.design.n_fixed
        self.restricted = restricted
        design = self.equations.design
        self.n_entries, self.log_weights = design.n_entries, design.log_weights

    @cached_property
    def met(self) -> MetLevels:
        """Which pairs of levels every row knows."""
        return MetLevels.of(self.equations.design, self.equations.groups)

    def observe(self, y: Array) -> SparseObserved:
        return SparseObserved(self, y)


@final
class SparseObserved(AbstractObserved):
    """Outcomes with the sums over their levels."""

    def __init__(self, system: SparseSystem, y: Array) -> None:
        design = system.equations.design
        self.system, self.y = system, design.observed(y)  # (n, outputs)
        self.sums = design.right_sides(self.y)

    def posterior(self, variances: VarianceComponents) -> SparsePosterior:
        return SparsePosterior(self, variances)


_BYTES_OF_FACTORS = 1_000_000_000  # held at once; more are made again when they are asked for


@final
class SparsePosterior(AbstractTabledPosterior):
    """Posterior at given variances: means at once, second moments when they are asked for."""

    def __init__(self, observed: SparseObserved, variances: VarianceComponents) -> None:
        self._system, self._equations = observed.system, observed.system.equations
        self._design = self._equations.design
        self._noise = np.asarray(variances.noise, np.float64)
        relative = [np.asarray(Sigma, np.float64) / self._noise[:, None, None] for Sigma in variances.effects]
        self._sigma = tuple(variances.effects)
        self._value_of, self._factor_of = distinct_ratios(variances, self._design.weights)
        roots = [semidefinite_factor(R[self._value_of]) for R in relative]
        self._roots = [*roots, np.ones((len(self._value_of), 1, 1))]
        size = 8 * self._equations.pattern.n_entries
        self._at_once = max(1, int(min(_BYTES_OF_FACTORS, available_memory() / 4) // size))
        self._kept: AbstractFactors | None = None
        self._kept_inverse: tuple[Array, Array | None] | None = None
        self._kept_traces: list[Array] | None = None
        self._solve(observed)

    # -- means -------------------------------------------------------------------------------------------------

    def _solve(self, observed: SparseObserved) -> None:
        system, equations, design = self._system, self._equations, self._design
        p, n_random = len(self._noise), design.blocks[-1].begin
        right = np.empty((p, design.n_unknowns))
        for block, total, root in zip(design.blocks, observed.sums, self._roots, strict=True):
            rotated = total @ root[self._factor_of]
            right[:, block.begin : block.begin + block.n_nodes * block.n_basis] = rotated.reshape(p, -1)
        solution = np.empty_like(right)
        log_det, log_det_random = np.empty(p), np.empty(p)
        trailing = np.empty((p, system.n_fixed, system.n_fixed))
        whitened = [np.empty((p, len(tail.factor))) for tail in equations.tail_blocks()]
        for chunk, factors in self._factors():
            outputs = self._outputs_of(chunk)
            own = self._factor_of[outputs] - chunk.start
            solution[outputs], z = factors.solve(right[outputs], own)
            for all_outputs, part in zip(whitened, z, strict=True):
                all_outputs[outputs] = part
            log_det[outputs] = factors.log_determinants(design.n_unknowns)[own]
            log_det_random[outputs] = factors.log_determinants(n_random)[own]
            trailing[outputs] = factors.trailing_inverse(system.n_fixed)[own]
        parts = [
            solution[:, b.begin : b.begin + b.n_nodes * b.n_basis].reshape(p, b.n_nodes, b.n_basis)
            for b in design.blocks
        ]
        self._mean_moments = prior_moments(design, parts, whitened)
        self._coefficients = [
            part @ root[self._factor_of].swapaxes(1, 2) for part, root in zip(parts, self._roots, strict=True)
        ]
        self.fixed = parts[-1][:, :, 0].T.copy()
        self.fixed_covariance = self._noise[:, None, None] * trailing
        self.effects = tuple(
            at_levels(b, block) for b, block in zip(self._coefficients[:-1], design.blocks[:-1], strict=True)
        )
        self._misfit = design.misfit(observed.y, self._coefficients)
        penalty = sum(np.trace(moment, axis1=1, axis2=2) for moment in self._mean_moments)
        free = system.n_entries - (system.n_fixed if system.restricted else 0)
        determinant = log_det if system.restricted else log_det_random
        self.log_likelihood = -0.5 * (
            free * np.log(2.0 * np.pi * self._noise)
            - system.log_weights
            + log_prior(design)
            + determinant
            + (self._misfit + penalty) / self._noise
        )

    def fitted(self) -> Array:
        return self._design.values_at_rows(self._coefficients[:-1])

    # -- factors and inverses, as many at once as fit ----------------------------------------------------------

    def _factors(self):
        """Stretches of the factors, and these."""
        n_factors = len(self._value_of)
        for start in range(0, n_factors, self._at_once):
            chunk = slice(start, min(n_factors, start + self._at_once))
            factors = self._kept
            if factors is None:
                factors = self._equations.factors(
                    [np.ascontiguousarray(root[chunk]) for root in self._roots], self._value_of[chunk]
                )
            if n_factors <= self._at_once:
                self._kept = factors
            yield chunk, factors

    def _inverses(self):
        """Stretches of the factors, these, the entries of their inverses, and whitened inverses of the tails."""
        forgotten = 0 if self._system.restricted else self._system.n_fixed
        for chunk, factors in self._factors():
            kept = self._kept_inverse or factors.inverses(forgotten)
            if len(self._value_of) <= self._at_once:
                self._kept_inverse = kept
            yield chunk, factors, *kept

    def _each_inverse(self):
        """Of each factor its place, the entries of its inverse, and the whitened inverse of its tail."""
        for chunk, _, entries, whitened in self._inverses():
            for f in range(chunk.start, chunk.stop):
                tail = None if whitened is None else whitened[f - chunk.start]
                yield f, entries[f - chunk.start], tail

    def _covariance(self, f: int, entries: Array, group) -> Array:
        """Posterior covariance of every pair of nodes of a group over σ², (pairs, r_s, r_t)."""
        slots = self._equations.slots[group.s, group.t]
        out = np.empty(slots.shape)
        kernels.gather(entries, slots, self._roots[group.s][f], self._roots[group.t][f], out)
        return out

    def _dense_covariance(self, f: int, entries: Array, s: int, t: int) -> Array:
        """The same between all unknowns of two blocks: (nodes_s · r_s, nodes_t · r_t)."""
        one, other = self._design.blocks[s], self._design.blocks[t]
        group = next(g for g in self._equations.groups if (g.s, g.t) == (s, t))
        blocks = self._covariance(f, entries, group)
        full = np.empty((one.n_nodes, one.n_basis, other.n_nodes, other.n_basis))
        full[group.one, :, group.other] = blocks
        if s == t:
            full[group.other, :, group.one] = blocks.transpose(0, 2, 1)
        return full.reshape(one.n_nodes * one.n_basis, -1)

    # -- second moments ----------------------------------------------------------------------------------------

    def row_variance(self) -> Array:
        design = self._design
        random = range(design.n_effects)
        functions = [t for t in random if design.blocks[t].level is None]
        out = np.zeros((design.n_rows, len(self._noise)))
        for chunk, _, entries, _ in self._inverses():
            outputs = self._outputs_of(chunk)
            part = out if len(outputs) == out.shape[1] else np.zeros((len(out), len(outputs)))
            if design.hot:
                self._tables(chunk, entries, outputs).add_variances(part)
            for f in range(chunk.start, chunk.stop) if functions else ():
                inverse, found = entries[f - chunk.start], np.zeros(design.n_rows)
                for t in functions:
                    for s in [s for s in random if s not in functions] + [s for s in functions if s <= t]:
                        self._add_dense_variance(s, t, self._dense_covariance(f, inverse, s, t), found)
                own = np.flatnonzero(self._factor_of[outputs] == f)
                part[:, own] += found[:, None] * self._noise[outputs[own]]
            if part is not out:
                out[:, outputs] = part
        return out

    def row_tables(self) -> RowTables | None:
        if self._design.dense_unknowns or len(self._value_of) > self._at_once:
            return None
        chunk, _, entries, _ = next(self._inverses())
        return self._tables(chunk, entries, self._outputs_of(chunk))

    def _outputs_of(self, chunk: slice) -> NDArray[np.int64]:
        """Outputs whose factors are among these."""
        return np.flatnonzero((self._factor_of >= chunk.start) & (self._factor_of < chunk.stop))

    def _tables(self, chunk: slice, entries: Array, outputs: NDArray[np.int64]) -> RowTables:
        """Tables of some outputs; the effects that are functions are left out."""
        design, known = self._design, self._system.met
        own, noise = self._factor_of[outputs] - chunk.start, self._noise[outputs]
        covariances = np.empty((known.n_entries, len(outputs)))
        for (s, t), (begin, end) in known.places.items():
            block = self._equations.slots[s, t]
            slots = block[: design.blocks[s].n_nodes] if s == t else block  # a level with itself comes first
            left, right = (np.ascontiguousarray(self._roots[k][chunk]) for k in (s, t))
            scale = noise if s == t else 2.0 * noise
            kernels.covariance_table(entries, own, slots, left, right, scale, covariances[begin:end])
        means = design.table([b[outputs] for b in self._coefficients])
        return RowTables(design.cells, known.groups, known.pair, means, covariances)

    def _add_dense_variance(self, s: int, t: int, covariance: Array, out: Array) -> None:
        design, left = self._design, self._design.blocks[s]
        for rows in design.row_slices():
            columns = design.dense_columns(t, rows)
            if left.level is None:
                part = ((design.dense_columns(s, rows) @ covariance) * columns).sum(axis=1)
            else:
                by_level = covariance.reshape(left.n_nodes, left.n_basis, -1)[left.level[rows]]
                part = np.einsum("ik,ikc,ic->i", left.basis[rows], by_level, columns, optimize=True)
            out[rows] += part if s == t else 2.0 * part

    def level_covariance(self, effect: int) -> Array:
        equations, block = self._equations, self._design.blocks[effect]
        r = block.n_basis
        n_levels = block.n_nodes if block.loadings is None else len(block.loadings)
        out = np.empty((n_levels, len(self._value_of), r, r))
        own = next(g for g in equations.groups if g.s == g.t == effect)
        for f, entries, _ in self._each_inverse():
            if block.loadings is None:
                found = self._covariance(f, entries, own)
                out[:, f] = found[: block.n_nodes]  # the pairs of a level with itself come first
            else:
                full = self._dense_covariance(f, entries, effect, effect)
                full = full.reshape(block.n_nodes, r, block.n_nodes, r)
                for k, other in np.ndindex(r, r):
                    half = block.loadings @ full[:, k, :, other]
                    out[:, f, k, other] = (half * block.loadings).sum(axis=1)
        return out[:, self._factor_of] * self._noise[:, None, None]

    def _traces(self) -> list[Array]:
        """Σ_ll' (K⁻¹)_ll' H⁻¹_ll' of each effect, (factors, r, r)."""
        if self._kept_traces is None:
            equations, design = self._equations, self._design
            out = [np.zeros((len(self._value_of), r, r)) for r in self._system.n_basis]
            for chunk, _, entries, whitened in self._inverses():
                for t, prior in enumerate(design.priors):
                    block, found = design.blocks[t], out[t][chunk]
                    q, r = block.n_nodes, block.n_basis
                    if isinstance(prior, CovariancePrior):
                        begin = int(equations.pattern.position[block.begin]) - equations.pattern.n_head
                        own = slice(begin, begin + q * r)
                        found[:] = np.einsum("fqkql->fkl", whitened[:, own, own].reshape(-1, q, r, q, r))
                        continue
                    group = next(g for g in equations.groups if g.s == g.t == t)
                    slots = equations.slots[t, t]
                    kernels.traces(entries, slots, group.prior, 0, found)
                    if isinstance(prior, PrecisionPrior):
                        below = np.empty_like(found)
                        kernels.traces(entries, slots, group.prior, q, below)
                        found += below.transpose(0, 2, 1)
            self._kept_traces = out
        return self._kept_traces

    def second_moments(self) -> tuple[Array, ...]:
        out = []
        for root, mean, trace in zip(self._roots[:-1], self._mean_moments, self._traces(), strict=True):
            inner = mean + self._noise[:, None, None] * trace[self._factor_of]
            own = root[self._factor_of]
            out.append(own @ inner @ own.transpose(0, 2, 1))
        return tuple(out)

    def noise_moment(self) -> Array:
        # tr W Z Cov(b) Zᵀ = σ² (unknowns − Σ_t tr K⁻¹ H⁻¹), as H is ZᵀWZ and K⁻¹.
        prior = sum(np.trace(trace, axis1=1, axis2=2) for trace in self._traces())
        known = 0 if self._system.restricted else self._system.n_fixed
        spread = self._design.n_unknowns - known - prior
        return self._misfit + self._noise * spread[self._factor_of]

    # -- other rows --------------------------------------------------------------------------------------------

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        p = len(self._noise)
        unknown = self._system.restricted and fixed is not None
        rows = LocatedRows(self._design, located, fixed if unknown else None)
        mean, spread = np.empty((rows.n_rows, p)), np.empty((len(self._value_of), rows.n_rows))
        for chunk, factors, entries, _ in self._inverses():
            roots = [root[chunk] for root in self._roots]
            for some, part in rows.parts(chunk.stop - chunk.start):
                if chunk.start == 0:
                    mean[some] = part.mean(self._coefficients)
                spread[chunk, some] = part.variance(self._equations.pattern, factors, entries, roots)
        variance = (spread[self._factor_of] * self._noise[:, None]).T
        if fixed is not None and not unknown:
            mean += fixed @ self.fixed
        for where, Sigma in zip(located, self._sigma, strict=True):
            if where.extra is not None:
                variance += where.extra[where.level, None] * basis_forms(where.basis, Sigma)
        return mean, variance
