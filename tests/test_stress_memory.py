"""What a fit of middle size takes beside its data, and what is refused before it is taken."""

from __future__ import annotations

import contextlib
import tracemalloc
import warnings

import numpy as np
import pytest
from child_fits import in_a_process, write_peaks
from scipy import sparse
from sklearn.base import clone

from intertwine import (
    FMRegressor,
    InteractionRegressor,
    LatentFactorModel,
    LocalFMRegressor,
    LongitudinalVAE,
    MixedModel,
    RandomEffectsPCA,
    RandomEffectsVAE,
)
from intertwine.effects import Spatial


def dense(n, p):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] + rng.standard_normal(n)


def one_hot(n, sizes):
    rng = np.random.default_rng(0)
    levels = rng.integers(sizes, size=(n, len(sizes))) + np.concatenate([[0], np.cumsum(sizes[:-1])])
    indptr = np.arange(n + 1) * len(sizes)
    X = sparse.csr_array((np.ones(levels.size), levels.ravel(), indptr), shape=(n, sum(sizes)))
    return X, rng.standard_normal(n)


def ratings(n_users, n_items, n):
    rng = np.random.default_rng(0)
    pairs = rng.permutation(n_users * n_items)[:n]
    return np.column_stack(np.divmod(pairs, n_items)), rng.standard_normal(n)


def grouped(n, p, n_groups):
    X, y = dense(n, p)
    return X, y, np.arange(n) // 2 % n_groups


QUICK = {"max_iter": 2, "random_state": 0}
#: Estimator, rows, and the most that a fit may take, in sizes of X and y together.
FITS = {
    "interactions, exact": (InteractionRegressor(alpha=0.1, latent=None), dense(400, 100), 30),
    "interactions, sparse": (InteractionRegressor(alpha=0.5, latent=None, l1_ratio=1.0), dense(2000, 60), 7),
    "FM, ALS": (FMRegressor(solver="als", n_components=4, **QUICK), one_hot(20_000, [300, 300, 50, 20]), 12),
    "FM, Gibbs": (FMRegressor(n_components=4, n_samples=2, **QUICK), one_hot(20_000, [300, 300, 50, 20]), 12),
    "FM, AdaGrad": (
        FMRegressor(solver="adagrad", n_components=4, **QUICK),
        one_hot(20_000, [300, 300, 50, 20]),
        4,
    ),
    "local FM": (LocalFMRegressor(n_anchors=5, n_components=2, **QUICK), dense(4000, 20), 16),
    "factors, ALS": (LatentFactorModel(solver="als", n_components=4, **QUICK), ratings(500, 300, 60_000), 8),
    "factors, Gibbs": (
        LatentFactorModel(solver="gibbs", n_components=4, n_samples=2, **QUICK),
        ratings(500, 300, 60_000),
        18,
    ),
    "factors, SGD": (LatentFactorModel(solver="sgd", n_components=4, **QUICK), ratings(500, 300, 60_000), 4),
    "mixed": (MixedModel(max_iter=5), grouped(20_000, 6, 300), 9),
    "PCA": (RandomEffectsPCA(2, max_iter=3), grouped(6000, 20, 100), 5),
}


def fit(model, rows):
    X, y, *groups = rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, **dict(zip(("groups",), groups, strict=False)))


@contextlib.contextmanager
def traced():
    """Most that the block has allocated, at the end of it."""
    peak = [0]
    tracemalloc.start()
    try:
        yield peak
        peak[0] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def size(X):
    return X.data.nbytes + X.indices.nbytes if sparse.issparse(X) else X.nbytes


@pytest.mark.parametrize("name", FITS)
def test_a_fit_takes_a_few_times_its_data(name):
    estimator, rows, most = FITS[name]
    fit(clone(estimator), [part[:80] for part in rows])  # what is compiled or imported is not counted
    with traced() as peak:
        fit(clone(estimator), rows)
    assert peak[0] < most * (size(rows[0]) + rows[1].nbytes)


#: The most that networks take for each number of X, by the process itself: JAX allocates where nobody looks.
PER_NUMBER = {"VAE": 18, "longitudinal": 16}


