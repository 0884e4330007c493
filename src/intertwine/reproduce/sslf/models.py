"""One fit of the comparison: what is tuned, measured and counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertwine import LatentFactorModel
from intertwine.reproduce.sslf.adam import fit_adam

__all__ = ["MODES", "Effort", "Task", "measure_adam", "measure_second_order", "measure_sgd", "split_ratings"]

#: Letters of the modes, and the library's names.
MODES = {"A": "perturbed", "B": "perturbed_gradient", "D": "injected"}

_TEST_SHARE = 0.1
_VALIDATION_SHARE = 0.05
_PATIENCE = 5  # epochs of Adam without a gain


class Effort(NamedTuple):
    """How much is spent.

    Attributes
    ----------
    rhos : tuple of float
        Radii of the sweep.
    sgd_rates, adam_rates : tuple of float
        Learning rates to choose from, by the ratings held out inside the training part.
    max_iter : int
        Epochs at most of SGD and Adam.
    seeds : int
    alphas : tuple of float
        Ridge strengths that every method chooses from, likewise.
    n_components : int
    one_user_of : int
        Of so many users one is taken, with all that it rated.
    """

    rhos: tuple[float, ...]
    sgd_rates: tuple[float, ...]
    adam_rates: tuple[float, ...]
    max_iter: int
    seeds: int
    alphas: tuple[float, ...] = (0.04, 0.2)
    n_components: int = 20
    one_user_of: int = 1


class Task(NamedTuple):
    """Ratings by codes.

    Attributes
    ----------
    X : ndarray of int, shape (n, 2)
        Users and items from zero.
    y : ndarray of shape (n,)
    scale : (low, high)
        Predictions are kept within.
    """

    X: NDArray[np.int64]
    y: NDArray[np.float64]
    scale: tuple[float, float]

    @classmethod
    def of(cls, ids: NDArray[np.int64], y: NDArray[np.float64], scale: tuple[float, float]) -> Task:
        """From ids of any numbers."""
        codes = [np.unique(column, return_inverse=True)[1] for column in ids.T]
        return cls(np.column_stack(codes).astype(np.int64), y, scale)

    def some(self, one_user_of: int) -> Task:
        """Every so many-th user, and the items that they rated."""
        if one_user_of == 1:
            return self
        rows = self.X[:, 0] % one_user_of == 0
        return Task.of(self.X[rows], self.y[rows], self.scale)

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of users and of items."""
        n_users, n_items = self.X.max(axis=0) + 1
        return int(n_users), int(n_items)


def split_ratings(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to fit, nine of ten at random, and rows to judge on."""
    order = np.random.default_rng(seed).permutation(n)
    n_test = round(_TEST_SHARE * n)
    return order[n_test:], order[:n_test]


def measure_sgd(task: Task, effort: Effort, seed: int) -> tuple[float, dict[str, Any]]:
    """Stochastic gradients."""
    fits = (
        _library_fit(task, effort, seed, alpha, solver="sgd", learning_rate=rate, max_iter=effort.max_iter)
        for alpha in effort.alphas
        for rate in effort.sgd_rates
    )
    return _best_held_out(fits)


def measure_adam(task: Task, effort: Effort, seed: int) -> tuple[float, dict[str, Any]]:
    """Adam on mini-batches."""
    fits = (
        _adam_fit(task, effort, seed, alpha, rate) for alpha in effort.alphas for rate in effort.adam_rates
    )
    return _best_held_out(fits)


def measure_second_order(
    task: Task, effort: Effort, seed: int, mode: str, rho: float
) -> tuple[float, dict[str, Any]]:
    """Gauss-Newton steps, with sharpness where ``rho`` is positive, at the strength that is best without it.

    A strength chosen anew for every radius would be told as an effect of the sharpness.
    """
    plain = _best_held_out(
        _library_fit(task, effort, seed, alpha, solver="gauss_newton") for alpha in effort.alphas
    )
    if rho == 0.0:
        return plain
    settings = {"solver": "gauss_newton", "rho": rho, "sharpness": MODES[mode]}
    return _library_fit(task, effort, seed, plain[1]["alpha"], **settings)


def _best_held_out(fits: Iterable[tuple[float, dict[str, Any]]]) -> tuple[float, dict[str, Any]]:
    """The fit that predicts the ratings held out best: the test part chooses nothing."""
    return min(fits, key=lambda fit: fit[1]["validation"])


def _judged(task: Task, test: NDArray, predicted: NDArray) -> float:
    return float(np.sqrt(np.mean((np.clip(predicted, *task.scale) - task.y[test]) ** 2)))


def _library_fit(
    task: Task, effort: Effort, seed: int, alpha: float, **settings: Any
) -> tuple[float, dict[str, Any]]:
    train, test = split_ratings(len(task.y), seed)
    model = LatentFactorModel(
        n_components=effort.n_components,
        alpha=alpha,
        rating_scale=task.scale,
        validation_fraction=_VALIDATION_SHARE,
        random_state=seed,
        **settings,
    ).fit(task.X[train], task.y[train])
    history = model.history_
    facts = {
        "validation": float(np.nanmin(np.asarray(history["validation_rmse"]))),
        "epochs": len(history),
        "passes": float(np.asarray(history["passes"])[-1]),
        "alpha": alpha,
        "rate": settings.get("learning_rate"),
    }
    return _judged(task, test, model.predict(task.X[test])), facts


def _adam_fit(
    task: Task, effort: Effort, seed: int, alpha: float, rate: float
) -> tuple[float, dict[str, Any]]:
    train, test = split_ratings(len(task.y), seed)
    model = fit_adam(
        task.X[train],
        task.y[train],
        task.sizes,
        n_components=effort.n_components,
        learning_rate=rate,
        alpha=alpha,
        max_iter=effort.max_iter,
        patience=_PATIENCE,
        validation_fraction=_VALIDATION_SHARE,
        seed=seed,
    )
    facts = {
        "validation": model.validation_rmse,
        "epochs": model.epochs,
        "passes": float(model.epochs),
        "alpha": alpha,
        "rate": rate,
    }
    return _judged(task, test, model.predict(task.X[test])), facts
