"""From groups, time, coordinates and columns of X as users pass them to the rows that random effects read.

The labels stay here: effects and the engine see codes, −1 for a level that was not seen in fit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractNamedLevelsEffect, AbstractRandomEffect, EffectRows, GroupCodes
from intertwine.estimators.effect_rows.group_labels import GroupColumn, GroupTable, missing_labels
from intertwine.estimators.effect_rows.inputs import (
    WHAT_IT_IS,
    EffectInputs,
    feature_position,
    read_coordinates,
    read_time,
    require,
    require_latitude_first,
    warn_of_unread,
)
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import counted, listed, rows_where

__all__ = ["EffectData", "EffectInputs", "tell_of_unseen"]


@final
class EffectData:
    """What was learnt of groups, time and coordinates in fit: labels, names, and what is needed.

    Parameters
    ----------
    needs : tuple of str
        Which of "groups", "time", "coords", "covariates" effects read.
    columns : tuple of GroupColumn
    n_group_columns : int
        How many columns ``groups`` had.
    column_of : tuple of (key, position among ``columns``)
        What the keys of effects stand for.
    coordinate_names : tuple of str or None
    n_coordinates : int
    covariates : tuple of (key, position)

    Examples
    --------
    >>> from intertwine.effects import Grouped
    >>> inputs = EffectInputs(rows=[[0.0]] * 3, n_rows=3, groups=["b", "a", "b"])
    >>> data, rows = EffectData.read([Grouped()], inputs)
    >>> rows.groups[None].codes, data.labels(None)
    (array([1, 0, 1]), array(['a', 'b'], dtype=object))
    >>> data.rows(inputs._replace(groups=["b", "b", "c"]), unseen="ignore").groups[None].codes
    array([ 1,  1, -1])
    """

    def __init__(
        self,
        needs: tuple[str, ...],
        columns: tuple[GroupColumn, ...],
        n_group_columns: int,
        column_of: tuple[tuple[Any, int], ...],
        coordinate_names: tuple[str, ...] | None,
        n_coordinates: int,
        covariates: tuple[tuple[Any, int], ...],
    ) -> None:
        self.needs = needs
        self.columns = columns
        self.n_group_columns = n_group_columns
        self.column_of = column_of
        self.coordinate_names = coordinate_names
        self.n_coordinates = n_coordinates
        self.covariates = covariates

    @classmethod
    def read(
        cls, effects: Sequence[AbstractRandomEffect], inputs: EffectInputs
    ) -> tuple[EffectData, EffectRows]:
        """Learn the labels of a fit's rows.

        Parameters
        ----------
        effects : sequence of AbstractRandomEffect
        inputs : EffectInputs

        Returns
        -------
        data : EffectData
        rows : EffectRows

        Raises
        ------
        ValueError
            Something that an effect reads was not passed, has another length, or holds NaN.
        TypeError
            1 and '1' mixed; dates for numbers.

        Warns
        -----
        UserWarning
            Something was passed that no effect reads; a time that repeats within a group; a few rows in the place of
            others.
        """
        needs = tuple(dict.fromkeys(need for effect in effects for need in effect.needs))
        # a series may have groups or not: where they are given, an effect of time reads them
        optional = {key for effect in effects for key in effect.group_keys if "groups" not in effect.needs}
        if inputs.groups is not None and optional and "groups" not in needs:
            needs = (*needs, "groups")
        require(effects, inputs)
        warn_of_unread(needs, inputs)
        keys = list(dict.fromkeys(key for effect in effects for key in effect.group_keys))
        columns, column_of, codes, n_columns = _learn_groups(
            keys if "groups" in needs else [], inputs, _named_levels(effects)
        )
        coords, names = read_coordinates(inputs) if "coords" in needs else (None, None)
        if names is not None and any(getattr(effect, "geographic", False) for effect in effects):
            require_latitude_first(names)
        covariates = tuple(
            (key, feature_position(key, inputs))
            for key in dict.fromkeys(key for effect in effects for key in effect.covariate_keys)
        )
        data = cls(
            needs, columns, n_columns, column_of, names, 0 if coords is None else coords.shape[1], covariates
        )
        rows = data._assembled(inputs, codes, coords)
        _warn_of_replicates(effects, data, rows)
        _warn_of_shared_places(rows)
        return data, rows

    def rows(self, inputs: EffectInputs, unseen: str = "warn") -> EffectRows:
        """Read other rows.

        Parameters
        ----------
        inputs : EffectInputs
        unseen : {"warn", "raise", "ignore"}
            What becomes of labels that were not in fit, missing ones among them; they have the code −1.

        Returns
        -------
        EffectRows

        Raises
        ------
        ValueError, TypeError

        Warns
        -----
        UserWarning
            With the labels that were not seen.
        """
        for need in ("groups", "time", "coords"):
            if need in self.needs and getattr(inputs, need) is None:
                what = WHAT_IT_IS[need].format(n=inputs.n_rows)
                raise ValueError(f"{need} was given in fit and is needed here: pass {need}=, {what}")
        codes: list[NDArray[np.int64]] = []
        if self.columns:
            table = GroupTable(inputs.groups, inputs.rows, inputs.rows_name)
            for column in self.columns:
                values = table.same_column(column, self.n_group_columns, len(self.columns))
                codes.append(column.codes(values))
                _report_unseen(column, values, codes[-1], unseen)
        coords = None
        if "coords" in self.needs:
            coords = read_coordinates(inputs, self.coordinate_names)[0]
            if coords.shape[1] != self.n_coordinates:
                raise ValueError(
                    f"coords has {counted(coords.shape[1], 'column', 'columns')}, expecting "
                    f"{self.n_coordinates} as in fit"
                )
        return self._assembled(inputs, codes, coords)

    def only(self, effect: AbstractRandomEffect) -> EffectData:
        """What is needed to read rows for one of the effects."""
        wanted = dict.fromkeys(effect.group_keys)
        kept = sorted({place for key, place in self.column_of if key in wanted})
        return EffectData(
            tuple(need for need in self.needs if need in effect.needs or (need == "groups" and kept)),
            tuple(self.columns[place] for place in kept),
            self.n_group_columns,
            tuple((key, kept.index(place)) for key, place in self.column_of if key in wanted),
            self.coordinate_names,
            self.n_coordinates,
            tuple((key, position) for key, position in self.covariates if key in effect.covariate_keys),
        )

    def column(self, key: Any) -> GroupColumn:
        """The column that the key of an effect stands for."""
        return self.columns[dict(self.column_of)[key]]

    def labels(self, key: Any) -> NDArray[Any]:
        """Labels of the codes of a key."""
        return self.column(key).ids.labels

    def to_state(self) -> dict[str, Any]:
        """What a file holds of it: arrays, numbers and text."""
        return {
            "needs": list(self.needs),
            "columns": [column.to_state() for column in self.columns],
            "n_group_columns": self.n_group_columns,
            "column_of": [list(pair) for pair in self.column_of],
            "coordinate_names": None if self.coordinate_names is None else list(self.coordinate_names),
            "n_coordinates": self.n_coordinates,
            "covariates": [list(pair) for pair in self.covariates],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EffectData:
        """The data that `to_state` wrote."""
        names = state["coordinate_names"]
        return cls(
            tuple(state["needs"]),
            tuple(GroupColumn.from_state(column) for column in state["columns"]),
            state["n_group_columns"],
            tuple((key, place) for key, place in state["column_of"]),
            None if names is None else tuple(names),
            state["n_coordinates"],
            tuple((key, position) for key, position in state["covariates"]),
        )

    def check_observed(self, rows: EffectRows, observed: NDArray[np.bool_]) -> None:
        """Refuse groups all of whose rows have nothing observed.

        Parameters
        ----------
        rows : EffectRows
            As they were read in fit.
        observed : ndarray of bool, shape (n,)
            Whether a row has any outcome.

        Raises
        ------
        ValueError
            With the labels.
        """
        for key, _ in self.column_of:
            codes, n_levels = rows.groups[key]
            there = np.bincount(codes, minlength=n_levels) > 0  # a graph has nodes that no row has
            idle = there & (np.bincount(codes[observed], minlength=n_levels) == 0)
            if idle.any():
                raise ValueError(
                    f"nothing is observed of {counted(int(idle.sum()), 'level', 'levels')} of "
                    f"{self.column(key).title!r}: "
                    f"{listed(self.labels(key)[idle])}; drop their rows"
                )

    def _assembled(
        self,
        inputs: EffectInputs,
        codes: Sequence[NDArray[np.int64]],
        coords: NDArray[np.float64] | None,
    ) -> EffectRows:
        groups = {
            key: GroupCodes(codes[place], len(self.columns[place].ids)) for key, place in self.column_of
        }
        covariates = {}
        for key, position in self.covariates:
            assert inputs.features is not None
            covariates[key] = np.asarray(inputs.features[:, position], dtype=float)
        time = read_time(inputs) if "time" in self.needs else None
        return EffectRows(inputs.n_rows, groups, time, coords, covariates)


def _named_levels(effects: Sequence[AbstractRandomEffect]) -> dict[Any, Sequence[Any]]:
    """Labels that effects know beyond those of the rows, by the key of their column."""
    named = [effect for effect in effects if isinstance(effect, AbstractNamedLevelsEffect)]
    return {effect.group_keys[0]: effect.named_levels() for effect in named if effect.named_levels()}


def _learn_groups(
    keys: list[Any], inputs: EffectInputs, named: Mapping[Any, Sequence[Any]]
) -> tuple[tuple[GroupColumn, ...], tuple[tuple[Any, int], ...], list[NDArray[np.int64]], int]:
    if not keys:
        return (), (), [], 0
    table = GroupTable(inputs.groups, inputs.rows, inputs.rows_name)
    place = {key: table.position(key, keys) for key in keys}
    used = sorted(set(place.values()))
    also = {place[key]: labels for key, labels in named.items()}
    learnt = [GroupColumn.of(table, position, also.get(position, ())) for position in used]
    columns = tuple(column for column, _ in learnt)
    column_of = tuple((key, used.index(position)) for key, position in place.items())
    return columns, column_of, [codes for _, codes in learnt], len(table)


def _report_unseen(column: GroupColumn, values: NDArray[Any], codes: NDArray[np.int64], unseen: str) -> None:
    new = values[codes < 0]
    if len(new):
        missing = missing_labels(new)
        labels = list(dict.fromkeys(new[~missing].tolist()))
        what = f"{counted(len(new), 'row has', 'rows have')} levels of {column.title!r} that were not in fit"
        what += f": {listed(labels)}" if labels else ""
        them_have = counted(int(missing.sum()), "of them has", "of them have")
        what += f" ({them_have} no label)" if missing.any() else ""
        tell_of_unseen(what, unseen)


def tell_of_unseen(what: str, unseen: str) -> None:
    """Warn of levels that were not in fit, or refuse them, as ``unseen`` says."""
    if unseen == "raise":
        raise ValueError(f"{what}; unseen='warn' predicts them from the rest of the model")
    if unseen == "warn":
        warnings.warn(
            f"{what}; they are predicted from the rest of the model, with a wider variance",
            UserWarning,
            stacklevel=depth_of_caller(),
        )


def _warn_of_replicates(effects: Sequence[AbstractRandomEffect], data: EffectData, rows: EffectRows) -> None:
    """Tell of times that repeat within a group: such rows are replicates, and their difference is noise."""
    if rows.time is None:
        return
    for effect in effects:
        if "time" not in effect.needs:
            continue
        keys = [key for key in effect.group_keys if key in rows.groups]
        columns = [rows.groups[key].codes for key in keys]
        order = np.lexsort([rows.time, *columns])
        same = [column[order][1:] == column[order][:-1] for column in [*columns, rows.time]]
        again = np.logical_and.reduce(same)
        if again.any():
            named = ":".join(data.column(key).title for key in keys)
            where = f" within a level of {named!r}" if keys else ""
            rows_repeat = counted(int(again.sum()), "row repeats", "rows repeat")
            example = rows_where(_marked(order[1:][again], rows))
            warnings.warn(
                f"{rows_repeat} a time{where}, e.g. {example}: they count as replicates",
                UserWarning,
                stacklevel=depth_of_caller(),
            )


def _warn_of_shared_places(rows: EffectRows) -> None:
    """Tell of a few rows that are in the place of another; where most are, places are groups, and meant so."""
    if rows.coords is None:
        return
    _, first = np.unique(rows.coords, axis=0, return_index=True)
    n_again = rows.n_rows - len(first)
    if 0 < 2 * n_again < rows.n_rows:
        again = np.setdiff1d(np.arange(rows.n_rows), first)
        warnings.warn(
            f"{counted(n_again, 'row repeats', 'rows repeat')} the coordinates of another, e.g. "
            f"{rows_where(_marked(again, rows))}: what rows of one place differ by is noise (a nugget)",
            UserWarning,
            stacklevel=depth_of_caller(),
        )


def _marked(places: NDArray[np.int64], rows: EffectRows) -> NDArray[np.bool_]:
    mask = np.zeros(rows.n_rows, dtype=bool)
    mask[places] = True
    return mask
