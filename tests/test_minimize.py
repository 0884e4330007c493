"""The loop: history, callbacks, resuming, interruption."""

import time
from typing import NamedTuple

import numpy as np
import pytest

from intertwine.minimize import Checkpoint, Iteration, minimize
from intertwine.solvers.als import AlternatingLeastSquares
from intertwine.solvers.base import AbstractSolver
from intertwine.solvers.lbfgs import LBFGS
from intertwine.solvers.sgd import FactorTables, StochasticDescent


class State(NamedTuple):
    params: float
    value: float
    optimality: float


class Newton(AbstractSolver):
    """Square roots: the root of x² − problem."""

    def init(self, problem, params):
        return State(params, 0.5 * (params * params - problem) ** 2, abs(params * params - problem))

    def step(self, problem, state):
        return self.init(problem, 0.5 * (state.params + problem / state.params))


def test_it_runs_to_the_tolerance_and_records_every_step():
    began = time.perf_counter()
    result = minimize(2.0, Newton(1e-9), 1.0)
    assert 0.0 <= result.history[-1].seconds <= time.perf_counter() - began
    assert result.converged
    assert result.params == pytest.approx(2**0.5)
    assert [row.iteration for row in result.history] == list(range(len(result.history)))
    assert result.history[-1].value == result.state.value
    assert all(a.seconds <= b.seconds for a, b in zip(result.history, result.history[1:], strict=False))


def test_a_point_that_is_good_enough_is_left_alone():
    result = minimize(2.0, Newton(1e-9), 2.0**0.5)
    assert result.params == 2.0**0.5
    assert len(result.history) == 1


def test_max_iter_is_the_number_of_steps():
    result = minimize(2.0, Newton(0.0), 100.0, max_iter=3)
    assert not result.converged
    assert len(result.history) == 4


def test_a_step_that_changes_nothing_ends_the_run():
    result = minimize(2.0, Newton(0.0), 1.0, max_iter=1000)
    assert not result.converged
    assert len(result.history) < 20


def test_a_resumed_run_repeats_the_uninterrupted_one():
    whole = minimize(2.0, Newton(1e-12), 50.0)
    first = minimize(2.0, Newton(1e-12), 50.0, max_iter=4)
    rest = minimize(2.0, Newton(1e-12), start=first.state)
    assert rest.params == whole.params
    assert len(first.history) + len(rest.history) - 1 == len(whole.history)


def test_callbacks_see_every_row_and_may_stop():
    seen, stopped = [], []

    def stop(row, state):
        stopped.append(row.iteration)
        return row.iteration == 2

    result = minimize(2.0, Newton(0.0), 100.0, callbacks=[stop, lambda row, state: seen.append(state)])
    assert stopped == [0, 1, 2]
    assert len(seen) == 3  # the one behind is called all the same
    assert result.state is seen[-1]


def test_an_interruption_passes_through():
    saved = []

    def interrupt(row, state):
        if row.iteration == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(2.0, Newton(0.0), 100.0, callbacks=[Checkpoint(saved.append, 0.0), interrupt])
    # what was saved is whole, and a run can go on from it
    assert minimize(2.0, Newton(1e-9), start=saved[-1]).converged


def test_a_checkpoint_waits_for_its_time():
    saved = []
    checkpoint = Checkpoint(saved.append, every_seconds=10.0)
    for iteration, seconds in enumerate([0.0, 1.0, 5.0, 11.0, 12.0, 21.5]):
        checkpoint(Iteration(iteration, 0.0, 0.0, seconds), iteration)
    assert saved == [1, 3, 5]


@pytest.mark.parametrize("given", [{}, {"params": 1.0, "start": State(1.0, 0.0, 0.0)}])
def test_one_starting_point_is_needed(given):
    with pytest.raises(ValueError, match="either params or start"):
        minimize(2.0, Newton(1e-9), **given)


def test_a_step_where_nothing_can_be_computed_is_shortened():
    class Steep:
        def value_and_gradient(self, params):
            if np.max(np.abs(params)) > 2.0:
                raise FloatingPointError("overflow")
            return float(np.sum((params - 1.9) ** 2)), 2.0 * (params - 1.9)

    result = minimize(Steep(), LBFGS(1e-12), np.array([1e-3, -1.0]))
    np.testing.assert_allclose(result.params, 1.9, rtol=1e-6)


def test_the_value_does_not_rise_by_the_little_that_a_line_search_may_be_off():
    class Kinked:
        def value_and_gradient(self, params):
            (x,) = params
            return (1.0 + 5e-6, np.zeros(1)) if x < 0.95 else (x, np.ones(1))

    state = LBFGS(1e-9).init(Kinked(), np.ones(1))
    assert LBFGS(1e-9).step(Kinked(), state).value < 1.0  # its first trial, at 0.9, is a little above it


def test_alternating_least_squares_measures_a_sweep_by_the_share_that_it_gained():
    class Halved:
        def scores(self, params):
            return params

        def value(self, params, scores):
            return float(params)

        def majorized(self, scores):
            return scores

        def sweep(self, params, majorized, scores):
            return params / 2

    solver = AlternatingLeastSquares(0.1)
    state = solver.step(Halved(), solver.init(Halved(), 1e-3))
    assert (state.value, state.optimality) == (5e-4, 1.0)  # as much again as what is left


def test_stochastic_descent_measures_an_epoch_by_the_share_that_it_changed():
    class Halved:
        def epoch(self, tables, rate):
            tables.users[:] *= rate
            return 2.0 * float(tables.users.sum())

        def penalty(self, tables):
            return float(tables.items.sum())

    solver = StochasticDescent(0.1, 0.5)
    state = solver.init(Halved(), FactorTables(np.full((1, 1), 4e-3), np.full((1, 1), 1e-3)))
    first = solver.step(Halved(), state)
    second = solver.step(Halved(), first)
    assert (first.value, second.value) == (3e-3, 2e-3)
    assert second.optimality == pytest.approx(0.5)
    assert state.params.users[0, 0] == 4e-3


class Walled:
    """A parabola of which nothing is known but the place where one stands."""

    def value_and_gradient(self, params):
        return (5.0, np.array([4.0, 2.0])) if params.tolist() == [2.0, 1.0] else (np.inf, np.zeros(2))


def test_a_direction_that_leads_up_is_replaced_by_the_gradient():
    class Bowl:
        def value_and_gradient(self, params):
            return float(params @ params), 2.0 * params

    solver, at = LBFGS(1e-9), np.array([2.0, 1.0])
    state = solver.init(Bowl(), at)
    known = {"moves": np.eye(2)[:1], "changes": np.eye(2)[:1]}
    up = solver.step(Bowl(), state._replace(direction=state.gradient, **known))
    down = solver.step(Bowl(), state._replace(direction=-state.gradient, **known))
    np.testing.assert_array_equal(up.params, down.params)
    assert up.value < state.value
    stuck = solver.init(Walled(), at)._replace(direction=np.array([-1.0, 0.0]), **known)
    np.testing.assert_array_equal(solver.step(Walled(), stuck).direction, [-4.0, -2.0])
