"""Fits of factorization machines that are interrupted go on where they were, to the same result to the bit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from intertwine import FMClassifier, FMRegressor, LocalFMClassifier, LocalFMRegressor
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import Silence, Watch
from intertwine.io import Journal

N, P = 60, 6
RNG = np.random.default_rng(4)
X = RNG.standard_normal((N, P))  # six entries a row: sweeps keep running sums
F = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * RNG.standard_normal(N)
CLASSES = np.digitize(F, [-0.7, 0.7])

ALS = {"solver": "als", "n_components": 2, "max_iter": 45, "tol": 0.0, "random_state": 1}
PASSES = {"solver": "adagrad", "n_components": 2, "max_iter": 12, "tol": 0.0, "random_state": 1}
LOCAL = {
    "n_anchors": 4,
    "n_components": 2,
    "max_iter": 12,
    "n_epochs": 6,
    "batch_size": 16,
    "random_state": 1,
}
#: Estimator, outcome, and of which call on the numbers of an iteration Ctrl-C is pressed.
FITS = {
    "ALS": (FMRegressor(**ALS), F, (4, 10, 33)),
    "ALS, three classes": (FMClassifier(**ALS | {"max_iter": 25}), CLASSES, (12, 37, 70)),
    "AdaGrad": (FMRegressor(**PASSES), F, (1, 7)),
    "AdaGrad, rows held out": (FMRegressor(validation_fraction=0.3, **PASSES), F, (2, 11)),
    "AdaGrad, third order": (FMClassifier(order=3, linear=False, **PASSES), CLASSES, (6, 13, 30)),
    "local, both solvers": (LocalFMRegressor(**LOCAL), F, (1, 6, 7, 15)),
    "local, L-BFGS": (LocalFMRegressor(coding="adaptive", tol=0.0, **LOCAL), F, (3, 11)),
    "local, latent space": (LocalFMClassifier(space="latent", **LOCAL), CLASSES, (5, 30)),
    "local, ensemble": (LocalFMRegressor(solver="adam", n_estimators=3, **LOCAL), F, (4, 9, 17)),
}


class _Pressed:
    """Ctrl-C at one of the iterations that a fit tells of."""

    def __init__(self, monkeypatch, at):
        self.seen, self.at = 0, at
        monkeypatch.setattr(Silence, "iteration", lambda _, row, state: self.told())

    def told(self):
        self.seen += 1
        if self.seen == self.at:
            raise KeyboardInterrupt


def interrupted(fit, at, monkeypatch):
    """Interrupt a fit, do it again; how many iterations the second run made."""
    with monkeypatch.context() as patch:
        _Pressed(patch, at)
        with pytest.raises(KeyboardInterrupt):
            fit()
    with monkeypatch.context() as patch:
        again = _Pressed(patch, None)
        fit()
    return again.seen


def assert_same(left, right):
    np.testing.assert_array_equal(left.predict(X), right.predict(X))
    ours, theirs = (model.history_.drop(columns="seconds", errors="ignore") for model in (left, right))
    np.testing.assert_array_equal(ours.to_numpy(), theirs.to_numpy())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", FITS)
def test_an_interrupted_fit_goes_on_to_the_same_result(name, tmp_path, monkeypatch):
    estimator, y, places = FITS[name]
    whole = clone(estimator)
    with monkeypatch.context() as patch:
        counter = _Pressed(patch, None)
        whole.fit(X, y)
    for at in places:
        model = clone(estimator).set_params(checkpoint=tmp_path / "work")
        again = interrupted(lambda model=model: model.fit(X, y), at, monkeypatch)
        assert_same(model, whole)
        lost = 10 if name.startswith("ALS") else 1  # sums over rows are not kept
        assert again <= counter.seen - at + lost
        assert not list(tmp_path.iterdir())


def chunks():
    """A stream that lies nowhere."""
    for start in range(0, N, 25):
        part = slice(start, start + 25)
        yield sparse.csr_array(X[part]), CLASSES[part]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_interrupted_stream_goes_on_to_the_same_result(tmp_path, monkeypatch):
    whole = FMClassifier(**PASSES).fit_stream(chunks())
    model = FMClassifier(**PASSES, checkpoint=tmp_path / "work")
    again = interrupted(lambda: model.fit_stream(chunks()), 20, monkeypatch)
    assert again < 3 * PASSES["max_iter"] - 15
    assert_same(model, whole)
    _Pressed(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        model.fit_stream(chunks())
    with pytest.raises(ValueError, match="begun with other data"):
        model.fit_stream([(X, CLASSES)])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_machines_in_threads_are_kept_in_their_order(tmp_path, monkeypatch):
    """Half finished by one thread, then by two, then by one again."""
    settings = LOCAL | {"solver": "adam", "n_estimators": 5}
    whole, path = LocalFMRegressor(**settings).fit(X, F), tmp_path / "work"
    per_machine, seen = settings["n_epochs"], 0
    for n_jobs, at in ((None, 9), (2, 2 * per_machine)):
        with monkeypatch.context() as patch:
            _Pressed(patch, at)
            with pytest.raises(KeyboardInterrupt):
                LocalFMRegressor(**settings, n_jobs=n_jobs, checkpoint=path).fit(X, F)
        assert path.exists()
    with monkeypatch.context() as patch:
        rest = _Pressed(patch, None)
        model = LocalFMRegressor(**settings, checkpoint=path).fit(X, F)
        seen = rest.seen
    assert seen <= 4 * per_machine  # the first machine at least was done before
    assert_same(model, whole)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"y": F**2}, "data"),
        ({"X": sparse.csr_array(np.column_stack([X, np.zeros(N)]))}, "data"),
        ({"sample_weight": np.arange(N) + 1.0}, "data"),
        ({"alpha": 0.5}, "parameters"),
    ],
)
@pytest.mark.filterwarnings("ignore:X is constant")
@pytest.mark.parametrize("estimator", [FMRegressor(**ALS), FMRegressor(**PASSES), LocalFMRegressor(**LOCAL)])
def test_other_work_is_refused(estimator, changed, kind, tmp_path, monkeypatch):
    model = clone(estimator).set_params(checkpoint=tmp_path / "work")
    with monkeypatch.context() as patch:
        _Pressed(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            model.fit(sparse.csr_array(X), F)
    before = model.checkpoint.read_bytes()
    rows = {"X": sparse.csr_array(X), "y": F} | changed
    if "alpha" in rows:
        model.set_params(alpha=rows.pop("alpha"))
    with pytest.raises(ValueError, match=f"begun with other {kind}"):
        model.fit(**rows)
    assert model.checkpoint.read_bytes() == before


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("settings", [ALS, PASSES, {"n_components": 2, "max_iter": 40, "random_state": 1}])
def test_a_warm_start_from_another_fit_is_other_work(settings, tmp_path, monkeypatch):
    path = tmp_path / "work"
    first, other = (
        FMRegressor(**settings | {"warm_start": True, "random_state": s}).fit(X, F) for s in (1, 2)
    )
    with monkeypatch.context() as patch:
        _Pressed(patch, 2 if "solver" in settings else 25)
        with pytest.raises(KeyboardInterrupt):
            first.set_params(checkpoint=path).fit(X, F)
    with pytest.raises(ValueError, match="begun with other data"):
        other.set_params(checkpoint=path, random_state=1).fit(X, F)
    assert len(first.fit(X, F).history_)


class _StandsStill(NamedTuple):
    """A solver that stands still in its second step, and would move on in its third."""

    params: int
    value: float
    optimality: float

    @staticmethod
    def init(problem, params):
        return _StandsStill(params, (8.0, 4.0, 4.0, 1.0)[params], 1.0)

    @staticmethod
    def step(problem, state):
        return _StandsStill.init(problem, state.params + 1)


class _Killed(_StandsStill):
    """Is interrupted when the descent has ended, before its result is on record."""

    @staticmethod
    def converged(state):
        if state.params == 2:
            raise KeyboardInterrupt
        return False


class _Whole(_StandsStill):
    @staticmethod
    def converged(state):
        return False


def test_a_descent_that_stood_still_when_it_was_interrupted_does_not_move_on(tmp_path):
    def run(solver):
        with Journal(tmp_path / "work", {}) as journal:
            return descended("descent", None, solver, 0, 9, Watch(Silence(), journal))

    with pytest.raises(KeyboardInterrupt):
        run(_Killed)
    assert (tmp_path / "work").exists()
    found = run(_Whole)
    assert (found.params, [row.value for row in found.history], found.ended) == (2, [4.0, 4.0], True)
