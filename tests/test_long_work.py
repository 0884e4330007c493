"""What an interruption leaves, and that a resumed fit is the uninterrupted one to the bit."""

from __future__ import annotations

import itertools
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from long_fits import (
    FITS,
    LATENT,
    Interrupted,
    N,
    assert_same_to_the_bit,
    every_fit,
    features,
    interrupted_at,
    number_of_calls,
    seed_global,
    target_of,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import intertwine
from intertwine import InteractionCoxPH, InteractionRegressor
from intertwine.io import Journal
from intertwine.mixed_model import GaussianField


@every_fit
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_resumed_fit_is_the_uninterrupted_one_to_the_bit(name, tmp_path, monkeypatch):
    estimator, X = FITS[name], features()
    y = target_of(estimator)
    seed_global(7)
    whole = clone(estimator).fit(X, y)
    seed_global(7)
    total = number_of_calls(estimator, X, y, monkeypatch)
    for share in (0.1, 0.6, 0.98):
        model = clone(estimator).set_params(checkpoint=tmp_path / "work")
        seed_global(7)
        interrupted_at(max(2, int(share * total)), model, X, y, monkeypatch)
        assert (tmp_path / "work").exists()
        with pytest.raises(NotFittedError):
            model.predict(X)
        seed_global(8)
        resumed = clone(estimator).set_params(checkpoint=tmp_path / "work").fit(X, y)
        assert_same_to_the_bit(resumed, whole)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["regressor", "three classes", "Cox", "sparse with a tie", "regressor CV"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_finished_work_is_not_done_again(name, tmp_path, monkeypatch):
    estimator, X = clone(FITS[name]).set_params(checkpoint=tmp_path / "work"), features()
    y = target_of(estimator)
    total = number_of_calls(FITS[name], X, y, monkeypatch)
    interrupted_at(int(0.9 * total), estimator, X, y, monkeypatch)
    with monkeypatch.context() as patch:
        counter = Interrupted(patch)
        estimator.fit(X, y)
    assert counter.calls < 0.6 * total


@pytest.mark.parametrize("name", ["regressor", "sparse with a tie", "Cox CV"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_is_interrupted_again_and_again_arrives(name, tmp_path, monkeypatch):
    estimator, X = FITS[name], features()
    y = target_of(estimator)
    whole = clone(estimator).fit(X, y)
    pace = max(20, number_of_calls(estimator, X, y, monkeypatch) // 6)
    for attempts in itertools.count(1):
        model = clone(estimator).set_params(checkpoint=tmp_path / "work")
        with monkeypatch.context() as patch:
            Interrupted(patch, pace)
            try:
                model.fit(X, y)
            except KeyboardInterrupt:
                assert attempts < 40
            else:
                break
    assert attempts > 2
    assert_same_to_the_bit(model, whole)


def files_written(path, estimator, X, y, monkeypatch):
    """What stands in the file after every step and iteration."""
    contents, write = [], Journal._write

    def written(journal):
        write(journal)
        contents.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_write", written)
        patch.setattr(Journal, "_note", lambda journal: journal._write())
        clone(estimator).set_params(checkpoint=path).fit(X, y)
    return contents


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_killed_process_loses_only_what_came_after_the_last_writing(tmp_path, monkeypatch):
    estimator, X, path = FITS["regressor"], features(), tmp_path / "work"
    y = target_of(estimator)
    whole = clone(estimator).fit(X, y)
    contents = files_written(path, estimator, X, y, monkeypatch)
    assert len(contents) > 20
    for content in contents[:: len(contents) // 7]:
        path.write_bytes(content)
        assert_same_to_the_bit(clone(estimator).set_params(checkpoint=path).fit(X, y), whole)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_descent_that_rounding_ended_is_not_taken_up_again(tmp_path, monkeypatch):
    estimator, X, path = (
        clone(FITS["regressor"]).set_params(tol=0.0, max_iter=2000, n_init=1),
        features(),
        tmp_path / "work",
    )
    y = target_of(estimator)
    whole = clone(estimator).fit(X, y)
    assert whole.n_iter_ < 2000
    contents = files_written(path, estimator, X, y, monkeypatch)
    for content in contents[-4:]:
        path.write_bytes(content)
        assert_same_to_the_bit(clone(estimator).set_params(checkpoint=path).fit(X, y), whole)


def begun(path, monkeypatch, X=None, **params):
    model = InteractionRegressor(random_state=0, **LATENT).set_params(checkpoint=path, **params)
    X = features() if X is None else X
    interrupted_at(20, model, X, target_of(model), monkeypatch)
    return model


@pytest.mark.parametrize(
    ("params", "X", "y", "other"),
    [
        ({"alpha": 0.2}, features(), None, "parameters"),
        ({"random_state": 1}, features(), None, "parameters"),
        ({}, features() + 1e-12, None, "data"),
        ({}, features(), np.arange(N), "data"),
        ({"tol": 1e-3}, features(3), None, "parameters and data"),
    ],
)
def test_a_checkpoint_of_other_work_is_refused_and_kept(params, X, y, other, tmp_path, monkeypatch):
    path = tmp_path / "work"
    model = begun(path, monkeypatch)
    content = path.read_bytes()
    with pytest.raises(
        ValueError, match=f"{re.escape(str(path))} was begun with other {other}; pass another path"
    ):
        model.set_params(**params).fit(X, target_of(model) if y is None else y)
    assert path.read_bytes() == content


def test_sample_weights_are_data(tmp_path, monkeypatch):
    model = begun(tmp_path / "work", monkeypatch)
    with pytest.raises(ValueError, match="other data"):
        model.fit(features(), target_of(model), sample_weight=np.arange(N) + 1.0)


def test_another_class_and_another_version_are_other_work(tmp_path, monkeypatch):
    model = begun(tmp_path / "work", monkeypatch)
    other = InteractionCoxPH(checkpoint=tmp_path / "work")
    with pytest.raises(ValueError, match="other class of estimator"):
        other.fit(features(), target_of(other))
    monkeypatch.setattr(intertwine, "__version__", "9.9")
    with pytest.raises(ValueError, match="other version of intertwine"):
        model.fit(features(), target_of(model))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_changes_nothing_may_change(tmp_path, monkeypatch, capsys):
    model = begun(tmp_path / "work", monkeypatch)
    model.set_params(verbose=True, checkpoint=str(tmp_path / "work")).fit(
        pd.DataFrame(features(), columns=list("abc")), target_of(model)
    )
    assert model.top_interactions(1)["term"][0] == "b × c"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_file_of_something_else_is_never_overwritten(tmp_path):
    model = InteractionRegressor(latent=None).fit(features(), features()[:, 0])
    model.save(tmp_path / "model")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    for path, message in ((tmp_path / "model", "holds a model"), (tmp_path / "notes.csv", "no model file")):
        before = path.read_bytes()
        with pytest.raises(ValueError, match=f"checkpoint: .*{message}.*pass another path"):
            clone(model).set_params(checkpoint=path).fit(features(), features()[:, 0])
        assert path.read_bytes() == before


def test_a_checkpoint_is_no_model(tmp_path, monkeypatch):
    begun(tmp_path / "work", monkeypatch)
    with pytest.raises(ValueError, match="is the checkpoint of an unfinished fit"):
        intertwine.load(tmp_path / "work")


def test_a_damaged_checkpoint_is_refused(tmp_path, monkeypatch):
    model = begun(tmp_path / "work", monkeypatch)
    content = bytearray((tmp_path / "work").read_bytes())
    content[-9] ^= 1
    (tmp_path / "work").write_bytes(content)
    with pytest.raises(ValueError, match="checksum.*remove the file or pass another path"):
        model.fit(features(), target_of(model))


def test_a_path_that_cannot_be_written_fails_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(GaussianField, "mode", lambda *_: pytest.fail("work was begun"))
    model = InteractionRegressor(checkpoint=tmp_path / "absent" / "work")
    with pytest.raises(FileNotFoundError, match="the folder of the checkpoint does not exist.*absent"):
        model.fit(features(), target_of(model))
    assert not hasattr(model, "n_features_in_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_full_disk_costs_the_checkpoint_and_not_the_fit(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("intertwine.io.journal.save_state", full)
    monkeypatch.setattr(Journal, "_pause", 0.0, raising=False)
    model = InteractionRegressor(random_state=0, checkpoint=tmp_path / "work", **LATENT)
    with monkeypatch.context() as patch:
        Interrupted(patch, 20)
        with (
            pytest.warns(UserWarning, match="checkpoint cannot be written"),
            pytest.raises(KeyboardInterrupt),
        ):
            model.fit(features(), target_of(model))


@every_fit
def test_the_contract_holds_with_a_checkpoint(name, tmp_path):
    model = clone(FITS[name]).set_params(checkpoint=tmp_path / "work")
    assert clone(model).get_params()["checkpoint"] == tmp_path / "work"
    assert type(model)().checkpoint is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(features(), target_of(model))
    assert not (tmp_path / "work").exists()
    model.save(tmp_path / "model")
    loaded = intertwine.load(tmp_path / "model")
    assert loaded.checkpoint is None
    np.testing.assert_array_equal(loaded.predict(features(1)), model.predict(features(1)))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(features(1)), model.predict(features(1))
    )
