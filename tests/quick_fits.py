"""A quick fit of every estimator and of every kind of state it can hold: what the tests of stress run over."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from intertwine import (
    FMClassifier,
    FMRegressor,
    InteractionClassifier,
    InteractionClassifierCV,
    InteractionCoxPH,
    InteractionCoxPHCV,
    InteractionRegressor,
    InteractionRegressorCV,
    LatentFactorModel,
    LocalFMClassifier,
    LocalFMRegressor,
    LongitudinalVAE,
    MixedModel,
    RandomEffectsPCA,
    RandomEffectsVAE,
    survival_target,
)
from intertwine.effects import (
    AR1,
    BySubject,
    Categorical,
    Correlated,
    Graph,
    Grouped,
    Linear,
    Longitudinal,
    Smooth,
    Spatial,
)

N, P, N_GROUPS = 60, 4, 10
SEED = 0


class Quick(NamedTuple):
    """An estimator, the rows of a fit, and rows that it is asked about."""

    estimator: Any
    rows: tuple[Any, ...]
    keywords: Mapping[str, Any] = {}
    of_rows: tuple[str, ...] = ()  # keywords that questions need as well

    @property
    def asked(self) -> dict[str, Any]:
        return {name: self.keywords[name] for name in self.of_rows}

    def fit(self, **params: Any) -> Any:
        """A new estimator, fitted in silence."""
        return self.fitted(clone(self.estimator).set_params(**params))

    def fitted(self, model: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(*self.rows, **self.keywords)

    def answers(self, model: Any, X: Any = None) -> list[np.ndarray]:
        """What the model says of rows, as arrays of numbers."""
        X = self.rows[0] if X is None else X
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [
                np.asarray(getattr(model, name)(X, **self.asked))
                for name in _QUESTIONS
                if hasattr(model, name)
            ]


_QUESTIONS = ("predict", "predict_proba", "decision_function", "transform", "reconstruct", "impute")


def _table():
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((N, P))
    return X, X[:, 0] + 1.5 * X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(N)


def _interactions():
    X, f = _table()
    two, three = np.where(f > 0, "yes", "no"), np.digitize(f, [-0.8, 0.8]) * 10
    rng = np.random.default_rng(1)
    survival = survival_target(rng.exponential(np.exp(-f)), np.arange(N) % 4 > 0)
    quick = {"n_init": 1, "max_iter": 10, "random_state": SEED}
    search = {"scalings": ("features",), "n_knots": (0,), "relevances": (0.0,), "squares": (False,), "cv": 2}
    yield "interactions, tied", InteractionRegressor(alpha=0.05, **quick), (X, f)
    yield (
        "interactions, exact",
        InteractionRegressor(alpha=0.05, latent=None, basis="spline", n_knots=3),
        (X, f),
    )
    yield (
        "interactions, sparse",
        InteractionRegressor(alpha=0.05, latent=None, l1_ratio=0.7, squares=True),
        (X, f),
    )
    yield (
        "interactions, sparse tie",
        InteractionRegressor(alpha=0.05, l1_ratio=0.5, latent="distance", **quick),
        (X, f),
    )
    yield "interactions, quantile", InteractionRegressor(latent=None, scaling="quantile", order=3), (X, f)
    yield "interactions, two classes", InteractionClassifier(latent=None), (X, two)
    yield "interactions, three classes", InteractionClassifier(latent="signed", **quick), (X, three)
    yield "interactions, Cox", InteractionCoxPH(latent="two_factor", **quick), (X, survival)
    yield (
        "interactions, regressor CV",
        InteractionRegressorCV(latents=("signed",), **quick, **search),
        (X, f),
    )
    yield "interactions, classifier CV", InteractionClassifierCV(latents=(), **search), (X, two)
    yield "interactions, Cox CV", InteractionCoxPHCV(latents=(), **search), (X, survival)


def _machines():
    X, f = _table()
    two, three = np.where(f > 0, "yes", "no"), np.digitize(f, [-0.8, 0.8])
    draws = {"n_components": 2, "max_iter": 20, "n_samples": 5, "random_state": SEED}
    optimum = {"n_components": 2, "solver": "als", "max_iter": 20, "random_state": SEED}
    passes = {"n_components": 2, "solver": "adagrad", "max_iter": 5, "random_state": SEED}
    yield "FM, Gibbs", FMRegressor(**draws), (X, f)
    yield "FM, ALS", FMRegressor(**optimum), (X, f)
    yield "FM, AdaGrad", FMRegressor(**passes), (X, f)
    yield "FM, Gibbs classes", FMClassifier(**draws), (X, two)
    yield "FM, ordered classes", FMClassifier(ordinal=True, **draws), (X, three)
    yield "FM, ALS classes", FMClassifier(**optimum), (X, three)
    yield "FM, AdaGrad classes", FMClassifier(**passes), (X, two)
    local = {"n_anchors": 3, "n_components": 2, "max_iter": 10, "random_state": SEED}
    yield "local FM", LocalFMRegressor(**local), (X, f)
    yield "local FM, adaptive", LocalFMRegressor(**local, coding="adaptive", n_estimators=2), (X, f)
    yield (
        "local FM, Adam",
        LocalFMRegressor(**local, solver="adam", n_epochs=5, batch_size=16, learning_rate=0.05),
        (X, f),
    )
    yield "local FM, classes", LocalFMClassifier(**local, space="latent"), (X, two)


def _factors():
    rng = np.random.default_rng(SEED)
    pairs = rng.permutation(12 * 9)[:80]
    user, item = np.divmod(pairs, 9)
    X = np.column_stack([user + 100, item])
    taste, kind = rng.standard_normal(12), rng.standard_normal(9)
    y = 3 + taste[user] * kind[item] + 0.2 * rng.standard_normal(80)
    told = np.column_stack([X, user % 3 + 0.5])
    settings = {"n_components": 2, "max_iter": 6, "random_state": SEED}
    for solver in ("variational", "als", "gauss_newton", "sgd"):
        yield f"factors, {solver}", LatentFactorModel(solver=solver, **settings), (X, y)
    gibbs = LatentFactorModel(solver="gibbs", n_samples=5, **settings | {"max_iter": 12})
    yield "factors, gibbs", gibbs, (X, y)
    implicit = LatentFactorModel(solver="gauss_newton", implicit=True, mapping="softplus", **settings)
    yield "factors, implicit", implicit, (X, y)
    yield (
        "factors, side features",
        LatentFactorModel(solver="gauss_newton", user_features=(2,), **settings),
        (told, y),
    )


def _groups():
    rng = np.random.default_rng(SEED)
    group = np.arange(N) % N_GROUPS
    time = np.arange(N) // N_GROUPS + 0.25 * rng.uniform(size=N)
    coords = rng.uniform(size=(N_GROUPS, 2))[group]
    return group, time, coords


def _mixed():
    X, _ = _table()
    rng = np.random.default_rng(1)
    group, time, coords = _groups()
    place = 2.0 * rng.standard_normal((N_GROUPS, 4))[group]
    y = X[:, 0] + place[:, 0] + 0.3 * rng.standard_normal(N) + 0.3 * time * place[:, 1]
    two = np.column_stack([y, X[:, 1] + place[:, 2] + 0.3 * rng.standard_normal(N)])
    chain = (np.abs(np.subtract.outer(np.arange(N_GROUPS), np.arange(N_GROUPS))) == 1).astype(float)
    grouped = {"groups": group}
    everything = {"groups": group, "time": time, "coords": coords}
    step = np.arange(N) // N_GROUPS
    kinds: dict[str, tuple[Any, dict[str, Any], Any]] = {
        "grouped": (None, grouped, y),
        "slopes": ([Grouped(slopes=(0,))], grouped, y),
        "two outcomes": ([Grouped()], grouped, two),
        "longitudinal": ([Longitudinal()], {"groups": group, "time": time}, y),
        "series": ([AR1()], {"groups": group, "time": step}, y),
        "graph": ([Graph(adjacency=chain)], grouped, y),
        "spatial": ([Spatial("matern32", 0.3)], {"coords": coords}, y),
        "crossed": ([Grouped(), Spatial("rbf", 0.5, n_functions=6)], everything, y),
    }
    for name, (effects, keywords, outcome) in kinds.items():
        yield f"mixed, {name}", MixedModel(effects, max_iter=30), (X, outcome), keywords, tuple(keywords)


def _latents():
    rng = np.random.default_rng(2)
    group, time, coords = _groups()
    u = rng.standard_normal((N, 2))
    X = u @ rng.standard_normal((2, 5)) + rng.standard_normal((N_GROUPS, 5))[group]
    X += 0.3 * rng.standard_normal(X.shape)
    gaps = np.where(rng.uniform(size=X.shape) < 0.05, np.nan, X)
    of_kinds = np.column_stack([gaps[:, :3], X[:, 3] > 0, np.round(np.abs(X[:, 4]))])
    grouped = {"groups": group}
    linear = {"n_components": 2, "max_iter": 20}
    for name, model, rows, keywords in (
        ("PCA", RandomEffectsPCA(**linear), X, grouped),
        ("PCA, gaps", RandomEffectsPCA(**linear), gaps, grouped),
        ("PCA, isotropic", RandomEffectsPCA(noise="isotropic", **linear), X, grouped),
        (
            "PCA, spatial",
            RandomEffectsPCA(effects=[Spatial("rbf", 0.5)], **linear),
            X,
            {"coords": coords},
        ),
        (
            "PCA, two effects",
            RandomEffectsPCA(effects=[Grouped(), Spatial("rbf", 0.5)], **linear),
            X,
            {"groups": np.arange(N) % 6, "coords": coords},
        ),
        ("VAE", _vae(), X, grouped),
        ("VAE, gaps", _vae(refine=True), gaps, grouped),
        ("VAE, amortised", _vae(inference="amortised"), X, grouped),
        ("VAE, kinds", _vae(likelihood={3: "bernoulli", 4: "poisson"}), of_kinds, grouped),
    ):
        yield name, model, (rows,), keywords, tuple(keywords)
    of_subjects = {"subject": group}
    told = {"dose": rng.standard_normal(N), "sex": np.array(["f", "m"])[group % 2], "age": time}
    course = {"covariates": told, "subject": group, "time": time}
    effects = [
        Categorical("sex"),
        Smooth("age", n_functions=4),
        Linear("dose"),
        Categorical("sex") * Linear("dose"),
        BySubject(),
        BySubject(Linear("age")),
    ]
    joint = [*effects[:4], Correlated(effects[4:])]
    counts = np.column_stack([X[:, :3], X[:, 3] > 0, rng.poisson(2.0, N), np.digitize(X[:, 4], [-1, 1])])
    kinds = ["gaussian"] * 3 + ["bernoulli", "poisson", "ordinal"]
    for name, model, rows, keywords in (
        ("longitudinal", _longitudinal(), X, of_subjects),
        ("longitudinal, course", _longitudinal(effects=joint), gaps, course),
        ("longitudinal, kinds", _longitudinal(likelihood=kinds), counts, of_subjects),
        (
            "longitudinal, linear",
            _longitudinal(architecture="linear", hidden_layer_sizes=None),
            X,
            of_subjects,
        ),
        ("longitudinal, sparse", _longitudinal(coefficient_prior="horseshoe"), X, of_subjects),
        ("longitudinal, mean field", _longitudinal(objective="mean-field", effects=effects), X, course),
        (
            "longitudinal, images",
            _longitudinal(architecture="conv", image_shape=(4, 4), hidden_layer_sizes=None),
            rng.uniform(size=(N, 16)),
            of_subjects,
        ),
    ):
        yield name, model, (rows,), keywords, tuple(keywords)


def _vae(**settings):
    quick = {"hidden_layer_sizes": (4,), "n_init": 1, "batch_size": 32, "max_iter": 2, "random_state": SEED}
    return RandomEffectsVAE(2, **quick | settings)


def _longitudinal(**settings):
    quick = {"hidden_layer_sizes": (4,), "warm_up": 1, "decoder_iter": 1, "batch_size": 32, "max_iter": 2}
    return LongitudinalVAE(2, **quick | {"random_state": SEED} | settings)


MAKERS: tuple[Callable[[], Any], ...] = (_interactions, _machines, _factors, _mixed, _latents)


@cache
def quick_fits() -> dict[str, Quick]:
    return {name: Quick(*parts) for make in MAKERS for name, *parts in make()}


@cache
def saved(name: str) -> bytes:
    """The model file of a fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        quick_fits()[name].fit().save(path)
        return path.read_bytes()


#: Every estimator, and every solver of those that have several.
ONE_OF_EACH = [
    "interactions, tied",
    "interactions, sparse tie",
    "interactions, two classes",
    "interactions, Cox",
    "interactions, regressor CV",
    "interactions, classifier CV",
    "interactions, Cox CV",
    "FM, Gibbs",
    "FM, ALS",
    "FM, AdaGrad",
    "FM, ordered classes",
    "local FM",
    "local FM, classes",
    "factors, variational",
    "factors, als",
    "factors, gauss_newton",
    "factors, sgd",
    "factors, gibbs",
    "mixed, slopes",
    "mixed, spatial",
    "PCA",
    "PCA, gaps",
    "VAE",
    "longitudinal",
]
