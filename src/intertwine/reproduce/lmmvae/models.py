"""The methods that are set side by side: what each is given of the training rows, and how it sees test rows.

None re-estimates the effects of a test row from that row: they are known from training rows alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats
from sklearn.decomposition import PCA
from sklearn.utils import Bunch

from intertwine.reproduce.lmmvae.oracle import oracle, refitted_oracle, two_stages

__all__ = ["IGNORED", "LINEAR", "METHODS", "NONLINEAR", "Task", "measure"]

Array = NDArray[np.float64]
Facts = dict[str, Any]

NONLINEAR, LINEAR = "RandomEffectsVAE", "RandomEffectsPCA"
IGNORED = "VAE, effects ignored"


class Task(NamedTuple):
    """One draw.

    Attributes
    ----------
    truth : Bunch
        As simulated, with ``train`` and ``test``.
    effects : tuple
        The effects that a model is told of.
    n_components : int
    seed : int
    settings : mapping
        Further parameters of the networks.
    """

    truth: Bunch
    effects: tuple[Any, ...]
    n_components: int
    seed: int
    settings: Mapping[str, Any] = {}

    def where(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Groups, time or coordinates of rows, as far as the design has them and the effects read them."""
        needed = {need for effect in self.effects for need in effect.needs}
        return {
            name: _taken(self.truth[name], rows) for name in ("groups", "time", "coords") if name in needed
        }


def measure(method: str, task: Task) -> tuple[float, Facts]:
    """Mean squared error of the test rows' features, and what else is known of the fit."""
    predicted, facts = METHODS[method](task)
    return float(np.nanmean((task.truth.data[task.truth.test] - predicted) ** 2)), facts


def _taken(values: Any, rows: NDArray[np.int64]) -> Any:
    """Of an array, or of each of several by name."""
    if isinstance(values, dict):
        return {name: column[rows] for name, column in values.items()}
    return values[rows]


def _told(predict: Callable[[Bunch], Array]) -> Callable[[Task], tuple[Array, Facts]]:
    return lambda task: (predict(task.truth), {})


def _plain_components(task: Task) -> tuple[Array, Facts]:
    truth = task.truth
    pca = PCA(task.n_components, random_state=task.seed).fit(truth.data[truth.train])
    return pca.inverse_transform(pca.transform(truth.data[truth.test])), {}


def _one_hot_components(task: Task) -> tuple[Array, Facts]:
    """Principal components of features and indicators of the groups, all in units of their deviations."""
    truth = task.truth
    centre, spread = truth.data[truth.train].mean(axis=0), truth.data[truth.train].std(axis=0)
    blocks = [sparse.csr_array((truth.data - centre) / spread)]
    for level in truth.groups.reshape(len(truth.data), -1).T:
        share = np.bincount(level[truth.train], minlength=level.max() + 1) / len(truth.train)
        deviation = np.sqrt(share * (1.0 - share))
        weight = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        rows = np.arange(len(level))
        blocks.append(sparse.csr_array((weight[level], (rows, level)), shape=(len(level), len(share))))
    table = sparse.hstack(blocks).tocsr()
    pca = PCA(task.n_components, svd_solver="arpack", random_state=task.seed).fit(table[truth.train])
    found = pca.transform(table[truth.test]) @ pca.components_[:, : len(centre)] + pca.mean_[: len(centre)]
    return centre + spread * found, {}


def _estimator(make: Callable[[Task], Any], ignore: bool = False) -> Callable[[Task], tuple[Array, Facts]]:
    def fitted(task: Task) -> tuple[Array, Facts]:
        truth = task.truth
        task = task._replace(effects=()) if ignore else task
        began = time.perf_counter()
        model = make(task).fit(truth.data[truth.train], **task.where(truth.train))
        seconds = time.perf_counter() - began
        X, at = truth.data[truth.test], task.where(truth.test)
        facts = {"fit_seconds": round(seconds, 2), "epochs": int(model.n_iter_)}
        if "latent" in truth:
            facts |= _latents_beside_truth(model.transform(X, **at), truth.latent[truth.test])
        if "noise_variance" in truth and not ignore:
            facts |= _variances_beside_truth(model, truth)
        return model.reconstruct(X, **at), facts

    return fitted


def _network(task: Task) -> Any:
    from intertwine import RandomEffectsVAE  # JAX: only when it is needed

    return RandomEffectsVAE(
        n_components=task.n_components, effects=list(task.effects), random_state=task.seed, **task.settings
    )


def _linear(task: Task) -> Any:
    from intertwine import RandomEffectsPCA

    return RandomEffectsPCA(
        n_components=task.n_components, effects=list(task.effects), random_state=task.seed
    )


def _latents_beside_truth(found: Any, true: Array) -> Facts:
    """|Spearman's correlation|, which a monotone map leaves as it is; of several latents the best match of each."""
    found = np.asarray(found)
    d = true.shape[1]
    correlation = np.abs(np.atleast_2d(stats.spearmanr(found, true).statistic)).reshape(-1)
    if d > 1:
        correlation = np.abs(np.asarray(stats.spearmanr(found, true).statistic)[:d, d:]).max(axis=0)
    return {"latent_correlation": round(float(correlation.mean()), 4)}


def _variances_beside_truth(model: Any, truth: Bunch) -> Facts:
    """Sums over features of the variances that were found, beside the true ones: noise, then each effect's."""
    table = model.variance_components_
    component, term, other = (np.asarray(table[name]) for name in ("component", "term", "other_term"))
    value = np.asarray(table["variance"], dtype=float)
    own = term == other
    names = [name for name in dict.fromkeys(component) if name not in ("latent", "noise")]
    ratios = {"noise": value[component == "noise"].sum() / truth.noise_variance.sum()}
    for name, variance in zip(names, truth.effect_variances, strict=True):
        true = np.trace(variance, axis1=1, axis2=2).sum()
        ratios[name] = value[own & (component == name)].sum() / true
    return {"variance_ratios": {name: round(float(ratio), 4) for name, ratio in ratios.items()}}


#: What is measured, in the order of the table.
METHODS: dict[str, Callable[[Task], tuple[Array, Facts]]] = {
    "oracle": _told(oracle),
    "refitted oracle": _told(refitted_oracle),
    "two stages": lambda task: (two_stages(task.truth, task.n_components), {}),
    "PCA, effects ignored": _plain_components,
    "PCA, one-hot groups": _one_hot_components,
    IGNORED: _estimator(_network, ignore=True),
    LINEAR: _estimator(_linear),
    NONLINEAR: _estimator(_network),
}
