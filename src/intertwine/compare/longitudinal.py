"""The family of latents of subjects' visits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any, final

import pandas as pd

from intertwine.compare.base import AbstractTask, Inner
from intertwine.compare.effects_family import AbstractUnitsFamily, named
from intertwine.compare.family import Contest, Shape
from intertwine.compare.visits_from_table import (
    ComponentsOfVisits,
    LastValue,
    MeanOfSubject,
    ModelOfVisits,
    VisitColumns,
)

__all__ = ["COMPONENTS", "LAST_VALUE", "SUBJECT_MEANS", "LongitudinalFamily", "factors_of"]

#: How rivals are called in every table.
LAST_VALUE = "last value carried forward"
SUBJECT_MEANS = "means of the subjects"
COMPONENTS = "PCA with mixed models"
FEATURE_MEANS = "means of the features"
_QUICK_ROWS = 64_000  # that a quick fit passes through, in all epochs together
_QUICK_EPOCHS = (10, 100)  # fewest and most


def factors_of(text: str) -> list[str]:
    """Columns whose effects a product is of.

    Examples
    --------
    >>> factors_of("sex * age")
    ['sex', 'age']
    """
    return [name.strip() for name in text.split("*")]


@final
class LongitudinalFamily(AbstractUnitsFamily):
    """Visits of subjects; a network, and latents that follow a mixed model of covariates and subjects.

    Parameters
    ----------
    n_components : int, optional
        Filled in when a problem is posed, as are the others where they are not given.
    subject, time : str, optional
        Columns.
    covariates : sequence of str, optional
        Columns that effects read.
    smooth : sequence of str, default=()
        Those of them that have a curve in place of a line.
    measurements : sequence of str, default=()
        Columns that are explained.
    labels : sequence of str, default=()
        Covariates that are labels.
    yes_or_no : sequence of str, default=()
        Measurements that hold 0 and 1.
    interactions : sequence of str, default=()
        Products of effects of covariates and time, such as "sex*age".
    likelihood : sequence of str, default=()
        Of measurements, such as "stage=ordinal"; others are Gaussian.
    architecture : {"mlp", "linear"}, default="mlp"
    slopes : sequence of str, default=()
        Numbers among the covariates, or the time, along which each subject has a line of its own, correlated with its
        level; one along the time stands in place of the subjects' curves.

    Examples
    --------
    >>> family = LongitudinalFamily(2, "who", "week", ["age", "sex"], smooth=["age"], labels=["sex"])
    >>> [effect.title for effect in family.effects()]
    ['subject', 'time', 'subject × time', 'age', 'sex']
    >>> family = LongitudinalFamily(2, "who", "week", ["sex"], labels=["sex"], slopes=["week"])
    >>> [effect.title for effect in family.effects()]
    ['subject + subject × time', 'time', 'sex']
    """

    name = "longitudinal-vae"
    title = "longitudinal VAE"
    asks = "What moves visits in"
    tasks = ("forecast",)
    most_levels = None
    unseen = "none of its levels"

    def __init__(
        self,
        n_components: int | None = None,
        subject: str | None = None,
        time: str | None = None,
        covariates: Sequence[str] | None = None,
        smooth: Sequence[str] = (),
        measurements: Sequence[str] = (),
        labels: Sequence[str] = (),
        yes_or_no: Sequence[str] = (),
        interactions: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        architecture: str = "mlp",
        slopes: Sequence[str] = (),
    ) -> None:
        self.n_components, self.subject, self.time = n_components, subject, time
        self.covariates = None if covariates is None else named(covariates)
        self.smooth, self.measurements = named(smooth), named(measurements)
        self.labels, self.yes_or_no = named(labels), named(yes_or_no)
        self.interactions, self.likelihood = named(interactions), named(likelihood)
        self.architecture, self.slopes = architecture, named(slopes)

    def settings(self) -> dict[str, Any]:
        """All of them."""
        return dict(vars(self))

    @property
    def columns(self) -> VisitColumns:
        """Of a family that is posed."""
        assert self.subject is not None
        covariates = self.covariates or []
        return VisitColumns(
            self.subject,
            self.time,
            tuple(name for name in covariates if name not in self.labels),
            tuple(name for name in covariates if name in self.labels),
            tuple(self.measurements),
        )

    def effects(self) -> list[Any] | None:
        """Those of the estimator, None, unless covariates have curves or interact, or subjects slopes."""
        if not self.smooth and not self.interactions and not self.slopes:
            return None
        from intertwine.effects import BySubject, Categorical, Correlated, Linear, Smooth

        course: list[Any] = [] if self.time is None else [Smooth("time")]
        if course and self.time not in self.slopes:
            course.append(BySubject(Smooth("time")))
        along = [BySubject(Linear("time" if name == self.time else name)) for name in self.slopes]
        own = Correlated((BySubject(), *along)) if along else BySubject()
        lines = {name: Smooth(name) if name in self.smooth else Linear(name) for name in self.columns.numbers}
        single = lines | {name: Categorical(name) for name in self.columns.labels}
        factors = single if self.time is None else single | {self.time: Smooth("time")}
        products = [reduce(mul, (factors[name] for name in factors_of(text))) for text in self.interactions]
        return [own, *course, *single.values(), *products]

    def kinds(self) -> dict[str, str] | str:
        """Likelihoods of measurements: those that were given, and of 0 and 1."""
        given = dict(text.split("=", 1) for text in self.likelihood)
        return dict.fromkeys(self.yes_or_no, "bernoulli") | given or "gaussian"

    @property
    def units(self) -> str:
        """Subjects, whatever the column is called."""
        return "subjects"

    def _units_of(self, X: pd.DataFrame, n_splits: int, random_state: int) -> Any:
        return pd.factorize(X[self.subject])[0]

    def preprocessor(self, shape: Shape) -> None:
        """Measurements are scaled by the model."""
        return

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the model, which learns its variances and has nothing to pick."""
        from intertwine.estimators.longitudinal.vae import LongitudinalVAE

        fewest, most = _QUICK_EPOCHS
        epochs = min(max(_QUICK_ROWS // max(shape.n_rows, 1), fewest), most) if quick else None
        model = LongitudinalVAE(
            self.n_components or 2,
            effects=self.effects(),
            architecture=self.architecture,
            likelihood=self.kinds(),
            max_iter=epochs,
            random_state=random_state,
        )
        return ModelOfVisits(model, self.columns)

    def remarks(self, fitted: Any) -> list[str]:
        """None: a warning says where more iterations are needed."""
        return []

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the model, last values, means of subjects and features, and components with mixed models."""
        columns = self.columns
        models = {
            self.title: self.estimator(task, shape, cv=cv, quick=quick, random_state=random_state),
            COMPONENTS: ComponentsOfVisits(self.n_components or 2, columns),
            LAST_VALUE: LastValue(columns),
            SUBJECT_MEANS: MeanOfSubject(columns),
            FEATURE_MEANS: MeanOfSubject(columns, of_all=True),
        }
        return Contest(models, None, [])
