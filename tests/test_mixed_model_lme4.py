"""MixedModel finds what R's lme4 found, in the file that fixtures/make_lme4_fixtures.R wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from intertwine import MixedModel
from intertwine.datasets import fetch_pbcseq, fetch_sleepstudy
from intertwine.effects import Grouped, Longitudinal

FIXTURE = Path(__file__).parent / "fixtures" / "lme4.json"
CASES = {
    (case["name"], case["restricted"]): case
    for case in json.loads(FIXTURE.read_text(encoding="utf-8"))["cases"]
}
METHODS = pytest.mark.parametrize("method", ["reml", "ml"])


def table(fetch, **given):
    """A real table, where it is at hand."""
    try:
        return fetch(download_if_missing=False, **given)
    except OSError as absent:
        pytest.skip(str(absent))


def assert_as_lme4(model, case, m=0):
    fit = model._fit
    assert fit.log_likelihood[m] == pytest.approx(case["log_likelihood"], abs=1e-5)
    assert fit.variances.noise[m] == pytest.approx(case["noise"], rel=1e-4)
    found = fit.variances.effects[0][m]
    expected = np.zeros_like(found)
    at = 0
    for part in case["covariances"]:  # (t || g) is two terms
        size = len(part["covariance"])
        expected[at : at + size, at : at + size] = part["covariance"]
        at += size
    sd = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found / np.outer(sd, sd), expected / np.outer(sd, sd), atol=1e-4)
    np.testing.assert_allclose(fit.posterior.fixed[:, m], case["fixed"], rtol=1e-4)
    np.testing.assert_allclose(fit.posterior.fixed_covariance[m], case["fixed_covariance"], rtol=1e-3)


@METHODS
@pytest.mark.parametrize(
    ("terms", "effect"),
    [
        ("(1 | g)", Grouped("subject")),
        ("(t | g)", Grouped("subject", slopes=("days",))),
        ("(t | g)", Longitudinal("subject")),
        ("(t || g)", Grouped("subject", slopes=("days",), correlated=False)),
    ],
)
def test_sleepstudy_is_as_in_lme4(terms, effect, method):
    study = table(fetch_sleepstudy)
    X = pd.DataFrame({"days": study.data[:, 0]})
    time = study.time if isinstance(effect, Longitudinal) else None
    model = MixedModel(effect, method=method).fit(X, study.target, groups=study.groups, time=time)
    case = CASES[f"sleepstudy {terms}", method == "reml"]
    assert_as_lme4(model, case)
    modes = model.random_effects_["estimate"].to_numpy().reshape(18, -1)
    np.testing.assert_allclose(modes, case["groups"][0]["modes"], rtol=1e-3, atol=1e-3)


@METHODS
@pytest.mark.parametrize("terms", ["(1 | g)", "(t | g)"])
def test_pbcseq_is_as_in_lme4_all_outcomes_at_once(terms, method):
    visits = table(fetch_pbcseq, standardize=False)
    blood = ["log_bili", "log_chol", "albumin", "log_ast", "log_platelet"]
    Y = visits.data[:, [list(visits.feature_names).index(name) for name in blood]]
    effect = Longitudinal() if terms == "(t | g)" else Grouped()
    time = visits.time if terms == "(t | g)" else None
    model = MixedModel(effect, method=method).fit(visits.time[:, None], Y, groups=visits.groups, time=time)
    for m, name in enumerate(blood):
        case = CASES[f"pbcseq {terms} {name.removeprefix('log_')}", method == "reml"]
        assert_as_lme4(model, case, m)
        assert model.log_likelihood_[m] == pytest.approx(case["log_likelihood"], abs=1e-5)
