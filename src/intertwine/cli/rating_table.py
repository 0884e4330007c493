"""Tables of ratings: which column is what, ids as numbers or as text, and what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import pandas as pd

from intertwine.cli.columns import complete_rows, is_number, numbers_of, require_column, rows_of
from intertwine.cli.id_columns import NUMBERS, TEXT, as_kind, kind_of, refuse_gaps
from intertwine.cli.mistakes import Mistake
from intertwine.cli.preparation import AbstractPreparation, require_columns
from intertwine.cli.problem import Problem
from intertwine.compare import AbstractFamily, LatentFactorsFamily, RegressionTask

__all__ = ["RatingPreparation", "pose_ratings"]


def pose_ratings(table: pd.DataFrame, *, roles: dict[str, Any], family: LatentFactorsFamily) -> Problem:
    """Pick ratings, users, items and what is told of them out of `table`.

    Without a choice, users are in the first column and items in the second, the target and dropped ones left out.

    Raises
    ------
    Mistake
        For columns that do not exist, ratings that are no numbers, ids that are missing, and pairs that occur twice.
    """
    table = table.rename(columns=str).reset_index(drop=True)
    target = _target_name(table, roles)
    for name in (*roles["drop"], *family.columns):
        require_column(table, name)
    others = [name for name in table.columns if name != target and name not in roles["drop"]]
    if target in family.columns or set(roles["drop"]) & set(family.columns):
        raise Mistake(
            "a column is named twice: as the target or dropped, and as user, item or one of their features"
        )
    notes: list[str] = []
    user, item = _ids(others, family)
    if family.user is None or family.item is None:
        notes.append(f"Users are in {user!r}, items in {item!r}; --user and --item say otherwise.")
    chosen = LatentFactorsFamily(**(family.settings() | {"user": user, "item": item}))
    idle = [name for name in others if name not in chosen.columns]
    if idle:
        notes.append(f"Columns that say nothing of users or items were ignored: {', '.join(idle[:12])}.")
    table = complete_rows(table, [target], notes)
    y = numbers_of(table[target], target)
    _refuse_off_scale(table[target], y, target, family.rating_scale)
    for side, name in (("--user", user), ("--item", item)):
        refuse_gaps(table[name], name, f"a rating needs both ids (see {side}); drop those rows")
    for name in chosen.columns[2:]:
        refuse_gaps(table[name], name, "fill it in, or do not name it as a feature")
    preparation = RatingPreparation.of(table, chosen)
    X = preparation.features(table)
    _refuse_repeated(X, user, item, chosen.duplicates)
    labels = [name for name in X.columns if name in (user, item) or not is_number(X[name])]
    numbers = [name for name in X.columns if name not in labels]
    return Problem(
        X.reset_index(drop=True),
        y,
        RegressionTask(),
        target,
        numbers,
        labels,
        chosen,
        [*notes, *preparation.notes],
        _summary(X, y, user, item, target),
    )


@final
class RatingPreparation(AbstractPreparation):
    """The columns of a table of ratings.

    Parameters
    ----------
    kinds : dict of str to str
        Of users, items and features in this order, "numbers" or "text".
    notes : sequence of str
    """

    def __init__(self, kinds: dict[str, str], notes: Sequence[str] = ()) -> None:
        self.kinds = kinds
        self.notes = list(notes)

    @classmethod
    def of(cls, table: pd.DataFrame, family: LatentFactorsFamily) -> RatingPreparation:
        """That of a table to be fitted on."""
        kinds: dict[str, str] = {}
        notes: list[str] = []
        for name in family.columns:
            kinds[name] = kind_of(table[name], name, notes)
        return cls(kinds, notes)

    @classmethod
    def of_ids(cls, ids: dict[str, np.ndarray]) -> RatingPreparation:
        """That of a table which was read elsewhere, from its ids."""
        return cls({name: TEXT if labels.dtype.kind == "O" else NUMBERS for name, labels in ids.items()})

    @classmethod
    def fitted(cls, problem: Problem, estimator: Any) -> tuple[RatingPreparation, Any]:
        """Fit the estimator on users, items and features as they are."""
        family = problem.family
        assert isinstance(family, LatentFactorsFamily)
        return cls.of(problem.X, family), family.chosen(estimator.fit(problem.X, problem.y))

    @classmethod
    def from_state(cls, state: dict[str, Any], family: AbstractFamily) -> RatingPreparation:
        """That of a model file."""
        return cls(dict(state["ratings"]))

    def to_state(self) -> dict[str, Any]:
        """Kinds of the columns."""
        return {"ratings": self.kinds}

    @property
    def units(self) -> dict[str, tuple[float, float]]:
        """None are standardised here."""
        return {}

    def features(self, table: pd.DataFrame) -> pd.DataFrame:
        """Users, items and what is told of them, each as it was in the fit."""
        require_columns(table, list(self.kinds))
        columns = {}
        for name, kind in self.kinds.items():
            refuse_gaps(table[name], name, "drop those rows, or fill it in")
            columns[name] = as_kind(table[name], name, kind)
        return pd.DataFrame(columns, index=table.index)

    def beside(self, table: pd.DataFrame) -> dict[str, Any]:
        """Nothing."""
        return {}

    def warn_of_gaps(self, table: pd.DataFrame) -> None:
        """There are none: rows with gaps were refused."""


def _summary(X: pd.DataFrame, y: np.ndarray, user: str, item: str, target: str) -> str:
    users, items = (int(X[name].nunique()) for name in (user, item))
    pairs = int((~X.duplicated([user, item])).sum())
    return (
        f"{len(X):,} ratings of {items:,} items by {users:,} users, {pairs / users / items:.2%} of all pairs; "
        f"{target} from {y.min():,.4g} to {y.max():,.4g}"
    )


def _target_name(table: pd.DataFrame, roles: dict[str, Any]) -> str:
    given = [f"--{name}" for name in ("time", "event", "entry") if roles[name] is not None]
    if roles["categorical"]:
        given.append("--categorical")
    if given:
        raise Mistake(f"{', '.join(given)}: not for --model latent-factors")
    if roles["task"] not in ("auto", "regression"):
        raise Mistake(f"--model latent-factors is for regression, not for {roles['task']}")
    if roles["target"] is None:
        raise Mistake("say which column holds the ratings: --target NAME")
    require_column(table, roles["target"])
    return roles["target"]


def _ids(names: list[str], family: LatentFactorsFamily) -> tuple[str, str]:
    """Columns of users and items."""
    free = [name for name in names if name not in family.columns]
    user = family.user or (free.pop(0) if free else None)
    item = family.item or (free.pop(0) if free else None)
    if user is None or item is None:
        raise Mistake("a table of ratings needs a column of users and one of items besides the target")
    if user == item:
        raise Mistake(f"--user and --item are both {user!r}")
    return user, item


def _refuse_off_scale(given: pd.Series, y: np.ndarray, name: str, scale: Sequence[float] | None) -> None:
    if scale is None:
        return
    outside = (y < scale[0]) | (y > scale[1])
    if outside.any():
        raise Mistake(
            f"{name!r} is {y[outside][0]:g} in {rows_of(given.index[outside])}, outside --scale "
            f"{scale[0]:g},{scale[1]:g}"
        )


def _refuse_repeated(X: pd.DataFrame, user: str, item: str, duplicates: str) -> None:
    again = X.duplicated([user, item])
    if duplicates == "error" and again.any():
        raise Mistake(
            f"{'1 rating is' if again.sum() == 1 else f'{int(again.sum()):,} ratings are'} of a pair of "
            f"{user!r} and {item!r} that was rated before, in "
            f"{rows_of(X.index[again])}: say --duplicates mean, last or keep"
        )
