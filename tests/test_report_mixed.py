"""The report on mixed models: what it says is what the model says, and cautions stand only where they apply."""

import warnings

import numpy as np
import pytest
from small_tables import pupils
from test_report import Page, pictures

from intertwine import MixedModel
from intertwine.compare import FIXED_ALONE, GROUP_COLUMNS, Comparison, RegressionTask
from intertwine.effects import Grouped, Longitudinal, Spatial
from intertwine.report import Study, write_report
from intertwine.report.fit_code import effects_code
from intertwine.report.mixed_cautions import mixed_cautions
from intertwine.report.mixed_figures import grouping_of
from intertwine.report.mixed_findings import MixedFindings, fixed_table, variance_table
from intertwine.report.mixed_verdict import mixed_verdict

NAMES = ["mixed model", FIXED_ALONE, GROUP_COLUMNS]
ROWS = np.array([[0.60, 0.62, 0.61], [0.90, 0.91, 0.89], [0.55, 0.56, 0.555]])
UNITS = np.array([[1.00, 1.02, 1.01], [1.00, 1.02, 1.01], [1.2, 1.3, 1.25]])


def fitted(effects, X, y, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MixedModel(effects).fit(X, y, **given)


def comparison(rmse, out_of_fold=None):
    return Comparison(
        RegressionTask(),
        NAMES,
        1 - rmse**2,
        0 * rmse,
        test_share=0.5,
        errors={"RMSE": rmse, "MAE": 0.8 * rmse},
        out_of_fold=out_of_fold,
    )


@pytest.fixture(scope="module")
def study():
    table = pupils()
    X, given = table[["age", "week"]], {"groups": table[["school"]], "time": table["week"].to_numpy(float)}
    model = fitted([Longitudinal("school")], X, table["mark"], **given)
    mean, std = model.predict(X, return_std=True, **given)
    kept = {"mean": mean + 0.2 * np.random.default_rng(0).standard_normal(len(mean)), "std": std}
    return Study(
        model,
        X,
        table["mark"].to_numpy(),
        title="Schools",
        target="mark",
        comparison=comparison(ROWS, kept),
        by_unit=comparison(UNITS),
        unit="levels of school",
        **given,
    )


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([study], path, title="Schools")
    assert path.stat().st_size < 5e6 / 3
    return Page(path)


def test_the_page_is_whole_and_every_picture_described(page):
    assert page.open == []
    for heading in (
        "How well it predicts",
        "Where the variation is",
        "Fixed effects",
        "How sure we are",
        "What to be careful about",
        "Observed against predicted",
        "Are the predictive deviations right?",
        "Levels of school",
        "Courses of school",
        "Shrinkage",
    ):
        assert heading in page.headings
    assert "What interacts" not in page.headings
    for image in page.images:
        assert len(image["alt"]) > 30
    assert len(set(pictures(page))) == 2 * len(page.images)


def test_what_was_fitted_on_what_is_told(page):
    for fact in ("Rows 240", "Levels of school 24", "Fixed effects 3", "Model MixedModel"):
        assert fact in page.text
    assert "Further rows are off by 0.610 ± 0.0058: the model explains 63% of their variance." in page.text
    assert "Random effects help: +0.438 ±" in page.text
    assert "does no better there than the mean" in page.text
    assert "On further rows, groups as columns, ridge predicts better by 0.064 ±" in page.text
    assert "MixedModel([Longitudinal('school')])" in page.text
    assert "model.fit(X, y, groups=groups, time=time)" in page.text


def test_tables_are_those_of_the_model(study):
    findings = MixedFindings.of(study)
    shares = study.estimator.variance_components_
    of_school = shares["share"][shares["component"] == "school"].sum()
    assert findings.share("school") == pytest.approx(of_school)
    assert f"{of_school:.0%} is between levels of school" in " ".join(mixed_verdict(study, findings))
    rows = variance_table(findings, "mark").rows
    assert [(row["component"], row["term"]) for row in rows] == [
        ("school", "intercept"),
        ("school", "intercept, time"),
        ("school", "time"),
        ("noise", ""),
    ]
    assert float(rows[-1]["sd"]) == pytest.approx(shares["sd"].iloc[-1], abs=0.02)
    fixed = fixed_table(findings, "mark")
    assert [row["term"] for row in fixed.rows] == ["age", "week"]
    assert float(fixed.rows[0]["estimate"]) == pytest.approx(study.estimator.coef_[0], abs=0.01)
    assert grouping_of(study, findings).course_name == "week"


def test_random_effects_may_not_help(study):
    worse = Study(study.estimator, title="", target="mark", comparison=comparison(ROWS[[1, 0, 2]]))
    assert "Random effects do harm here" in " ".join(mixed_verdict(worse, MixedFindings.of(worse)))
    same = ROWS[[0, 0, 0]] + np.array([[0, 0, 0], [0.01, -0.01, 0.0], [0, 0, 0]])
    unsure = Study(study.estimator, title="", target="mark", comparison=comparison(same))
    assert "cannot be told" in " ".join(mixed_verdict(unsure, MixedFindings.of(unsure)))


def cautioned(study):
    return {one.title: one.text for one in mixed_cautions(study, MixedFindings.of(study), None)}


def test_cautions_stand_where_they_apply(study):
    said = cautioned(study)
    assert "Known or new" in said
    assert "Few levels" not in said
    assert "Levels of one row" not in said
    assert "Boundary: school" not in said
    rng = np.random.default_rng(0)
    groups = np.arange(120) % 4
    X = (groups + rng.standard_normal(120))[:, None]
    y = rng.standard_normal(120)
    y -= np.bincount(groups, y)[groups] / 30  # nothing differs between groups
    flat = fitted([Grouped()], X, y, groups=groups)
    said = cautioned(Study(flat, X, y, groups=groups, title="", target="y"))
    assert "has 4" in said["Few levels"]
    assert "the variance of its intercept is zero" in said[next(key for key in said if "Boundary" in key)]
    assert "x0" in said["Within and between"]
    single = np.concatenate([np.arange(90), np.arange(30)])
    model = fitted([Grouped()], None, y, groups=single)
    said = cautioned(Study(model, None, y, groups=single, title="", target="y"))
    assert "60 of 90" in said["Levels of one row"]


def test_outcomes_may_be_several_and_rows_absent(tmp_path):
    table = pupils()
    Y = table[["mark", "second"]].to_numpy()
    Y[3, 1] = np.nan
    model = fitted([Grouped("school")], table[["age"]], Y, groups=table[["school"]])
    whole = Study(model, table[["age"]], Y, title="Two", target="mark, second", groups=table[["school"]])
    write_report([whole], tmp_path / "two.html", title="Two")
    page = Page(tmp_path / "two.html")
    assert "Outcome" in page.text
    assert "Shrinkage" in page.headings
    write_report([Study(model, title="Alone", target="mark")], tmp_path / "alone.html", title="Alone")
    assert "Where the variation is" in Page(tmp_path / "alone.html").headings


def test_places_are_on_a_map(tmp_path):
    table = pupils()
    given = {"groups": table[["school"]], "coords": table[["lat", "lon"]]}
    model = fitted([Grouped("school"), Spatial(length_scale=0.5)], table[["age"]], table["mark"], **given)
    study = Study(model, table[["age"]], table["mark"].to_numpy(), title="Places", target="mark", **given)
    write_report([study], tmp_path / "map.html", title="Places")
    page = Page(tmp_path / "map.html")
    assert {"Map", "Levels of school", "Shrinkage"} <= set(page.headings)
    assert "In regions" not in page.text


def test_a_formula_finds_groups_and_courses_in_the_table(tmp_path):
    pytest.importorskip("formulae")
    table = pupils()
    formula = "mark ~ age + week + (1 + week | school)"
    model = MixedModel(formula=formula).fit(table)
    study = Study(model, table[["age", "week", "school"]], table["mark"].to_numpy(), title="F", target="mark")
    found = grouping_of(study, MixedFindings.of(study))
    assert (found.name, found.course_name) == ("school", "week")
    assert effects_code(study).endswith(f"model = MixedModel(formula={formula!r})\nmodel.fit(X)")
