"""Gaussian columns: the decoder gives the mean; the noise is learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, final

import jax.numpy as jnp
import numpy as np

from intertwine.likelihoods.base import AbstractLikelihood, Array, Noise, Units

__all__ = ["Gaussian", "GaussianParams"]

_START = 0.5  # of a column's variance is noise
_LARGEST_LOG = 20.0
_LARGEST = 1e18  # squares are numbers of single precision, in which the networks compute
_RESCALE = "holds values whose squares overflow or vanish in single precision: rescale it"


class GaussianParams(NamedTuple):
    """What is learnt; the noise in the units of the outputs."""

    log_variance: Any  # (p,), or (1,) for noise that all columns share


@final
@dataclass(frozen=True)
class Gaussian(AbstractLikelihood):
    """x ~ N(center + scale · f, scale² (floor + exp(log_variance))).

    Parameters
    ----------
    shared : bool, default=False
        One noise variance for all columns, in the units of the table; they have one scale then, the root of their mean
        variance. This is the noise of probabilistic principal components. Otherwise every column has its own.
    floor : float, default=1e-4
        The least noise, as a share of a column's variance: likelihoods of deep models have no maximum without one.
    """

    shared: bool = False
    floor: float = 1e-4

    name: ClassVar[str] = "gaussian"
    Params: ClassVar[type[Any]] = GaussianParams

    @classmethod
    def of(cls, values: Array, noise: Noise) -> Self:
        return cls(*noise)

    @classmethod
    def faults(cls, values, noise):
        units = Units.standard(values)
        low, high = np.nanmin(values, 0), np.nanmax(values, 0)
        vanishes = (high > low) & (units.scale < 1.0 / _LARGEST)
        if noise.shared and not vanishes[high > low].all():
            vanishes[:] = False  # a pixel at the edge may hardly be touched: others set the scale
        extreme = (np.maximum(-low, high) > _LARGEST) | vanishes
        if extreme.any():
            return extreme, _RESCALE
        # the networks compute in float32, whose numbers are 6e-8 of their size apart
        coarse = (units.scale < 1e-5 * np.abs(units.center)) & (high > low)
        return coarse, "hardly varies about a large mean: subtract a constant from it"

    def new_faults(self, values):
        return np.any(np.abs(values) > _LARGEST, axis=0), _RESCALE

    def output_units(self, values: Array) -> Units:
        center, scale = Units.standard(values)
        if self.shared:
            count = np.isfinite(values).sum(axis=0)
            varies = np.nanmax(values, axis=0, initial=-np.inf) > np.nanmin(values, axis=0, initial=np.inf)
            square = np.sum(count * np.where(varies, scale, 0.0) ** 2) / max(int(count.sum()), 1)
            scale = np.full(len(center), np.sqrt(square) if square > 0 else 1.0)
        return Units(center, scale)

    def start(self, values: Array, units: Units) -> GaussianParams:
        size = 1 if self.shared else values.shape[1]
        return GaussianParams(np.full(size, np.log(_START), np.float32))

    def shown(self, x: Any) -> Any:
        return x

    def shown_units(self, values):
        # where columns share their noise, one that hardly varies is not to be blown up
        return self.output_units(values)

    def noise(self, params: GaussianParams) -> Any:
        """Variance in the units of the outputs, (p,) or (1,)."""
        return self.floor + jnp.exp(jnp.minimum(params.log_variance, _LARGEST_LOG))

    def log_density(self, params, outputs, units, x):
        noise = self.noise(params)
        # −½ log 2πσ² once per column, not per entry
        constant = -0.5 * jnp.log(2.0 * np.pi * noise) - jnp.log(units.scale)
        return constant - (0.5 / noise) * (units.value(x) - outputs) ** 2

    def mean(self, params, outputs, units):
        return units.location(outputs)

    def variance(self, params, outputs, units):
        return jnp.broadcast_to(units.scale**2 * self.noise(params), outputs.shape)

    def with_misfit(self, params, units, square, count):
        share = square / np.asarray(units.scale, np.float64) ** 2
        if self.shared:
            share, count = share.sum(keepdims=True), count.sum(keepdims=True)
        found = np.log(np.maximum(share / np.maximum(count, 1) - self.floor, 1e-6))
        return GaussianParams(np.where(count > 0, found, params.log_variance).astype(np.float32))

    def sample(self, rng, params, outputs, units):
        spread = units.scale * np.sqrt(np.asarray(self.noise(params), np.float64))
        return np.asarray(units.location(outputs) + spread * rng.standard_normal(outputs.shape))
