"""When a run of AdaGrad ends: converged, diverged, or on its way however large the value it cannot lower."""

import numpy as np
import pytest

from intertwine.fitting.fm.chunks import labelled_rows
from intertwine.fitting.fm.stream import AdaGradSettings, fit_table, update
from intertwine.fitting.fm.units import SquaredRows
from intertwine.solvers.adagrad import AdaGrad, Point
from intertwine.structures.fm import FactorizationMachine


def product(n=400):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4))
    return X, X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(n)


@pytest.mark.parametrize("learning_rate", [100.0, 1e10])
@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_passes_far_worse_than_the_start_are_an_error(learning_rate, fraction):
    settings = AdaGradSettings(learning_rate=learning_rate, validation_fraction=fraction)
    with pytest.raises(ValueError, match=r"overflow at epoch \d+; lower learning_rate"):
        fit_table(SquaredRows(), labelled_rows(*product()), FactorizationMachine(2), settings, 0)


class Told:
    """Passes with values told beforehand."""

    far_worse, constant_value = 2.0, 1.0

    def __init__(self, values, judges):
        self.values, self.judges = values, judges

    def first_value(self, point):
        return 1.0

    def visit(self, point, learning_rate):
        n = point.n_passes + 1
        return point._replace(n_passes=n), self.values[min(n, len(self.values)) - 1]


@pytest.mark.parametrize("judges", [False, True])
@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.5, 1.2, 1.2], False), ([1.0], False), ([0.999, 0.9985, 0.998], False), ([0.9], True)],
)
def test_what_never_improved_or_still_improves_has_not_converged(judges, values, expected):
    solver, problem = AdaGrad(0.1, 1.0, patience=3), Told(values, judges)
    state = solver.init(problem, Point(None, None, 0))
    for _ in range(3 + expected):
        state = solver.step(problem, state)
    assert solver.converged(state) == expected


@pytest.mark.parametrize("offset", [0.0, 100.0, -100.0])
def test_an_outcome_far_from_zero_is_learnt_without_intercept(offset):
    X, y = product()
    levels = np.hstack([X, np.eye(5)[np.arange(400) % 5]])
    settings = AdaGradSettings(rates=(0.0, 1.0, 1.0, 1.0), max_iter=400)
    fm = FactorizationMachine(2)
    fit = fit_table(SquaredRows(), labelled_rows(levels, y + offset), fm, settings, 0)
    assert np.mean((fm.score(fit.params, levels) - y - offset) ** 2) < 0.1 * y.var()


def test_an_update_gains_the_share_by_which_the_value_fell():
    X, y = product()
    fit = None
    for _ in range(3):
        fit = update(SquaredRows(), labelled_rows(X, y), FactorizationMachine(2), AdaGradSettings(), 0, fit)
    before, after = fit.history[-2:]
    assert after.optimality > 0.0
    np.testing.assert_allclose(after.optimality, (before.value - after.value) / after.value)
