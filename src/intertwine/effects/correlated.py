"""Effects of each subject whose coefficients are correlated: who begins high may fall fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.by_subject import AbstractSubjectEffect, BoundBySubject, BySubject
from intertwine.effects.covariate import AbstractBoundCovariateEffect, AbstractCovariateEffect, Covariates

__all__ = ["BoundCorrelated", "Correlated"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Correlated(AbstractSubjectEffect):
    """Effects of each subject whose coefficients have one full covariance on each latent axis.

    ``Correlated([BySubject(), BySubject(Linear("time"))])`` is what lme4 writes as ``(time | subject)``; the list of
    the two effects by themselves is ``(time || subject)``. Unlike the latter it says the same wherever time is
    counted from, and forecasts use what a level says of a slope.

    Parameters
    ----------
    effects : sequence of BySubject
        Two or more: a level, and what is linear or of categories. A Smooth has a covariance by its kernel already.

    Examples
    --------
    >>> from intertwine.effects import Linear
    >>> effect = Correlated([BySubject(), BySubject(Linear("time"))])
    >>> effect.title
    'subject + subject × time'
    >>> bound = effect.bind(Covariates(3, {"time": np.array([0.0, 1.0, 2.0])}, {}))
    >>> bound.names, bound.features(Covariates(1, {"time": np.array([1.0])}, {}), np.empty(0))
    (('subject', 'subject × time'), array([[1., 0.]]))
    """

    effects: tuple[BySubject, ...]

    def __post_init__(self) -> None:
        effects = self.effects
        if isinstance(effects, str | AbstractCovariateEffect) or not hasattr(effects, "__iter__"):
            raise TypeError(
                f"Correlated({effects!r}): give a list such as [BySubject(), BySubject(Linear('time'))]"
            )
        object.__setattr__(self, "effects", tuple(effects))  # a file gives a list
        for effect in self.effects:
            if not isinstance(effect, BySubject):
                raise TypeError(
                    f"Correlated holds {effect!r}, which is not of each subject: give BySubject(), "
                    "BySubject(Linear('time')), …"
                )
            if effect.is_smooth:
                raise ValueError(
                    f"Correlated holds {effect.title!r}, a Smooth, whose covariance is that of its kernel: leave it "
                    "beside Correlated, or take Linear"
                )
        if len(self.effects) < 2:
            raise ValueError("Correlated is of two effects or more: one alone is written without it")
        if repeated := [one.title for place, one in enumerate(self.effects) if one in self.effects[:place]]:
            raise ValueError(f"Correlated holds {repeated[0]!r} twice: only the sum of the two is identified")

    @property
    def number_keys(self) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(key for effect in self.effects for key in effect.number_keys))

    @property
    def category_keys(self) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(key for effect in self.effects for key in effect.category_keys))

    @property
    def title(self) -> str:
        return " + ".join(effect.title for effect in self.effects)

    def for_series(self, longest: int, always_known: bool) -> Correlated:
        return self

    def bind(self, columns: Covariates) -> BoundCorrelated:
        return BoundCorrelated(self, [effect.bind(columns) for effect in self.effects])

    def restore(self, state: dict[str, Any]) -> BoundCorrelated:
        pairs = zip(self.effects, state["effects"], strict=True)
        return BoundCorrelated(self, [effect.restore(its_state) for effect, its_state in pairs])


@final
class BoundCorrelated(AbstractBoundCovariateEffect):
    """The features of several effects of each subject, side by side."""

    def __init__(self, effect: Correlated, parts: list[Any]) -> None:
        self.parts: list[BoundBySubject] = parts
        self.n_functions = sum(part.n_functions for part in parts)
        names: list[str] = []
        for one, part in zip(effect.effects, parts, strict=True):
            single = part.n_functions == 1
            names += [one.title if single else f"{one.title}, {name}" for name in part.names]
        self.names = tuple(names)

    def start_shape(self) -> Array:
        return np.empty(0)

    def shape_bounds(self) -> Array:
        return np.empty((0, 2))

    def features(self, columns: Covariates, shape: Array) -> Array:
        return np.hstack([part.features(columns, shape) for part in self.parts])

    def missing_variance(self, shape: Array) -> float:
        return 0.0

    def state(self) -> dict[str, Any]:
        return {"effects": [part.state() for part in self.parts]}
