"""The report on ratings: what it says is what the model says, and cautions stand only where they apply."""

import warnings

import numpy as np
import pandas as pd
import pytest
from small_tables import ratings
from test_report import Page, pictures

from intertwine import LatentFactorModel
from intertwine.compare import FACTORIZATION, LEVELS, Comparison, RegressionTask
from intertwine.report import Study, write_report
from intertwine.report.rating_cautions import rating_cautions
from intertwine.report.rating_findings import Ratings, level_table, neighbour_table, what_moves
from intertwine.report.rating_verdict import rating_verdict

RMSE = np.array([[0.60, 0.62, 0.61], [0.80, 0.79, 0.83], [0.55, 0.56, 0.555]])
NAMES = ["latent factors", LEVELS, FACTORIZATION]


def table():
    return ratings(700).drop_duplicates(["user", "film"]).reset_index(drop=True)


def fitted(X, y, **changed):
    settings = {"n_components": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LatentFactorModel(**(settings | changed)).fit(X, y)


def study_of(X, y, rmse=RMSE, **changed):
    model = fitted(X, y, **changed)
    rng = np.random.default_rng(0)
    held_out = {
        "mean": model.predict(X) + 0.2 * rng.standard_normal(len(y)),
        "std": rng.uniform(0.3, 0.5, len(y)),
    }
    comparison = Comparison(
        RegressionTask(),
        NAMES[: len(rmse)],
        1 - rmse**2,
        0 * rmse,
        test_share=0.5,
        errors={"RMSE": rmse, "MAE": 0.8 * rmse},
        out_of_fold=held_out,
    )
    return Study(model, X, y, title="Films", target="rating", comparison=comparison)


@pytest.fixture(scope="module")
def study():
    given = table()
    return study_of(given[["user", "film"]], given["rating"].to_numpy())


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([study], path, title="Films")
    assert path.stat().st_size < 5e6 / 3
    return Page(path)


def test_the_page_is_whole_and_every_picture_described(page):
    assert page.open == []
    for heading in (
        "How well it predicts",
        "What ratings hang on",
        "What is liked alike",
        "How sure we are",
        "What to be careful about",
        "Observed against predicted",
        "Are the predictive deviations right?",
        "Errors by activity",
        "Item map",
        "Convergence",
    ):
        assert heading in page.headings
    assert "What interacts" not in page.headings
    assert "Main effects" not in page.headings
    for image in page.images:
        assert len(image["alt"]) > 30
    assert len(set(pictures(page))) == 2 * len(page.images)


def test_what_was_fitted_on_what_is_told(page, study):
    n = len(study.y)
    for fact in (f"Ratings {n:,}", "Users 60", "Items 30", f"Pairs rated {n / 1800:.2%}"):
        assert fact in page.text
    error = np.sqrt(np.mean((study.y - study.comparison.out_of_fold["mean"]) ** 2))
    assert f"is off by {error:.3f}" in page.text
    assert "Factors help: the error is smaller by 0.1967 ±" in page.text
    assert "The same model, sampled (factorization machine), comes closer by 0.0550 ±" in page.text
    assert "LatentFactorModel(n_components=2, random_state=0)" in page.text
    for figure in ("0.6100", "0.8067", "0.4880", "+0.1967"):  # RMSE of two, MAE of the first, a difference
        assert figure in page.text


def test_the_model_may_be_no_better_than_levels():
    given = table()
    for rmse, words in (
        (RMSE[[1, 0]], "Factors do harm here: levels of users and items alone come closer by 0.1967"),
        (np.array([[0.6, 0.7, 0.65], [0.66, 0.65, 0.64]]), "Whether factors help cannot be told"),
    ):
        other = study_of(given[["user", "film"]], given["rating"].to_numpy(), rmse)
        assert words in " ".join(rating_verdict(other, None, []))


def test_tables_are_those_of_the_model(study):
    estimator, found = study.estimator, Ratings.of(study)
    levels = level_table(study, found)
    order = estimator.items_[np.argsort(-estimator.item_biases_)]
    assert [row["item"] for row in levels.rows] == [*order[:8], *order[-8:]]
    first = levels.rows[0]
    of_first = study.y[(study.X["film"] == first["item"]).to_numpy()]
    assert first["n"] == f"{len(of_first)}"
    assert first["mean"] == f"{of_first.mean():.2f}"
    near = neighbour_table(study, found)
    busiest = study.X["film"].value_counts()
    assert busiest[near.rows[0]["item"]] == busiest.max()
    wanted = estimator.similar_items([near.rows[0]["item"]], 1).iloc[0]
    assert near.rows[0]["near"][0] == f"{wanted['similar']} ({wanted['similarity']:.2f})"
    (told,) = what_moves(study, found)
    spread = np.std(estimator.item_biases_[found.items])
    assert f"{spread:.2g} by what is rated" in told


def cautions_of(study):
    return " ".join(
        f"{point.title}: {point.text}" for point in rating_cautions(study, Ratings.of(study), None)
    )


def test_cautions_stand_where_they_apply(study):
    usual = cautions_of(study)
    assert "Users of one mark" not in usual
    assert "Few ratings an id" not in usual
    assert "was not in the fit counts as an average one" in usual
    given = table()[["user", "film", "age", "rating"]]
    rare = given[:60].assign(film=[f"rare {i}" for i in range(60)])
    both = pd.concat([given, rare])
    y = both["rating"].where(~both["user"].between(100, 105), 4.0).to_numpy()
    X = both[["user", "film", "age"]]
    text = cautions_of(Study(fitted(X, y, user_features=["age"], max_iter=1), X, y, notes=["a note"]))
    assert "60 of 90 items have fewer than 5 ratings" in text
    able = int((X["user"].value_counts() >= 5).sum())
    assert f"6 of {able} users with at least 5 ratings gave the same rating every time" in text
    assert "judged by its features alone (users by age)" in text
    assert "The solver had not settled" in text
    assert "a note" in text


def test_models_of_every_kind_have_a_page(tmp_path):
    given = table()
    X, y = given[["user", "film"]], given["rating"].to_numpy()
    kinds = [{"n_components": 0}, {"biases": False}, {"n_components": 1}, {"solver": "als", "alpha": 1e4}]
    bare = [Study(fitted(X, y, **changed), title=str(changed)) for changed in kinds]
    write_report(bare, tmp_path / "r.html", title="Four")
    page = Page(tmp_path / "r.html")
    assert page.open == []
    assert page.headings.count("Item map") == 2
    assert "The model has no factors" in page.text
    assert "this fit tells no tastes apart" in page.text  # of the model that was held at zero
    assert "Errors by activity" not in page.headings  # there are no rows
    assert page.text.count("no spread to tell how sure") == 1
    assert page.text.count("No cross-validation against other models was run") == 4


def test_ids_are_told_apart_by_their_text(study):
    other = Study(study.estimator, study.X.assign(film=study.X["film"].str.upper()), study.y)
    assert other.fingerprint != study.fingerprint
    assert Study(study.estimator, study.X.copy(), study.y).fingerprint == study.fingerprint