@pytest.mark.parametrize("name", PER_NUMBER)
def test_networks_take_a_few_times_their_data(name, tmp_path):
    """What is imported and compiled is there after the first fit, of rows that take next to nothing."""
    n_rows, p = (1000, 30_000), 30
    assert in_a_process(write_peaks, name, n_rows, p, tmp_path / "peaks") == 0
    small, large = np.loadtxt(tmp_path / "peaks")
    assert large - small < PER_NUMBER[name] * 8 * n_rows[1] * p


FREE = 20 * 2**20
#: Problems that do not fit into so many bytes, and what their refusal names.
TOO_BIG = {
    "interactions, exact": (InteractionRegressor(latent=None), dense(1500, 200), {}, "solver='sparse'"),
    "interactions, sparse": (InteractionRegressor(latent=None, l1_ratio=0.5), dense(200, 5000), {}, ""),
    "FM": (
        FMRegressor(n_samples=2000, n_components=8),
        one_hot(500, [900, 900]),
        {},
        "n_samples or n_components",
    ),
    "local FM": (LocalFMRegressor(n_anchors=100, n_components=8), dense(300, 500), {}, "fewer anchors"),
    "factors": (LatentFactorModel(n_components=800), ratings(3000, 3000, 20_000), {}, "n_components"),
    "mixed, spatial": (
        MixedModel([Spatial("matern12", method="exact")]),
        dense(3000, 2),
        {"coords": dense(3000, 2)[0]},
        "",
    ),
    "PCA, spatial": (
        RandomEffectsPCA(1, effects=[Spatial("matern12", method="exact")]),
        dense(3000, 3),
        {"coords": dense(3000, 2)[0]},
        "",
    ),
    "PCA, wide": (RandomEffectsPCA(1), dense(60, 2000), {"groups": np.arange(60) // 4}, "fewer features"),
    "VAE": (
        RandomEffectsVAE(2),
        dense(50_000, 12),
        {"groups": np.arange(50_000) % 500},
        "a part of the rows",
    ),
    "longitudinal": (LongitudinalVAE(8), dense(42_000, 6), {"subject": np.arange(42_000) % 2000}, "fewer"),
}


@pytest.mark.parametrize("name", TOO_BIG)
def test_what_does_not_fit_is_refused_before_it_is_taken(name, monkeypatch):
    estimator, (X, y), keywords, advice = TOO_BIG[name]
    monkeypatch.setattr("intertwine.resources.available_memory", lambda: FREE)
    refused = f"needs .* are free; use .*{advice}.* instead"
    with traced() as peak, pytest.raises(MemoryError, match=refused):
        clone(estimator).set_params(random_state=0).fit(X, y, **keywords)
    assert peak[0] < FREE + 6 * size(X)


def test_scores_that_do_not_fit_are_refused_before_they_are_taken(monkeypatch):
    X, y = dense(200_000, 2)
    quick = {"n_anchors": 2, "n_components": 1, "solver": "lbfgs", "max_iter": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LocalFMRegressor(n_estimators=8, random_state=0, **quick).fit(X[:50], y[:50])
    monkeypatch.setattr("intertwine.resources.available_memory", lambda: FREE)
    with traced() as peak, pytest.raises(MemoryError, match="scoring 200,000 rows by 8 machines"):
        model.predict(X)
    assert peak[0] < FREE
    assert len(model.predict(X[:1000])) == 1000


def test_recommendations_that_do_not_fit_are_refused_before_they_are_taken(monkeypatch):
    X, y = ratings(1500, 300, 3000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LatentFactorModel(n_components=1, solver="als", **QUICK).fit(X, y)
    users = np.unique(X[:, 0])
    monkeypatch.setattr("intertwine.resources.available_memory", lambda: FREE)
    with (
        traced() as peak,
        pytest.raises(MemoryError, match="recommendations needs .* use fewer users at a time"),
    ):
        model.recommend(users, k=300)
    assert peak[0] < FREE / 10
    assert len(model.recommend(users[:3], k=5)) == 15
