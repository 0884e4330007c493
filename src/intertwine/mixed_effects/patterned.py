"""Entries that are missing from some outputs: outputs with the same weights share a spectral system.

Weights that differ have no common modes, but for each pattern of weights these are found once, after which every
variance that is tried costs next to nothing; a system of Henderson's equations would factor anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, Located
from intertwine.mixed_effects.base import (
    AbstractObserved,
    AbstractObservedSystem,
    AbstractScoredPosterior,
    Array,
    VarianceComponents,
)
from intertwine.mixed_effects.spectral import SpectralSystem

__all__ = ["PatternedSystem", "weight_patterns"]

Outputs = NDArray[np.int64]


def weight_patterns(weights: Array) -> list[Outputs]:
    """Outputs with the same column of weights.

    Examples
    --------
    >>> weight_patterns(np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]))
    [array([0, 2]), array([1])]
    """
    found: dict[bytes, list[int]] = {}
    for m, column in enumerate(np.ascontiguousarray(weights.T)):
        found.setdefault(column.tobytes(), []).append(m)
    return [np.array(outputs) for outputs in found.values()]


@final
class PatternedSystem(AbstractObservedSystem):
    """The system of one effect with a dense covariance or a basis, for residuals (n, p) with weights of entries.

    Parameters
    ----------
    effect : AbstractBoundEffect
    shape : array
    fixed : array of shape (n, c), optional
    weights : array of shape (n, p)
        The noise of an entry has the variance σ²/w; an entry of weight zero is missing.
    restricted : bool

    Raises
    ------
    ValueError
        Where fixed columns depend on each other at the entries of an output.
    """

    def __init__(
        self,
        effect: AbstractBoundEffect,
        shape: Array,
        fixed: Array | None,
        weights: Array,
        restricted: bool = True,
    ) -> None:
        self.outputs = weight_patterns(weights)
        self.systems = [
            SpectralSystem(effect, shape, fixed, weights[:, chosen[0]], len(chosen), restricted)
            for chosen in self.outputs
        ]
        first = self.systems[0]
        self.n_levels, self.n_basis, self.n_fixed = first.n_levels, first.n_basis, first.n_fixed
        self.n_entries = self.gather([system.n_entries for system in self.systems], axis=0)

    def gather(self, parts: Sequence[Array], axis: int) -> Array:
        """What the patterns say, side by side in the order of the outputs."""
        together = np.concatenate(parts, axis=axis)
        return np.take(together, np.argsort(np.concatenate(self.outputs)), axis=axis)

    def observe(self, y: Array) -> PatternedObserved:
        return PatternedObserved(self, y)


@final
class PatternedObserved(AbstractObserved):
    """What each pattern needs of its outputs."""

    def __init__(self, system: PatternedSystem, y: Array) -> None:
        self.system = system
        pairs = zip(system.systems, system.outputs, strict=True)
        self.parts = [one.observe(y[:, outputs]) for one, outputs in pairs]

    def posterior(self, variances: VarianceComponents) -> PatternedPosterior:
        noise, Sigma = np.asarray(variances.noise), np.asarray(variances.effects[0])
        return PatternedPosterior(
            self.system,
            [
                part.posterior(VarianceComponents(noise[outputs], (Sigma[outputs],)))
                for part, outputs in zip(self.parts, self.system.outputs, strict=True)
            ],
        )


@final
class PatternedPosterior(AbstractScoredPosterior):
    """The posteriors of the patterns, side by side."""

    def __init__(self, system: PatternedSystem, parts: Sequence[AbstractScoredPosterior]) -> None:
        self._gather, self._parts = system.gather, parts
        self.fixed = self._gather([part.fixed for part in parts], axis=1)
        self.fixed_covariance = self._gather([part.fixed_covariance for part in parts], axis=0)
        self.log_likelihood = self._gather([part.log_likelihood for part in parts], axis=0)

    @cached_property
    def effects(self) -> tuple[Array, ...]:  # type: ignore[override]
        return (self._gather([part.effects[0] for part in self._parts], axis=2),)

    def fitted(self) -> Array:
        return self._gather([part.fitted() for part in self._parts], axis=1)

    def row_variance(self) -> Array:
        return self._gather([part.row_variance() for part in self._parts], axis=1)

    def level_covariance(self, effect: int) -> Array:
        return self._gather([part.level_covariance(effect) for part in self._parts], axis=1)

    def second_moments(self) -> tuple[Array, ...]:
        return (self._gather([part.second_moments()[0] for part in self._parts], axis=0),)

    def score(self) -> tuple[Array, ...]:
        return (self._gather([part.score()[0] for part in self._parts], axis=0),)

    def noise_moment(self) -> Array:
        return self._gather([part.noise_moment() for part in self._parts], axis=0)

    def predict(self, located: Sequence[Located], fixed: Array | None) -> tuple[Array, Array]:
        mean, variance = zip(*(part.predict(located, fixed) for part in self._parts), strict=True)
        return self._gather(mean, axis=1), self._gather(variance, axis=1)
