"""From what a user passes as X to codes of users and items, and what is known of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.fitting.latent_factors.side_features import SideColumn, SideFeatures, one_row_per_id
from intertwine.validation.ratings import Columns, id_values
from intertwine.validation.wording import listed

__all__ = ["RatedPairs", "Side", "numbered", "pairs_of_matrix"]


class Side(NamedTuple):
    """Users, or items: their ids, and the columns of X that tell of them.

    Attributes
    ----------
    ids : IdIndex
    column : int
        Position of the ids in X.
    feature_columns : tuple of int
        Positions of the columns that describe them.
    features : SideFeatures
        How these become features.
    """

    ids: IdIndex
    column: int
    feature_columns: tuple[int, ...]
    features: SideFeatures

    @classmethod
    def of(
        cls, columns: Columns, name: str, column: Any, feature_columns: Sequence[Any]
    ) -> tuple[Side, NDArray[Any]]:
        """Number the ids of a table, and learn how its columns become features."""
        position = columns.position(column, f"{name}_column")
        told = tuple(columns.position(c, f"{name}_features") for c in feature_columns)
        index, codes = IdIndex.of(id_values(columns.ids(position), name), name)
        parts = [
            SideColumn.of(
                one_row_per_id(codes, len(index), columns.values(c), str(columns.names[c]), index.labels),
                str(columns.names[c]),
            )
            for c in told
        ]
        return cls(index, position, told, SideFeatures(tuple(parts))), codes

    def read(self, columns: Columns) -> tuple[Side, NDArray[Any]]:
        """Codes of a table's ids, in a side that has the new ones behind the known."""
        values = id_values(columns.ids(self.column), self.ids.name)
        index, codes = self.ids.extended(values)
        return self._replace(ids=index), codes

    def features_of(self, columns: Columns, codes: NDArray[Any], first: int = 0) -> sparse.csr_array | None:
        """Features of the ids from code ``first`` on, as a table tells them; None where there are none."""
        new = codes >= first
        n_ids = len(self.ids) - first
        if not self.feature_columns or n_ids == 0:
            return None
        ids = self.ids.labels[first:]
        return self.features.features(
            [
                one_row_per_id(codes[new] - first, n_ids, columns.values(c)[new], str(columns.names[c]), ids)
                for c in self.feature_columns
            ]
        )


class RatedPairs(NamedTuple):
    """A table of pairs, read.

    Attributes
    ----------
    columns : Columns
    users, items : Side
    user_codes, item_codes : ndarray of int, shape (n,)
    """

    columns: Columns
    users: Side
    items: Side
    user_codes: NDArray[Any]
    item_codes: NDArray[Any]


def numbered(estimator: BaseEstimator, columns: Columns, known: tuple[Side, Side] | None) -> RatedPairs:
    """Number the ids of a table: for the first time, or with the new ones behind those of a fit.

    Raises
    ------
    ValueError, TypeError
        See `intertwine.validation.ratings`.

    Warns
    -----
    UserWarning
        For columns that no parameter names, at fit.
    """
    if known is not None:
        users, user_codes = known[0].read(columns)
        items, item_codes = known[1].read(columns)
        return RatedPairs(columns, users, items, user_codes, item_codes)
    if len(columns.names) == 1:
        raise ValueError(
            "X has 1 feature(s), expected two columns, user and item, and a rating for each row in y"
        )
    params: Any = estimator
    users, user_codes = Side.of(columns, "user", params.user_column, params.user_features)
    items, item_codes = Side.of(columns, "item", params.item_column, params.item_features)
    if users.column == items.column:
        raise ValueError(f"user_column and item_column are the same, {columns.names[users.column]!r}")
    used = {users.column, items.column, *users.feature_columns, *items.feature_columns}
    if idle := [name for j, name in enumerate(columns.names) if j not in used]:
        warnings.warn(
            f"columns {listed(idle)} are ignored: name them in user_features or item_features, or drop them",
            UserWarning,
            stacklevel=5,
        )
    return RatedPairs(columns, users, items, user_codes, item_codes)


def pairs_of_matrix(X: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (row, column) of the stored entries of a sparse matrix (n, 2), and the entries."""
    entries = sparse.coo_array(X)
    entries.sum_duplicates()
    return np.column_stack([entries.row, entries.col]).astype(np.int64), entries.data.astype(float)
