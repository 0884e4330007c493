"""Interactions: products of effects, ``Categorical("sex") * Smooth("age")``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractBoundCovariateEffect, AbstractCovariateEffect, Covariates
from intertwine.resources import require_memory

__all__ = ["AbstractFactor", "BoundInteraction", "Interaction"]

Array = NDArray[np.float64]


class AbstractFactor(AbstractCovariateEffect):
    """An effect that can be multiplied with others of its kind: ``Categorical("sex") * Smooth("age")``."""

    def __mul__(self, other: AbstractFactor) -> Interaction:
        """The interaction of two effects."""
        if not isinstance(other, AbstractFactor):
            return NotImplemented
        return Interaction((*_factors(self), *_factors(other)))


def _factors(effect: AbstractFactor) -> tuple[AbstractFactor, ...]:
    return effect.factors if isinstance(effect, Interaction) else (effect,)


@final
@dataclass(frozen=True)
class Interaction(AbstractFactor):
    """A product of effects, whose kernel is the product of theirs.

    Each factor is centred by itself, so that the product adds nothing to their own effects where the covariates vary
    independently of each other. It applies where all of its factors do.

    Parameters
    ----------
    factors : tuple of AbstractFactor
        Of different covariates.

    Examples
    --------
    >>> from intertwine.effects import Categorical, Smooth
    >>> from intertwine.effects.random import GroupCodes
    >>> rows = Covariates(4, {"age": np.arange(4.0)}, {"sex": GroupCodes(np.array([0, 1, 0, 1]), 2)})
    >>> effect = Categorical("sex") * Smooth("age", length_scale=1.0)
    >>> effect.title, effect.bind(rows).n_functions
    ('sex × age', 6)
    """

    factors: tuple[AbstractFactor, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))  # a file gives a list
        if len(self.factors) < 2:
            raise ValueError("an Interaction is of two effects or more")
        keys = [key for factor in self.factors for key in (*factor.number_keys, *factor.category_keys)]
        if repeated := sorted({key for key in keys if keys.count(key) > 1}, key=str):
            raise ValueError(
                f"{self.title}: {repeated} would interact with themselves; a bend of one covariate is a Smooth"
            )

    @property
    def number_keys(self) -> tuple[Any, ...]:
        return tuple(key for factor in self.factors for key in factor.number_keys)

    @property
    def category_keys(self) -> tuple[Any, ...]:
        return tuple(key for factor in self.factors for key in factor.category_keys)

    @property
    def title(self) -> str:
        return " × ".join(factor.title for factor in self.factors)

    def bind(self, columns: Covariates) -> BoundInteraction:
        applies = np.ones(columns.n_rows, dtype=bool)
        for key in self.number_keys:
            applies &= ~np.isnan(columns.numbers[key])
        for key in self.category_keys:
            applies &= columns.categories[key].codes >= 0
        bound = BoundInteraction(self, tuple(factor.bind(columns) for factor in self.factors))
        if not applies.any():
            raise ValueError(f"{self.title}: no row has all of these covariates; leave the interaction out")
        return bound

    def restore(self, state: dict[str, Any]) -> BoundInteraction:
        pairs = zip(self.factors, state["factors"], strict=True)
        return BoundInteraction(self, tuple(factor.restore(its_state) for factor, its_state in pairs))


@final
class BoundInteraction(AbstractBoundCovariateEffect):
    """Bound factors; features are all products of one feature of each, the last factor's running fastest."""

    def __init__(self, effect: Interaction, factors: tuple[AbstractBoundCovariateEffect, ...]) -> None:
        self.factors, self._title = factors, effect.title
        names = [""]
        for factor in factors:
            names = [f"{before} × {name}" if before else name for before in names for name in factor.names]
        self.names, self.n_functions = tuple(names), len(names)
        self.shape_names = tuple(
            f"{name} of {whole.title}"
            for whole, factor in zip(effect.factors, factors, strict=True)
            for name in factor.shape_names
        )

    def start_shape(self) -> Array:
        return np.concatenate([factor.start_shape() for factor in self.factors])

    def shape_bounds(self) -> Array:
        return np.concatenate([factor.shape_bounds() for factor in self.factors])

    def shapes(self, shape: Array) -> list[Array]:
        """The part of each factor."""
        sizes = [len(factor.shape_names) for factor in self.factors]
        return np.split(np.asarray(shape, dtype=np.float64), np.cumsum(sizes)[:-1])

    def features(self, columns: Covariates, shape: Array) -> Array:
        require_memory(
            8 * 2 * columns.n_rows * self.n_functions,
            f"{self.n_functions:,} functions of {self._title} at {columns.n_rows:,} rows",
            "fewer functions of its factors (n_functions), or fewer rows at a time",
        )
        out = np.ones((columns.n_rows, 1))
        for factor, its_shape in zip(self.factors, self.shapes(shape), strict=True):
            its_features = factor.features(columns, its_shape)
            out = (out[:, :, None] * its_features[:, None, :]).reshape(columns.n_rows, -1)
        return out

    def missing_variance(self, shape: Array) -> float:
        pairs = zip(self.factors, self.shapes(shape), strict=True)
        return 1.0 - float(np.prod([1.0 - factor.missing_variance(its_shape) for factor, its_shape in pairs]))

    def state(self) -> dict[str, Any]:
        return {"factors": [factor.state() for factor in self.factors]}
