"""Counts: the decoder gives the logarithm of the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import jax.numpy as jnp
import numpy as np

from intertwine.likelihoods.base import AbstractLikelihood, Array, Noise, NoParams, Units

__all__ = ["Poisson", "stirling_error"]

_LARGEST_LOCATION = 20.0  # the mean goes on along its tangent from there: networks may step too far
_LARGEST_COUNT = 1e8


@final
@dataclass(frozen=True)
class Poisson(AbstractLikelihood):
    """x ~ Poisson(exp η), η = center + f.

    Source: Loader, Fast and accurate computation of binomial probabilities (2000), for the form of the density: the
    deviance, and Stirling's error apart.
    """

    name: ClassVar[str] = "poisson"
    Params: ClassVar[type[Any]] = NoParams

    @classmethod
    def of(cls, values: Array, noise: Noise) -> Self:
        return cls()

    @classmethod
    def faults(cls, values, noise):
        wrong = np.isfinite(values) & (
            (values < 0.0) | (values != np.round(values)) | (values > _LARGEST_COUNT)
        )
        return wrong.any(
            axis=0
        ), "must hold counts 0, 1, 2, … up to 1e8: take 'gaussian', perhaps of logarithms"

    def new_faults(self, values):
        return self.faults(values, Noise())

    def output_units(self, values: Array) -> Units:
        there = np.isfinite(values)
        total = np.where(there, values, 0.0).sum(axis=0)
        return Units(np.log((total + 0.5) / (there.sum(axis=0) + 1.0)), np.ones(values.shape[1]))

    def start(self, values: Array, units: Units) -> NoParams:
        return NoParams()

    def shown(self, x):
        return jnp.log1p(x) if not isinstance(x, np.ndarray) else np.log1p(x)

    def shown_units(self, values):
        return Units.standard(values, self.shown)

    def log_density(self, params, outputs, units, x):
        location = units.location(outputs)
        capped = jnp.minimum(location, _LARGEST_LOCATION)
        count = jnp.maximum(x, 1.0)
        log_count = jnp.log(count)
        # x log x − x is taken out of the two terms, which are large where the mean is: differences lose no digits
        deviance = count * (jnp.expm1(capped - log_count) - (location - log_count))
        some = -deviance - 0.5 * jnp.log(2.0 * np.pi * count) - stirling_error(count)
        return jnp.where(x > 0.5, some, -jnp.exp(capped)) - _tangent(location)

    def mean(self, params, outputs, units):
        location = units.location(outputs)
        capped = jnp.minimum(location, _LARGEST_LOCATION)
        return jnp.exp(capped) + _tangent(location)

    def variance(self, params, outputs, units):
        return self.mean(params, outputs, units)

    def with_misfit(self, params, units, square, count):
        return params  # no noise beside what the mean says

    def sample(self, rng, params, outputs, units):
        mean = np.asarray(self.mean(params, outputs, units), np.float64)
        return rng.poisson(mean).astype(np.float64)


def _tangent(location: Any) -> Any:
    """What the mean grows by beyond the largest location; flat below, so that gradients there are not touched."""
    return np.float32(np.exp(_LARGEST_LOCATION)) * jnp.maximum(location - _LARGEST_LOCATION, 0.0)


def stirling_error(count: Any) -> Any:
    """Log x! less (½ log 2πx + x log x − x), of whole x ≥ 1, by Stieltjes' continued fraction; within 4e-7."""
    tail = 53.0 / 210.0 / (count + 195.0 / 371.0 / count)
    xp = count.__array_namespace__()
    return xp.where(count < 1.5, 0.0810614668, 1.0 / 12.0 / (count + 1.0 / 30.0 / (count + tail)))
