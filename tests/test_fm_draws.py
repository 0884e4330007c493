"""What a chain draws from and keeps, and what rows say of their outcome before the first pass."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import entropy

from intertwine import FMRegressor
from intertwine.fitting.fm.chunks import labelled_rows
from intertwine.fitting.fm.gibbs import _sweeps_to_keep, scale_reduction
from intertwine.fitting.fm.units import LogisticRows, Seen, SquaredRows
from intertwine.losses.working import GaussianResponse
from intertwine.solvers.gibbs import GibbsSampler


class Above:
    """Every draw lies one standard deviation above its mean, and a precision at its mean."""

    @staticmethod
    def standard_normal(size=()):
        return np.ones(size)

    @staticmethod
    def gamma(shape, scale):
        return shape * scale


class Weights:
    """Rows of a linear model that keep what they are told."""

    def __init__(self, X):
        self.X = X

    def scores(self, table):
        return self.X @ table[:, 0]

    def begin(self, table):
        return {}

    def replace(self, running, target, fitted, weight):
        running.update(target=target, fitted=fitted, weight=weight)
        self.told = dict(running)

    def run(self, running, table, mean, precision, noise):
        self.told.update(mean=mean.copy(), precision=precision.copy(), noise=noise.copy())
        table += 0.5
        return self.scores(table)


def test_a_sweep_draws_from_the_conditional_distributions_of_the_paper():
    """Rendle (2012), ACM TIST 3(3):57, Eqs. 28 to 37, with α₀ = β₀ = γ₀ = 1 and μ₀ = 0."""
    rng = np.random.default_rng(0)
    X, y, weight = rng.standard_normal((12, 5)), rng.standard_normal(12) + 2.0, rng.uniform(1.0, 2.0, 12)
    group, table = np.array([0, 0, 1, 1, 1]), rng.standard_normal((5, 1))
    model = Weights(X)
    sampler = GibbsSampler(model, GaussianResponse(y, weight), group, True)
    state = sampler.start(1.3, table)
    np.testing.assert_allclose(state.scores, 1.3 + X @ table[:, 0])
    state = state._replace(prior_mean=np.array([[0.7], [-0.4]]))
    (after,) = (now._replace(table=now.table.copy()) for now in sampler.run(state, 1, Above()))

    residual = y - state.scores
    noise = (1.0 + weight.sum()) / (1.0 + weight @ residual**2)
    intercept = 1.3 + weight @ residual / weight.sum() + 1.0 / np.sqrt(noise * weight.sum())
    assert after.noise_precision == pytest.approx(noise)
    assert after.intercept == pytest.approx(intercept)
    for g, mean in enumerate((0.7, -0.4)):
        rows = table[group == g, 0]
        precision = (len(rows) + 2.0) / (np.sum((rows - mean) ** 2) + mean**2 + 1.0)
        mean = rows.sum() / (len(rows) + 1.0) + 1.0 / np.sqrt((len(rows) + 1.0) * precision)
        assert model.told["precision"][g] == pytest.approx(precision / noise)
        assert model.told["mean"][g] == pytest.approx(mean)
    np.testing.assert_allclose(model.told["noise"], 1.0 / np.sqrt(noise))
    np.testing.assert_allclose(model.told["target"], y - intercept)
    np.testing.assert_allclose(model.told["fitted"], X @ table[:, 0])
    np.testing.assert_allclose(after.scores, intercept + X @ (table[:, 0] + 0.5))


def test_the_last_sweep_is_kept_with_its_noise():
    settings = SimpleNamespace(max_iter=50, n_burn_in=20, n_samples=7)
    kept = sorted(_sweeps_to_keep(settings))
    assert len(kept) == 7
    assert kept[-1] == 50
    assert kept[0] > 20
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3))
    y = X @ [1.0, 2.0, -1.0] + rng.standard_normal(100)
    fitted = FMRegressor(n_components=1, max_iter=12, n_samples=3, random_state=0).fit(X, y)._models[0][1]
    np.testing.assert_array_equal(fitted.noise, fitted.history[[4, 7, 11], 2])
    assert scale_reduction(np.tile([0.0, 1.0], 40)) == pytest.approx(np.sqrt(19 / 20))


@pytest.mark.parametrize("loss", [SquaredRows(), LogisticRows()])
def test_rows_tell_the_unit_of_the_outcome_and_what_a_constant_loses(loss):
    rng = np.random.default_rng(0)
    X, weight = rng.standard_normal((40, 6)), rng.uniform(0.5, 2.0, 40)
    y = X[:, 0] + 0.5 * rng.standard_normal(40)
    y = y + 3.0 if isinstance(loss, SquaredRows) else np.where(y > 0.3, 1.0, -1.0)
    seen = Seen.nothing(6).and_then([labelled_rows(X, y, weight)])
    mean = np.average(y, weights=weight)
    assert seen.mean == pytest.approx(mean)
    assert seen.spread == pytest.approx(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
    assert seen.size == pytest.approx(np.sqrt(np.average(y**2, weights=weight)))
    for intercept in (True, False):
        if isinstance(loss, LogisticRows):  # the entropy of a coin that shows its most likely share
            expected = entropy([expit(loss.start(seen, intercept)), expit(-loss.start(seen, intercept))])
        else:
            expected = 0.5 * np.average((y - loss.start(seen, intercept)) ** 2, weights=weight)
        assert loss.constant(seen, intercept) == pytest.approx(expected)
