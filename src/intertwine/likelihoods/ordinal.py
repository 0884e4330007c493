"""Ordered levels: the decoder gives the place on a scale that cut points divide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from intertwine.likelihoods.base import AbstractLikelihood, Array, Noise, Units

__all__ = ["Ordinal", "OrdinalParams"]

_MOST_LEVELS = 50
_SMALLEST_GAP = 1e-3  # between cut points


class OrdinalParams(NamedTuple):
    """Cut points: the first, and what softplus turns into the distances of the others."""

    first_cut: Any  # (p,)
    raw_gaps: Any  # (p, K − 2), K the largest number of levels; those beyond a column's own are not used


@final
@dataclass(frozen=True)
class Ordinal(AbstractLikelihood):
    """P(x > lowest + k) = 1 / (1 + exp(c_k − f)), c_0 < c_1 < … learnt: the proportional odds model.

    Attributes
    ----------
    lowest : tuple of int
        First level of every column.
    n_levels : tuple of int
        Two at least; levels in between that do not occur are possible all the same.
    """

    lowest: tuple[int, ...]
    n_levels: tuple[int, ...]

    name: ClassVar[str] = "ordinal"
    Params: ClassVar[type[Any]] = OrdinalParams

    @classmethod
    def of(cls, values: Array, noise: Noise) -> Self:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        return cls(tuple(int(a) for a in low), tuple(int(b - a) + 1 for a, b in zip(low, high, strict=True)))

    @classmethod
    def faults(cls, values, noise):
        whole = np.all(~np.isfinite(values) | (values == np.round(values)), axis=0)
        steps = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
        advice = f"must hold whole numbers, at least 2 and at most {_MOST_LEVELS} levels from first to last"
        return ~(
            whole & (steps >= 1) & (steps < _MOST_LEVELS)
        ), f"{advice}: number the levels, or take 'gaussian'"

    def new_faults(self, values):
        low = np.array(self.lowest, float)
        inside = (values >= low) & (values < low + self.n_levels) & (values == np.round(values))
        return np.any(np.isfinite(values) & ~inside, axis=0), "holds levels that were not in the fit"

    def output_units(self, values: Array) -> Units:
        p = values.shape[1]
        return Units(np.zeros(p), np.ones(p))

    def start(self, values: Array, units: Units) -> OrdinalParams:
        """Cut points that give the levels their frequencies at outputs zero."""
        there = np.isfinite(values)
        cuts = np.zeros((values.shape[1], self._inner.shape[1]))
        for k in range(cuts.shape[1]):
            above = np.sum(there & (values > np.array(self.lowest) + k), axis=0) + 0.5
            cuts[:, k] = np.log((there.sum(axis=0) + 1.0 - above) / above)
        gaps = np.maximum(np.diff(cuts, axis=1) - _SMALLEST_GAP, 0.05)
        return OrdinalParams(cuts[:, 0].astype(np.float32), np.log(np.expm1(gaps)).astype(np.float32))

    @property
    def _inner(self) -> NDArray[np.bool_]:
        """Which cut points a column has, (p, K − 1)."""
        n_levels = np.array(self.n_levels)
        return np.arange(max(n_levels.max(initial=2) - 1, 1)) < n_levels[:, None] - 1

    def _cuts(self, params: OrdinalParams) -> tuple[Any, Any]:
        """Cut points (p, K − 1) and their distances (p, K − 2)."""
        gaps = _SMALLEST_GAP + jax.nn.softplus(jnp.asarray(params.raw_gaps))
        first = jnp.asarray(params.first_cut)[:, None]
        return jnp.concatenate([first, first + jnp.cumsum(gaps, axis=1)], axis=1), gaps

    def shown(self, x):
        return x

    def shown_units(self, values):
        return Units.standard(values)

    def log_density(self, params, outputs, units, x):
        cuts, gaps = self._cuts(params)
        level = x - np.array(self.lowest, np.float32)
        has_lower, has_upper = level > 0.5, level < np.array(self.n_levels, np.float32) - 1.5
        location = units.location(outputs)

        def of_level(values: Any, shift: int) -> Any:
            """Entry ``level − shift`` of a column's row of values."""
            place = jnp.arange(values.shape[1], dtype=level.dtype) + shift
            return jnp.sum(jnp.where(level[..., None] == place, values, 0.0), axis=-1)

        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b − a}), and a − b is a distance of cut points: nothing cancels
        below_upper = jax.nn.log_sigmoid(of_level(cuts, 0) - location)
        above_lower = jax.nn.log_sigmoid(location - of_level(cuts, 1))
        both = has_lower & has_upper
        gap = jnp.where(both, of_level(gaps, 1), 1.0)
        return (
            jnp.where(has_upper, below_upper, 0.0)
            + jnp.where(has_lower, above_lower, 0.0)
            + jnp.where(both, jnp.log(-jnp.expm1(-gap)), 0.0)
        )

    def mean(self, params, outputs, units):
        above = self._above(params, outputs, units)
        return np.array(self.lowest, np.float32) + jnp.sum(above, axis=-1)

    def variance(self, params, outputs, units):
        above = self._above(params, outputs, units)
        first = jnp.sum(above, axis=-1)
        # Σ_k P(x > k)(2k + 1) − (E x)², about the mean so that it cannot be negative
        order = jnp.arange(above.shape[-1], dtype=above.dtype)
        second = jnp.sum((2.0 * order + 1.0) * above, axis=-1)
        return jnp.maximum(second - first**2, 0.0)

    def _above(self, params: OrdinalParams, outputs: Any, units: Units) -> Any:
        """P(x > lowest + k), (n, p, K − 1)."""
        away = units.location(outputs)[..., None] - self._cuts(params)[0]
        return jnp.where(self._inner, jax.nn.sigmoid(away), 0.0)

    def with_misfit(self, params, units, square, count):
        return params  # no noise beside what the mean says

    def sample(self, rng, params, outputs, units):
        place = units.location(outputs) + rng.logistic(size=outputs.shape)
        above = (place[..., None] > np.asarray(self._cuts(params)[0], np.float64)) & self._inner
        return np.array(self.lowest, float) + above.sum(axis=-1)
