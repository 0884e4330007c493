"""The library in the benchmarks, behind the interface of the peers: same rows, same inner folds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from baselines._peer import Peer
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, PredefinedSplit

#: Parameters that the results keep as chosen.
SHOWN = (
    "alpha", "alpha_pairs", "l1_ratio", "latent", "n_components", "tie", "squares", "relevance", "basis", "n_knots",
    "scaling", "order",
)  # fmt: skip

#: A search over strengths alone: standardised features, all pairs, no basis, no relevance weights, no tie.
PLAIN = {"scalings": ("features",), "n_knots": (0,), "relevances": (0.0,), "squares": (False,), "latents": ()}


class OurPeer(Peer):
    """One of the library's cross-validated estimators with some of its search space held fixed."""

    tuning = "its own search"

    def __init__(self, estimator: str, **fixed: object) -> None:
        self._estimator, self._fixed = estimator, fixed

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> OurPeer:
        import intertwine

        # Groups travel with the rows where the search takes a subset of them; leaving one out gives the shared folds.
        make = getattr(intertwine, self._estimator)
        self.model = make(cv=LeaveOneGroupOut(), random_state=0, **self._fixed).fit(X, y, groups=folds)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        return _score(self.model, X)

    def chosen(self) -> dict:
        return {name: value for name, value in self.model.best_params_.items() if name in SHOWN}


class Regressor(OurPeer):
    """Everything chosen, the path left to the library."""

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV")


class Classifier(OurPeer):
    """Everything chosen: scaling, spline basis, relevance weights, squares, third order and tie."""

    def __init__(self) -> None:
        super().__init__("InteractionClassifierCV", orders=(2, 3))


class ThresholdedClassifier(Classifier):
    """Two classes from a numerical outcome: above zero, or not."""

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> OurPeer:
        return super().fit(X, y > 0, folds)


class WaitingCox(OurPeer):
    """Survival times from a numerical outcome, the shorter the larger it is; three in ten are cut short."""

    def __init__(self) -> None:
        super().__init__("InteractionCoxPHCV")

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> OurPeer:
        import intertwine

        seen = np.random.default_rng(0).random(len(y)) < 0.7
        return super().fit(X, intertwine.survival_target(np.exp(-y / y.std()), seen), folds)


class TiedRegressor(OurPeer):
    """The model of the paper's simulation: strengths, and whether and how strongly to tie.

    All rows are tuned on: strengths chosen on half as many rows as parameters do not carry over to more.
    """

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV", **{**PLAIN, "latents": ("low_rank",)}, max_tune_rows=2000)


class TiedClassifier(OurPeer):
    """As ``TiedRegressor``, for two classes."""

    def __init__(self) -> None:
        super().__init__("InteractionClassifierCV", **{**PLAIN, "latents": ("low_rank",)}, max_tune_rows=2000)


class ExactRegressor(OurPeer):
    """All pairs integrated out, no tie: the ridge counterpart of the peers' elastic nets."""

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV", **PLAIN)


class SparseRegressor(OurPeer):
    """The elastic net's two shares of L1, as the peers search them."""

    def __init__(self) -> None:
        super().__init__("InteractionRegressorCV", **{**PLAIN, "l1_ratios": (0.5, 1.0)})


class SparseFit(Peer):
    """One fit of the sparse path at given strengths, for the curves of cost."""

    tuning = "none: alpha = .05, l1_ratio = .9"

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> SparseFit:
        import intertwine

        spread = y.std()  # so that one alpha suits every size
        self.model = intertwine.InteractionRegressor(
            alpha=0.05 * spread, l1_ratio=0.9, latent=None, solver="sparse", random_state=0
        ).fit(X, y)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        return self.model.predict(X)


class SearchedPeer(Peer):
    """A plain estimator of the library in scikit-learn's grid search: what an equal budget means is then plain.

    Parameters
    ----------
    task : {"regression", "classification"}
    grid : dict
        Candidates.
    **fixed
        Parameters that are not searched.
    """

    def __init__(self, task: str, grid: dict[str, list], **fixed: object) -> None:
        self._task, self._grid, self._fixed = task, grid, fixed
        self.tuning = f"{int(np.prod([len(values) for values in grid.values()]))} candidates"

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> SearchedPeer:
        import intertwine

        classes = {
            "regression": (intertwine.InteractionRegressor, "neg_mean_squared_error"),
            "classification": (intertwine.InteractionClassifier, "roc_auc"),
        }
        make, scoring = classes[self._task]
        search = GridSearchCV(
            make(random_state=0, **self._fixed), self._grid, scoring=scoring, cv=PredefinedSplit(folds)
        )
        self._search = search.fit(X, y)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        return _score(self._search.best_estimator_, X)

    def chosen(self) -> dict:
        return dict(self._search.best_params_)


class FixedTie(SearchedPeer):
    """The tie held at one strength (0: none, infinite: a factorization machine), the other strengths searched."""

    def __init__(self, task: str, tie: float) -> None:
        alphas = [1e-4, 1e-2] if task == "classification" else [1e-6, 1e-4, 1e-2, 1.0]
        pairs = [1e-4, 1e-2] if task == "classification" else [1e-6, 1e-2]
        super().__init__(task, {"alpha": alphas, "alpha_pairs": pairs}, tie=tie, n_components=2, n_init=1)


def _score(model: object, X: np.ndarray) -> np.ndarray:
    return model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)


def ablation() -> dict[str, Callable[[], Peer]]:
    """Pieces of the model one at a time, 24 candidates each: what every piece brings under an equal budget."""
    pairs = {"alpha_pairs": list(np.logspace(-6, 0, 6))}
    strengths = {"alpha": [1e-5, 1e-3, 1e-2, 1e-1], **pairs}
    fewer = {"alpha": [1e-3, 1e-2], **pairs}

    def search(grid: dict[str, list], **fixed: object) -> Callable[[], Peer]:
        return lambda: SearchedPeer("classification", grid, **fixed)

    return {
        "ablation: all pairs": search(strengths, latent=None),
        "ablation: + low-rank tie": search({**fewer, "tie": [0.01, 1.0]}, latent="low_rank", n_init=1),
        "ablation: + signed tie": search({**fewer, "tie": [0.01, 1.0]}, latent="signed", n_init=1),
        "ablation: + squares": search(strengths, latent=None, squares=True),
        "ablation: + relevance": search({**fewer, "relevance": [0.5, 1.0]}, latent=None),
        "ablation: + spline basis": search(strengths, latent=None, basis="spline"),
        "ablation: + spline basis + relevance": search(
            {**fewer, "relevance": [0.5, 1.0]}, latent=None, basis="spline"
        ),
    }


def classifiers(quick: bool) -> dict[str, Callable[[], Peer]]:
    """The library's own choice, and the ablation unless it should be quick."""
    return {"intertwine, CV": Classifier, **({} if quick else ablation())}
