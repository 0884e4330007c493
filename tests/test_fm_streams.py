"""Streams, files and later rows at the factorization machines: the same as the table they are cut from."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file
from sklearn.exceptions import ConvergenceWarning

from intertwine import FMClassifier, FMRegressor, load
from intertwine.io import LibsvmFile

pytestmark = pytest.mark.filterwarnings("ignore:stopped after max_iter")
SETTINGS = {"solver": "adagrad", "n_components": 2, "alpha": 1e-4, "random_state": 0, "max_iter": 30}


def table(n=120, seed=0):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, 6), density=0.6, rng=rng, format="csr", data_sampler=rng.standard_normal)
    dense = X.toarray()
    return X, dense[:, 0] + 2 * dense[:, 1] * dense[:, 2] + 0.1 * rng.standard_normal(n)


def classes_of(f):
    return np.digitize(f, [-0.5, 0.5])


def cut(X, y, size):
    return [(X[a : a + size], y[a : a + size]) for a in range(0, X.shape[0], size)]


def test_a_stream_of_one_chunk_learns_what_its_table_does():
    X, y = table()
    fits = [FMRegressor(**SETTINGS).fit(X, y), FMRegressor(**SETTINGS).fit_stream([(X, y)])]
    assert [model.score(X, y) > 0.95 for model in fits] == [True, True]
    assert fits[1].n_features_in_ == 6
    assert fits[1].top_interactions(1)["term"][0] == "x1 × x2"


@pytest.mark.parametrize("order", [2, 3])
def test_streams_of_classes(order):
    X, f = table()
    y = np.array(["low", "mid", "high"])[classes_of(f)]
    model = FMClassifier(order=order, **SETTINGS).fit_stream(cut(X, y, 50))
    assert model.classes_.tolist() == ["high", "low", "mid"]
    assert model.score(X, y) > 0.8
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_a_file_is_learnt_in_chunks(tmp_path):
    X, y = table()
    path = tmp_path / "rows.svm"
    dump_svmlight_file(X, y, str(path), zero_based=False)
    file = LibsvmFile(path, chunk_bytes=2000)
    assert len(list(file)) > 2
    streamed = FMRegressor(**SETTINGS).fit_stream(file)
    listed = FMRegressor(**SETTINGS).fit_stream(list(file))
    np.testing.assert_array_equal(streamed.predict(X), listed.predict(X))
    path.write_text("1 1:2\n2 x\n")
    with pytest.raises(ValueError, match="rows.svm, line 2"):
        streamed.fit_stream(LibsvmFile(path))
    np.testing.assert_array_equal(streamed.predict(X), listed.predict(X))  # as it was


@pytest.mark.parametrize("make", [FMRegressor, FMClassifier])
def test_a_generator_is_read_once_and_kept(make):
    X, f = table()
    y = f if make is FMRegressor else np.array(["low", "mid", "high"], dtype=object)[classes_of(f)]
    chunks = cut(X, y, 50)
    once = make(**SETTINGS).fit_stream(chunk for chunk in chunks)
    np.testing.assert_array_equal(once.predict(X), make(**SETTINGS).fit_stream(chunks).predict(X))


def test_rows_that_come_later_are_learnt():
    X, y = table(2000)
    model = FMRegressor(**SETTINGS)
    scores = []
    for chunk in cut(X, y, 200):
        scores.append(model.partial_fit(*chunk).score(X, y))
    assert scores[-1] > max(scores[0], 0.8)
    assert model.history_["iteration"].tolist() == list(range(1, 11))


def test_a_saved_model_goes_on_learning(tmp_path):
    X, y = table()
    for first in (
        FMRegressor(validation_fraction=0.2, **SETTINGS).fit(X, y),
        FMRegressor(**SETTINGS).partial_fit(X, y),
        FMRegressor(linear=False, **SETTINGS).fit_stream([(X, y)]),
    ):
        first.save(tmp_path / "model")
        again = load(tmp_path / "model")
        again.partial_fit(X, y), first.partial_fit(X, y)
        np.testing.assert_array_equal(again.predict(X), first.predict(X))
        assert again.history_.equals(first.history_)


def test_classes_that_come_later():
    X, f = table(2000)
    y = classes_of(f)
    model = FMClassifier(**SETTINGS)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    for rows, labels in cut(X, y, 100):
        model.partial_fit(rows, labels, classes=[0, 1, 2])
    assert model.score(X, y) > 0.75
    only_one = y == 1
    model.partial_fit(X[only_one], y[only_one])
    with pytest.raises(ValueError, match=r"y has labels \[7\] that are none of \[0, 1, 2\]"):
        model.partial_fit(X, np.full(2000, 7))
    with pytest.raises(ValueError, match="differ from those of earlier calls"):
        model.partial_fit(X, y, classes=[0, 1])


def test_a_warm_start_goes_on_as_if_it_had_not_stopped():
    X, y = table()
    settings = SETTINGS | {"tol": 0.0, "warm_start": True}
    whole = FMRegressor(**settings | {"max_iter": 9}).fit(X, y)
    parts = FMRegressor(**settings | {"max_iter": 4}).fit(X, y)
    parts.set_params(max_iter=5).fit(X, y)
    np.testing.assert_array_equal(parts.predict(X), whole.predict(X))


def test_a_warm_start_on_a_stream_takes_in_new_features():
    X, y = table()
    model = FMRegressor(warm_start=True, **SETTINGS).fit_stream([(X[:, :4], y)])
    assert model.fit_stream([(X, y)]).n_features_in_ == 6
    assert model.score(X, y) > 0.9


def test_the_rows_held_out_stop_the_fit():
    X, y = table(100)
    noisy = y + 3 * np.random.default_rng(0).standard_normal(100)
    settings = SETTINGS | {"alpha": 0.0, "max_iter": 200, "n_components": 8}
    early = FMRegressor(validation_fraction=0.3, **settings).fit(X, noisy)
    late = FMRegressor(**settings | {"tol": 0.0}).fit(X, noisy)
    assert early.n_iter_ < late.n_iter_
    assert early.history_["objective"].iloc[-1] >= early.history_["objective"].min()


def test_features_of_every_size():
    X, y = table()
    unit = np.array([1e6, 1e-6, 1.0, 1e3, 1.0, 1e6])
    plain = FMRegressor(**SETTINGS).fit(X, y).predict(X)
    sized = FMRegressor(**SETTINGS).fit(X * unit, y).predict(X * unit)
    np.testing.assert_allclose(sized, plain, rtol=1e-6)
    with pytest.raises(ValueError, match="overflow at epoch 1; lower learning_rate"):
        FMRegressor(**SETTINGS | {"learning_rate": 1e200, "alpha": 0.0}).fit(X, y)


def test_threads_change_nothing_unless_they_may():
    X, y = table()
    one, two = (FMRegressor(n_jobs=n, **SETTINGS).fit(X, y).predict(X) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert FMRegressor(n_jobs=2, deterministic=False, **SETTINGS).fit(X, y).score(X, y) > 0.8


def test_too_few_epochs_are_told():
    X, y = table()
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        FMRegressor(**SETTINGS | {"max_iter": 2}).fit_stream([(X, y)])


@pytest.mark.parametrize(
    ("chunks", "error", "words"),
    [
        (iter([]), ValueError, "no rows|no chunks"),
        ([], ValueError, "no rows|no chunks"),
        ([(np.eye(3), [1, 2, 3]), (np.eye(3), [1, 2])], ValueError, "chunk 2: X has 3 rows, but y has 2"),
        ([(np.eye(3), [1, 2, 3]), (np.full((2, 3), np.nan), [1, 2])], ValueError, "chunk 2: X contains NaN"),
        ([(np.eye(3), [1, 2, 3], [1, -1, 1])], ValueError, "chunk 1: sample_weight is negative"),
        ([np.eye(3)[:1]], ValueError, "chunk 1: "),
    ],
)
@pytest.mark.parametrize("make", [FMRegressor, FMClassifier])
def test_bad_streams(make, chunks, error, words):
    with pytest.raises(error, match=words):
        make(**SETTINGS).fit_stream(chunks)


def test_bad_outcomes_in_streams():
    with pytest.raises(ValueError, match="chunk 1: y contains NaN"):
        FMRegressor(**SETTINGS).fit_stream([(np.eye(3), [1, np.nan, 2])])
    with pytest.raises(ValueError, match="one class"):
        FMClassifier(**SETTINGS).fit_stream([(np.eye(3), [1, 1, 1])])
    with pytest.raises(ValueError, match="ordinal=True needs solver='gibbs'"):
        FMClassifier(ordinal=True, **SETTINGS).fit_stream([(np.eye(3), [0, 1, 2])])


def framed(size=60):
    X, y = table()
    frame = pd.DataFrame(X.toarray(), columns=list("abcdef"))
    return frame, y, [(frame[a : a + size], y[a : a + size]) for a in range(0, 120, size)]


@pytest.mark.parametrize("kept", [list, iter])
def test_the_columns_of_frames_keep_their_names(kept):
    frame, y, chunks = framed()
    model = FMRegressor(**SETTINGS).fit_stream(kept(chunks))
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert model.top_interactions(1)["term"][0] == "b × c"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame)
    with pytest.raises(ValueError, match="same order"):
        model.partial_fit(frame[list("bacdef")], y)
    arrays = [(X.to_numpy(), y) for X, y in chunks]
    assert not hasattr(model.fit_stream(kept(arrays)), "feature_names_in_")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame[list("bacdef")], "chunk 2: .*Column 0 is 'b', expected 'a'"),
        (lambda frame: frame.rename(columns={"c": "z"}), r"chunk 2: .*missing \['c'\], unexpected \['z'\]"),
        (lambda frame: frame[list("abcde")], r"chunk 2: .*missing \['f'\]"),
        (lambda frame: frame.to_numpy(), "chunk 2: X has no column names, those of chunk 1 are"),
    ],
)
@pytest.mark.parametrize("make", [FMRegressor, FMClassifier])
def test_chunks_with_other_columns_are_refused(make, change, words):
    _, _, ((X, y), (later, more)) = framed()
    chunks = [(X, classes_of(y)), (change(later), classes_of(more))]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        make(**SETTINGS).fit_stream(chunks)
    if not hasattr(change(later), "columns"):
        with pytest.raises(ValueError, match=r"chunk 2: X has column names \['a', .*but chunk 1 has none"):
            make(**SETTINGS).fit_stream(chunks[::-1])


@pytest.mark.parametrize("make", [FMRegressor, FMClassifier])
def test_later_rows_need_a_fit_to_go_on_with(make):
    X, f = table()
    y = f if make is FMRegressor else f > 0
    model = make(solver="als", n_components=2).fit(X, y).set_params(solver="adagrad")
    with pytest.raises(ValueError, match="goes on with fits of solver='adagrad', not of 'als'"):
        model.partial_fit(X, y)
    model.fit(X, y).set_params(n_components=3)
    with pytest.raises(ValueError, match="n_components, .* is not that of the fit"):
        model.partial_fit(X, y)


def test_other_solvers_have_no_streams():
    for name in ("fit_stream", "partial_fit"):
        with pytest.raises(AttributeError, match=name):
            getattr(FMClassifier(solver="als"), name)
    assert not hasattr(FMRegressor(), "partial_fit")


@pytest.mark.parametrize("make", [FMRegressor, FMClassifier])
def test_an_automatic_solver_reads_streams(make):
    X, f = table()
    y = f if make is FMRegressor else classes_of(f)
    chosen = make(**SETTINGS).fit_stream(cut(X, y, 50))
    found = make(**SETTINGS | {"solver": "auto"}).fit_stream(cut(X, y, 50))
    assert found.solver_ == "adagrad"
    np.testing.assert_array_equal(found.predict(X), chosen.predict(X))
