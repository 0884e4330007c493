"""Ratings from the command line: ids as they are, recommendations, and mistakes answered in words."""

import numpy as np
import pandas as pd
import pytest
from small_tables import ratings
from test_cli import MISTAKE, run, works

from intertwine.cli.rating_table import RatingPreparation
from intertwine.cli.table_model import TableModel
from intertwine.compare import Comparison, latent_factors

pytest.importorskip("pyarrow")

MODEL = ["--target", "rating", "--drop", "stars", "--model", "latent-factors"]
SMALL = ["--components", 2, "--seed", 0]


def table():
    """Ratings of pairs, each once; a column of users after that of the target."""
    found = ratings().drop_duplicates(["user", "film"])
    found["when"] = np.arange(len(found))
    return found[["user", "rating", "film", "age", "stars", "when"]].reset_index(drop=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("ratings")
    given = table()
    given.to_csv(at / "ratings.csv", index=False)
    given.to_parquet(at / "ratings.parquet", index=False)
    gaps = given.astype({"user": float})
    gaps.loc[[2, 6], "user"] = np.nan
    gaps.to_csv(at / "gaps.csv", index=False)
    pd.concat([given, given[:3]]).to_csv(at / "twice.csv", index=False)
    given.assign(rating=given["rating"].astype(object).where(given.index != 4, "?")).to_csv(
        at / "typo.csv", index=False
    )
    given.assign(rating=given["rating"].where(given.index != 5, 500.0)).to_csv(at / "far.csv", index=False)
    given.assign(user=given["user"].astype(object).where(given.index != 8, "x17")).to_csv(
        at / "text.csv", index=False
    )
    given.assign(age=given["age"].where(given.index != 3)).to_csv(at / "unaged.csv", index=False)
    given.assign(film=pd.Timestamp("2001-01-01")).to_parquet(at / "dates.parquet", index=False)
    given.assign(rating=[f"{value:.1f} stars" for value in given["rating"]]).to_csv(
        at / "words.csv", index=False
    )
    return at


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "ratings.intertwine"
    done = works("fit", folder / "ratings.csv", *MODEL, *SMALL, "--scale", "1,5", "--output", path)
    assert "ratings of 30 items by 60 users" in done.stdout
    assert "The items rated highest" in done.stdout
    told = " ".join(done.stderr.split())
    assert "Users are in 'user', items in 'film'" in told
    assert "say nothing of users or items were ignored: age, when" in told
    return path


def test_a_model_predicts_with_its_uncertainty_and_in_scale(folder, model, tmp_path):
    answers = {}
    for name in ("ratings.csv", "ratings.parquet"):
        works("predict", model, folder / name, "--output", tmp_path / "out.parquet")
        answers[name] = pd.read_parquet(tmp_path / "out.parquet")
    out = answers["ratings.csv"]
    pd.testing.assert_frame_equal(out, answers["ratings.parquet"])
    assert list(out) == ["prediction", "std"]
    assert out["prediction"].between(1, 5).all()
    assert np.corrcoef(out["prediction"], table()["rating"])[0, 1] > 0.85
    kept = TableModel.load(model)
    assert kept.preparation.kinds == {"user": "numbers", "film": "text"}
    assert kept.family.columns == ["user", "film"]
    assert kept.estimator.users_.tolist() == sorted(set(table()["user"]))


def test_ids_that_come_later_are_average_ones(folder, model, tmp_path):
    table()[["film"]].assign(user=999).to_csv(tmp_path / "new.csv", index=False)
    done = works("predict", model, tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    assert "1 user id in" in " ".join(done.stderr.split())
    assert pd.read_csv(tmp_path / "out.csv")["prediction"].nunique() == 30


def test_recommendations_are_what_the_model_says(folder, model, tmp_path):
    path = tmp_path / "out.csv"
    done = works("recommend", model, "--users", "101,107", "-k", 3, "--out", path)
    assert "6 recommendations" in done.stdout
    found = pd.read_csv(path)
    wanted = TableModel.load(model).estimator.recommend([101, 107], 3)
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)
    seen = table().groupby("user")["film"].agg(set)
    assert not any(row.film in seen[row.user] for row in found.itertuples())
    again = works("recommend", model, "--users", 101, "--seen", "-k", 30).stdout
    assert len(again.splitlines()) == 31
    few = works("recommend", model, "--users", 101, "--seen", "--items", "film 1", "--items", "film 2")
    assert set(pd.read_csv(pd.io.common.StringIO(few.stdout))["film"]) == {"film 1", "film 2"}
    rest = works("recommend", model, "--users", 101, "--seen", "-k", 30, "--exclude", "film 1,film 2")
    assert len(rest.stdout.splitlines()) == 29
    assert len(works("recommend", model, "-k", 1).stdout.splitlines()) == 61


def test_a_report_reads_the_table_as_the_model_did(folder, model, tmp_path):
    works("report", model, folder / "ratings.csv", "--output", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Who rates what how in ratings.csv" in page
    assert "Errors by activity" in page
    assert "rating_scale=(1.0, 5.0)" in page.replace("[", "(").replace("]", ")")


def test_columns_are_named_and_features_help_new_ids(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    roles = [*MODEL, "--user", "user", "--item", "film", "--user-features", "age"]
    done = works("fit", folder / "ratings.csv", *roles, *SMALL, "--implicit", "--output", path)
    assert "Users are in" not in done.stderr
    estimator = TableModel.load(path).estimator
    assert (estimator.user_column, estimator.item_column) == ("user", "film")
    assert estimator.implicit
    for age in (20, 60):
        pd.DataFrame({"user": [999], "film": ["film 1"], "age": [age]}).to_csv(
            tmp_path / f"{age}.csv", index=False
        )
    said = [works("predict", path, tmp_path / f"{age}.csv").stdout for age in (20, 60)]
    assert said[0] != said[1]


def test_ids_with_text_among_them_are_text(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    done = works("fit", folder / "text.csv", *MODEL, *SMALL, "--output", path)
    assert "'user' holds text in row 9 among numbers" in " ".join(done.stderr.split())
    assert "x17" in TableModel.load(path).estimator.users_
    works("predict", path, folder / "ratings.csv", "--output", tmp_path / "out.csv")
    assert np.corrcoef(pd.read_csv(tmp_path / "out.csv")["prediction"], table()["rating"])[0, 1] > 0.8


def test_a_model_file_keeps_the_errors_of_its_comparison(model, tmp_path):
    fitted = TableModel.load(model)
    errors = {"RMSE": np.array([[0.5, 0.6]]), "MAE": np.array([[0.4, 0.5]])}
    fitted.comparison = Comparison(
        fitted.task,
        ["latent factors"],
        np.array([[0.8, 0.7]]),
        np.zeros((1, 2)),
        test_share=1.0,
        errors=errors,
    )
    fitted.save(tmp_path / "m.intertwine")
    again = TableModel.load(tmp_path / "m.intertwine").comparison
    assert {name: values.tolist() for name, values in again.errors.items()} == {
        name: values.tolist() for name, values in errors.items()
    }


def test_rivals_stand_beside_it_with_their_errors(folder, tmp_path, monkeypatch):
    roles = [*MODEL, *SMALL, "--cv", 2, "--quick", "--jobs", 1, "--user-features", "age"]
    done = works("compare", folder / "ratings.csv", *roles, "--output", tmp_path / "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv").groupby("model")[["score", "RMSE", "MAE"]].mean()
    assert set(scores.index) == {
        "latent factors",
        "latent factors, ids alone",
        "levels of users and items",
        "factorization machine",
        "overall mean",
    }
    assert scores.loc["latent factors", "RMSE"] < scores.loc["overall mean", "RMSE"]
    assert (scores["MAE"] < scores["RMSE"]).all()
    assert "How far off, in the unit of the target" in done.stdout
    monkeypatch.setattr(latent_factors, "_MOST_RATINGS_OF_A_SAMPLER", 10)
    done = works("compare", folder / "ratings.csv", *roles)
    assert "The table is too large for factorization machine." in " ".join(done.stderr.split())


MISTAKES = {
    "missing ids": ("gaps.csv", [], "'user' is missing in rows 3, 7: a rating needs both ids"),
    "twice": ("twice.csv", [], "3 ratings are of a pair of 'user' and 'film' that was rated before, in rows"),
    "typing error": ("typo.csv", [], "column 'rating' holds text in row 5 ('?') among numbers"),
    "words": ("words.csv", [], "'rating' holds text, not numbers"),
    "off the scale": ("far.csv", ["--scale", "1,5"], "'rating' is 500 in row 6, outside --scale 1,5"),
    "no scale": ("ratings.csv", ["--scale", "5"], "--scale '5' is not LOW,HIGH, such as 1,5"),
    "scale upside down": ("ratings.csv", ["--scale", "5,1"], "the first must be below the second"),
    "feature with gaps": ("unaged.csv", ["--user-features", "age"], "'age' is missing in row 4: fill it in"),
    "not of users": (
        "ratings.csv",
        ["--user-features", "when"],
        "column 'when' differs between rows of the same id",
    ),
    "no such column": ("ratings.csv", ["--user", "users"], "no column 'users'; did you mean 'user'?"),
    "same column": ("ratings.csv", ["--user", "film", "--item", "film"], "--user and --item are both 'film'"),
    "target twice": ("ratings.csv", ["--user", "rating"], "a column is named twice"),
    "dates": ("dates.parquet", [], "'film' holds dates"),
    "no such solver": ("ratings.csv", ["--solver", "gibs"], "no --solver 'gibs'; did you mean 'gibbs'?"),
    "another task": (
        "ratings.csv",
        ["--task", "classification"],
        "is for regression, not for classification",
    ),
    "labels": ("ratings.csv", ["--categorical", "user"], "--categorical: not for --model latent-factors"),
    "of another family": (
        "ratings.csv",
        ["--ordinal"],
        "--ordinal is for --model fm, not for latent-factors",
    ),
    "one column": ("ratings.csv", ["--drop", "film,age,when"], "needs a column of users and one of items"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_words(name, folder, tmp_path, monkeypatch):
    file, arguments, words = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    done = run("fit", folder / file, *MODEL, *arguments)
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_what_can_be_done_about_pairs_rated_twice(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    works("fit", folder / "twice.csv", *MODEL, *SMALL, "--duplicates", "mean", "--output", path)
    assert TableModel.load(path).estimator.user_counts_.sum() == len(table()) + 3  # weights add up


LATER = {
    "text": (
        "predict",
        "text.csv",
        "'user' holds text in row 9 ('x17'), where the model was fitted on numbers",
    ),
    "gaps": ("predict", "gaps.csv", "'user' is missing in rows 3, 7"),
    "strange user": ("recommend", ["--users", "1010"], "no user '1010' in the fit; did you mean '101'?"),
    "strange item": ("recommend", ["--items", "film 99"], "no item 'film 99' in the fit"),
}


@pytest.mark.parametrize("name", LATER)
def test_a_later_mistake_is_answered_in_words(name, folder, model):
    command, given, words = LATER[name]
    done = run(command, model, *([folder / given] if isinstance(given, str) else given))
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.split())


def test_other_models_recommend_nothing(folder, tmp_path):
    path = tmp_path / "fm.intertwine"
    roles = [
        "--target",
        "rating",
        "--drop",
        "stars,when",
        "--model",
        "fm",
        "--categorical",
        "user",
        "--sweeps",
        10,
    ]
    works("fit", folder / "ratings.csv", *roles, "--components", 2, "--output", path)
    done = run("recommend", path)
    assert done.exit_code == MISTAKE
    assert "no model of ratings: fit one with --model latent-factors" in " ".join(done.stderr.split())


def test_columns_that_a_later_table_lacks_are_named(folder, model, tmp_path):
    table()[["user", "age"]].to_csv(tmp_path / "new.csv", index=False)
    done = run("predict", model, tmp_path / "new.csv")
    assert done.exit_code == MISTAKE
    assert "the table lacks 'film', which the model was fitted on" in " ".join(done.stderr.split())
    assert RatingPreparation.from_state({"ratings": {"a": "text"}}, None).units == {}
