"""Effects whose levels are alike and independent: pupils of schools, visits of patients."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.effects.random import (
    AbstractBoundEffect,
    AbstractRandomEffect,
    EffectRows,
    GroupCodes,
    IndependentPrior,
    Located,
)

__all__ = [
    "AbstractExchangeableEffect",
    "Grouping",
    "group_name",
    "keys_of",
    "require_distinct_effects",
    "require_distinct_functions",
    "require_many_levels",
    "require_switches",
]

_WORST_CONDITION = (
    1e5  # of basis functions: their covariance squares it, and double precision has sixteen digits
)


def keys_of(group: Any) -> tuple[Any, ...]:
    """Keys of the groupings whose combinations are the levels: of ``("school", "class")`` both, else the one."""
    return tuple(group) if isinstance(group, tuple | list) else (group,)


def group_name(group: Any) -> str:
    """Name of a grouping in messages and frames: ``school:class``, or ``groups`` where there is only one."""
    return "groups" if group is None else ":".join(str(key) for key in keys_of(group))


@final
class Grouping(NamedTuple):
    """Which combinations of the codes of one or several groupings occurred; these are the levels.

    Combinations of k groupings are found one grouping at a time: ``tables[j]`` holds, in order, the numbers
    (level of the first j + 1 groupings) · sizes[j + 1] + code that occurred, so that nothing grows with the product.
    """

    keys: tuple[Any, ...]
    sizes: tuple[int, ...]
    tables: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, rows: EffectRows, group: Any) -> Grouping:
        keys = keys_of(group)
        sizes = tuple(rows.groups[key].n_levels for key in keys)
        level, tables = rows.groups[keys[0]].codes, []
        for key, size in zip(keys[1:], sizes[1:], strict=True):
            table, level = np.unique(level * size + rows.groups[key].codes, return_inverse=True)
            tables.append(table)
        return cls(keys, sizes, tuple(tables))

    @property
    def n_levels(self) -> int:
        return len(self.tables[-1]) if self.tables else self.sizes[0]

    def levels(self, rows: EffectRows) -> NDArray[np.int64]:
        """Level of each row, −1 where its combination did not occur."""
        level = np.asarray(rows.groups[self.keys[0]].codes, dtype=np.int64)
        for key, size, table in zip(self.keys[1:], self.sizes[1:], self.tables, strict=True):
            codes = rows.groups[key].codes
            wanted = np.where((level < 0) | (codes < 0), -1, level * size + codes)
            place = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
            level = np.where(table[place] == wanted, place, -1)
        return level

    def codes(self) -> NDArray[np.int64]:
        """Codes of each level in each of the groupings, (q, k): what a level is called."""
        level, columns = np.arange(self.n_levels), []
        for size, table in zip(self.sizes[:0:-1], self.tables[::-1], strict=True):
            level, code = np.divmod(table[level], size)
            columns.append(code)
        return np.column_stack([level, *columns[::-1]])

    def state(self) -> dict[str, Any]:
        tables = {f"combinations_{j}": table for j, table in enumerate(self.tables)}
        return {"sizes": np.array(self.sizes, dtype=np.int64), **tables}

    @classmethod
    def restore(cls, group: Any, state: dict[str, Any]) -> Grouping:
        keys = keys_of(group)
        tables = tuple(np.asarray(state[f"combinations_{j}"]) for j in range(len(keys) - 1))
        return cls(keys, tuple(int(size) for size in state["sizes"]), tables)


def require_many_levels(level: NDArray[np.int64], n_levels: int, has_intercept: bool, group: Any) -> None:
    """Refuse one level, and an intercept of levels that have one row each.

    Raises
    ------
    ValueError
        With one level the effect cannot be told from the mean; with one row a level its intercept is noise.
    """
    counts = np.bincount(level, minlength=n_levels)
    if np.count_nonzero(counts) < 2:
        raise ValueError(
            f"{group_name(group)} has one level, so its variance is not identified: leave the effect out, or give "
            "rows of several levels"
        )
    if has_intercept and counts.max() < 2:
        raise ValueError(
            f"{group_name(group)} has one row for each of its {n_levels} levels, so its intercept is confounded with "
            "noise: use a coarser grouping"
        )


def require_distinct_functions(basis: NDArray[np.float64] | None, refusal: str) -> None:
    """Refuse basis functions that are nearly combinations of each other, with the given words.

    Raises
    ------
    ValueError
        Where double precision could not hold their covariance.
    """
    if basis is None:
        return
    gram = basis.T @ basis
    scale = np.sqrt(np.diag(gram))
    if not np.all(scale > 0.0) or np.linalg.cond(gram / scale / scale[:, None]) > _WORST_CONDITION**2:
        raise ValueError(refusal)


class AbstractExchangeableEffect(AbstractBoundEffect):
    """K = I: nothing is shared between levels, and an unseen level is like any other."""

    grouping: Grouping

    def _set(
        self, grouping: Grouping, names: tuple[str, ...], correlated: bool, rows: EffectRows | None
    ) -> None:
        self.grouping, self.n_levels = grouping, grouping.n_levels
        self.basis_names, self.correlated = names, correlated
        self.level = np.empty(0, dtype=np.int64) if rows is None else grouping.levels(rows)
        self.basis = None if rows is None else self.basis_at(rows)

    @abc.abstractmethod
    def basis_at(self, rows: EffectRows) -> NDArray[np.float64] | None:
        """Basis functions at rows, (n, r); None is a column of ones."""

    def start_shape(self) -> NDArray[np.float64]:
        return np.empty(0)

    def shape_bounds(self) -> NDArray[np.float64]:
        return np.empty((0, 2))

    def prior(self, shape: NDArray[np.float64]) -> IndependentPrior:
        return IndependentPrior(self.n_levels)

    def locate(self, rows: EffectRows, shape: NDArray[np.float64]) -> Located:
        level, basis, q = self.grouping.levels(rows), self.basis_at(rows), self.n_levels
        if not np.any(level < 0):
            return Located(level, basis, None, None)
        # One more level, of which nothing is known, stands for all that were not seen.
        projection = sparse.csr_array(sparse.eye_array(q + 1, q, format="csr"))
        return Located(np.where(level < 0, q, level), basis, projection, np.repeat([0.0, 1.0], [q, 1]))


def with_more_levels(
    effect: AbstractRandomEffect, bound: AbstractExchangeableEffect, rows: EffectRows
) -> tuple[AbstractExchangeableEffect, NDArray[np.int64]]:
    """A bound effect that knows the levels of further rows, too, and which of its levels those before are.

    Parameters
    ----------
    effect : AbstractRandomEffect
    bound : AbstractExchangeableEffect
        Its form before.
    rows : EffectRows
        They know all labels.
    """
    keys, before = bound.grouping.keys, bound.grouping.codes()
    known = {key: GroupCodes(before[:, k], rows.groups[key].n_levels) for k, key in enumerate(keys)}
    old = EffectRows(len(before), known)
    joined = old.joined(EffectRows(rows.n_rows, {key: rows.groups[key] for key in keys}))
    grouping = Grouping.of(joined, keys)
    wider = effect.restore(bound.state() | grouping.state())
    assert isinstance(wider, AbstractExchangeableEffect)
    return wider, grouping.levels(old)


def require_distinct_effects(effects: Sequence[AbstractBoundEffect], names: Sequence[str]) -> None:
    """Refuse two effects of which only the sum could be known: the same functions of the same groups.

    Raises
    ------
    ValueError
        With the names of both.
    """
    named = zip(effects, names, strict=True)
    alike = [(effect, name) for effect, name in named if isinstance(effect, AbstractExchangeableEffect)]
    for (one, name), (other, other_name) in combinations(alike, 2):
        shared = set(one.basis_names) & set(other.basis_names)
        if shared and one.n_levels == other.n_levels:
            pairs = one.level * one.n_levels + other.level
            if len(np.unique(pairs)) == one.n_levels:
                raise ValueError(
                    f"{name!r} and {other_name!r} have the same levels and both vary in {sorted(shared)}: only the "
                    "sum of their variances is identified; leave one out"
                )


def require_switches(effect: str, **given: Any) -> None:
    """Refuse what is neither True nor False where one of them is wanted.

    Raises
    ------
    ValueError
        With the parameter's name.
    """
    for name, value in given.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} of {effect} must be True or False, got {value!r}")
