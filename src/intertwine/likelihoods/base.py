"""What a decoder's outputs say of columns of one kind: a likelihood, numerically safe.

A decoder has one output per column, whatever the kind. `Units` turn it into the location of the column's distribution:
its mean, or the logit, the logarithm or the latent scale of it. With outputs zero a column is as it was on average.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["AbstractLikelihood", "NoParams", "Noise", "Units"]

Array = NDArray[np.float64]

_PIECE = 1 << 20  # entries


class Units(NamedTuple):
    """An affine change of units of every column, location = center + scale · value; (p,) each."""

    center: Any
    scale: Any

    def location(self, value: Any) -> Any:
        """Out of these units."""
        return self.center + self.scale * value

    def value(self, location: Any) -> Any:
        """Into these units."""
        return (location - self.center) / self.scale

    @classmethod
    def standard(cls, values: Array, shown: Callable[[Array], Array] = np.asarray) -> Units:
        """Mean and standard deviation of what was observed, or of what is ``shown`` of it.

        The scale is one where a column does not vary.
        """
        p = values.shape[1]
        count, center, square = np.zeros(p), np.zeros(p), np.zeros(p)
        for part in _pieces(values):
            count += np.isfinite(part).sum(axis=0)
            center += np.nansum(shown(part), axis=0, dtype=np.float64)
        count = np.maximum(count, 1.0)
        center /= count
        for part in _pieces(values):
            square += np.nansum((shown(part) - center) ** 2, axis=0, dtype=np.float64)
        spread = np.sqrt(square / count)
        # a constant's mean is off by rounding
        varies = spread > 1e-12 * np.maximum(np.abs(center), 1e-300)
        return cls(center, np.where(varies, spread, 1.0))


def _pieces(values: Array) -> Iterator[Array]:
    """Some rows at a time: no copy of a whole table."""
    size = max(1, _PIECE // max(values.shape[1], 1))
    for first in range(0, len(values), size):
        yield values[first : first + size]


class NoParams(NamedTuple):
    """Of kinds that need none besides the outputs."""


class Noise(NamedTuple):
    """What a user says of the noise of Gaussian columns; see `Gaussian`."""

    shared: bool = False
    floor: float = 1e-4


class AbstractLikelihood(abc.ABC):
    """Columns of one kind: a frozen dataclass that holds what decides shapes, and so is static under ``jit``.

    In all methods ``outputs`` (n, p) are a decoder's, ``units`` are those of `output_units`, ``params`` is the pytree
    of `start`, and ``x`` (n, p) are finite values in the units of the table.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Any]]  # a NamedTuple

    @classmethod
    @abc.abstractmethod
    def of(cls, values: Array, noise: Noise) -> Self:
        """The likelihood of columns with such values, (n, p), NaN where not observed; they have been checked."""

    @classmethod
    @abc.abstractmethod
    def faults(cls, values: Array, noise: Noise) -> tuple[NDArray[np.bool_], str]:
        """Columns whose values are not of this kind, (p,), and what to do about them."""

    @abc.abstractmethod
    def new_faults(self, values: Array) -> tuple[NDArray[np.bool_], str]:
        """The same of rows that come after the fit, in which nothing may be observed."""

    @abc.abstractmethod
    def output_units(self, values: Array) -> Units:
        """Units of a decoder's outputs."""

    @abc.abstractmethod
    def start(self, values: Array, units: Units) -> Any:
        """Parameters to begin with, learnt together with the networks: ``Params`` of float32 arrays."""

    @abc.abstractmethod
    def shown(self, x: Any) -> Any:
        """What an encoder is shown of x, before it is standardised; arrays of numpy or JAX."""

    @abc.abstractmethod
    def shown_units(self, values: Array) -> Units:
        """Units of what an encoder is shown of the ``values`` (n, p) of the table."""

    @abc.abstractmethod
    def log_density(self, params: Any, outputs: Any, units: Units, x: Any) -> Any:
        """The log density or probability of every entry, (n, p), per unit of the table."""

    @abc.abstractmethod
    def mean(self, params: Any, outputs: Any, units: Units) -> Any:
        """E x of every entry, (n, p)."""

    @abc.abstractmethod
    def variance(self, params: Any, outputs: Any, units: Units) -> Any:
        """The variance of x of every entry given the outputs, (n, p)."""

    @abc.abstractmethod
    def with_misfit(self, params: Any, units: Units, square: Array, count: NDArray[np.int64]) -> Any:
        """The most likely parameters, where these follow from squared misfits of means: their sums and numbers (p,).

        Other parameters stay as they are.
        """

    @abc.abstractmethod
    def sample(self, rng: np.random.Generator, params: Any, outputs: Array, units: Units) -> Array:
        """One draw of every entry, (n, p), by numpy."""
