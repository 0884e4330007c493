"""What differs between kinds of target when models are compared: folds, predictions, score, models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALL_PAIRS",
    "BOOSTING",
    "FACTORIZATION",
    "KERNEL",
    "LOCAL",
    "MAIN_EFFECTS",
    "OURS",
    "AbstractOutcomeTask",
    "AbstractTask",
    "Inner",
    "Split",
]

Split = tuple[NDArray[np.intp], NDArray[np.intp]]
#: Folds in which a model chooses its settings: how many, or what scikit-learn takes as ``cv``.
Inner = Any

#: How the models are called in every table.
OURS = "intertwine"
MAIN_EFFECTS = "elastic net, main effects"
ALL_PAIRS = "elastic net, all pairs"
FACTORIZATION = "factorization machine"
BOOSTING = "gradient boosting"
KERNEL = "RBF kernel"
LOCAL = "local factorization machine"


class AbstractTask(ABC):
    """One kind of target.

    Attributes
    ----------
    name : str
        ``"regression"``, ``"classification"``, ``"survival"``, ``"reconstruction"`` or ``"forecast"``.
    metric : str
        Name of the score; larger is better.
    """

    name: ClassVar[str]
    metric: ClassVar[str]

    @abstractmethod
    def splits(self, y: NDArray[Any], n_splits: int, random_state: int) -> list[Split]:
        """Return (train, test) rows of each fold, shuffled, stratified where the target allows it."""

    @abstractmethod
    def strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return what has the same share in every fold, such as classes; None where there is no such thing."""

    @abstractmethod
    def predict(self, model: Any, X: Any, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return predictions for `X` as arrays whose first axis is the row.

        `y` is the target of the whole data set; only its class labels or its range of times are read.
        """

    @abstractmethod
    def score(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> float:
        """Score predictions of rows with target `y`."""

    @abstractmethod
    def errors(self, y: NDArray[Any], prediction: dict[str, NDArray[Any]]) -> dict[str, float]:
        """How far predictions are off in the target's own unit, by name; empty where there is no such unit."""


class AbstractOutcomeTask(AbstractTask):
    """An outcome to be explained by features, for which there are estimators of interactions and what rivals them."""

    @abstractmethod
    def interaction_model(self, *, cv: Inner, quick: bool, random_state: int) -> Any:
        """Build our estimator, which picks all its hyperparameters itself."""

    @abstractmethod
    def baselines(self, n_features: int, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect what one would use instead, each tuning itself in `cv` folds; `quick` makes smaller grids."""

    @abstractmethod
    def wide_baselines(self, *, cv: Inner, quick: bool, random_state: int) -> dict[str, Any]:
        """Collect those that hold sparse columns of many levels."""

    def models(
        self, n_features: int, *, cv: Inner = 5, quick: bool = False, random_state: int = 0
    ) -> dict[str, Any]:
        """Our model first, then its baselines.

        Parameters
        ----------
        n_features : int
            Columns of the data; the elastic net on all pairs is left out where it could not hold them.
        cv : int or cross-validation splitter, default 5
            Folds in which every model chooses its settings.
        quick : bool, default False
            Smaller grids, ours and theirs.
        random_state : int, default 0
        """
        ours = self.interaction_model(cv=cv, quick=quick, random_state=random_state)
        return {OURS: ours, **self.baselines(n_features, cv=cv, quick=quick, random_state=random_state)}
