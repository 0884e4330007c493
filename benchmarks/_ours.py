"""The library in the benchmarks, behind the interface of the peers: same rows, same inner folds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.model_selection import PredefinedSplit

from baselines._peer import Peer

#: Parameters that the tables show as chosen.
SHOWN = (
    "alpha", "alpha_pairs", "l1_ratio", "latent", "n_components", "tie", "squares", "relevance", "basis", "scaling",
)  # fmt: skip


class OurPeer(Peer):
    """One of the library's cross-validated estimators with some of its parameters held fixed."""

    tuning = "all hyperparameters, by the CV estimator itself"

    def __init__(self, estimator: str, **fixed: object) -> None:
        self._estimator, self._fixed = estimator, fixed

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> OurPeer:
        import intertwine

        make = getattr(intertwine, self._estimator)
        self.model = make(cv=PredefinedSplit(folds), random_state=0, **self._fixed).fit(X, y)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        if hasattr(self.model, "decision_function"):
            return self.model.decision_function(X)
        return self.model.predict(X)

    def chosen(self) -> dict:
        return {name: value for name, value in self.model.best_params_.items() if name in SHOWN}


class ExactRegressor(OurPeer):
    """The exact path: no L1, pairs integrated out."""

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV", solver="exact")


class SparseRegressor(OurPeer):
    """The sparse path."""

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV", solver="sparse")


class Regressor(OurPeer):
    """Everything chosen, the path left to the library."""

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV")


class Classifier(OurPeer):
    """Everything chosen, the path left to the library."""

    def __init__(self) -> None:
        super().__init__("InteractionClassifierCV")
