"""The variational autoencoder with random effects in scikit-learn's contract."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import RandomEffectsVAE

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"hidden_layer_sizes": (4,), "n_init": 1, "batch_size": 32, "random_state": 0}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([RandomEffectsVAE(max_iter=2, **QUICK)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def study(n_groups=12, n_each=10, n_features=4):
    """Rows of groups, and which of two kinds each is of."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(n_groups), n_each)
    kind = rng.integers(0, 2, len(groups))
    X = np.outer(2.0 * kind + 0.3 * rng.standard_normal(len(groups)), rng.uniform(0.5, 1.5, n_features))
    X += 3.0 * rng.standard_normal((n_groups, n_features))[groups]
    return X + 0.3 * rng.standard_normal(X.shape), kind, groups


def test_latents_in_a_pipeline_whose_folds_are_groups():
    X, kind, groups = study()
    with sklearn.config_context(enable_metadata_routing=True):
        model = RandomEffectsVAE(1, max_iter=60, unseen="ignore", **QUICK)
        model.set_fit_request(groups=True).set_transform_request(groups=True)
        scores = cross_val_score(
            make_pipeline(model, LogisticRegression()),
            X,
            kind,
            cv=GroupKFold(3),
            params={"groups": groups},
            error_score="raise",
        )
    assert scores.shape == (3,)


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_in_frames_out(library):
    X, _, groups = study()
    frame = library.DataFrame(X, **({"schema": list("abcd")} if library is pl else {"columns": list("abcd")}))
    model = RandomEffectsVAE(2, max_iter=2, **QUICK).fit(frame, groups=groups)
    plain = RandomEffectsVAE(2, max_iter=2, **QUICK).fit(X, groups=groups)
    np.testing.assert_allclose(
        model.transform(frame, groups=groups), plain.transform(X, groups=groups), rtol=1e-3, atol=1e-3
    )
    assert isinstance(model.random_effects_, library.DataFrame)
    out = model.set_output(transform="polars" if library is pl else "pandas").transform(frame, groups=groups)
    assert list(out.columns) == ["randomeffectsvae0", "randomeffectsvae1"]
