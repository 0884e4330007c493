"""Effects of covariates on latent axes: columns of visits in, features out, whose coefficients are Gaussian.

    (A φ(x))_k = Σ_c φ_c(x)ᵀ a_ck,      a_ck ~ N(0, v_ck I)        for effects c and latent axes k

What a kernel or a contrast says of the prior is inside the features: those of a smooth effect are φ_j √S(√λ_j), those
of a category sum to zero, so that one variance per effect and axis is all that is learnt. An effect has features zero
where one of its covariates does not apply (NaN): the disease time of the healthy.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import GroupCodes

__all__ = ["AbstractBoundCovariateEffect", "AbstractCovariateEffect", "Covariates"]

Array = NDArray[np.float64]


class Covariates(NamedTuple):
    """The columns that effects read, of n visits; names and labels stay with the estimator.

    Attributes
    ----------
    n_rows : int
    numbers : dict of ndarray of shape (n,)
        By key; NaN where the covariate does not apply.
    categories : dict of GroupCodes
        By key; the code −1 where it does not apply, or was not seen in the fit.
    """

    n_rows: int
    numbers: Mapping[Any, Array]
    categories: Mapping[Any, GroupCodes]

    def take(self, part: slice | NDArray[np.int64]) -> Covariates:
        """Some of the rows."""
        n_rows = len(range(*part.indices(self.n_rows))) if isinstance(part, slice) else len(part)
        return Covariates(
            n_rows,
            {key: values[part] for key, values in self.numbers.items()},
            {key: GroupCodes(codes[part], n) for key, (codes, n) in self.categories.items()},
        )


class AbstractBoundCovariateEffect(abc.ABC):
    """An effect that knows the range and the categories of the rows that it was fitted to, and their centre."""

    n_functions: int  # m
    names: tuple[str, ...]  # of the functions
    shape_names: tuple[str, ...] = ()  # what the features depend on besides: length scales

    @abc.abstractmethod
    def start_shape(self) -> Array:
        """Where the search for the shape begins, (s,); the given shape where it is fixed."""

    @abc.abstractmethod
    def shape_bounds(self) -> Array:
        """Limits of the search, (s, 2), positive; a fixed parameter has both alike."""

    @abc.abstractmethod
    def features(self, columns: Covariates, shape: Array) -> Array:
        """Features (n, m) of rows, new or old: centred over those of the fit, zero where the effect does not apply."""

    @abc.abstractmethod
    def missing_variance(self, shape: Array) -> float:
        """The largest share of the prior's variance, over the rows of the fit, that m functions do not carry."""

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """What `AbstractCovariateEffect.restore` needs: arrays, numbers and text."""


class AbstractCovariateEffect(abc.ABC):
    """What a user writes: ``Smooth("age")``. Knows no data; a frozen dataclass with defaults."""

    @property
    @abc.abstractmethod
    def number_keys(self) -> tuple[Any, ...]:
        """Covariates that it reads as numbers."""

    @property
    @abc.abstractmethod
    def category_keys(self) -> tuple[Any, ...]:
        """Covariates that it reads as categories."""

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """What tables call it: ``sex × age``."""

    @abc.abstractmethod
    def bind(self, columns: Covariates) -> AbstractBoundCovariateEffect:
        """Learn range, categories and centre from rows.

        Raises
        ------
        ValueError
            Where a covariate is constant or never applies; the message says what to do.
        """

    @abc.abstractmethod
    def restore(self, state: dict[str, Any]) -> AbstractBoundCovariateEffect:
        """The bound effect that gave this state."""
