"""The methods that run in processes of their own, by the name that the tables print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import _ours
import numpy as np
from baselines import third_party
from baselines._peer import MIN_RATIO, PATH_LENGTH, Peer
from baselines.glmnet_r import Glmnet
from baselines.sklearn_peers import PolynomialElasticNet
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score


def relative_error(score: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Mean squared error over the outcome's variance."""
    return {"relative_mse": float(np.mean((score - y) ** 2) / y.var())}


def area_under_curve(score: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """AUC of telling y > 0 from the rest."""
    return {"auc": float(roc_auc_score(y > 0, score))}


def concordance(score: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Share of pairs of rows in the right order."""
    return {"concordance": float((kendalltau(score, y).statistic + 1) / 2)}


def tiny_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A few rows with five folds."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    return X, X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * rng.standard_normal(60), np.arange(60) % 5


@dataclass(frozen=True)
class Method:
    """How to make a method, and whether it lives in the peers' environment."""

    make_peer: Callable[[], Peer]
    from_registry: bool = False
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float]] = relative_error
    tiny: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]] = tiny_table
    also_tiny: tuple[Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]], ...] = ()

    def make(self, arrays: dict[str, np.ndarray]) -> Peer:
        return self.make_peer()

    def warm_up(self, arrays: dict[str, np.ndarray]) -> None:
        """Fit tiny problems, so that compiled kernels are there when the clock starts."""
        for tiny in (self.tiny, *self.also_tiny):
            self.make(arrays).fit(*tiny())

    def judge(self, model: Peer, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """What the held-out rows say."""
        return self.measure(model.score(arrays["X_test"]), arrays["y_test"])


METHODS: dict[str, Method] = {
    "intertwine, ridge pairs": Method(_ours.ExactRegressor),
    "intertwine, ridge pairs + tie": Method(_ours.TiedRegressor),
    "intertwine, elastic net": Method(_ours.SparseRegressor),
    "intertwine, sparse fit": Method(_ours.SparseFit),
    "intertwine, regression CV": Method(_ours.Regressor),
    "intertwine, classification CV": Method(_ours.ThresholdedClassifier, measure=area_under_curve),
    "intertwine, Cox CV": Method(_ours.WaitingCox, measure=concordance),
    "PolynomialFeatures + ElasticNetCV": Method(PolynomialElasticNet),
    "skglm": Method(third_party.SkglmElasticNet, from_registry=True),
    "glmnet (R, model.matrix)": Method(
        lambda: Glmnet(
            "gaussian", pairs=True, mixing=(0.5, 1.0), path_length=PATH_LENGTH, min_ratio=MIN_RATIO
        )
    ),
    "glinternet (adelie)": Method(lambda: third_party.AdelieGlinternet("gaussian"), from_registry=True),
    "uniPairs": Method(lambda: third_party.UniPairsPeer("gaussian"), from_registry=True),
    "EBM (interpret)": Method(lambda: third_party.ExplainableBoosting("gaussian"), from_registry=True),
}

#: The library's own methods; those of the curves of cost have no peer that does the same.
OURS = tuple(name for name in METHODS if name.startswith("intertwine"))
OF_SCALE = (
    "intertwine, sparse fit", "intertwine, regression CV", "intertwine, classification CV", "intertwine, Cox CV",
)  # fmt: skip
