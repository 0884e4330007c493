"""The search for shapes: one variable at few points, and the summed likelihood of all outputs."""

from types import SimpleNamespace

import numpy as np
import pytest
from dense_mixed_model import DenseSystem
from scipy.optimize import minimize

from intertwine.effects import AR1, Grouped, Spatial
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.mixed_effects import shapes as shapes_module
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.scalar_search import maximize_scalar
from intertwine.mixed_effects.shapes import cautions, fit_shapes
from intertwine.mixed_effects.variances import fit_variances, start_variances


@pytest.mark.parametrize(
    ("function", "top", "most"),
    [
        (lambda x: -((x - 0.3) ** 2), 0.3, 6),
        (lambda x: -np.exp(x) + 2 * x, np.log(2), 10),
        (lambda x: -(abs(x - 1.234) ** 1.5), 1.234, 25),
        (lambda x: -np.log1p((x + 2) ** 2), -2.0, 15),
        (lambda x: -100 * (x - 2.9) ** 2, 2.9, 8),
    ],
)
def test_a_maximum_within_is_found_in_few_evaluations(function, top, most):
    found = maximize_scalar(function, 0.0, -4.0, 4.0, tolerance=1e-5)
    assert (found.bound, found.converged) == (0, True)
    assert function(top) - found.value < 1e-3
    assert found.n_evaluations <= most


def test_a_maximum_on_a_bound_is_named():
    up, down = (maximize_scalar(lambda x, s=s: s * x, 0.1, -2.0, 3.0) for s in (1, -1))
    assert (up.x, up.bound, down.x, down.bound) == (3.0, 1, -2.0, -1)
    same = maximize_scalar(lambda x: -x, 1.0, 1.0, 1.0)
    assert (same.bound, same.n_evaluations, same.converged) == (0, 1, True)


@pytest.mark.parametrize(("slope", "expected"), [(1, [0, 1, 3, 7, 15, 20]), (-1, [0, 1, -2, -6, -14, -20])])
def test_steps_towards_a_far_maximum_double(slope, expected):
    tried = []
    maximize_scalar(lambda x: tried.append(x) or slope * x, 0.0, -20.0, 20.0)
    assert tried[:6] == expected


def test_parabolas_that_do_not_narrow_the_bracket_give_way():
    """At a cusp far from zero, where only a bracket that is stuck tells that parabolas are of no use."""
    found = maximize_scalar(lambda x: -(abs(x - 4.3) ** 0.5), 5.5, 4.0, 6.0, step=0.5, tolerance=1e-6)
    assert found.converged
    assert found.x == pytest.approx(4.3, abs=1e-5)
    assert found.n_evaluations < 30


def test_a_lopsided_bracket_is_cut_in_its_longer_part():
    def lopsided(x):
        return -np.exp(4.0 * (x - 8.0)) - np.exp(-2.0 * (x - 8.0))

    found = maximize_scalar(lopsided, 5.5, 5.0, 9.0, step=0.5, tolerance=1e-12, max_evaluations=60)
    assert found.converged
    assert found.x == pytest.approx(8.0 - np.log(2.0) / 6.0, abs=1e-6)
    assert found.n_evaluations < 18


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_every_step_within_a_bracket_is_one_of_three(side):
    """The top of a parabola, a golden section, or a twentieth where that top is too near, both into the longer part."""

    def lopsided(x):
        return -np.exp(4.0 * (side * x - 8.0)) - np.exp(-2.0 * (side * x - 8.0))

    functions = lopsided, lambda x: -(abs(x - side * 8.3) ** 0.5), lambda x: -((side * x - 7.9) ** 4)
    kinds = set()
    for function in functions:
        tried: list[float] = []
        low, high = sorted([5.0 * side, 9.0 * side])

        def told(x, function=function, tried=tried):
            assert x not in tried, "a point is tried again, and the search would never end"
            tried.append(x)
            return function(x)

        maximize_scalar(told, 5.5 * side, low, high, step=0.5, tolerance=1e-13, max_evaluations=60)
        for count in range(3, len(tried)):
            known = sorted(tried[:count])
            at = int(np.argmax([function(x) for x in known]))
            if not 0 < at < count - 1:
                continue
            nearest = np.array(known[at - 1 : at + 2])
            left, best, right = nearest
            new, width, longer = tried[count], right - left, right - best > best - left
            ways = {
                "golden": best + 0.381966 * (right - best if longer else left - best),
                "twentieth": best + 0.05 * (width if longer else -width),
            }
            near = {name for name, x in ways.items() if abs(new - x) < 1e-9 * width}
            if not near:
                bend, slope, _ = np.polyfit(nearest - best, [function(x) for x in nearest], 2)
                assert new == pytest.approx(best - 0.5 * slope / bend, abs=1e-3 * width)
                assert abs(new - best) >= 0.02 * width
            kinds |= near
    assert kinds == {"golden", "twentieth"}


