"""The two sides of a rating table, each with its ratings and what is known of its rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine.solvers.feature_ridge import FeatureRidge
from intertwine.structures.factor_moments import RatedRows
from intertwine.structures.ratings import RatingTable

__all__ = ["RatedSide", "RatedSides"]


class RatedSide(NamedTuple):
    """One side.

    Attributes
    ----------
    rows : RatedRows
    scale : ndarray of shape (n_rows,)
        Multiplies the precision of a row's prior.
    features : FeatureRidge
        Regression of the rows on a mean and side features.
    """

    rows: RatedRows
    scale: NDArray[np.float64]
    features: FeatureRidge


class RatedSides(NamedTuple):
    """Users and items: the problem of the solvers that alternate between them."""

    users: RatedSide
    items: RatedSide

    @classmethod
    def build(
        cls,
        table: RatingTable,
        outcome: NDArray,
        weight: NDArray | None,
        biases: bool,
        power: float = 0.0,
        centered: bool = False,
        n_threads: int = 1,
    ) -> RatedSides:
        """Arrange ratings and side features for both sides.

        Parameters
        ----------
        table : RatingTable
        outcome : ndarray of shape (n_ratings,)
            In the order of the users.
        weight : ndarray of shape (n_ratings,) or None
        biases : bool
        power : float, default=0.0
            The prior of a row counts as often as its summed weights to this power.
        centered : bool, default=False
            Whether rows without features are expected to be zero, instead of their mean.
        n_threads : int, default=1
        """
        sides = []
        features = (table.user_features, table.item_features)
        for rows, known in zip(
            RatedRows.both(table, outcome, weight, biases, n_threads), features, strict=True
        ):
            # a row without ratings follows its prior mean, whatever holds it there
            weights = rows.total_weights()
            scale = np.where(weights > 0.0, weights, 1.0) ** power
            sides.append(RatedSide(rows, scale, FeatureRidge(known, scale, centered, n_threads)))
        return cls(*sides)
