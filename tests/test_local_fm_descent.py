"""The stochastic descent of local factorization machines: its kernels against plain ones, and where it ends."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from intertwine.fitting.local_fm.descent import LocalFMDescent
from intertwine.fitting.local_fm.feature_scaling import FeatureScaling
from intertwine.fitting.local_fm.fit import Batch, Descent, LocalFMSettings, Stochastic, fit_local_fm
from intertwine.fitting.local_fm.problem import LocalFMProblem
from intertwine.fitting.local_fm.start import start_of, unit_projection
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.minimize import minimize
from intertwine.solvers.row_adam import FADING, SQUARE_FADING, RowMoments, step_rows
from intertwine.structures import _local_fm_kernels as kernels
from intertwine.structures.coding import AdaptiveCoding, GaussianCoding
from intertwine.structures.local_fm import Anchors, LocalFM, LocalFMParams, Rows

N, P, K, M = 60, 4, 2, 5


def table(seed=0, density=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) * (rng.random((N, P)) < density)
    return X, np.sign(X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(N)), rng


def problem(coding, latent=0, alpha=0.01, alpha_anchors=0.02, loss=None):
    X, y, rng = table()
    machine = LocalFM(P, K, M, coding)
    projection = rng.standard_normal((P, latent)) if latent else np.zeros((P, 0))
    rows = sparse.csr_array(X)
    start = start_of(machine, rows, np.ones(N), projection, None, rng)
    loss = LogisticLoss(y, rng.uniform(0.5, 2, N)) if loss is None else loss
    return LocalFMProblem(loss, rows, machine, start, alpha, alpha_anchors, True, latent > 0), start, rng


@pytest.mark.parametrize("latent", [0, 3])
@pytest.mark.parametrize("coding", [GaussianCoding(M), AdaptiveCoding(M)], ids=["gaussian", "adaptive"])
def test_the_gradient_of_the_objective_is_its_derivative(coding, latent):
    objective, start, rng = problem(coding, latent)
    at = objective.pack(start) + 0.1 * rng.standard_normal(objective.pack(start).size)
    value, gradient = objective.value_and_gradient(at)
    along, step = rng.standard_normal(at.size), 1e-6
    ahead, behind = (objective.value_and_gradient(at + s * along)[0] for s in (step, -step))
    assert (ahead - behind) / (2 * step) == pytest.approx(gradient @ along, rel=1e-6)
    params = objective.unpack(at)
    penalty = 0.01 * sum((part**2).sum() for part in (params.intercepts, params.experts))
    penalty += 0.02 * ((params.anchors - start.anchors) ** 2).sum()
    penalty += 0.01 * ((params.projection - start.projection) ** 2).sum()
    assert value == pytest.approx(objective.loss.value(objective.scores(params)) + 0.5 * penalty)


def test_scores_that_overflow_are_a_step_too_far_and_no_result():
    objective, start, _ = problem(GaussianCoding(2))
    with pytest.raises(FloatingPointError):
        objective.value_and_gradient(objective.pack(start) + 1e200)


@pytest.mark.parametrize("density", [1.0, 0.4])
def test_anchors_move_as_written_out_and_carry_their_norms(density):
    X, _, rng = table(3, density)
    rows, z = Rows.of(sparse.csr_array(X)), rng.standard_normal((M, P))
    anchors = Anchors.of(z)
    nearest = rng.integers(0, M, (N, 2)).astype(np.int32)
    slopes, counts = 0.01 * rng.standard_normal((N, 2)), rng.integers(1, 3, N).astype(np.int32)
    distances, energy = rng.random((N, 2)), rng.random(M)
    by_hand, z = energy.copy(), z.copy()
    for i in range(M):
        own = (nearest == i) & (np.arange(2) < counts[:, None])
        by_hand[i] = 0.9 * energy[i] + 0.1 * (4 * slopes**2 * distances)[own].sum()
    for n in range(N):
        for a in range(counts[n]):
            i = nearest[n, a]
            c = np.clip(-2 * slopes[n, a] * 0.3 / np.sqrt(by_hand[i] / 0.8), -0.5, 0.5)
            z[i] += c * (z[i] - X[n])
    kernels.move_anchors(*rows, nearest, counts, slopes, distances, 0.3, energy, 0.9, 0.8, *anchors)
    np.testing.assert_allclose(energy, by_hand)
    np.testing.assert_allclose(anchors.rows, z, rtol=1e-10)
    np.testing.assert_allclose(anchors.squares, (z**2).sum(axis=1), rtol=1e-9)


def test_anchors_that_shrink_for_long_are_written_out_anew():
    rows = Rows.of(sparse.csr_array(np.array([[0.0, 1.0, 0.0]])))
    anchors = Anchors.of(np.array([[4.0, -3.0, 2.0]]))
    one, zero = np.ones((1, 1)), np.zeros((1, 1), dtype=np.int32)
    for _ in range(60):
        kernels.move_anchors(*rows, zero, np.ones(1, np.int32), one, one, 9.0, np.ones(1), 1.0, 1.0, *anchors)
    np.testing.assert_allclose(anchors.rows, [[0.0, 1.0, 0.0]], atol=1e-12)
    assert anchors.scale[0] > 1e-5


def test_rows_that_were_left_out_step_as_rows_without_a_gradient():
    rng = np.random.default_rng(0)
    lazy, dense = np.ones((3, 2)), np.ones((3, 2))
    moments, first, second = RowMoments.of(lazy), np.zeros((3, 2)), np.zeros((3, 2))
    for time in range(1, 8):
        touched = np.flatnonzero(rng.random(3) < 0.5)
        gradient = np.zeros((3, 2))
        gradient[touched] = rng.standard_normal((len(touched), 2))
        first = FADING * first + (1 - FADING) * gradient
        second = SQUARE_FADING * second + (1 - SQUARE_FADING) * gradient**2
        move = first / (1 - FADING**time) / (np.sqrt(second / (1 - SQUARE_FADING**time)) + 1e-8)
        dense[touched] -= 0.1 * move[touched]
        step_rows(lazy, gradient, moments, touched, time, 0.1, alpha=0.0)
        assert not gradient.any()
        np.testing.assert_allclose(lazy, dense, rtol=1e-12)


def test_a_penalty_owed_for_steps_left_out_is_paid_at_once():
    table, center = np.full((1, 1), 2.0), np.full((1, 1), 0.5)
    moments = RowMoments.of(table)
    step_rows(table, np.zeros((1, 1)), moments, np.array([0]), 3, 0.1, 0.2, center)
    assert moments.first[0, 0] == pytest.approx((1 - FADING) * 0.2 * 3 * 1.5)
    assert table[0, 0] < 2.0


def test_every_epoch_has_a_shuffle_of_its_own(monkeypatch):
    orders = []
    take = LogisticLoss.take
    monkeypatch.setattr(LogisticLoss, "take", lambda self, rows: orders.append(rows) or take(self, rows))
    objective, start, _ = problem(GaussianCoding(2))
    minimize(objective, LocalFMDescent(2, 0.05, N, seed=7), start, max_iter=2)
    first, _, second, _ = orders  # of each epoch: all rows, then its only batch
    assert sorted(first) == sorted(second) == list(range(N))
    assert not np.array_equal(first, second)


def test_steps_fade_to_nothing_at_the_end_of_the_schedule():
    objective, start, _ = problem(GaussianCoding(2))
    solver = LocalFMDescent(4, 0.05, N, seed=7)
    states = [solver.init(objective, start)]
    for _ in range(4):
        states.append(solver.step(objective, states[-1]))
    lengths = [
        np.abs(after.params.intercepts - before.params.intercepts).max() for before, after in pairwise(states)
    ]
    assert lengths[0] == pytest.approx(0.05, rel=1e-4)
    assert lengths[3] < 1.05 * 0.05 / 4


@pytest.mark.parametrize("latent", [0, 3])
@pytest.mark.parametrize("coding", [GaussianCoding(2), AdaptiveCoding(M)], ids=["gaussian", "adaptive"])
def test_an_interrupted_descent_goes_on_to_the_same_end(coding, latent):
    objective, start, _ = problem(coding, latent)
    solver = LocalFMDescent(4, 0.05, 16, seed=7)
    whole = minimize(objective, solver, start, max_iter=4)
    half = minimize(objective, solver, start, max_iter=2)
    resumed = minimize(objective, solver, start=half.state, max_iter=4)
    for one, other in zip(whole.params, resumed.params, strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.converged
    assert not half.converged
    assert whole.history[-1].value < whole.history[0].value


def test_mini_batches_come_near_the_optimum_of_all_rows():
    X, _, _ = table()
    y = X[:, 0] + X[:, 1] * X[:, 2]
    objective, start, _ = problem(GaussianCoding(M), loss=SquaredLoss(y / y.std()), alpha=1e-3)
    fixed = objective.with_fixed_anchors(start)
    noisy = minimize(fixed, LocalFMDescent(150, 0.05, 10, seed=0), start, max_iter=150)
    settings = LocalFMSettings(
        M, K, GaussianCoding(M), None, None, 0, False, 1e-3, 0.0, Descent(None, Batch(500, 1e-6))
    )
    exact = fit_local_fm(fixed.loss, fixed.X, settings, np.random.default_rng(1))
    assert exact.converged
    value = fixed.value_and_gradient(fixed.pack(noisy.params))[0]
    assert value < exact.history[-1].value + 0.03


def test_where_nothing_jumps_all_rows_do_it_alone():
    X, y, _ = table()
    both = Descent(Stochastic(3, 0.05, 16), Batch(5, 0.0))
    for coding, n_rows in ((GaussianCoding(2), 4 + 6), (AdaptiveCoding(M), 6)):
        settings = LocalFMSettings(M, K, coding, 1.0, None, 0, True, 1e-3, 0.0, both)
        fit = fit_local_fm(LogisticLoss(y), sparse.csr_array(X), settings, np.random.default_rng(0))
        assert [row.iteration for row in fit.history] == list(range(n_rows))
        assert (np.diff([row.seconds for row in fit.history]) >= 0).all()


def test_a_latent_space_tells_groups_of_levels_that_one_hot_rows_hide():
    """Levels of one column fall into two groups with opposite effects of another column."""
    rng = np.random.default_rng(0)
    level, x = rng.integers(0, 12, 600), rng.standard_normal(600)
    y = np.where(level % 2 == 0, x, -x)
    X = sparse.csr_array(np.column_stack([np.eye(12)[level], x]))
    coding, descent = GaussianCoding(2), Descent(Stochastic(20, 0.05, 64), None)
    settings = LocalFMSettings(4, 2, coding, None, None, 2, True, 1e-5, 0.0, descent)
    fit = fit_local_fm(SquaredLoss(y), X, settings, np.random.default_rng(0))
    assert fit.params.projection.shape == (13, 2)
    group = fit.params.projection[:12]
    gaps = np.linalg.norm(group[:, None] - group[None], axis=2)
    same = np.add.outer(np.arange(12), np.arange(12)) % 2 == 0
    assert gaps[same].mean() < 0.3 * gaps[~same].mean()


def test_a_space_with_room_for_all_features_begins_at_them():
    X, y, _ = table()
    settings = LocalFMSettings(
        M, K, GaussianCoding(2), None, None, P, False, 1e-3, 0.0, Descent(None, Batch(3, 0.0))
    )
    fit = fit_local_fm(LogisticLoss(y), sparse.csr_array(X), settings, np.random.default_rng(0))
    np.testing.assert_array_equal(fit.params.projection, np.eye(P))
    factors = np.random.default_rng(0).standard_normal((P, 2))
    assert (X @ unit_projection(factors, X)).var(axis=0).mean() == pytest.approx(1.0)
    assert not unit_projection(np.zeros((P, 2)), X).any()


def test_a_row_is_at_one_of_the_kernel_widths_from_its_anchors_on_average():
    X, _, rng = table()
    weights, machine = rng.uniform(0.5, 2, N), LocalFM(P, K, M, GaussianCoding(2))
    start = start_of(machine, sparse.csr_array(X), weights, np.zeros((P, 0)), None, rng)
    distances = np.sort(((X[:, None] - start.anchors) ** 2).sum(axis=2), axis=1)[:, :2]
    assert start.gamma * np.average(distances.mean(axis=1), weights=weights) == pytest.approx(1.0)


def test_a_start_knows_coinciding_rows_and_rows_without_pairs():
    machine = LocalFM(P, K, 3, GaussianCoding(2))
    rows = sparse.csr_array(np.tile([[1.0, 0.0, 0.0, 0.0]], (6, 1)))
    start = start_of(machine, rows, np.ones(6), np.zeros((P, 0)), None, np.random.default_rng(0))
    np.testing.assert_allclose(start.anchors, rows.toarray()[:3])
    assert start.gamma == 1.0
    assert np.isfinite(start.factors).all()


def test_scaling_centers_dense_columns_and_only_divides_sparse_ones():
    X = np.array([[1e7 + 1, 5.0, 0.0], [1e7 + 3, 5.0, -4.0]])
    dense = FeatureScaling.of(X, np.ones(2))
    np.testing.assert_allclose(dense.apply(X).toarray(), [[-1, 0, 1], [1, 0, -1]])
    thin = sparse.csr_array(np.array([[0.0, 2.0, 0.0], [0.5, 0.0, 0.0]]))
    np.testing.assert_array_equal(
        FeatureScaling.of(thin, np.ones(2)).apply(thin).toarray(), [[0, 1, 0], [1, 0, 0]]
    )
    assert not FeatureScaling.of(thin, np.ones(2)).center.any()
    np.testing.assert_array_equal(thin.toarray(), [[0.0, 2.0, 0.0], [0.5, 0.0, 0.0]])
    np.testing.assert_array_equal(FeatureScaling.none(3).apply(X).toarray(), X)


def test_parameters_name_their_parts():
    experts = np.arange(24.0).reshape(2, 4, 3)
    params = LocalFMParams(np.zeros(2), experts, np.zeros((2, 4)), np.zeros((4, 0)), np.array(1.0))
    np.testing.assert_array_equal(params.linear, experts[:, :, 0])
    np.testing.assert_array_equal(params.factors, experts[:, :, 1:])
