"""Fits of the latent-factor model on a Dask cluster."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import threadpoolctl
from sklearn.exceptions import ConvergenceWarning

from intertwine.distributed.cluster import Cluster
from intertwine.distributed.rating_parts import RatingParts, read_rating_parts
from intertwine.distributed.rating_rows import (
    DistributedRatings,
    center_and_spread,
    rated_by,
    weights_of_ids,
)
from intertwine.distributed.sources import Source, open_source
from intertwine.estimators.latent_factors.rating_data import Side
from intertwine.estimators.latent_factors.solvers import settings_of, solver_of
from intertwine.estimators.latent_factors.updates import FactorUpdates, require_finite
from intertwine.estimators.long_work import seed_of, watched
from intertwine.fitting.latent_factors.gauss_newton import descend, solver_for
from intertwine.fitting.latent_factors.rating_ids import IdIndex
from intertwine.fitting.latent_factors.side_features import SideFeatures
from intertwine.resources import thread_limit
from intertwine.validation import restored_on_failure
from intertwine.validation.wording import counted, listed

__all__ = ["DistributedFits"]


class DistributedFits(FactorUpdates):
    """Fitting where ratings are too many for one machine."""

    n_components: int
    biases: bool
    mapping: str
    solver: str
    rho: float
    implicit: bool
    user_column: Any
    item_column: Any
    user_features: Any
    item_features: Any
    rating_scale: Any
    duplicates: str
    checkpoint: Any

    def fit_distributed(
        self, source: Any, *, rating: str = "rating", weight: str | None = None, client: Any = None,
        n_parts: int | None = None, keep_seen: bool = False,
    ) -> Self:  # fmt: skip
        """Fit on a Dask cluster, with solver "gauss_newton": the model is that of a local fit.

        The workers read the table, and ratings never leave them; only sums over them come to this process: vectors as
        long as there are ids times ``n_components``. What was on a worker that dies is read and made again by others.

        Parameters
        ----------
        source : path, URL, glob or list of them, or dask.dataframe.DataFrame
            Parquet files that all workers can read, or a folder of them; a row for each rating. In files sorted by user
            a user's ratings lie together; otherwise workers send each other what belongs together, once.
        rating : str, default="rating"
            Column of the ratings. Users and items are in the columns that ``user_column`` and ``item_column`` name, by
            position among the others.
        weight : str, default=None
            Column of the weights.
        client : distributed.Client, default=None
            None: the current one.
        n_parts : int, default=None
            Parts of files; one for each thread of the workers by default.
        keep_seen : bool, default=False
            Bring who rated what to this process, four bytes for each rating: ``recommend`` needs it to leave out what
            a user has rated.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For other solvers, side features, ``implicit=True`` and ``checkpoint``; and for tables that ``fit`` would
            refuse.
        ImportError
            Without Dask.

        Notes
        -----
        Ratings are held out by a number that user, item and seed give: the same ones, in whatever parts they lie.

        Examples
        --------
        >>> from dask.distributed import Client  # doctest: +SKIP
        >>> client = Client("scheduler:8786")  # doctest: +SKIP
        >>> model = LatentFactorModel(solver="gauss_newton")  # doctest: +SKIP
        >>> model.fit_distributed("ratings/*.parquet", client=client)  # doctest: +SKIP
        """
        self._validate_params()  # type: ignore[attr-defined]
        self._require_plain()
        cluster = Cluster(client)
        with restored_on_failure(self):
            told = open_source(source, cluster, n_parts)
            columns = self._columns_of(told, rating, weight)
            ratings = read_rating_parts(cluster, told, columns, self.duplicates, self.rating_scale)
            self._learn(cluster, ratings)
            self._seen = rated_by(cluster, ratings) if keep_seen else None
            self.feature_names_in_ = np.array(columns[:2], dtype=object)
            self.n_features_in_ = 2
            self._frame_library = "pandas"
        if not self._model.converged:
            warnings.warn(
                f"'gauss_newton' stopped after {counted(len(self._model.history), 'iteration', 'iterations')} "
                "before it had settled; raise "
                "max_iter",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _require_plain(self) -> None:
        if self.solver not in ("auto", "gauss_newton"):
            raise ValueError(f"fit_distributed needs solver='gauss_newton', not {self.solver!r}")
        if self.implicit or len(self.user_features) or len(self.item_features):
            raise ValueError("fit_distributed knows ids only: side features and implicit=True need fit")
        if self.checkpoint is not None:
            raise ValueError(
                "fit_distributed keeps no checkpoint: a worker that dies is made up for by the others"
            )
        if self.solver == "gauss_newton":
            solver_of(self)  # for what else it refuses

    def _columns_of(self, source: Source, rating: str, weight: str | None) -> list[str]:
        """Names of the columns of user, item, rating and weight."""
        values = [rating] if weight is None else [rating, weight]
        for name, column in zip(("rating", "weight"), values, strict=False):
            if column not in source.names:
                raise ValueError(
                    f"{name}={column!r} is not a column of the table, which has {listed(source.names)}"
                )
        others = [name for name in source.names if name not in values]
        ids = []
        for parameter in ("user_column", "item_column"):
            column = getattr(self, parameter)
            if isinstance(column, str) and column in others:
                ids.append(column)
            elif not isinstance(column, str) and column < len(others):
                ids.append(others[column])
            else:
                raise ValueError(
                    f"{parameter}={column!r} is not a column of the table, which has {listed(others)}"
                )
        if ids[0] == ids[1]:
            raise ValueError(f"user_column and item_column are the same, {ids[0]!r}")
        return ids + values

    def _learn(self, cluster: Cluster, ratings: RatingParts) -> None:
        center, spread, parts = center_and_spread(cluster, ratings)
        n_users, n_items = len(ratings.users), len(ratings.items)
        settings = settings_of(self, "gauss_newton")
        rows = DistributedRatings(cluster, parts, ratings.users_of_parts, n_users, n_items)
        with (
            thread_limit(1 if self.n_jobs is None else self.n_jobs) as n_threads,
            watched(self, None) as watch,
            threadpoolctl.threadpool_limits(1, "blas"),
        ):
            rng = np.random.default_rng(seed_of(self, watch))
            try:
                model = descend(rows, settings, rng, watch, solver_for(settings, n_threads))
            except FloatingPointError as error:
                raise ValueError(f"overflow: {error}; rescale the ratings or their weights") from error
        require_finite(model, "gauss_newton")
        self.solver_ = "gauss_newton"
        self._settings, self._model = settings, model
        self._center, self._spread = center, spread
        self._sides = _side(ratings.users, 0), _side(ratings.items, 1)
        self._n_fitted = n_users, n_items
        self._counts = weights_of_ids(cluster, ratings)


def _side(ids: IdIndex, column: int) -> Side:
    return Side(ids, column, (), SideFeatures(()))
