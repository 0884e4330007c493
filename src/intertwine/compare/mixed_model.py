"""The family of mixed models: tables whose rows share groups, times or places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler, TargetEncoder

from intertwine.compare._tuning import BOOSTING_GRID, tuned
from intertwine.compare.base import BOOSTING, AbstractTask, Inner
from intertwine.compare.effects_family import AbstractEffectsFamily, named
from intertwine.compare.family import Contest, Shape
from intertwine.compare.from_table import FromTable
from intertwine.compare.treatment import TreatmentColumns

__all__ = ["FIXED_ALONE", "GROUP_COLUMNS", "OVERALL_MEAN", "MixedModelFamily"]

#: How rivals are called in every table.
FIXED_ALONE = "fixed effects alone"
GROUP_COLUMNS = "groups as columns, ridge"
OVERALL_MEAN = "overall mean"

_RIDGE_GRID = {"ridge__alpha": [0.01, 0.1, 1.0, 10.0, 100.0]}


@final
class MixedModelFamily(AbstractEffectsFamily):
    """Fixed effects, and random effects of groups, time and place.

    Parameters
    ----------
    groups, coords : sequence of str, default=()
    formula : str, optional
        In the notation of lme4, in place of `groups`.
    time : str, optional
    outcomes : sequence of str, default=()
        Columns to predict; filled in when a problem is posed.

    Examples
    --------
    >>> family = MixedModelFamily(groups=["school"])
    >>> family.effects()
    [Grouped(group='school', slopes=(), intercept=True, correlated=True)]
    """

    name = "mixed-model"
    title = "mixed model"
    asks = "What varies between groups in"
    tasks = ("regression",)
    most_levels = 50  # of fixed effects; groups have as many as they like
    unseen = "the first of its levels"

    def __init__(
        self,
        groups: Sequence[str] = (),
        coords: Sequence[str] = (),
        formula: str | None = None,
        time: str | None = None,
        outcomes: Sequence[str] = (),
    ) -> None:
        self.groups, self.coords, self.time = named(groups), named(coords), time
        self.formula = formula
        self.outcomes = named(outcomes)

    def settings(self) -> dict[str, Any]:
        """All of them."""
        return dict(vars(self))

    def preprocessor(self, shape: Shape) -> TreatmentColumns:
        """Columns of fixed effects, in their own units."""
        return TreatmentColumns(list(shape.numeric), list(shape.categorical))

    def estimator(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Any:
        """Build the model, which learns its variances by restricted maximum likelihood and has nothing to pick."""
        from intertwine.estimators.mixed_model.model import MixedModel

        if self.formula is None:
            return FromTable(MixedModel(self.effects()), self.beside, self.preprocessor(shape))
        beside = self.posed(groups=(), time=None)
        return FromTable(MixedModel(beside.effects(), formula=self.formula), beside.beside)

    def remarks(self, fitted: Any) -> list[str]:
        """That the search for the variances had not settled."""
        settled = np.all(fitted.converged_)
        return [] if settled else ["the search for the variances had not settled; see history_"]

    def contest(
        self, task: AbstractTask, shape: Shape, *, cv: Inner, quick: bool, random_state: int
    ) -> Contest:
        """Collect the model, the same without random effects, groups as columns, boosting, and the mean."""
        columns = self.preprocessor(shape)
        models: dict[str, Any] = {
            self.title: self.estimator(task, shape, cv=cv, quick=quick, random_state=random_state)
        }
        if shape.numeric or shape.categorical:  # else there is the mean alone
            models[FIXED_ALONE] = make_pipeline(columns, LinearRegression())
        choice: dict[str, Any] = {"cv": cv, "random_state": random_state, "scoring": "r2"}
        beside = make_column_transformer(
            (make_pipeline(columns, StandardScaler()), [*shape.numeric, *shape.categorical]),
            (StandardScaler(), self.coords),
            (OneHotEncoder(handle_unknown="ignore"), self.groups),
        )
        models[GROUP_COLUMNS] = tuned(make_pipeline(beside, Ridge()), _RIDGE_GRID, **choice)
        if len(self.outcomes) < 2:  # boosting has one
            models[BOOSTING] = make_pipeline(
                make_column_transformer(
                    (columns, [*shape.numeric, *shape.categorical]),
                    (FunctionTransformer(), self.coords),
                    (TargetEncoder(target_type="continuous", random_state=random_state), self.groups),
                ),
                tuned(HistGradientBoostingRegressor(random_state=random_state), BOOSTING_GRID, **choice),
            )
        models[OVERALL_MEAN] = DummyRegressor()
        return Contest(models, None, [])
