"""Rows along one covariate, for curves of its effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from intertwine.effects.covariate import Covariates
from intertwine.effects.random import GroupCodes
from intertwine.validation.wording import listed

__all__ = ["covariate_grid"]


def covariate_grid(
    columns: Covariates, key: Any, n_points: int = 50, at: Mapping[Any, float] | None = None
) -> Covariates:
    """Rows in which one covariate runs through the range of the fit, or through its categories.

    The others do not apply, so that the effects of the covariate are there by themselves; with others at given values
    their own effects and the interactions are there as well.

    Parameters
    ----------
    columns : Covariates
        Of the fit.
    key : str or int
    n_points : int, default=50
        Of a covariate of numbers.
    at : mapping, optional
        Values of other covariates: numbers, or codes of categories.

    Raises
    ------
    ValueError
        For what no effect reads.

    Examples
    --------
    >>> sex = GroupCodes(np.array([0, 1, 1]), 2)
    >>> columns = Covariates(3, {"age": np.array([20.0, np.nan, 60.0])}, {"sex": sex})
    >>> grid = covariate_grid(columns, "age", n_points=3)
    >>> grid.numbers["age"], grid.categories["sex"].codes
    (array([20., 40., 60.]), array([-1, -1, -1]))
    >>> covariate_grid(columns, "sex", at={"age": 30.0}).numbers["age"]
    array([30., 30.])
    """
    known = [*columns.numbers, *columns.categories]
    given = dict(at or {})
    if strange := [name for name in (key, *given) if name not in known]:
        raise ValueError(
            f"no effect reads {listed(strange)}; effects read {listed(list(dict.fromkeys(known)))}"
        )
    if key in given:
        raise ValueError(f"covariate {key!r} cannot both run and stand at {given[key]!r}")
    if key in columns.numbers:
        values = columns.numbers[key]
        line = np.linspace(np.nanmin(values), np.nanmax(values), n_points)
    else:
        line = np.arange(columns.categories[key].n_levels, dtype=np.float64)
    n = len(line)
    numbers = {name: line if name == key else np.full(n, given.get(name, np.nan)) for name in columns.numbers}
    categories = {}
    for name, (_, n_levels) in columns.categories.items():
        runs = name == key and key not in columns.numbers
        codes = np.arange(n) if runs else np.full(n, int(given.get(name, -1)))
        categories[name] = GroupCodes(codes, n_levels)
    return Covariates(n, numbers, categories)
