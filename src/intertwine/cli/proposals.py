"""Roles that columns have unmistakably, by their names and contents, where nobody said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from intertwine.cli.columns import is_number
from intertwine.cli.names import is_id, is_time, words
from intertwine.cli.suspects import counts_rows
from intertwine.cli.table_options import TableOptions, spread
from intertwine.cli.typos import holds_written_dates

__all__ = ["Proposal", "proposed_roles"]

_USERS = ("user", "reviewer", "rater", "viewer", "reader", "listener", "customer")
_ITEMS = ("item", "movie", "film", "book", "product", "song", "track", "restaurant", "business", "joke")
_RATINGS = ("rating", "stars")
_SUBJECTS = ("subject", "patient", "participant", "person", "pupil", "student", "animal", "id")
_CLUSTERS = (
    *(
        "school",
        "hospital",
        "clinic",
        "center",
        "centre",
        "site",
        "ward",
        "lab",
        "batch",
        "household",
        "family",
    ),
    *("litter", "store", "farm", "plot", "city", "county", "state", "region", "country"),
)
_PLACES = (("lat", "latitude"), ("lon", "lng", "long", "longitude"), ((-90.0, 90.0), (-180.0, 180.0)))

_ROWS_A_LEVEL = 2.0  # on average, from which on a column of labels says what rows share
_PAIRS_ALONE = 0.95  # share of ratings that are the only one of their pair
_MOST_COLUMNS = 50  # labels up to which levels are columns like others


class Proposal(NamedTuple):
    """What a column was taken for.

    Attributes
    ----------
    option : str
        The option that would say so, and that says otherwise.
    column : str
    because : str
    """

    option: str
    column: str
    because: str


def proposed_roles(table: pd.DataFrame, given: TableOptions) -> tuple[TableOptions, list[Proposal]]:
    """The roles that were given, and those that are unmistakable; what was given is never changed.

    Parameters
    ----------
    table : DataFrame
    given : TableOptions

    Returns
    -------
    roles : TableOptions
    proposals : list of Proposal

    Examples
    --------
    >>> table = pd.DataFrame({"Subject": np.arange(12) // 2, "Days": np.arange(12) % 2, "Reaction": 0.1})
    >>> roles, proposals = proposed_roles(table, TableOptions(target="Reaction"))
    >>> roles.subject, roles.time, [proposal.option for proposal in proposals]
    ('Subject', 'Days', ['--subject', '--time'])
    """
    roles, found = given, []
    for find in (_dates, _row_names, _ratings, _places, _subject, _time, _groups):
        for proposal in find(table, roles):
            field = proposal.option.removeprefix("--")
            many = field in ("drop", "groups", "coords")
            value: Any = proposal.column
            if many:
                value = [*spread(getattr(roles, field)), proposal.column]
            roles = replace(roles, **{field: value})
            found.append(proposal)
    return roles, found


def _taken(roles: TableOptions) -> set[str]:
    """Columns that have a role."""
    names = [roles.time, roles.entry, roles.user, roles.item, roles.subject]
    names += [roles.target] if roles.target is None else [roles.target, *roles.target.split(",")]
    names += [] if roles.event is None else [roles.event, roles.event.rpartition("=")[0]]
    for several in (roles.drop, roles.groups, roles.coords, roles.covariates, roles.measurements):
        names += spread(several)
    names += [*spread(roles.user_features), *spread(roles.item_features)]
    return {name.strip() for name in names if name}


def _free(table: pd.DataFrame, roles: TableOptions) -> list[str]:
    taken = _taken(roles)
    return [name for name in table.columns if name not in taken]


def _dates(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    """Dates, which would keep every family off the table."""
    for name in _free(table, roles):
        values = table[name]
        if name in spread(roles.categorical):
            continue
        if pd.api.types.is_datetime64_any_dtype(values) or holds_written_dates(values):
            yield Proposal("--drop", name, "it holds dates; turned into a number, it could be read")


def _row_names(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    """Columns that count or name the rows."""
    n = len(table)
    for name in _free(table, roles):
        values = table[name]
        if values.nunique(dropna=False) < n or n < 4 or name in spread(roles.keep):
            continue
        if is_number(values):
            whole = values.to_numpy(float)
            if is_time(name):
                continue
            if counts_rows(values):
                yield Proposal("--drop", name, "it counts the rows")
            elif is_id(name) and np.array_equal(whole, np.round(whole)):
                yield Proposal("--drop", name, "it is another number in every row")
        elif not pd.api.types.is_datetime64_any_dtype(values) and not _reads_as_numbers(values):
            yield Proposal("--drop", name, "it is another label in every row")


def _ratings(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    """Who rated what, where both have names that say so, and hardly any pair occurs twice."""
    if roles.user is not None or roles.item is not None or roles.event is not None or roles.groups:
        return
    free = _free(table, roles)
    user, item = (_called(free, names) for names in (_USERS, _ITEMS))
    if user is None or item is None:
        return
    n = len(table)
    for name in (user, item):
        if table[name].nunique() * _ROWS_A_LEVEL > n or _is_measured(table[name]):
            return
    if len(table[[user, item]].drop_duplicates()) < _PAIRS_ALONE * n:
        return
    yield Proposal("--user", user, "its name and its repeated ids say who rated")
    yield Proposal("--item", item, "its name and its repeated ids say what was rated")
    rating = _called(free, _RATINGS)
    if roles.target is None and rating is not None and is_number(table[rating]):
        yield Proposal("--target", rating, "it is what users gave items")


def _places(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    if roles.coords:
        return
    names = []
    for known, (low, high) in zip(_PLACES[:2], _PLACES[2], strict=True):
        name = next((n for n in _free(table, roles) if n.lower() in known and is_number(table[n])), None)
        if name is None or not table[name].dropna().between(low, high).all():
            return
        names.append(name)
    if len(table[names].drop_duplicates()) > 3:
        yield Proposal("--coords", names[0], "with its partner it says where a row is")
        yield Proposal("--coords", names[1], "with its partner it says where a row is")


def _subject(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    """Whose visits the rows are, where a usual name says so and subjects have several."""
    if roles.subject is not None or roles.groups or roles.user is not None or roles.formula is not None:
        return
    name = _called(_free(table, roles), _SUBJECTS)
    if name is not None and _repeats(table[name]) and not _is_measured(table[name]):
        mean = len(table) / table[name].nunique()
        yield Proposal("--subject", name, f"its ids recur, {mean:.1f} rows for each on average")


def _time(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    """When visits were: without subjects nothing changes over time, and of survival it is another time."""
    if roles.time is not None or roles.subject is None or roles.subject not in table.columns:
        return
    if roles.event is not None or roles.formula is not None:
        return
    for name in _free(table, roles):
        if not is_time(name) or not is_number(table[name]) or table[name].isna().any():
            continue
        if (table.groupby(roles.subject)[name].nunique() > 1).mean() > 0.5:
            yield Proposal("--time", name, f"it changes within each {roles.subject}")
            return


def _groups(table: pd.DataFrame, roles: TableOptions) -> Iterator[Proposal]:
    """Ids, places where rows belong together, and labels that are too many for columns of their own; if they recur."""
    if roles.groups or roles.formula is not None or roles.user is not None or roles.subject is not None:
        return
    for name in _free(table, roles):
        values = table[name]
        if not _repeats(values) or _is_measured(values):
            continue
        if words(name)[-1:] and words(name)[-1] in _CLUSTERS:
            yield Proposal("--groups", name, f"its rows belong together ({_levels(values)})")
        elif is_id(name):
            yield Proposal("--groups", name, f"its name is that of ids, and they recur ({_levels(values)})")
        elif not is_number(values) and values.nunique() > _MOST_COLUMNS and not _reads_as_numbers(values):
            yield Proposal("--groups", name, f"its labels are many, and they recur ({_levels(values)})")


def _levels(values: pd.Series) -> str:
    return f"{values.nunique():,} levels"


def _repeats(values: pd.Series) -> bool:
    """Whether levels recur, and are more than a handful."""
    levels = int(values.nunique())
    return levels > 4 and levels * _ROWS_A_LEVEL <= len(values)


def _is_measured(values: pd.Series) -> bool:
    """Whether numbers are no ids: broken ones, or dates."""
    if not is_number(values):
        return bool(pd.api.types.is_datetime64_any_dtype(values))
    known = values.dropna().to_numpy(float)
    return not np.array_equal(known, np.round(known))


def _reads_as_numbers(values: pd.Series) -> bool:
    """Whether text is numbers nearly everywhere, with typing errors among them."""
    known = values.dropna().astype(object)
    return bool(pd.to_numeric(known, errors="coerce").notna().mean() > 0.5) if len(known) else False


def _called(names: list[str], usual: tuple[str, ...]) -> str | None:
    """The first column that is called one of `usual`, by itself or as an id."""
    for wanted in usual:
        for name in names:
            told = [word for word in words(name) if word not in ("id", "no", "nr", "code")]
            if told == [wanted] or (wanted == "id" and words(name) == ["id"]):
                return name
    return None
