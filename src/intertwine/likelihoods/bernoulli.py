"""Columns of 0 and 1: the decoder gives the logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import jax
import numpy as np

from intertwine.likelihoods.base import AbstractLikelihood, Array, Noise, NoParams, Units

__all__ = ["Bernoulli"]


@final
@dataclass(frozen=True)
class Bernoulli(AbstractLikelihood):
    """P(x = 1) = 1 / (1 + exp(−η)), η = center + f."""

    name: ClassVar[str] = "bernoulli"
    Params: ClassVar[type[Any]] = NoParams

    @classmethod
    def of(cls, values: Array, noise: Noise) -> Self:
        return cls()

    @classmethod
    def faults(cls, values, noise):
        wrong = np.isfinite(values) & (values != 0.0) & (values != 1.0)
        return wrong.any(axis=0), "must hold 0 and 1 only: code it so, or take 'ordinal' or 'gaussian'"

    def new_faults(self, values):
        return self.faults(values, Noise())

    def output_units(self, values: Array) -> Units:
        there = np.isfinite(values)
        ones = np.where(there, values, 0.0).sum(axis=0) + 0.5
        zeros = there.sum(axis=0) + 1.0 - ones
        return Units(np.log(ones / zeros), np.ones(values.shape[1]))

    def start(self, values: Array, units: Units) -> NoParams:
        return NoParams()

    def shown(self, x):
        return x

    def shown_units(self, values):
        return Units.standard(values)

    def log_density(self, params, outputs, units, x):
        location = units.location(outputs)
        return x * location - jax.nn.softplus(location)

    def mean(self, params, outputs, units):
        return jax.nn.sigmoid(units.location(outputs))

    def variance(self, params, outputs, units):
        location = units.location(outputs)
        return jax.nn.sigmoid(location) * jax.nn.sigmoid(-location)

    def with_misfit(self, params, units, square, count):
        return params  # no noise beside what the mean says

    def sample(self, rng, params, outputs, units):
        # logistic noise: no exponential of a location
        return (units.location(outputs) + rng.logistic(size=outputs.shape) > 0.0).astype(np.float64)
