"""The section on subjects' visits: what it says, what it shows, and what it leaves out."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_report import Page

from intertwine.compare import Comparison, ForecastTask
from intertwine.effects import BySubject, Categorical, Correlated, Linear, Smooth
from intertwine.report import build_report, longitudinal_figures, longitudinal_section, write_report
from intertwine.report.fit_code import effects_code
from intertwine.report.longitudinal_cautions import longitudinal_cautions
from intertwine.report.longitudinal_findings import (
    LongitudinalFindings,
    axis_table,
    basis_table,
    covariance_table,
    effect_table,
    shares_told,
)
from intertwine.report.longitudinal_section import _against_best
from intertwine.report.study import Study

pytest.importorskip("jax")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def study():
    from intertwine import LongitudinalVAE
    from intertwine.datasets import simulate_longitudinal

    drawn = simulate_longitudinal(12, 4, random_state=0)
    rows = drawn.train
    X = pd.DataFrame(drawn.X[rows], columns=["a <mg>", "b", "c", "d"])
    given = {
        "covariates": pd.DataFrame({"sex": drawn.covariates["sex"][rows]}),
        "subject": drawn.subject[rows],
        "time": drawn.time[rows],
    }
    model = LongitudinalVAE(
        2,
        effects=[BySubject(), Categorical("sex"), Smooth("time"), BySubject(Smooth("time"))],
        hidden_layer_sizes=(4,),
        warm_up=1,
        max_iter=2,
        decoder_iter=0,
        random_state=0,
    ).fit(X, **given)
    scores = np.array([[0.6, 0.7], [0.3, 0.5], [0.1, 0.2]])
    comparison = Comparison(
        ForecastTask(), ["longitudinal VAE", "PCA", "means"], scores, 0 * scores, test_share=0.5
    )
    notes = ("3 rows have no week and were left out.",)
    return Study(model, X, title="Clinic", comparison=comparison, unit="subjects", notes=notes, **given)


@pytest.fixture(scope="module")
def findings(study):
    return LongitudinalFindings.of(study)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patched:  # a model of two epochs has no effect of consequence
        patched.setattr(longitudinal_figures, "NEGLIGIBLE", -1.0)
        patched.setattr(longitudinal_section, "covariance_table", lambda findings: covariance_table(told()))
        write_report([dataclasses.replace(study, by_unit=study.comparison)], path, title="Visits")
    return Page(path)


def told(**changed):
    """Findings of two effects on two measurements, with something changed."""
    by_effect = {
        "effect": np.array(["subject", "place", "visit", "noise"], dtype=object),
        "latent": np.array([0.9, 0.002, 0.098, np.nan]),
        "observed": np.array([0.6, 0.001, 0.1, 0.299]),
        "observed_std_error": np.array([0.01, 0.001, 0.01, 0.0]),
    }
    by_feature = {
        "feature": np.repeat(["a", "b"], 4),
        "effect": np.tile(by_effect["effect"], 2),
        "share": np.array([0.4, 0.0, 0.1, 0.5, 0.8, 0.0, 0.1, 0.1]),
    }
    by_axis = {
        "axis": np.repeat([0, 1], 3),
        "effect": np.tile(by_effect["effect"][:3], 2),
        "share": np.array([0.9, 0.0, 0.1, 0.2, 0.0, 0.8]),
    }
    axes = {
        "axis": np.array([0, 1]),
        "effects_share": np.array([0.9, 0.2]),
        "observed_share": np.array([1.0, 0.0]),
        "gain": np.array([50.0, -0.1]),
        "identified": np.array([True, False]),
        "alike": np.array(["", ""], dtype=object),
    }
    basis = {
        "effect": np.array(["time", "hour"], dtype=object),
        "kernel": np.array(["rbf", "matern32"], dtype=object),
        "method": np.array(["basis", "state-space"], dtype=object),
        "length_scale": np.array([2.0, 0.5]),
        "n_functions": np.array([4, 0]),
        "boundary": np.array([1.2, np.nan]),
        "missing_variance": np.array([0.2, 0.0]),
    }
    pairs = [("subject", "subject"), ("subject", "slope"), ("slope", "slope")] * 2
    covariances = {
        "effect": np.array(["subject + slope"] * 6, dtype=object),
        "axis": np.repeat([0, 1], 3),
        "first": np.array([one for one, _ in pairs], dtype=object),
        "second": np.array([other for _, other in pairs], dtype=object),
        "covariance": np.array([4.0, -0.5, 0.25, 1.0, 0.0, 1.0]),
        "correlation": np.array([1.0, -0.5, 1.0, 1.0, 0.0, 1.0]),
    }
    parts = {
        "by_effect": by_effect,
        "by_axis": by_axis,
        "by_feature": by_feature,
        "axes": axes,
        "basis": basis,
        "covariances": covariances,
    }
    return LongitudinalFindings(**{**parts, "rank": 1, **changed})


def test_the_page_is_whole(page):
    assert page.open == []
    for heading in (
        "How well visits are foretold",
        "What moves what",
        "What goes together in subjects",
        "How measurements change",
        "Latents",
        "Whether curves have functions enough",
        "What to be careful about",
        "To reproduce",
    ):
        assert heading in page.headings
    for picture in ("Visits foretold", "By sex", "Along time", "By measurement", "Functions of curves"):
        assert picture in page.headings
    assert all(len(image["alt"]) > 30 for image in page.images)
    assert any("a <mg>" in image["alt"] for image in page.images)
    assert "3 rows have no week" in page.text
    assert "slope (0.50)" in page.text


def test_the_code_fits_the_same_model(page):
    assert "BySubject(Smooth('time'))" in page.source.replace("&#39;", "'")
    assert "covariates=covariates, subject=subject" in page.text


def test_the_model_alone_makes_a_page(study, tmp_path):
    build_report(study.estimator, path=tmp_path / "r.html", title="Model")
    alone = Page(tmp_path / "r.html")
    assert "By measurement" in alone.headings
    assert "Visits foretold" not in alone.headings
    assert "What goes together in subjects" not in alone.headings
    assert "intertwine compare" in alone.text


def test_shares_add_up(findings):
    columns = findings.by_effect
    assert np.nansum(columns["observed"]) == pytest.approx(1.0, abs=1e-6)
    assert len(effect_table(findings).rows) == len(columns["effect"])
    for feature in range(len(findings.features)):
        shares = [findings.of_feature(name)[feature] for name in columns["effect"].astype(str)]
        assert sum(shares) == pytest.approx(1.0, abs=1e-6)


def test_effects_without_consequence_are_named():
    said = shares_told(told())
    assert "60% is behind subject" in said
    assert "Less than a hundredth is behind place." in said
    assert effect_table(told()).rows[0]["most"] == "b (80%), a (40%)"
    assert effect_table(told()).rows[1]["most"] == ""


def test_what_is_not_identified_is_said():
    rows = axis_table(told()).rows
    assert [row["identified"] for row in rows] == ["yes", "no: noise"]
    alike = {**told().axes, "identified": np.array([True, True]), "alike": np.array(["1", "0"], dtype=object)}
    assert axis_table(told(axes=alike)).rows[0]["identified"] == "up to rotation with 2"


def test_what_goes_together_in_subjects_is_listed():
    (row,) = covariance_table(told()).rows  # of the latent that is told from noise
    assert row == {"axis": "1", "first": "subject (2.0)", "second": "slope (0.50)", "correlation": "−0.50"}
    none = {name: values[:0] for name, values in told().covariances.items()}
    assert covariance_table(told(covariances=none)) is None


def test_the_code_imports_what_effects_are_made_of(study):
    from intertwine import LongitudinalVAE

    both = Correlated([BySubject(), BySubject(Linear("time"))])
    model = LongitudinalVAE(1, effects=[both, Categorical("sex") * Smooth("time")])
    code = effects_code(dataclasses.replace(study, estimator=model))
    assert "import BySubject, Categorical, Correlated, Linear, Smooth\n" in code
    assert "Correlated([BySubject(), BySubject(Linear('time'))]), Categorical('sex') * Smooth('time')" in code


def test_too_few_functions_are_marked():
    rows = basis_table(told()).rows
    assert [row["too_much"] for row in rows] == [True, False]
    assert rows[1]["functions"] == "exact"
    none = {name: values[:0] for name, values in told().basis.items()}
    assert basis_table(told(basis=none)) is None


def test_cautions_apply_where_they_apply(study):
    titles = [caution.title for caution in longitudinal_cautions(study, told())]
    for title in ("Latents of noise", "Too few functions", "Few subjects", "Data preparation"):
        assert title in titles
    fine = {**told().axes, "identified": np.array([True, True])}
    none = {name: values[1:] for name, values in told().basis.items()}
    bare = dataclasses.replace(study, X=None, subject=None, notes=())
    titles = [caution.title for caution in longitudinal_cautions(bare, told(axes=fine, basis=none))]
    assert titles == ["Shares", "Bands", "Visits that are missing", "Not causes"]


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        ([0.6, 0.62], "more than by PCA"),
        ([0.3, 0.33], "cannot be told from PCA"),
        ([0.0, 0.02], "less than by PCA"),
    ],
)
def test_the_best_rival_is_named(ours, words):
    scores = np.array([ours, [0.31, 0.32]])
    comparison = Comparison(ForecastTask(), ["ours", "PCA"], scores, 0 * scores, test_share=0.5)
    assert words in _against_best(comparison)
