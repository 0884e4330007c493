"""Grouped effects: an intercept, and slopes of columns, that vary between groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from intertwine.effects.exchangeable import (
    AbstractExchangeableEffect,
    Grouping,
    group_name,
    keys_of,
    require_distinct_functions,
    require_many_levels,
    require_switches,
)
from intertwine.effects.random import AbstractRandomEffect, EffectRows

__all__ = ["BoundGrouped", "Grouped"]


@final
@dataclass(frozen=True)
class Grouped(AbstractRandomEffect):
    """Intercepts, and slopes of columns, that vary between groups.

    g(row) = b₀[group] + Σ_k x_k b_k[group], b[group] ~ N(0, Σ). In the notation of lme4: ``Grouped("school")`` is
    (1 | school), ``Grouped("school", slopes=("x",))`` is (1 + x | school), with ``correlated=False``
    (1 + x || school). Crossed and nested groups are several effects: (1 | school/class) is
    ``[Grouped("school"), Grouped(("school", "class"))]``.

    Parameters
    ----------
    group : str, int or tuple of them, optional
        Name, or number, of the column of ``groups``. Of a tuple each combination that occurs is a group. None is the
        only column.
    slopes : str, or sequence of str or int, default=()
        Columns of X whose slopes vary; a str is one column.
    intercept : bool, default=True
        Whether the intercept varies.
    correlated : bool, default=True
        Whether Σ is full; False keeps it diagonal.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.effects.random import EffectRows, GroupCodes
    >>> rows = EffectRows(4, {"school": GroupCodes(np.array([0, 0, 1, 1]), 2)}, covariates={"x": np.arange(4.0)})
    >>> bound = Grouped("school", slopes=("x",)).bind(rows)
    >>> bound.n_levels, bound.basis_names
    (2, ('intercept', 'x'))
    """

    group: Any = None
    slopes: tuple[Any, ...] = ()
    intercept: bool = True
    correlated: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return ("groups", "covariates") if self.slopes else ("groups",)

    @property
    def group_keys(self) -> tuple[Any, ...]:
        return keys_of(self.group)

    @property
    def covariate_keys(self) -> tuple[Any, ...]:
        return tuple(self.slopes)

    def __post_init__(self) -> None:
        if isinstance(self.slopes, str):
            object.__setattr__(self, "slopes", (self.slopes,))  # one column, not its letters
        if isinstance(self.slopes, bytes) or not isinstance(self.slopes, Iterable):
            raise TypeError(
                f"slopes={self.slopes!r} of Grouped: give a tuple of columns of X, as in slopes=('x',)"
            )

    def bind(self, rows: EffectRows) -> BoundGrouped:
        require_switches("Grouped", intercept=self.intercept, correlated=self.correlated)
        if not self.slopes and not self.intercept:
            raise ValueError(
                f"the effect of {group_name(self.group)} has neither an intercept nor slopes: give slopes=, or "
                "intercept=True"
            )
        constant = [key for key in self.slopes if np.ptp(rows.covariates[key]) == 0.0]
        if constant and self.intercept:
            raise ValueError(
                f"slopes of {constant}: a constant column cannot be told from the intercept of "
                f"{group_name(self.group)}; leave it out"
            )
        bound = BoundGrouped(self, Grouping.of(rows, self.group), rows)
        require_many_levels(bound.level, bound.n_levels, self.intercept, self.group)
        require_distinct_functions(
            bound.basis,
            f"the slopes {list(self.slopes)} of {group_name(self.group)} cannot be told apart"
            + (" from each other or from the intercept" if self.intercept else "")
            + ": subtract the means of columns that are far from zero, and leave out combinations of others",
        )
        return bound

    def restore(self, state: dict[str, Any]) -> BoundGrouped:
        return BoundGrouped(self, Grouping.restore(self.group, state), None)


@final
class BoundGrouped(AbstractExchangeableEffect):
    """Groups that were seen, and the columns that have slopes."""

    def __init__(self, effect: Grouped, grouping: Grouping, rows: EffectRows | None) -> None:
        self._slopes, self._intercept = tuple(effect.slopes), effect.intercept
        names = ("intercept",) * effect.intercept + tuple(str(key) for key in self._slopes)
        self._set(grouping, names, effect.correlated, rows)

    def basis_at(self, rows):
        if not self._slopes:
            return None
        columns = [np.asarray(rows.covariates[key], dtype=np.float64) for key in self._slopes]
        return np.column_stack([np.ones(rows.n_rows)] * self._intercept + columns)

    def state(self) -> dict[str, Any]:
        return self.grouping.state()
