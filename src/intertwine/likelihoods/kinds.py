"""Which column has which likelihood, from what a user wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.likelihoods.base import AbstractLikelihood
from intertwine.likelihoods.bernoulli import Bernoulli
from intertwine.likelihoods.gaussian import Gaussian
from intertwine.likelihoods.ordinal import Ordinal
from intertwine.likelihoods.poisson import Poisson
from intertwine.validation.wording import counted, listed

__all__ = ["KINDS", "column_kinds", "position_of"]

KINDS: dict[str, type[AbstractLikelihood]] = {
    kind.name: kind for kind in (Gaussian, Bernoulli, Ordinal, Poisson)
}


def column_kinds(likelihood: Any, n_columns: int, names: NDArray[Any] | None = None) -> tuple[str, ...]:
    """The kind of every column.

    Parameters
    ----------
    likelihood : str, mapping or sequence of str
        One for all columns; or those of some columns, by name or position, where all others are "gaussian"; or one for
        each.
    n_columns : int
    names : ndarray of str or None
        Of the columns.

    Raises
    ------
    ValueError
        For a kind or a column that is not there, or a sequence of another length.
    TypeError
        For anything else.

    Examples
    --------
    >>> column_kinds({"visits": "poisson", 0: "bernoulli"}, 3, np.array(["ill", "age", "visits"], dtype=object))
    ('bernoulli', 'gaussian', 'poisson')
    """
    if isinstance(likelihood, str):
        kinds = [likelihood] * n_columns
    elif isinstance(likelihood, Mapping):
        kinds = ["gaussian"] * n_columns
        for column, kind in likelihood.items():
            kinds[position_of(column, "likelihood", n_columns, names)] = kind
    elif isinstance(likelihood, Iterable):
        kinds = list(likelihood)
        if len(kinds) != n_columns:
            raise ValueError(
                f"likelihood has {counted(len(kinds), 'kind', 'kinds')}, but X has "
                f"{counted(n_columns, 'column', 'columns')}: give one for each"
            )
    else:
        raise TypeError(
            f"likelihood must be a kind, a dict of columns or a list, not {type(likelihood).__name__}"
        )
    unknown = [kind for kind in dict.fromkeys(map(str, kinds)) if kind not in KINDS]
    if unknown:
        raise ValueError(f"likelihood {listed(unknown)} is not known; choose from {listed(list(KINDS))}")
    return tuple(kinds)


def position_of(column: Any, parameter: str, n_columns: int, names: NDArray[Any] | None) -> int:
    """The position of a column that a parameter names, or gives by its position.

    Raises
    ------
    ValueError
        Where there is none.
    """
    if names is not None and column in (known := list(names)):
        return known.index(column)
    if isinstance(column, int | np.integer) and not isinstance(column, bool):
        if 0 <= column < n_columns:
            return int(column)
        raise ValueError(f"{parameter} names column {column}, but X has columns 0 to {n_columns - 1}")
    have = "without names: give positions" if names is None else f"with columns {listed(names)}"
    raise ValueError(f"{parameter} names {column!r}, which is not in X {have}")
