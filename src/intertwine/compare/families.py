"""The families of models that the command line knows."""

from __future__ import annotations

from functools import partial
from typing import Any, final

from sklearn.pipeline import make_pipeline

from intertwine.compare._tuning import tuned
from intertwine.compare.base import (
    ALL_PAIRS,
    FACTORIZATION,
    KERNEL,
    LOCAL,
    AbstractOutcomeTask,
    AbstractTask,
    Inner,
)
from intertwine.compare.family import AbstractFamily, Contest, Shape
from intertwine.compare.latent_effects import RandomEffectsPCAFamily, RandomEffectsVAEFamily
from intertwine.compare.latent_factors import LatentFactorsFamily
from intertwine.compare.longitudinal import LongitudinalFamily
from intertwine.compare.mixed_model import MixedModelFamily
from intertwine.pipelines import TablePreprocessor

__all__ = [
    "FAMILIES",
    "SETTLED",
    "FactorizationFamily",
    "InteractionsFamily",
    "LocalFactorizationFamily",
]

#: Potential scale reduction up to which a chain is taken at its word.
SETTLED = 1.1

_MOST_ENTRIES = 5_000_000  # of a dense table that rivals are fitted on many times
_MOST_KERNEL_ROWS = 5_000
_QUICK_SWEEPS, _QUICK_BATCHES = 150, 60


@final
class InteractionsFamily(AbstractFamily):
    """Every pair of features has an interaction of its own.

    Examples
    --------
    >>> InteractionsFamily().most_levels
    50
    """

    name = "interactions"
    title = "intertwine"
    asks = "What interacts in"
    tasks = ("regression", "classification", "survival")
    most_levels = 50
    unseen = "none of its levels"

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def preprocessor(self, shape: Shape) -> TablePreprocessor:
        """Dense columns."""
        return TablePreprocessor(numeric=shape.numeric, categorical=shape.categorical)

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the estimator of the task that picks all its hyperparameters."""
        return _with_rivals(task).interaction_model(cv=cv, quick=quick, random_state=random_state)

    def remarks(self, fitted: Any) -> list[str]:
        """None: how far from the optimum it is, the report says."""
        return []

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the estimator and all baselines of the task."""
        models = _with_rivals(task).models(shape.n_columns, cv=cv, quick=quick, random_state=random_state)
        return Contest(models, self.preprocessor(shape), [])


@final
class FactorizationFamily(AbstractFamily):
    """Bayesian factorization machine: pairs share the factors of their features.

    Parameters
    ----------
    n_components : int, default=10
    ordinal : bool, default=False
        Classes are ordered.
    max_iter : int, default=None
        Sweeps of the sampler; None: as many as the estimator makes, or fewer where time is short.

    Examples
    --------
    >>> FactorizationFamily(n_components=4).settings()
    {'n_components': 4, 'ordinal': False, 'max_iter': None}
    """

    name = "fm"
    title = FACTORIZATION
    asks = "What interacts in"
    tasks = ("regression", "classification")
    most_levels = None
    unseen = "an average level"

    def __init__(self, n_components: int = 10, ordinal: bool = False, max_iter: int | None = None) -> None:
        self.n_components = n_components
        self.ordinal = ordinal
        self.max_iter = max_iter

    def settings(self) -> dict[str, Any]:
        """Number of components, whether classes are ordered, sweeps."""
        return {"n_components": self.n_components, "ordinal": self.ordinal, "max_iter": self.max_iter}

    def preprocessor(self, shape: Shape) -> TablePreprocessor:
        """Sparse columns, with one for levels to come."""
        return TablePreprocessor(
            numeric=shape.numeric, categorical=shape.categorical, sparse_output=True, unseen="column"
        )

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the sampler, which learns its strengths with its coefficients and has nothing to pick."""
        from intertwine.estimators.fm.models import FMClassifier, FMRegressor

        settings: dict[str, Any] = {
            "n_components": self.n_components,
            "random_state": random_state,
            "max_iter": _QUICK_SWEEPS if quick and self.max_iter is None else self.max_iter,
        }
        if task.name == "regression":
            return FMRegressor(**settings)
        return FMClassifier(ordinal=self.ordinal, **settings)

    def remarks(self, fitted: Any) -> list[str]:
        """That the chain had not settled."""
        if fitted.scale_reduction_ <= SETTLED:
            return []
        return [
            f"the chain had not settled after {fitted.n_iter_} sweeps (scale reduction {fitted.scale_reduction_:.2f}; "
            f"up to {SETTLED} is good): --sweeps {4 * fitted.n_iter_} would make the pairs surer"
        ]

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the machine and the baselines that can hold the table."""
        choice: dict[str, Any] = {"cv": cv, "quick": quick, "random_state": random_state}
        own = make_pipeline(self.preprocessor(shape), self.estimator(task, shape, **choice))
        rivals, left_out = _rivals(task, shape, **choice)
        return Contest({self.title: own, **rivals}, None, left_out)