def test_a_search_cut_short_says_so():
    found = maximize_scalar(lambda x: -((x - 0.3) ** 2), 0.0, -4.0, 4.0, max_evaluations=2)
    assert (found.converged, found.n_evaluations) == (False, 2)


def test_a_plateau_ends():
    assert maximize_scalar(lambda x: 0.0, 0.0, -4.0, 4.0).converged


def field(n, p, length_scale, seed=0, kernel="matern52"):
    """Coordinates, and outcomes of a field with unit variance and noise of variance .25."""
    rng = np.random.default_rng(seed)
    coords = rng.uniform(-1, 1, (n, 2))
    rows = EffectRows(n, {None: GroupCodes(rng.integers(0, 8, n), 8)}, coords=coords)
    bound = Spatial(kernel, method="exact").bind(rows)
    root = np.linalg.cholesky(bound.prior([length_scale]).covariance)
    return rows, (root @ rng.normal(size=(n, p)))[bound.level] + 0.5 * rng.normal(size=(n, p))


def fit(effects, y, restricted=True, **more):
    fixed = np.ones((len(y), 1))
    start = start_variances(effects, y, fixed)
    return fit_shapes(
        effects, lambda s: system_for(effects, s, fixed, None, y.shape[1], restricted), y, start, **more
    )


@pytest.mark.parametrize("restricted", [True, False])
def test_length_scale_is_that_of_a_general_search_over_the_dense_model(restricted):
    rows, y = field(30, 2, 0.5)
    effects = [Spatial("matern52").bind(rows)]
    found = fit(effects, y, restricted, tolerance=1e-5)
    fixed = np.ones((30, 1))

    def minus(theta):
        shape, noise, tau = np.exp(theta[:1]), np.exp(theta[1:3]), np.exp(theta[3:])
        dense = DenseSystem(effects, [shape], fixed, None, 2, restricted)
        return -dense.posterior(y, VarianceComponents(noise, (tau[:, None, None],))).log_likelihood.sum()

    ours = np.log([*found.shapes[0], *found.variances.noise, *found.variances.effects[0].ravel()])
    best = minimize(minus, ours + 0.1, method="BFGS", options={"gtol": 1e-3})
    assert minus(ours) - best.fun < 1e-4
    np.testing.assert_allclose(ours, best.x, atol=2e-2)


def test_what_is_given_is_not_searched():
    rows, y = field(60, 1, 0.5)
    effects = [Spatial(length_scale=0.4).bind(rows)]
    found = fit(effects, y)
    assert found.shapes[0] == [0.4]
    assert len(found.shape_report.tried) == 0
    direct, _, _ = fit_variances(
        system_for(effects, fixed=np.ones((60, 1))), y, effects, start_variances(effects, y, np.ones((60, 1)))
    )
    np.testing.assert_allclose(found.variances.effects[0], direct.effects[0], rtol=1e-4)


