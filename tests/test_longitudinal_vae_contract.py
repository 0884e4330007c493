"""The longitudinal autoencoder in scikit-learn's contract."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import LongitudinalVAE

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"hidden_layer_sizes": (4,), "warm_up": 1, "decoder_iter": 1, "batch_size": 32, "random_state": 0}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([LongitudinalVAE(2, max_iter=1, **QUICK)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def study(n_subjects=12, n_each=6, n_features=4):
    """Visits of subjects, and which of two kinds each subject is of."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(n_subjects), n_each)
    kind = np.arange(n_subjects)[subject] % 2
    z = 2.0 * kind + 0.5 * rng.standard_normal(n_subjects)[subject] + 0.3 * rng.standard_normal(len(subject))
    X = np.outer(z, rng.uniform(0.5, 1.5, n_features))
    return X + 0.3 * rng.standard_normal(X.shape), kind, subject


def test_latents_in_a_pipeline_whose_folds_are_subjects():
    X, kind, subject = study()
    with sklearn.config_context(enable_metadata_routing=True):
        model = LongitudinalVAE(1, max_iter=20, learning_rate=0.01, **QUICK)
        model.set_fit_request(subject=True).set_transform_request(subject=True)
        scores = cross_val_score(
            make_pipeline(model, LogisticRegression()),
            X,
            kind,
            cv=GroupKFold(3),
            params={"subject": subject, "groups": subject},
            error_score="raise",
        )
    assert scores.mean() > 0.8


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_in_frames_out(library):
    X, _, subject = study()
    frame = library.DataFrame(X, **({"schema": list("abcd")} if library is pl else {"columns": list("abcd")}))
    told = library.DataFrame({"dose": np.arange(len(X)) % 3, "site": list("xyz") * (len(X) // 3)})
    rows = {"covariates": told, "subject": subject}
    model = LongitudinalVAE(2, max_iter=2, **QUICK).fit(frame, **rows)
    plain = LongitudinalVAE(2, max_iter=2, **QUICK).fit(X, **rows)
    np.testing.assert_allclose(
        model.transform(frame, **rows), plain.transform(X, **rows), rtol=1e-3, atol=1e-3
    )
    tables = [model.variance_components_, model.basis_, model.axes_, model.history_, model.explain()]
    tables += [model.explain("axis"), model.explain("feature"), model.covariate_effect("a", "dose")]
    assert all(isinstance(table, library.DataFrame) for table in tables)
    assert set(model.explain("feature")["feature"]) == set("abcd")
    out = model.set_output(transform="polars" if library is pl else "pandas").transform(frame, **rows)
    assert list(out.columns) == ["longitudinalvae0", "longitudinalvae1"]