@final
class LocalFactorizationFamily(AbstractFamily):
    """Factorization machines that each answer for a part of the feature space.

    Parameters
    ----------
    n_components : int, default=5

    Examples
    --------
    >>> LocalFactorizationFamily().title
    'local factorization machine'
    """

    name = "local-fm"
    title = LOCAL
    asks = "What interacts in"
    tasks = ("regression", "classification")
    most_levels = None
    unseen = "none of its levels"

    def __init__(self, n_components: int = 5) -> None:
        self.n_components = n_components

    def settings(self) -> dict[str, Any]:
        """Number of components."""
        return {"n_components": self.n_components}

    def preprocessor(self, shape: Shape) -> TablePreprocessor:
        """Sparse columns."""
        return TablePreprocessor(numeric=shape.numeric, categorical=shape.categorical, sparse_output=True)

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build a search over the number of experts and the strength of their penalty."""
        from intertwine.estimators.local_fm.models import LocalFMClassifier, LocalFMRegressor

        kind = LocalFMRegressor if task.name == "regression" else LocalFMClassifier
        # rows of levels alone are all equally far from one another
        apart = shape.wide or not shape.numeric
        machine = kind(
            n_components=self.n_components,
            space="latent" if apart else "features",
            max_iter=_QUICK_BATCHES if quick else 200,
            random_state=random_state,
        )
        grid = (
            {"alpha": [1e-3, 1e-2], "n_anchors": [10]}
            if quick
            else {"alpha": [1e-4, 1e-3, 1e-2], "n_anchors": [5, 20]}
        )
        stratified = task.name == "classification"
        scoring = partial(_score, task)
        return tuned(machine, grid, cv=cv, random_state=random_state, scoring=scoring, stratified=stratified)

    def remarks(self, fitted: Any) -> list[str]:
        """None: how far from the optimum it is, the report says."""
        return []

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the machine, the plain one, and the baselines that can hold the table."""
        choice: dict[str, Any] = {"cv": cv, "quick": quick, "random_state": random_state}
        plain = FactorizationFamily()
        models = {
            family.title: make_pipeline(family.preprocessor(shape), family.estimator(task, shape, **choice))
            for family in (self, plain)
        }
        rivals, left_out = _rivals(task, shape, **choice)
        return Contest({**models, **rivals}, None, left_out)


FAMILIES: dict[str, type[AbstractFamily]] = {
    family.name: family
    for family in (
        InteractionsFamily,
        FactorizationFamily,
        LocalFactorizationFamily,
        LatentFactorsFamily,
        MixedModelFamily,
        RandomEffectsPCAFamily,
        RandomEffectsVAEFamily,
        LongitudinalFamily,
    )
}


def _rivals(
    task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
) -> tuple[dict[str, Any], list[str]]:
    """Baselines with the preparation that each can work on, and the names of those left out."""
    choice: dict[str, Any] = {"cv": cv, "quick": quick, "random_state": random_state}
    rivals = _with_rivals(task)
    dense = rivals.baselines(shape.n_columns, **choice)
    names = {*dense, ALL_PAIRS} - {FACTORIZATION}
    entries = shape.n_rows * shape.n_columns
    sparse = rivals.wide_baselines(**choice) if shape.wide or entries > _MOST_ENTRIES else {}
    held = {
        name
        for name in (names & set(dense)) - set(sparse)
        if entries * (shape.n_columns / 2 if name == ALL_PAIRS else 1) <= _MOST_ENTRIES
        and (name != KERNEL or shape.n_rows <= _MOST_KERNEL_ROWS)
    }
    table = partial(TablePreprocessor, numeric=shape.numeric, categorical=shape.categorical)
    models = {name: make_pipeline(table(sparse_output=True), model) for name, model in sparse.items()}
    models |= {name: make_pipeline(table(), model) for name, model in dense.items() if name in held}
    return models, sorted(names - set(models))


def _score(task: AbstractTask, model: Any, X: Any, y: Any) -> float:
    return task.score(y, task.predict(model, X, y))


def _with_rivals(task: AbstractTask) -> AbstractOutcomeTask:
    """The task, where it is one that these families serve."""
    if not isinstance(task, AbstractOutcomeTask):
        raise TypeError(f"{task.name} has no outcome to explain by features")
    return task