def test_the_report_tells_what_was_tried_and_what_lies_on_a_limit():
    rows, _ = field(60, 1, 0.5)
    rough = np.random.default_rng(1).normal(size=(60, 1))
    trials = []
    effects = [Spatial("matern12").bind(rows)]
    plane = rows.coords @ np.ones((2, 1)) + 0.01 * rough
    found = fit(effects, plane, on_trial=lambda shapes, value: trials.append((shapes[0][0], value)))
    assert found.shape_report.bound[0] == [1]
    np.testing.assert_allclose(found.shape_report.tried, trials)
    assert found.posterior.log_likelihood.sum() >= max(value for _, value in trials)
    (said,) = cautions(effects, found)
    assert said.startswith("length_scale lies on the upper limit of its search, ")
    assert cautions(effects, found._replace(shape_report=found.shape_report._replace(bound=([0],)))) == []


def test_the_shape_of_a_sum_with_a_grouping():
    rows, y = field(40, 1, 0.6)
    y = y + np.random.default_rng(5).normal(size=(8, 1))[rows.groups[None].codes]
    effects = [Spatial().bind(rows), Grouped().bind(rows)]
    found = fit(effects, y, tolerance=0.1)
    assert [len(shape) for shape in found.shapes] == [1, 0]
    best, fixed = found.posterior.log_likelihood.sum(), np.ones((40, 1))
    for factor in (0.7, 1.4):
        system = system_for(effects, [found.shapes[0] * factor, found.shapes[1]], fixed)
        _, posterior, _ = fit_variances(system, y, effects, found.variances, 1e-3)
        assert posterior.log_likelihood.sum() < best


class Ridge:
    """A likelihood of two shapes that depend on each other, whatever the variances."""

    top, bend = np.log([0.5, 0.9]), np.array([[40.0, 25.0], [25.0, 30.0]])

    def __init__(self, shapes):
        self.off = np.log(np.concatenate(shapes)) - self.top

    def posterior(self, *_):
        return SimpleNamespace(log_likelihood=np.array([-self.off @ self.bend @ self.off]))


def test_shapes_that_depend_on_each_other_are_found_in_few_trials(monkeypatch):
    rows, _ = field(30, 1, 0.6)
    effects = [Spatial().bind(rows), Grouped().bind(rows), Spatial("matern12").bind(rows)]
    one = VarianceComponents(np.ones(1), (np.ones((1, 1, 1)),) * 3)
    monkeypatch.setattr(shapes_module, "fit_variances", lambda system, *_: (one, system.posterior(), None))
    found = fit_shapes(effects, Ridge, np.zeros((30, 1)), one, tolerance=1e-3)
    np.testing.assert_allclose(np.log([found.shapes[0][0], found.shapes[2][0]]), Ridge.top, atol=0.02)
    assert found.shape_report.converged
    assert len(found.shape_report.tried) < 15
    again = fit_shapes(effects, Ridge, np.zeros((30, 1)), one, shapes=[[8.0], [], [8.0]])
    np.testing.assert_allclose(again.shapes[2], found.shapes[2], rtol=0.05)


def test_a_trial_without_noise_does_not_hold_back_those_that_follow():
    """At the first length scale the best noise is next to nothing, at the best one it is a sixth of the variance."""
    rng, series = np.random.default_rng(7), []
    for _ in range(12):
        value = rng.normal()
        for _ in range(10):
            series.append(value)
            value = 0.7 * value + np.sqrt(1 - 0.7**2) * rng.normal()
    y = (1.0 + np.array(series) + 0.4 * rng.normal(size=120))[:, None]
    groups, time = np.repeat(np.arange(12), 10), np.tile(np.arange(10.0), 12)
    effects = [AR1().bind(EffectRows(120, {None: GroupCodes(groups, 12)}, time=time))]
    fixed = np.ones((120, 1))
    start = start_variances(effects, y, fixed)
    found = fit(effects, y)

    def at(scale):
        system = system_for(effects, [np.array([scale])], fixed, None, 1, True)
        return fit_variances(system, y, effects, start)[1].log_likelihood[0]

    best = max(at(scale) for scale in found.shapes[0][0] * np.exp([-0.3, -0.1, -0.02, 0.02, 0.1, 0.3, 0.6]))
    assert found.posterior.log_likelihood[0] > best - 1e-5
    assert found.shape_report.converged
    assert len(found.shape_report.tried) <= 10
