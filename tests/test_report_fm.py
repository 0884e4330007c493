"""The report on factorization machines: what they say, in a whole page, and cautions only where they apply."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from small_tables import patients, ratings
from test_report import Page, pictures

from intertwine import FMClassifier, FMRegressor, LocalFMClassifier, LocalFMRegressor
from intertwine.compare import FACTORIZATION, MAIN_EFFECTS, Comparison, RegressionTask
from intertwine.pipelines import TablePreprocessor
from intertwine.plots import LatentMapDisplay
from intertwine.report import Study, build_report, write_report
from intertwine.report.machine_findings import find_strongest, levels_of, one_inside_the_other
from intertwine.report.picture import scratch_axes


def quiet(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


def film_table(**extra):
    """Ratings as the command line prepares them."""
    table = ratings(400, n_users=25, n_films=12).assign(**extra)
    X = table.drop(columns=["rating", "stars"])
    numeric = ["age"]
    labels = [name for name in X.columns if name not in numeric]
    preprocessor = TablePreprocessor(numeric=numeric, categorical=labels, sparse_output=True, unseen="column")
    return preprocessor.fit_transform(X), table["rating"].to_numpy()


@pytest.fixture(scope="module")
def study():
    X, y = film_table()
    model = quiet(FMRegressor(n_components=2, max_iter=60, random_state=0), X, y)
    scores = np.array([[0.6, 0.62, 0.61], [0.3, 0.29, 0.33]])
    rng = np.random.default_rng(0)
    held_out = {"mean": model.predict(X) + 0.2 * rng.standard_normal(400), "std": np.full(400, 0.3)}
    comparison = Comparison(
        RegressionTask(),
        [FACTORIZATION, MAIN_EFFECTS],
        scores,
        0 * scores,
        test_share=0.5,
        out_of_fold=held_out,
    )
    return Study(
        model, X, y, title="Films", target="rating", comparison=comparison, units={"age": (40.0, 10.0)}
    )


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([study], path, title="Films")
    assert path.stat().st_size < 5e6 / 3
    return Page(path)


def test_the_page_is_whole_and_every_picture_described(page):
    assert page.open == []
    for heading in ("How well it predicts", "What interacts", "How sure we are", "What to be careful about"):
        assert heading in page.headings
    assert "Main effects" not in page.headings
    for title in (
        "Are the predictive deviations right?",
        "The strongest pairs",
        "Factor map",
        "Trace of the chain",
    ):
        assert title in page.headings
    for image in page.images:
        assert len(image["alt"]) > 30
    assert len(set(pictures(page))) == 2 * len(page.images)


def test_the_strongest_pair_stands_there_with_its_rows(page, study):
    top = find_strongest(study).interactions[0]
    assert top.term in page.text
    first, second = (study.X[name].to_numpy() != 0 for name in (top.first, top.second))
    assert top.n_rows == int((first & second).sum()) >= 5
    assert f"{top.n_rows}" in page.text
    assert "Rows with both" in page.text
    assert "From latent structure" not in page.text


def test_levels_to_come_are_in_no_table_and_no_map(study):
    shown = LatentMapDisplay.from_estimator(study.estimator, ax=scratch_axes())
    assert len(shown.features) == len(study.names) - 2
    pairs = study.estimator.top_interactions(5000)
    assert not any("unseen" in term for term in pairs["term"])


def test_how_well_and_how_sure_is_said(page, study):
    assert "R² 0.610" in page.text
    assert "Pairs of features help: +0.303" in page.text
    error = np.sqrt(np.mean((study.y - study.comparison.out_of_fold["mean"]) ** 2))
    assert f"off by {error:.3f} (root mean square)" in page.text
    assert "60 sweeps less a burn-in of 12" in page.text
    assert "make_interaction_pipeline( FMRegressor(max_iter=60, n_components=2, random_state=0)," in page.text
    assert "categorical=['user', 'film']" in page.text
    assert f"scale reduction {study.estimator.scale_reduction_:.3f}" in page.text


def test_what_to_be_careful_about_is_found(tmp_path):
    rng = np.random.default_rng(0)
    rare = np.where(rng.random(400) < 0.9, "a", [f"b{i % 9}" for i in range(400)])
    X, y = film_table(rare=rare)
    model = quiet(FMRegressor(n_components=2, max_iter=12, init_scale=3.0, random_state=0), X, y)
    build_report(model, X, y, path=tmp_path / "r.html")
    text = Page(tmp_path / "r.html").text
    assert "The chain had not settled" in text
    assert "Levels are compared with their average" in text
    assert "levels of rare" in text
    assert "A level of user, film and rare that was not among these rows counts as an average one" in text
    assert "Pairs of features help" not in text
    settled = quiet(FMRegressor(n_components=0, max_iter=20, solver="als"), X, y)
    build_report(settled, X, y, path=tmp_path / "s.html")
    text = Page(tmp_path / "s.html").text
    assert "had not settled" not in text
    assert "The model holds no interactions" in text
    assert "solver='gibbs' does" in text


def test_levels_of_which_one_includes_the_other_are_told():
    X, y = film_table(country=np.where(ratings(400, n_users=25, n_films=12)["user"] < 104, "x", "z"))
    model = quiet(FMRegressor(n_components=2, max_iter=20, random_state=0), X, y)
    study = Study(model, X, y)
    assert [group.column for group in levels_of(study)] == ["user", "film", "country"]
    assert sum(levels_of(study)[0].n_rows) == 400
    found = find_strongest(study, k=2000)
    nested = one_inside_the_other(study, found)
    assert nested
    assert all(other == f"country={'x' if int(rarer[5:]) < 104 else 'z'}" for rarer, other in nested)


def test_classes_sparse_matrices_and_no_rows(tmp_path):
    X, y = film_table()
    stars = np.digitize(y, [2.5, 3.5])
    matrix = sparse.csr_array(X.sparse.to_coo())
    ordered = quiet(FMClassifier(n_components=2, max_iter=20, ordinal=True, random_state=0), matrix, stars)
    apart = quiet(FMClassifier(n_components=2, max_iter=20, solver="als"), X, np.where(y > 3, "yes", "no"))
    studies = [Study(ordered, matrix, stars, title="Stars"), Study(apart, title="Liked")]
    write_report(studies, tmp_path / "r.html", title="Two")
    page = Page(tmp_path / "r.html")
    assert page.open == []
    assert "It names the class of" in page.text
    assert "probits" in page.text
    assert "log odds" in page.text
    assert "No cross-validation" in page.text


@pytest.mark.parametrize("kind", [LocalFMRegressor, LocalFMClassifier])
def test_local_machines_tell_who_answers_where(kind, tmp_path):
    table = patients().dropna()
    X = table[["age", "dose", "weight"]]
    y = table["y" if kind is LocalFMRegressor else "stage"].to_numpy()
    model = quiet(kind(n_anchors=4, n_components=2, max_iter=5, random_state=0), X, y)
    build_report(model, X, y, path=tmp_path / "r.html", target="y")
    page = Page(tmp_path / "r.html")
    assert page.open == []
    assert "Which expert answers where" in page.headings
    label = None if kind is LocalFMRegressor else 1
    middle = np.median(model.effective_neighbors(X, label))
    assert f"In effect a row is answered by {middle:.1f} experts" in page.text
    assert "The descent was cut off after 5 iterations" in page.text
    assert "Trace of the descent" in page.headings
    assert any("experts answer" in image["alt"] for image in page.images)
    assert "of each expert" in page.text


def test_the_same_machine_gives_the_same_bytes(study, tmp_path):
    for name in ("a", "b"):
        build_report(study.estimator, path=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_frames_of_sparse_columns_are_the_matrix_they_hold(study):
    dense = Study(study.estimator, study.X.sparse.to_dense(), study.y)
    assert study.is_sparse
    assert not dense.is_sparse
    rows = np.array([3, 1])
    np.testing.assert_array_equal(study.take(rows).toarray(), dense.take(rows).to_numpy())
    np.testing.assert_array_equal(study.columns.toarray(), dense.columns.toarray())
    assert isinstance(dense.take(rows), pd.DataFrame)
    other = Study(study.estimator, study.X * 2, study.y)
    assert other.fingerprint != study.fingerprint
