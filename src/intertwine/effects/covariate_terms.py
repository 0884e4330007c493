"""Effects of a number in a straight line, and of a category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractBoundCovariateEffect, Covariates
from intertwine.effects.interaction import AbstractFactor
from intertwine.effects.smooth import values_that_apply
from intertwine.resources import require_memory

__all__ = ["BoundCategorical", "BoundLinear", "Categorical", "Linear"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Linear(AbstractFactor):
    """A straight line in a number, standardised over the rows of the fit.

    Parameters
    ----------
    key : str or int
        The covariate; where it is NaN the effect does not apply.

    Examples
    --------
    >>> dose = Covariates(4, {"dose": np.array([0.0, 10.0, np.nan, 20.0])}, {})
    >>> Linear("dose").bind(dose).features(dose, np.empty(0)).ravel().round(3).tolist()
    [-1.225, 0.0, 0.0, 1.225]
    """

    key: Any

    @property
    def number_keys(self) -> tuple[Any, ...]:
        return (self.key,)

    @property
    def category_keys(self) -> tuple[Any, ...]:
        return ()

    @property
    def title(self) -> str:
        return str(self.key)

    def bind(self, columns: Covariates) -> BoundLinear:
        values = values_that_apply(columns, self.key)
        return BoundLinear(self.key, float(values.mean()), float(values.std()))

    def restore(self, state: dict[str, Any]) -> BoundLinear:
        return BoundLinear(self.key, float(state["mean"]), float(state["spread"]))


@final
class BoundLinear(AbstractBoundCovariateEffect):
    """The mean and the spread of the values of a fit."""

    n_functions = 1
    names = ("linear",)

    def __init__(self, key: Any, mean: float, spread: float) -> None:
        self._key, self.mean, self.spread = key, mean, spread

    def start_shape(self) -> Array:
        return np.empty(0)

    def shape_bounds(self) -> Array:
        return np.empty((0, 2))

    def features(self, columns: Covariates, shape: Array) -> Array:
        values = columns.numbers[self._key]
        return np.where(np.isnan(values), 0.0, (values - self.mean) / self.spread)[:, None]

    def missing_variance(self, shape: Array) -> float:
        return 0.0

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "spread": self.spread}


@final
@dataclass(frozen=True)
class Categorical(AbstractFactor):
    """A level for each category, such that those of all categories sum to zero.

    The K levels are C^½ a with C = I − 11ᵀ/K: K − 1 coefficients, which cannot be traded for the mean, nor those of
    an interaction for the effects that it is of. A category that was not in the fit has the level zero.

    Parameters
    ----------
    key : str or int
        The covariate; where it is missing the effect does not apply.

    Examples
    --------
    >>> from intertwine.effects.random import GroupCodes
    >>> site = Covariates(4, {}, {"site": GroupCodes(np.array([0, 1, 2, -1]), 3)})
    >>> features = Categorical("site").bind(site).features(site, np.empty(0))
    >>> (features @ features.T).round(3)[0]
    array([ 0.667, -0.333, -0.333,  0.   ])
    """

    key: Any

    @property
    def number_keys(self) -> tuple[Any, ...]:
        return ()

    @property
    def category_keys(self) -> tuple[Any, ...]:
        return (self.key,)

    @property
    def title(self) -> str:
        return str(self.key)

    def bind(self, columns: Covariates) -> BoundCategorical:
        codes, n_levels = columns.categories[self.key]
        seen = np.unique(codes[codes >= 0])
        if len(seen) == 0:
            raise ValueError(
                f"covariate {self.key!r} is missing in every row: its effect never applies; leave it out"
            )
        if len(seen) == 1:
            raise ValueError(
                f"covariate {self.key!r} has one category in every row that has it: it explains nothing; leave it out"
            )
        return BoundCategorical(self.key, n_levels)

    def restore(self, state: dict[str, Any]) -> BoundCategorical:
        return BoundCategorical(self.key, int(state["n_levels"]))


@final
class BoundCategorical(AbstractBoundCovariateEffect):
    """Orthonormal contrasts of the categories of a fit: of each with the mean of those before it (Helmert)."""

    def __init__(self, key: Any, n_levels: int) -> None:
        self._key, self.n_levels, self.n_functions = key, n_levels, n_levels - 1
        self.names = tuple(f"contrast {j}" for j in range(1, n_levels))

    def start_shape(self) -> Array:
        return np.empty(0)

    def shape_bounds(self) -> Array:
        return np.empty((0, 2))

    def features(self, columns: Covariates, shape: Array) -> Array:
        codes = columns.categories[self._key].codes
        require_memory(
            8 * 2 * len(codes) * self.n_functions,
            f"{self.n_functions:,} contrasts of {self._key!r} at {len(codes):,} rows",
            f"{self._key!r} as subject=, or fewer rows at a time",
        )
        j = np.arange(1, self.n_levels)
        scale = 1.0 / np.sqrt(j * (j + 1.0))
        out = np.where(codes[:, None] < j, scale, 0.0)
        later = np.flatnonzero(codes > 0)
        out[later, codes[later] - 1] = -j[codes[later] - 1] * scale[codes[later] - 1]
        out[codes < 0] = 0.0
        return out

    def missing_variance(self, shape: Array) -> float:
        return 0.0

    def state(self) -> dict[str, Any]:
        return {"n_levels": self.n_levels}
