"""Every kind of fitted model, written to a file and read again: the same predictions to the bit, the same tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import intertwine
from intertwine import (
    InteractionClassifier,
    InteractionClassifierCV,
    InteractionCoxPH,
    InteractionCoxPHCV,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FIXTURES = Path(__file__).parent / "fixtures"
N = 50
rng = np.random.default_rng(0)
X = rng.standard_normal((N, 4))
F = X[:, 0] + 1.5 * X[:, 1] * X[:, 2]
NEW = rng.standard_normal((9, 4)) * 2
NUMBER = F + 0.2 * rng.standard_normal(N)
SURVIVAL = survival_target(rng.exponential(np.exp(-F)), np.arange(N) % 4 > 0)
QUICK = {"n_init": 1, "max_iter": 10, "random_state": 0}
SMALL = {"scalings": ("features",), "n_knots": (0,), "relevances": (0.0,), "squares": (False,), "cv": 3}

SETTINGS = {
    "exact": {"latent": None},
    "sparse": {"latent": None, "l1_ratio": 0.7},
    "sparse products": {"latent": None, "l1_ratio": 0.7, "scaling": "products"},
    "sparse tie": {"l1_ratio": 0.5, **QUICK},
    "spline": {"latent": None, "basis": "spline", "n_knots": 3},
    "quantile": {"latent": None, "scaling": "quantile"},
    "unscaled": {"latent": None, "scaling": None, "unpenalized": [1]},
    "triples": {"latent": None, "order": 3},
    "tied triples": {"order": 3, **QUICK},
    "squares": {"latent": None, "squares": True},
    "relevance": {"latent": None, "relevance": 0.5, "squares": True},
    "evidence": {"latent": None, "relevance": "evidence"},
    "heredity": {"latent": None, "l1_ratio": 1.0, "heredity": "weak", "alpha": 0.02},
    "machine": {"tie": np.inf, **QUICK},
    **{name: {"latent": name, **QUICK} for name in ("low_rank", "signed", "two_factor", "distance")},
}
LABELS = {
    "text": np.where(F > 0, "ill", "well"),
    "object": np.where(F > 0, "ill", "well").astype(object),
    "int": np.where(F > 0, 7, -2),
    "bool": F > 0,
    "three texts": np.array(["low", "mid", "top"])[np.digitize(F, [-0.8, 0.8])],
    "three ints": np.digitize(F, [-0.8, 0.8]) * 10,
}


def models():
    for name, params in SETTINGS.items():
        yield f"regressor, {name}", InteractionRegressor(alpha=0.05).set_params(**params), (X, NUMBER)
    for name, y in LABELS.items():
        yield f"classifier, {name}", InteractionClassifier(latent=None), (X, y)
    yield "classifier, tied", InteractionClassifier(**QUICK), (X, LABELS["three texts"])
    yield "cox", InteractionCoxPH(latent=None), (X, SURVIVAL)
    yield "cox, sparse", InteractionCoxPH(latent=None, l1_ratio=0.5, ties="breslow"), (X, SURVIVAL)
    for name, strata in {"text": np.array(["a", "b"])[np.arange(N) % 2], "int": np.arange(N) % 3}.items():
        yield f"cox, {name} strata", InteractionCoxPH(**QUICK), (X, SURVIVAL, None, strata)
    frame = pd.DataFrame(X, columns=["age", "dose", "größe", "bmi"])
    yield "regressor, frame", InteractionRegressor(unpenalized=["age"], **QUICK), (frame, NUMBER)
    yield "regressor, search", InteractionRegressorCV(latents=("signed",), **QUICK, **SMALL), (frame, NUMBER)
    yield "classifier, search", InteractionClassifierCV(latents=(), **SMALL), (X, LABELS["three texts"])
    yield "cox, search", InteractionCoxPHCV(latents=(), l1_ratios=(0.5,), **SMALL), (X, SURVIVAL)


MODELS = {name: (estimator, rows) for name, estimator, rows in models()}


def answers(model, new):
    """Everything a fitted model can be asked."""
    names = ("predict", "predict_proba", "decision_function")
    given = [getattr(model, name)(new) for name in names if hasattr(model, name)]
    given += [model.coef_, model.intercept_, model.interaction_matrix(), model.latent_, model.optimality_]
    given += [model.noise_variance_, model.log_evidence_, model.objective_, model.n_iter_, model.solver_]
    given += [model.solver_reason_, getattr(model, "classes_", None), model.get_params()]
    tables = [
        model.top_interactions(4),
        model.main_effects(),
        model.history_,
    ]
    if np.isfinite(tables[0]["std_error"]).all():
        tables.append(model.top_interactions(3, by="z"))
    if hasattr(model, "predict_survival_function"):
        tables.append(model.baseline_hazard_)
        strata = np.resize(np.unique(model.baseline_hazard_["strata"]), len(new))
        tables += [model.predict_survival_function(new, strata=strata)]
    if hasattr(model, "cv_table"):
        tables.append(model.cv_table())
        given += [model.best_params_, model.best_score_, model.target_accepted_]
    if model.latent_ is not None:
        tables.append(model.latent_frame())
    return given, tables


def assert_same_answers(left, right, new):
    for one, other in zip(*(answers(model, new)[0] for model in (left, right)), strict=True):
        if isinstance(one, dict):
            np.testing.assert_equal(other, one)
        else:
            np.testing.assert_array_equal(other, one)
            assert np.asarray(other).dtype == np.asarray(one).dtype
    for one, other in zip(*(answers(model, new)[1] for model in (left, right)), strict=True):
        pd.testing.assert_frame_equal(other, one)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_to_the_bit(name, tmp_path):
    estimator, rows = MODELS[name]
    model = estimator.fit(*rows)
    model.save(tmp_path / "model")
    again = intertwine.load(tmp_path / "model")
    new = pd.DataFrame(NEW, columns=rows[0].columns) if isinstance(rows[0], pd.DataFrame) else NEW
    assert type(again) is type(model)
    assert again.n_features_in_ == 4
    np.testing.assert_array_equal(
        getattr(again, "feature_names_in_", []), getattr(model, "feature_names_in_", [])
    )
    assert_same_answers(model, again, new)
    again.save(tmp_path / "twice")
    assert_same_answers(model, intertwine.load(tmp_path / "twice"), new)
    with pytest.raises(ValueError, match="fit again to bootstrap"):
        again.bootstrap_interactions(2, 1)
    again.fit(*rows)  # what was loaded is a whole estimator


def test_a_file_of_version_1_loads():
    """Written once, when the format was new, and kept, with the predictions that the model gave then."""
    model = intertwine.load(FIXTURES / "model_version_1.safetensors")
    new = np.array([[-2.71, -1.89, -0.17], [-0.42, 0.21, 0.22], [2.12, -1.11, -0.38], [2.04, 0.65, 0.66]])
    then = [-1.9024044094485135, -0.296257677588533, 2.6592074974981514, 2.7400932517274432]
    np.testing.assert_allclose(model.predict(new), then, rtol=1e-12)
    assert model.feature_names_in_.tolist() == ["age", "dose", "bmi"]
    assert model.top_interactions(1)["term"][0] == "dose × bmi"
    assert model.latent_.shape == (3, 1)
