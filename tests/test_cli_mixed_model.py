"""Mixed models from the command line: what rows share is named, and mistakes are answered in words."""

import numpy as np
import pandas as pd
import pytest
from small_tables import pupils
from test_cli import MISTAKE, run, works

from intertwine import MixedModel
from intertwine.cli.table_model import TableModel
from intertwine.effects import Grouped

pytest.importorskip("pyarrow")

MODEL = ["--model", "mixed-model"]
SCHOOLS = [*MODEL, "--target", "mark", "--groups", "school", "--drop", "lon,lat,week,second"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("pupils")
    given = pupils()
    given.to_csv(at / "pupils.csv", index=False)
    given.to_parquet(at / "pupils.parquet", index=False)
    gaps = given.copy()
    gaps.loc[[1, 4], "mark"] = np.nan
    gaps.loc[7, "school"] = None
    gaps.loc[9, "age"] = np.nan
    gaps.to_csv(at / "gaps.csv", index=False)
    given.assign(week=pd.Timestamp("2001-01-01")).to_parquet(at / "dates.parquet", index=False)
    given.assign(lon="east").to_csv(at / "east.csv", index=False)
    given.assign(school="one").to_csv(at / "one.csv", index=False)
    given.assign(mark="good").to_csv(at / "words.csv", index=False)
    given.assign(age=given["age"].astype(object).where(given.index != 3, "?")).to_csv(
        at / "typo.csv", index=False
    )
    return at


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "schools.intertwine"
    done = works("fit", folder / "pupils.csv", *SCHOOLS, "--output", path)
    assert "240 rows, 24 levels of school, 2 columns of fixed effects; to predict: mark" in done.stdout
    assert "Fixed effects" in done.stdout
    assert "sex=m" in done.stdout
    return path


def test_the_fit_is_that_of_the_library(model):
    kept, given = TableModel.load(model), pupils()
    X = pd.DataFrame({"age": given["age"], "sex=m": (given["sex"] == "m").astype(float)})
    expected = MixedModel([Grouped("school")]).fit(X, given["mark"], groups=given[["school"]])
    pd.testing.assert_frame_equal(
        pd.DataFrame(kept.estimator.fixed_effects_), pd.DataFrame(expected.fixed_effects_)
    )
    assert kept.family.settings()["groups"] == ["school"]


def test_predictions_include_the_group_and_say_how_sure_they_are(folder, model, tmp_path):
    answers = {}
    for name in ("pupils.csv", "pupils.parquet"):
        done = works("predict", model, folder / name, "--output", tmp_path / "out.parquet")
        assert "240 predictions" in done.stdout
        answers[name] = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(*answers.values())
    out = answers["pupils.csv"]
    assert list(out) == ["prediction", "std"]
    assert np.corrcoef(out["prediction"], pupils()["mark"])[0, 1] > 0.8


def test_groups_that_come_later_are_average_ones_and_less_sure(folder, model, tmp_path):
    row = {"age": [10.0, 10.0], "sex": ["f", "f"], "school": ["school 3", "school 99"]}
    pd.DataFrame(row).to_csv(tmp_path / "new.csv", index=False)
    done = works("predict", model, tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    assert "'school 99'" in done.stderr
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["std"][1] > 1.2 * out["std"][0]
    assert abs(out["prediction"][0] - out["prediction"][1]) > 0.05


def test_a_formula_says_the_same(folder, model, tmp_path):
    pytest.importorskip("formulae")
    path = tmp_path / "m.intertwine"
    formula = ["--formula", "mark ~ age + sex + (1 | school)"]
    works("fit", folder / "pupils.csv", *MODEL, *formula, "--output", path)
    outs = []
    for one in (path, model):
        works("predict", one, folder / "pupils.parquet", "--output", tmp_path / "out.csv")
        outs.append(pd.read_csv(tmp_path / "out.csv"))
    pd.testing.assert_frame_equal(*outs, rtol=1e-4)


def test_times_give_every_level_a_course_and_places_a_map(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    given = [*MODEL, "--target", "mark", "--groups", "school", "--time", "week", "--drop", "sex,second"]
    done = works("fit", folder / "pupils.csv", *given, "--coords", "lat,lon", "--output", path)
    assert "24 places" in done.stdout
    estimator = TableModel.load(path).estimator
    assert [type(effect).__name__ for effect in estimator.effects] == ["Longitudinal", "Spatial"]
    assert "week" in list(estimator.feature_names_in_)
    works("predict", path, folder / "pupils.csv", "--output", tmp_path / "out.csv")
    assert np.isfinite(pd.read_csv(tmp_path / "out.csv")).all().all()


def test_several_outcomes_may_have_gaps(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    given = [*MODEL, "--target", "mark,second", "--groups", "school", "--drop", "lon,lat,week,sex"]
    done = works("fit", folder / "gaps.csv", *given, "--output", path)
    assert "1 of 240 rows lacks school and was left out" in " ".join(done.stderr.split())
    works("predict", path, folder / "pupils.csv", "--output", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out) == ["prediction_mark", "prediction_second", "std_mark", "std_second"]


def test_models_are_compared_on_rows_and_on_groups_held_out(folder, tmp_path):
    out = tmp_path / "scores.csv"
    arguments = ["--cv", 2, "--quick", "--jobs", 1, "--output", out]
    done = works("compare", folder / "pupils.csv", *SCHOOLS, *arguments)
    assert "2 folds of new levels of school" in done.stdout
    found = pd.read_csv(out)
    mean = found.groupby(["held_out", "model"])["score"].mean()
    assert mean["rows", "mixed model"] > mean["rows", "fixed effects alone"] + 0.1
    assert mean["levels of school", "mixed model"] < mean["rows", "mixed model"] - 0.1
    assert set(found["model"]) == {
        "mixed model",
        "fixed effects alone",
        "groups as columns, ridge",
        "gradient boosting",
        "overall mean",
    }


@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("pupils.csv", [*MODEL, "--target", "mark"], "say what rows share: --groups NAME"),
        ("pupils.csv", [*MODEL, "--groups", "school"], "say which column to predict: --target NAME"),
        ("pupils.csv", [*MODEL, "--target", "mark", "--groups", "scool"], "did you mean 'school'?"),
        ("pupils.csv", [*MODEL, "--target", "mark", "--groups", "mark"], "'mark' is named twice"),
        ("pupils.csv", [*MODEL, "--target", "mark", "--coords", "lat"], "--coords LAT,LON"),
        ("pupils.csv", [*MODEL, "--target", "mark", "--coords", "lat,lon", "--time", "week"], "whose times"),
        ("pupils.csv", [*SCHOOLS, "--event", "age"], "--event: not for --model mixed-model"),
        ("pupils.csv", [*SCHOOLS, "--task", "classification"], "is for regression, not for classification"),
        ("pupils.csv", [*SCHOOLS, "--components", 3], "--components is for --model"),
        ("pupils.csv", ["--target", "mark", "--groups", "school"], "--groups is for --model"),
        ("dates.parquet", [*SCHOOLS[:-1], "lon,lat,second", "--time", "week"], "'week' holds dates"),
        ("east.csv", [*SCHOOLS[:-1], "week,second", "--coords", "lat,lon"], "'lon' holds text"),
        ("one.csv", SCHOOLS, "tells no groups apart"),
        ("words.csv", SCHOOLS, "'mark' holds text, not numbers"),
        ("typo.csv", SCHOOLS, "column 'age' holds text in row 4 ('?') among numbers"),
        ("pupils.csv", [*MODEL, "--formula", "mark ~ age"], "no random term"),
        ("pupils.csv", [*MODEL, "--formula", "mark ~ age + 1 | school"], "a random term stands in brackets"),
        ("pupils.csv", [*MODEL, "--formula", "~ age + (1 | school)"], "names no outcome"),
        (
            "pupils.csv",
            [*MODEL, "--formula", "mark ~ (1 | school)", "--target", "mark"],
            "leave out --target",
        ),
        ("pupils.csv", [*MODEL, "--formula", "mark ~ (1 | shool)"], "did you mean 'school'?"),
    ],
)
def test_mistakes_are_told_in_a_line(folder, tmp_path, file, arguments, words):
    done = run("fit", folder / file, *arguments, "--output", tmp_path / "m.intertwine")
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert not (tmp_path / "m.intertwine").exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"school": None}, "the table lacks 'school'"),
        ({"age": "old"}, "'age'"),
    ],
)
def test_tables_that_do_not_suit_the_model_are_told(folder, model, tmp_path, changed, words):
    table = pupils().drop(columns=[name for name, value in changed.items() if value is None])
    table = table.assign(**{name: value for name, value in changed.items() if value is not None})
    table.to_csv(tmp_path / "t.csv", index=False)
    done = run("predict", model, tmp_path / "t.csv")
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.split())
