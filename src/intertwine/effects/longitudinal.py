"""Longitudinal effects: the course of time of each group, by a polynomial or a spline."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

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

__all__ = ["BoundLongitudinal", "Longitudinal", "natural_spline"]


def natural_spline(time: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural cubic spline functions without the constant, (n, k − 1) for k knots: straight beyond the outer knots.

    The first is time itself, from −½ to ½ between the outer knots.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning (2009), equations 5.4 and 5.5.

    Examples
    --------
    >>> natural_spline(np.array([0.0, 4.0, 8.0]), np.array([0.0, 4.0, 8.0])).tolist()
    [[-0.5, 0.0], [0.0, 0.125], [0.5, 0.75]]
    """
    width = knots[-1] - knots[0]
    u, at = (time - knots[0]) / width, (knots - knots[0]) / width
    bent = [(_cube(u - at[j]) - _cube(u - at[-1])) / (at[-1] - at[j]) for j in range(len(at) - 1)]
    return np.column_stack([u - 0.5, *[bent[j] - bent[-1] for j in range(len(at) - 2)]])


def _cube(u):
    return np.maximum(u, 0.0) ** 3


@final
@dataclass(frozen=True)
class Longitudinal(AbstractRandomEffect):
    """The course of time of each group: intercepts, slopes and bends that vary together.

    g(row) = Σ_k φ_k(time) b_k[group], b[group] ~ N(0, Σ). The functions are powers of time, whose coefficients are in
    the unit of time that was given, or a natural cubic spline, which is straight before and after the times seen.

    Parameters
    ----------
    group : str, int or tuple of them, optional
        As of `Grouped`: what has a course of its own.
    degree : int, default=1
        Highest power of time of a polynomial.
    basis : {"polynomial", "spline"}, default="polynomial"
    n_knots : int, default=4
        Of a spline, at quantiles of the times; with the intercept it has as many functions.
    intercept : bool, default=True
        Whether the value at time zero varies.
    correlated : bool, default=True
        Whether Σ is full; False keeps it diagonal, which means something else when time is shifted.

    Examples
    --------
    >>> from intertwine.effects.random import GroupCodes
    >>> patient, year = GroupCodes(np.repeat([0, 1], 5), 2), np.tile(np.arange(5.0), 2)
    >>> bound = Longitudinal("patient", degree=2).bind(EffectRows(10, {"patient": patient}, time=year))
    >>> bound.basis_names
    ('intercept', 'time', 'time^2')
    >>> bound.basis[3].tolist()
    [1.0, 3.0, 9.0]
    """

    group: Any = None
    degree: int = 1
    basis: Literal["polynomial", "spline"] = "polynomial"
    n_knots: int = 4
    intercept: bool = True
    correlated: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return ("groups", "time")

    @property
    def group_keys(self) -> tuple[Any, ...]:
        return keys_of(self.group)

    @property
    def covariate_keys(self) -> tuple[Any, ...]:
        return ()

    def bind(self, rows: EffectRows) -> BoundLongitudinal:
        self._check()
        assert rows.time is not None  # it is among the needs
        times = np.unique(rows.time)
        wanted = self.n_knots if self.basis == "spline" else self.degree + 1
        if len(times) < wanted:
            what = f"a spline of {wanted} knots" if self.basis == "spline" else f"degree {self.degree}"
            raise ValueError(f"time has {len(times)} distinct values: {what} needs at least {wanted}")
        knots = np.empty(0)
        if self.basis == "spline":
            knots = np.quantile(times, np.linspace(0.0, 1.0, self.n_knots))
        bound = BoundLongitudinal(self, Grouping.of(rows, self.group), knots, rows)
        require_many_levels(bound.level, bound.n_levels, self.intercept, self.group)
        require_distinct_functions(
            bound.basis,
            f"time runs from {times[0]:g} to {times[-1]:g}, so far from zero that its powers cannot be told apart: "
            f"subtract {times.mean():g}, or lower degree",
        )
        return bound

    def restore(self, state: dict[str, Any]) -> BoundLongitudinal:
        return BoundLongitudinal(self, Grouping.restore(self.group, state), np.asarray(state["knots"]), None)

    def _check(self) -> None:
        name = group_name(self.group)
        if self.basis not in ("polynomial", "spline"):
            raise ValueError(f"basis={self.basis!r} of {name}: choose 'polynomial' or 'spline'")
        for parameter, value in (("degree", self.degree), ("n_knots", self.n_knots)):
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise ValueError(f"{parameter}={value!r} of {name}: give a whole number")
        require_switches("Longitudinal", intercept=self.intercept, correlated=self.correlated)
        if self.basis == "polynomial" and self.degree < (0 if self.intercept else 1):
            raise ValueError(f"degree={self.degree} of {name}: at least 0, and 1 without an intercept")
        if self.basis == "spline" and self.n_knots < 2:
            raise ValueError(f"n_knots={self.n_knots} of {name}: at least 2")


@final
class BoundLongitudinal(AbstractExchangeableEffect):
    """Groups that were seen, and the knots of a spline."""

    def __init__(
        self, effect: Longitudinal, grouping: Grouping, knots: NDArray[np.float64], rows: EffectRows | None
    ) -> None:
        self._degree, self._knots, self._intercept = effect.degree, knots, effect.intercept
        if len(knots):
            names = tuple(f"spline {k}" for k in range(1, len(knots)))
        else:
            names = tuple("time" if k == 1 else f"time^{k}" for k in range(1, effect.degree + 1))
        self._set(grouping, ("intercept",) * effect.intercept + names, effect.correlated, rows)

    def basis_at(self, rows):
        if self.basis_names == ("intercept",):
            return None
        time = np.asarray(rows.time, dtype=np.float64)
        if len(self._knots):
            functions = natural_spline(time, self._knots)
        else:
            functions = time[:, None] ** np.arange(1, self._degree + 1)
        return np.column_stack([np.ones((len(time), int(self._intercept))), functions])

    def state(self) -> dict[str, Any]:
        return {"knots": self._knots, **self.grouping.state()}
