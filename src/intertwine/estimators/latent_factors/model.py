"""Latent factors of users and items: how somebody will rate what they have not rated yet.

r̂ = μ + b_u + c_i + ⟨φ(p_u), φ(q_i)⟩
"""

from __future__ import annotations

import warnings
from typing import Any, Self, final

import numpy as np
import threadpoolctl
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.docstring import with_parameters
from intertwine.estimators.latent_factors.distributed import DistributedFits
from intertwine.estimators.latent_factors.parameters import FACTOR_CONSTRAINTS, FACTOR_PARAMETERS
from intertwine.estimators.latent_factors.rating_data import RatedPairs, numbered, pairs_of_matrix
from intertwine.estimators.latent_factors.solvers import (
    SOLVERS,
    require_factor_memory,
    settings_of,
    solver_of,
)
from intertwine.estimators.latent_factors.state import factors_from_state, factors_to_state
from intertwine.estimators.latent_factors.updates import require_finite
from intertwine.estimators.long_work import seed_of, watched
from intertwine.estimators.model_head import AbstractSaved
from intertwine.fitting.latent_factors.duplicate_ratings import merged_duplicates
from intertwine.fitting.latent_factors.side_features import joined_features, rated_features
from intertwine.frames import frame_library
from intertwine.resources import thread_limit
from intertwine.structures.ratings import RatingTable
from intertwine.validation import check_weights, restored_on_failure
from intertwine.validation.ratings import check_rating_scale, check_ratings, read_columns
from intertwine.validation.wording import counted

__all__ = ["LatentFactorModel"]

_CHUNK = 2**16  # ratings put into order at a time


