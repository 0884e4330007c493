"""Ratings of items by users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bad_inputs.cases import (
    X,
    both,
    free,
    quiet,
    refused,
    refused_later,
    same,
    settings,
    spoil,
    warned_later,
    y,
)
from bad_inputs.columns import N_ROWS, Column

_NAN_RATING = [np.nan] + [3.0] * (N_ROWS - 1)
_TEXT_IDS = X(lambda v: v.astype(str))


def _huge_ids(column: Column) -> None:
    """Ids are numbered: the largest takes no more room than the smallest."""
    good = column.good(N_ROWS)
    far = good._replace(X=good.X * 10**15)
    with quiet():
        same([column.answer(column.fit(far), far)], [column.answer(column.fit(good), good)])


RATED = {
    "NaN rating or id; outside the scale": [
        refused("a rating", y(_NAN_RATING), ValueError, r"y contains NaN in rows \[0\]", "ratings"),
        refused("infinite", y([np.inf, *_NAN_RATING[1:]]), ValueError, r"y contains infinity in rows \[0\]", "ratings"),
        refused("an id", spoil(np.nan), ValueError, r"item ids are missing \(NaN\) in rows \[2\]; drop", "ratings"),
        refused("an id of text", X(lambda v: [["a", None]] * N_ROWS), ValueError, "item ids are missing", "ratings"),
        refused("off the scale", both(settings(rating_scale=(1, 5)), y([500.0] + [3.0] * 29)), ValueError, r"outside rating_scale=\(1, 5\) in rows \[0\]", "ratings"),
        refused("no scale", settings(rating_scale=(5, 1)), ValueError, r"no \(low, high\)", "ratings"),
        refused_later("an id later", spoil(np.nan), ValueError, r"item ids are missing \(NaN\) in rows \[2\]", "ratings"),
    ],
    "duplicate pair": [
        refused("twice", spoil(1, 1, dtype=int), ValueError, r"choose duplicates='mean', 'last'", "ratings"),
    ],
    "'1' against 1": [
        refused("mixed", X(lambda v: [[1, "1"], ["1", 1]] * 15), TypeError, "user ids are text in some rows and numbers", "ratings"),
        refused_later("text after numbers", _TEXT_IDS, TypeError, "user ids were fitted as int, but these are text", "ratings"),
    ],
    "unseen id": [
        warned_later("user", X(lambda v: v + np.array([100, 0])), r"not in the fit: 6 user ids in 30 rows, .* bias only", "ratings"),
        warned_later("both", X(lambda v: v + 100), r"6 user ids in 30 rows.* and 5 item ids in 30 rows", "ratings"),
    ],
    "not triples": [
        refused("users alone", X(lambda v: v[:, :1]), ValueError, "two columns, user and item, and a rating for each row", "ratings"),
        refused("no rating", y(None), ValueError, "X has the columns user, item", "ratings"),
        refused("no such column", settings(user_column="nobody"), ValueError, "user_column='nobody' is not a column", "ratings"),
        refused("one column for both", settings(item_column=0), ValueError, "user_column and item_column are the same", "ratings"),
        refused("ids of lists", X(lambda v: pd.DataFrame({"user": [[1]] * N_ROWS, "item": v[:, 1]})), TypeError, "user ids", "ratings"),
    ],
    "huge raw ids": [free("numbered", _huge_ids, "ratings")],
}  # fmt: skip
