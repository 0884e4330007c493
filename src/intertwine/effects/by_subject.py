"""Effects that every subject has of its own: a level, a slope, a course."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.covariate import AbstractBoundCovariateEffect, AbstractCovariateEffect, Covariates
from intertwine.effects.interaction import AbstractFactor, Interaction
from intertwine.effects.smooth import Smooth, length_scale_bounds, values_that_apply
from intertwine.validation.wording import counted

__all__ = ["AbstractSubjectEffect", "BoundBySubject", "BoundCourse", "BySubject"]

Array = NDArray[np.float64]

_METHODS = ("auto", "basis", "state-space")
_LONG_SERIES = 200  # visits of one subject: from here on Kalman's filter is taken where it can be
_START = 0.1  # length scale to begin from, in ranges: long series are there for what changes fast


class AbstractSubjectEffect(AbstractCovariateEffect):
    """An effect whose coefficients every subject has of its own."""

    @abc.abstractmethod
    def for_series(self, longest: int, always_known: bool) -> AbstractSubjectEffect:
        """Decide what "auto" means.

        Parameters
        ----------
        longest : int
            Visits of the subject that has most.
        always_known : bool
            Whether the covariate of a course is a number in every row.
        """


@final
@dataclass(frozen=True)
class BySubject(AbstractSubjectEffect):
    """An effect whose coefficients are drawn anew for every subject.

    ``BySubject()`` is a level of each subject, ``BySubject(Linear("time"))`` a slope, ``BySubject(Smooth("time"))`` a
    course. ``BySubject(a) * b`` is ``BySubject(a * b)``, and so is ``a * BySubject(b)``.

    Parameters
    ----------
    effect : AbstractCovariateEffect, optional
        What of each subject varies; by default a level.
    method : {"auto", "basis", "state-space"}, default="auto"
        Of a Smooth with a Matérn kernel: by its functions, or exactly by Kalman's filter, whose cost grows with the
        visits alone and which resolves length scales far below the range of the covariate. Then the course is not
        centred. "auto" takes the latter where a subject has 200 visits or more and the covariate is always known.

    Examples
    --------
    >>> BySubject().title, BySubject(Smooth("age")).title, (Smooth("age") * BySubject(Smooth("dose"))).title
    ('subject', 'subject × age', 'subject × age × dose')
    >>> BySubject(Smooth("hour", kernel="matern32")).for_series(longest=3000, always_known=True).method
    'state-space'
    """

    effect: AbstractCovariateEffect | None = None
    method: Literal["auto", "basis", "state-space"] = "auto"

    def __post_init__(self) -> None:
        if self.effect is not None and not isinstance(self.effect, AbstractCovariateEffect):
            raise TypeError(f"BySubject({self.effect!r}): give an effect, such as BySubject(Smooth('age'))")
        if isinstance(self.effect, AbstractSubjectEffect):
            raise ValueError(
                f"BySubject of {type(self.effect).__name__}: the effect is of each subject already"
            )
        if self.method not in _METHODS:
            raise ValueError(f"method of BySubject must be one of {list(_METHODS)}, got {self.method!r}")
        if self.method == "state-space" and not self._is_markov:
            raise ValueError(
                f"method='state-space' of {self.title}: only a Smooth with kernel='matern12', 'matern32' or "
                "'matern52' has a state space"
            )

    @property
    def is_smooth(self) -> bool:
        """Whether a Smooth is among what varies, so that a kernel says how."""
        parts = self.effect.factors if isinstance(self.effect, Interaction) else (self.effect,)
        return any(isinstance(part, Smooth) for part in parts)

    @property
    def _is_markov(self) -> bool:
        return isinstance(self.effect, Smooth) and self.effect.kernel != "rbf"

    def __mul__(self, other: AbstractFactor | BySubject) -> BySubject:
        """The interaction with another effect, of each subject; only one of the two can be of each subject already."""
        return self._product(self, other, self.effect, other)

    def __rmul__(self, other: AbstractFactor) -> BySubject:
        """The same in the other order."""
        return self._product(other, self, other, self.effect)

    def _product(self, left: Any, right: Any, first: Any, second: Any) -> BySubject:
        if isinstance(left, BySubject) and isinstance(right, BySubject):
            raise ValueError(f"{left.title} × {right.title}: only one factor can be of each subject")
        known = [effect for effect in (first, second) if effect is not None]
        if not all(isinstance(effect, AbstractFactor) for effect in known):
            return NotImplemented
        return BySubject(known[0] * known[1] if len(known) == 2 else known[0], self.method)

    @property
    def number_keys(self) -> tuple[Any, ...]:
        return () if self.effect is None else self.effect.number_keys

    @property
    def category_keys(self) -> tuple[Any, ...]:
        return () if self.effect is None else self.effect.category_keys

    @property
    def title(self) -> str:
        return "subject" if self.effect is None else f"subject × {self.effect.title}"

    def for_series(self, longest: int, always_known: bool) -> BySubject:
        if self.method != "auto":
            return self
        by_filter = self._is_markov and longest >= _LONG_SERIES and always_known
        return replace(self, method="state-space" if by_filter else "basis")

    def bind(self, columns: Covariates) -> BoundBySubject | BoundCourse:
        if self.method == "state-space":
            assert isinstance(self.effect, Smooth)
            values = values_that_apply(columns, self.effect.key)
            course = BoundCourse(self.effect, float(np.ptp(values)), len(np.unique(values)))
            course.time(columns)  # refuses what is not known
            return course
        return BoundBySubject(None if self.effect is None else self.effect.bind(columns))

    def restore(self, state: dict[str, Any]) -> BoundBySubject | BoundCourse:
        if self.method == "state-space":
            assert isinstance(self.effect, Smooth)
            return BoundCourse(self.effect, float(state["extent"]), int(state["n_distinct"]))
        return BoundBySubject(None if self.effect is None else self.effect.restore(state["effect"]))


@final
class BoundBySubject(AbstractBoundCovariateEffect):
    """The features whose coefficients each subject has of its own."""

    def __init__(self, inner: AbstractBoundCovariateEffect | None) -> None:
        self.inner = inner
        self.n_functions = 1 if inner is None else inner.n_functions
        self.names = ("level",) if inner is None else inner.names
        self.shape_names = () if inner is None else inner.shape_names

    def start_shape(self) -> Array:
        return np.empty(0) if self.inner is None else self.inner.start_shape()

    def shape_bounds(self) -> Array:
        return np.empty((0, 2)) if self.inner is None else self.inner.shape_bounds()

    def features(self, columns: Covariates, shape: Array) -> Array:
        return np.ones((columns.n_rows, 1)) if self.inner is None else self.inner.features(columns, shape)

    def missing_variance(self, shape: Array) -> float:
        return 0.0 if self.inner is None else self.inner.missing_variance(shape)

    def state(self) -> dict[str, Any]:
        return {} if self.inner is None else {"effect": self.inner.state()}


@final
class BoundCourse(AbstractBoundCovariateEffect):
    """A course of each subject by its state space: it has a time, a kernel and a length scale, and no features."""

    n_functions = 0
    names = ()
    shape_names = ("length_scale",)

    def __init__(self, effect: Smooth, extent: float, n_distinct: int) -> None:
        self._effect, self._extent, self._n_distinct = effect, extent, n_distinct
        self.key, self.kernel = effect.key, effect.kernel

    def start_shape(self) -> Array:
        low, high = self.shape_bounds()[0]
        return np.array([np.clip(_START * self._extent, low, high)])

    def shape_bounds(self) -> Array:
        if self._effect.length_scale is not None:
            return np.full((1, 2), float(self._effect.length_scale))
        shortest, longest = length_scale_bounds(self._extent, self._n_distinct)
        return np.array([[min(shortest, self._extent / (self._n_distinct - 1)), longest]])

    def time(self, columns: Covariates) -> Array:
        """Where the rows stand on the course.

        Raises
        ------
        ValueError
            Where the covariate is not known.
        """
        values = columns.numbers[self.key]
        if (unknown := np.isnan(values)).any():
            raise ValueError(
                f"covariate {self.key!r} is NaN in {counted(int(unknown.sum()), 'row', 'rows')}, but a course "
                "by state space "
                "has a time in every row: take method='basis'"
            )
        return values

    def features(self, columns: Covariates, shape: Array) -> Array:
        return np.empty((columns.n_rows, 0))

    def missing_variance(self, shape: Array) -> float:
        return 0.0

    def state(self) -> dict[str, Any]:
        return {"extent": self._extent, "n_distinct": self._n_distinct}