@final
@with_parameters(FACTOR_PARAMETERS)
class LatentFactorModel(RegressorMixin, DistributedFits, AbstractSaved, BaseEstimator):
    """Latent-factor model of ratings: X says who rated what, y how.

    X has a row per rating and two columns, user and item: integers or text, in an array or a frame; further columns
    may describe users and items. A sparse matrix (users × items) holds both X and y.

    {parameters}

    References
    ----------
    Y. Koren, R. Bell & C. Volinsky, Matrix Factorization Techniques for Recommender Systems (2009). J. Wang et al.,
    sharpness-aware second-order latent factor models (arXiv 2512.16277). Y. J. Lim & Y. W. Teh, Variational Bayesian
    Approach to Movie Rating Prediction (2007).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from intertwine import LatentFactorModel
    >>> rng = np.random.default_rng(0)
    >>> taste, kind = rng.standard_normal(60), rng.standard_normal(40)
    >>> user, item = np.divmod(rng.permutation(60 * 40)[:1200], 40)
    >>> stars = 3 + taste[user] * kind[item] + 0.1 * rng.standard_normal(1200)
    >>> X = pd.DataFrame({"user": user, "film": [f"film {i}" for i in item]})
    >>> model = LatentFactorModel(n_components=2, random_state=0).fit(X[:1000], stars[:1000])
    >>> bool(model.score(X[1000:], stars[1000:]) > 0.9)
    True
    >>> model.recommend([7], k=3).columns.tolist()
    ['user', 'rank', 'film', 'prediction']
    """

    _parameter_constraints: dict = FACTOR_CONSTRAINTS

    def __init__(
        self,
        *,
        n_components=20,
        solver="auto",
        biases=True,
        mapping="identity",
        implicit=False,
        user_column=0,
        item_column=1,
        user_features=(),
        item_features=(),
        rating_scale=None,
        duplicates="error",
        alpha=None,
        alpha_features=None,
        frequency_power=None,
        rho=0.0,
        sharpness="perturbed",
        damping=60.0,
        cg_iter=None,
        max_iter=None,
        n_burn_in=None,
        n_samples=100,
        tol=None,
        init_scale=None,
        learning_rate=0.003,
        validation_fraction=None,
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.n_components = n_components
        self.solver = solver
        self.biases = biases
        self.mapping = mapping
        self.implicit = implicit
        self.user_column = user_column
        self.item_column = item_column
        self.user_features = user_features
        self.item_features = item_features
        self.rating_scale = rating_scale
        self.duplicates = duplicates
        self.alpha = alpha
        self.alpha_features = alpha_features
        self.frequency_power = frequency_power
        self.rho = rho
        self.sharpness = sharpness
        self.damping = damping
        self.cg_iter = cg_iter
        self.max_iter = max_iter
        self.n_burn_in = n_burn_in
        self.n_samples = n_samples
        self.tol = tol
        self.init_scale = init_scale
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or frame (n, p), or sparse matrix (n_users, n_items)
            A row per rating, with the columns user and item; or all ratings as the stored entries of a matrix.
        y : array-like (n,)
            Ratings; left out with a sparse matrix.
        sample_weight : array-like (n,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used; the message names columns or rows.
        MemoryError
            Before anything too large is allocated.

        Warns
        -----
        ConvergenceWarning
            When more iterations are needed.
        """
        solver = solver_of(self)
        with restored_on_failure(self):
            X, y = self._with_ratings(X, y)
            pairs, users, items, y, weight = self._ratings_of(X, y, sample_weight, None)
            center, spread = _mean_and_spread(y, weight)
            if not spread > 0:
                raise ValueError(
                    f"y does not vary over the {len(y)} sample(s) that have weight, or too little to "
                    "compute with: rescale it"
                )
            self._sides = pairs.users, pairs.items
            self._center, self._spread = center, spread
            self._frame_library = frame_library(X)
            n_users, n_items = len(pairs.users.ids), len(pairs.items.ids)
            settings = settings_of(self, solver)
            require_factor_memory(settings, solver, n_users, n_items, len(y))
            # memory: what is as long as the ratings goes as soon as it has been used
            table, order = RatingTable.build(users, items, n_users, n_items)
            table = self._described(table, pairs)
            data = None if self.checkpoint is None else (users, items, y, weight, *table[-2:])
            del pairs, users, items
            target = _standardized(y, order, center, spread)
            del y
            weight = None if weight is None else weight[order]
            del order
            limits = thread_limit(1 if self.n_jobs is None else self.n_jobs)
            with (
                limits as n_threads,
                watched(self, data) as watch,
                threadpoolctl.threadpool_limits(1, "blas"),
            ):
                rng = np.random.default_rng(seed_of(self, watch))
                try:
                    model = SOLVERS[solver](table, target, weight, settings, rng, watch, n_threads)
                except FloatingPointError as error:
                    raise ValueError(f"overflow: {error}; rescale y or sample_weight") from error
            require_finite(model, solver)
            self.solver_ = solver
            self._settings, self._model = settings, model
            self._n_fitted = n_users, n_items
            self._seen = table.user_starts, table.item_of
            self._counts = _summed_weights(table, weight)
        if not model.converged:
            warnings.warn(
                f"{solver!r} stopped after {counted(len(model.history), 'iteration', 'iterations')} before it "
                "had settled; raise max_iter",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # on numbers that are no ids
        return tags

    def _with_ratings(self, X, y) -> tuple[Any, Any]:
        """X with a row per rating, and the ratings."""
        if not sparse.issparse(X):
            if y is None:
                raise ValueError(
                    "fit requires y to be passed, but the target y is None; X has the columns user, item"
                )
            return X, y
        if y is not None:
            raise TypeError(
                "a sparse matrix X holds the ratings of users (rows) for items (columns): leave y out; "
                "or pass dense pairs of user and item with y"
            )
        return pairs_of_matrix(X)

    def _ratings_of(self, X, y, sample_weight, known):
        """Ids; codes, ratings and weights, each pair once unless repeated measurements are kept.

        A rating without weight is left out, and with it an id that has no other. Weights that are all one are None.
        """
        columns = read_columns(self, X, reset=known is None)
        weight = None if sample_weight is None else check_weights(sample_weight, columns.n_rows, X)
        target = check_ratings(y, X)
        check_rating_scale(target, self.rating_scale)
        if weight is not None:
            if not (kept := weight > 0).all():
                columns, target, weight = columns.take(kept), target[kept], weight[kept]
            weight = None if (weight == 1.0).all() else weight
        pairs = numbered(self, columns, known)
        codes = pairs.user_codes, pairs.item_codes
        return pairs, *merged_duplicates(*codes, len(pairs.items.ids), target, weight, self.duplicates)

    def _described(self, table: RatingTable, pairs: RatedPairs) -> RatingTable:
        """The table with what is known of users and items."""
        told = [
            side.features_of(pairs.columns, codes)
            for side, codes in ((pairs.users, pairs.user_codes), (pairs.items, pairs.item_codes))
        ]
        if self.implicit:
            told[0] = joined_features(
                told[0], rated_features(table.user_starts, table.item_of, table.n_items)
            )
            told[1] = joined_features(
                told[1], rated_features(table.item_starts, table.user_of, table.n_users)
            )
        return table._replace(user_features=told[0], item_features=told[1])

    def _to_state(self) -> dict[str, Any]:
        check_is_fitted(self, "_model")
        return factors_to_state(self)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return factors_from_state(cls, state)


def _mean_and_spread(y: NDArray[Any], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Mean and standard deviation of the ratings."""
    deviation = y.astype(np.float64)
    center = float(np.average(deviation, weights=weight))
    deviation -= center
    deviation *= deviation
    return center, float(np.sqrt(np.average(deviation, weights=weight)))


def _standardized(y: NDArray[Any], order: NDArray[Any], center: float, spread: float) -> NDArray[Any]:
    """Ratings in another order, about their mean and of variance one; as exact as they were given."""
    target = np.empty(len(y), dtype=np.float32 if y.dtype == np.float32 else np.float64)
    for first in range(0, len(y), _CHUNK):
        part = y[order[first : first + _CHUNK]].astype(np.float64)
        part -= center
        part /= spread
        target[first : first + _CHUNK] = part
    return target


def _summed_weights(
    table: RatingTable, weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the ratings of each user weigh together, and those of each item."""
    if weight is None:
        return table.user_counts.astype(np.float64), table.item_counts.astype(np.float64)
    return (
        np.bincount(table.users, weight, table.n_users).astype(np.float64, copy=False),
        np.bincount(table.item_of, weight, table.n_items).astype(np.float64, copy=False),
    )
