"""The family of latent factors: tables whose rows say who rated what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, final

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from intertwine.compare.base import FACTORIZATION, AbstractTask, Inner
from intertwine.compare.family import AbstractFamily, Contest, Shape
from intertwine.validation.wording import counted

__all__ = ["LEVELS", "NO_FEATURES", "LatentFactorsFamily", "RatingColumns"]

#: How rivals are called in every table.
LEVELS = "levels of users and items"
NO_FEATURES = "latent factors, ids alone"
OVERALL_MEAN = "overall mean"

_MOST_RATINGS_OF_A_SAMPLER = 500_000  # that a rival is sampled on in every fold
_SWEEPS, _QUICK_SWEEPS = 200, 60


@final
class RatingColumns(TransformerMixin, BaseEstimator):
    """The columns of a table that a model of ratings reads, as they are: ids are not encoded.

    Parameters
    ----------
    columns : sequence of str
        Users, items, and what is told of them.

    Examples
    --------
    >>> table = pd.DataFrame({"when": [9, 3], "user": [1, 2], "film": ["a", "b"]})
    >>> RatingColumns(["user", "film"]).fit_transform(table).columns.tolist()
    ['user', 'film']
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Nothing is learnt."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Pick the columns."""
        return X[list(self.columns)]


@final
class LatentFactorsFamily(AbstractFamily):
    """Factors of users and items, and their levels.

    Parameters
    ----------
    n_components : int, default=20
    implicit : bool, default=False
        Also learn from who rated what.
    solver : str, default="auto"
    user, item : str, optional
        Columns with the ids; filled in when a problem is posed.
    user_features, item_features : sequence of str, default=()
        Columns that tell of users, and of items.
    rating_scale : (low, high), optional
    duplicates : {"error", "mean", "last", "keep"}, default="error"

    Examples
    --------
    >>> LatentFactorsFamily(user="who", item="what").columns
    ['who', 'what']
    """

    name = "latent-factors"
    title = "latent factors"
    asks = "Who rates what how in"
    tasks = ("regression",)
    most_levels = None
    unseen = "an average one"

    def __init__(
        self,
        n_components: int = 20,
        implicit: bool = False,
        solver: str = "auto",
        user: str | None = None,
        item: str | None = None,
        user_features: Sequence[str] = (),
        item_features: Sequence[str] = (),
        rating_scale: Sequence[float] | None = None,
        duplicates: str = "error",
    ) -> None:
        self.n_components = n_components
        self.implicit = implicit
        self.solver = solver
        self.user, self.item = user, item
        self.user_features, self.item_features = list(user_features), list(item_features)
        self.rating_scale = None if rating_scale is None else list(rating_scale)
        self.duplicates = duplicates

    def settings(self) -> dict[str, Any]:
        """All of them."""
        return dict(vars(self))

    @property
    def columns(self) -> list[str]:
        """Columns of a table that are read."""
        return [name for name in (self.user, self.item) if name] + self.user_features + self.item_features

    def preprocessor(self, shape: Shape) -> RatingColumns:
        """Columns as they are."""
        return RatingColumns(self.columns)

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the model, whose solver learns its strengths or has sound ones."""
        return self._model(
            random_state,
            n_components=self.n_components,
            implicit=self.implicit,
            user_features=tuple(self.user_features),
            item_features=tuple(self.item_features),
        )

    def remarks(self, fitted: Any) -> list[str]:
        """That the solver had not settled."""
        if fitted.converged_:
            return []
        return [
            f"{fitted.solver_} stopped after {counted(fitted.n_iter_, 'iteration', 'iterations')} before it had "
            "settled; predictions "
            "suffer less from that than single factors"
        ]

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the model, the same without features and without factors, a sampled machine, and the mean."""
        models = {
            self.title: self.estimator(task, shape, cv=cv, quick=quick, random_state=random_state),
        }
        if self.implicit or self.user_features or self.item_features:
            models[NO_FEATURES] = self._model(random_state, n_components=self.n_components)
        models[LEVELS] = self._model(random_state, n_components=0)
        left_out = []
        if shape.n_rows <= _MOST_RATINGS_OF_A_SAMPLER:
            models[FACTORIZATION] = self._machine(quick, random_state)
        else:
            left_out.append(FACTORIZATION)
        models[OVERALL_MEAN] = DummyRegressor()
        return Contest(models, self.preprocessor(shape), left_out)

    def _model(self, random_state: int, **settings: Any) -> Any:
        from intertwine.estimators.latent_factors.model import LatentFactorModel

        known = set(self.columns) if settings.get("user_features") or settings.get("item_features") else set()
        solver = "auto" if settings["n_components"] == 0 else self.solver
        model = LatentFactorModel(
            user_column=self.user or 0,
            item_column=self.item or 1,
            rating_scale=None if self.rating_scale is None else tuple(self.rating_scale),
            duplicates=self.duplicates,
            random_state=random_state,
            solver=solver,
            **settings,
        )
        alone = len(self.columns) > 2 and not known
        return make_pipeline(RatingColumns(self.columns[:2]), model) if alone else model

    def _machine(self, quick: bool, random_state: int) -> Any:
        """A factorization machine on one-hot ids, and on what is known of them."""
        from intertwine.estimators.fm.models import FMRegressor

        ids = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), self.columns[:2]))
        sweeps = _QUICK_SWEEPS if quick else _SWEEPS
        machine = FMRegressor(
            n_components=min(self.n_components, 10), max_iter=sweeps, random_state=random_state
        )
        return make_pipeline(ids, machine)
