"""The benchmark of longitudinal latent models: what is hidden, what is asked, and what is kept of the answers."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import _longitudinal_peer
import _results
import _turns
import longitudinal_vae
from _longitudinal_stays import physionet

from intertwine import datasets
from intertwine.reproduce.lmm_vae.visits import Question, Task, Visits


def stays(n_stays=20, n_hours=48):
    """Every stay has every hour, and three series, of which one is constant."""
    rng = np.random.default_rng(0)
    subject, hour = np.repeat(np.arange(n_stays), n_hours), np.tile(np.arange(n_hours), n_stays)
    return Bunch(
        X=np.column_stack([rng.standard_normal((len(subject), 2)), np.ones(len(subject))]),
        feature_names=np.array(["HR", "pH", "MechVent"], dtype=object),
        subject=subject,
        time=hour + 0.5,
        covariates={name: np.zeros(len(subject)) for name in ("age", "sex", "unit", "height")},
    )


def test_stays_are_asked_for_what_is_hidden_of_them(monkeypatch):
    monkeypatch.setattr(datasets, "fetch_physionet2012", lambda **_: stays())
    task = physionet(0, quick=False)
    assert task.train.X.shape == (16 * 48, 2)
    np.testing.assert_allclose(np.mean(task.train.X, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.std(task.train.X, axis=0), 1)
    gaps, later = task.questions["interpolation"], task.questions["last 12 hours"]
    judged = np.isfinite(gaps.truth)
    assert judged.mean() == pytest.approx(0.1, abs=0.05)
    assert np.isnan(gaps.given.X[judged]).all()
    assert np.isfinite(gaps.given.X[~judged]).all()
    assert set(gaps.given.subject).isdisjoint(task.train.subject)
    assert later.given.time.max() < 36 < later.wanted.time.min()
    assert later.truth.shape == (4 * 12, 2)
    assert set(task.train.covariates) == {"age", "sex", "unit"}


def test_the_peer_gets_padded_series_and_its_answers_find_their_rows(monkeypatch):
    monkeypatch.setattr(datasets, "fetch_physionet2012", lambda **_: stays())
    task = physionet(0, quick=False)
    given = task.questions["last 12 hours"].given
    names = np.unique(given.subject)
    padded = _longitudinal_peer._padded(given, names)
    assert padded.shape == (4, 48, 2)
    assert np.isnan(padded[:, 36:]).all()
    np.testing.assert_allclose(padded[1, 5], given.X[(given.subject == names[1]) & (given.time == 5.5)][0])
    peer = _longitudinal_peer.SAITS()
    peer._asked = [question.given for question in task.questions.values()]
    peer._stays, peer._found = names, np.stack([np.zeros_like(padded), padded])
    np.testing.assert_allclose(peer.gaps(given), given.X, rtol=1e-6)
    assert not np.any(peer.gaps(task.questions["interpolation"].given))


def test_rows_are_kept_and_not_measured_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_results, "FOLDER", tmp_path)
    subject, time = np.repeat([0, 1, 2], 2), np.tile([0.0, 1.0], 3)
    seen = Visits(np.arange(6.0)[:, None], {}, subject, time)
    drawn = []

    def draw(seed, quick):
        drawn.append(seed)
        return Task(seen, {"future": Question(seen, seen, seen.X + 1.0)}, list)

    def plan(quick, seeds):
        chosen = {name: longitudinal_vae.STAYS[name] for name in ("mean", "subject's mean")}
        for case, method, seed, measure in longitudinal_vae._tasks("toy", draw, chosen, {}, quick, seeds):
            if method in chosen:
                yield case, method, seed, measure

    monkeypatch.setitem(longitudinal_vae.PLANS, "physionet", plan)
    longitudinal_vae.measure_all("toy", ["physionet"], False, 2, ["| mean"], again=False)
    longitudinal_vae.measure_all("toy", ["physionet"], False, 2, [], again=False)
    assert drawn == [0, 1, 0, 1]
    rows = _results.all_rows("toy")
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("mean", 0), ("mean", 1), ("subject's mean", 0), ("subject's mean", 1)
    ]  # fmt: skip
    assert rows[2]["future"] == pytest.approx(1.0 + 0.25)
    longitudinal_vae.table("toy")


def test_an_absent_table_leaves_its_section_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_results, "FOLDER", tmp_path)

    def absent(*_):
        raise FileNotFoundError("no digits")

    monkeypatch.setitem(longitudinal_vae.PLANS, "rotating", lambda *_: iter([("c", "m", 0, absent)]))
    longitudinal_vae.measure_all("toy", ["rotating"], True, 1, [], again=False)
    assert "rotating is left out: no digits" in capsys.readouterr().err


@pytest.mark.parametrize("section", longitudinal_vae.PLANS)
def test_every_section_has_a_plan(section, monkeypatch):
    monkeypatch.setenv("INTERTWINE_PYPOTS_PYTHON", "")
    planned = [(case, method, seed) for case, method, seed, _ in longitudinal_vae.PLANS[section](True, 1)]
    assert len(planned) == len(set(planned)) >= 2


def test_fits_take_turns_epoch_by_epoch_until_one_has_ended():
    told = []

    class Quick:
        def epoch(self, number):
            told.append(f"quick {number}")

    class Slow:
        def epoch(self, number):
            told.append(f"slow {number}")

    def fit(runner, n_epochs):
        for number in range(n_epochs):
            runner.epoch(number)
        return n_epochs

    seconds, found = _turns.epochs_by_turns(
        {"quick": Quick, "slow": Slow},
        {"quick": lambda: fit(Quick(), 2), "slow": lambda: fit(Slow(), 4)},
    )
    assert told == ["quick 0", "slow 0", "quick 1", "slow 1", "slow 2", "slow 3"]
    assert found == {"quick": 2, "slow": 4}
    assert {name: len(epochs) for name, epochs in seconds.items()} == found


def test_a_fit_that_fails_lets_the_other_go_on():
    class Runner:
        def epoch(self):
            pass

    def broken():
        raise FloatingPointError("diverged")

    with pytest.raises(FloatingPointError, match="diverged"):
        _turns.epochs_by_turns({"one": Runner}, {"other": broken, "one": lambda: Runner().epoch()})
