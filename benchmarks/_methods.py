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


@dataclass(frozen=True)
class Method:
    """How to make a method, and whether it lives in the peers' environment."""

    make_peer: Callable[[], Peer]
    from_registry: bool = False

    def make(self, arrays: dict[str, np.ndarray]) -> Peer:
        return self.make_peer()

    def warm_up(self, arrays: dict[str, np.ndarray]) -> None:
        """Fit a tiny problem, so that compiled kernels are there when the clock starts."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((60, 6))
        y = X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * rng.standard_normal(60)
        self.make(arrays).fit(X, y, np.arange(60) % 5)

    def judge(self, model: Peer, arrays: dict[str, np.ndarray]) -> dict[str, float]:
        """Held-out mean squared error over the outcome's variance."""
        error = np.mean((model.score(arrays["X_test"]) - arrays["y_test"]) ** 2)
        return {"relative_mse": float(error / arrays["y_test"].var())}


METHODS: dict[str, Method] = {
    "intertwine, ridge pairs": Method(_ours.ExactRegressor),
    "intertwine, ridge pairs + tie": Method(_ours.TiedRegressor),
    "intertwine, elastic net": Method(_ours.SparseRegressor),
    "intertwine, sparse fit": Method(_ours.SparseFit),
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

#: The library's own methods; the single fit is for curves of cost, where nothing is tuned.
OURS = tuple(name for name in METHODS if name.startswith("intertwine"))
SINGLE_FITS = ("intertwine, sparse fit",)
