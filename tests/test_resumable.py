"""Fits of ratings that are interrupted go on where they were, to the same result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from test_latent_factors import ratings

from intertwine import LatentFactorModel
from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.fitting.resumable import descended
from intertwine.fitting.watch import UNWATCHED, Silence

SOLVERS = {
    "variational": {"max_iter": 30},
    "als": {"max_iter": 30, "tol": 0.0},
    "gauss_newton": {"max_iter": 20},
    "gauss_newton to the optimum": {"max_iter": 20, "validation_fraction": 0.0},
    "sgd": {"max_iter": 20},
    "gibbs": {"max_iter": 50},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("interrupted_at", [1, 5, 9])
def test_an_interrupted_fit_goes_on_to_the_same_result(name, interrupted_at, tmp_path, monkeypatch):
    X, y = ratings(n=300)
    path = tmp_path / "progress"
    settings = {"n_components": 2, "solver": name.split(" ")[0], "random_state": 3} | SOLVERS[name]
    whole = LatentFactorModel(**settings).fit(X, y)
    seen = []

    def told(self, row, state):
        seen.append(row.iteration)
        if row.iteration == interrupted_at and len(seen) <= interrupted_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(Silence, "iteration", told)
    model = LatentFactorModel(**settings, checkpoint=path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert path.exists()
    assert not hasattr(model, "n_features_in_")
    seen.extend(range(interrupted_at))  # from here on nothing is interrupted
    n_before = len(seen)
    model.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    ours, theirs = (one.history_.drop(columns="seconds") for one in (model, whole))
    np.testing.assert_array_equal(ours.to_numpy(), theirs.to_numpy())
    assert (np.diff(whole.history_["seconds"], prepend=0.0) > 0.0).all()
    if interrupted_at > 1 and name != "gibbs":  # draws are kept by the round
        assert len(seen) - n_before < whole.n_iter_
    assert not path.exists()


class Halving(NamedTuple):
    """A solver that never settles by itself; an error that is least at 1/8."""

    params: float
    value: float
    optimality: float

    @staticmethod
    def init(problem, params):
        return Halving(params, params**2, 1.0)

    @staticmethod
    def step(problem, state):
        return Halving.init(problem, state.params / 2)

    @staticmethod
    def converged(state):
        return False


@pytest.mark.parametrize(("max_iter", "settled"), [(4, False), (5, False), (6, True), (30, True)])
def test_a_descent_has_settled_when_it_was_stopped_before_the_last_iteration(max_iter, settled):
    stopping = EarlyStopping(lambda params: abs(params - 0.125), patience=2)
    found = descended("descent", None, Halving, 1.0, max_iter, UNWATCHED, stopping=stopping)
    assert found.settled == settled
    assert (found.params, len(found.history)) == (0.125, min(max_iter, 5))
