"""Posteriors and optima of latent factors: against slow sums over ratings, and the laws they obey."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from intertwine.fitting.latent_factors.als import fit_als_factors
from intertwine.fitting.latent_factors.fold_in import Batch, OtherSide, fold_in
from intertwine.fitting.latent_factors.gibbs import _prior_of
from intertwine.fitting.latent_factors.held_out_ratings import hold_out
from intertwine.fitting.latent_factors.model import (
    FactorSettings,
    scores_of_pairs,
    variance_of_pairs,
)
from intertwine.fitting.latent_factors.variational import fit_variational
from intertwine.fitting.watch import UNWATCHED
from intertwine.solvers.feature_ridge import FeatureRidge
from intertwine.solvers.rated_sides import RatedSides
from intertwine.solvers.variational import VariationalFactors
from intertwine.structures.factor_moments import Moments, RatedRows
from intertwine.structures.ratings import RatingTable

K = 2


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ratings(rng, m=12, n=9, share=0.5, features=False, weighted=False, k=K, noise=0.3):
    """A table, its outcomes and weights, and the codes of users and items in its order."""
    users, items = np.nonzero(rng.random((m, n)) < share)
    p, q = rng.normal(size=(m, k)), rng.normal(size=(n, k))
    b, c = rng.normal(size=m), rng.normal(size=n)
    y = b[users] + c[items] + np.einsum("ij,ij->i", p[users], q[items]) + noise * rng.normal(size=users.size)
    known = (
        [sparse.csr_array(rng.normal(size=(size, 3)) * (rng.random((size, 3)) < 0.7)) for size in (m, n)]
        if features
        else [None, None]
    )
    table, order = RatingTable.build(users, items, m, n, *known)
    weight = rng.uniform(0.5, 2.0, users.size) if weighted else None
    return table, y[order] - y.mean(), weight, users[order], items[order]


def settings(**changes):
    return FactorSettings(n_components=K, max_iter=8, tol=0.0)._replace(**changes)


def fit(solver, table, y, weight, chosen, seed=0, **more):
    return solver(table, y, weight, chosen, np.random.default_rng(seed), UNWATCHED, **more)


def random_covariances(rng, size, d):
    roots = rng.normal(size=(size, d, d)) * 0.3
    return roots @ roots.transpose(0, 2, 1) + 0.05 * np.eye(d)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_conditionals_are_the_sums_over_ratings(rng, biases, weighted):
    table, y, weight, users, items = ratings(rng, weighted=weighted)
    d = K + biases
    means, spread = rng.normal(size=(9, d)), random_covariances(rng, 9, d)
    prior_means, precision = rng.normal(size=(12, d)), random_covariances(rng, 1, d)[0]
    rows, _ = RatedRows.both(table, y, weight, biases)
    found = rows.conditional(Moments.of(means, spread), prior_means, precision, 1.7)
    w = np.ones(y.size) if weight is None else weight
    for u in range(12):
        slopes, products, gram = np.zeros(d), np.zeros(d), precision.copy()
        for t in np.flatnonzero(users == u):
            second = np.outer(means[items[t]], means[items[t]]) + spread[items[t]]
            outer, product = second.copy(), y[t] * means[items[t]]
            if biases:
                outer[0], outer[:, 0] = means[items[t]], means[items[t]]
                outer[0, 0] = 1.0
                product = product - second[0]
                product[0] = y[t] - means[items[t], 0]
            gram += 1.7 * w[t] * outer
            products += 1.7 * w[t] * product
        slopes = np.linalg.solve(gram, products + precision @ prior_means[u])
        np.testing.assert_allclose(found.moments.means[u], slopes, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.moments.covariances()[u], np.linalg.inv(gram), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(
            found.log_determinants[u], np.linalg.slogdet(gram)[1], rtol=1e-10, atol=1e-12
        )
    shown = settings(biases=biases)
    model = SimpleNamespace(
        users=found.moments.means[None],
        items=means[None],
        user_covariance=found.moments.covariances(),
        item_covariance=spread,
    )
    errors = (y - scores_of_pairs(model.users[0], means, users, items, shown)) ** 2
    errors += variance_of_pairs(model, users, items, shown)
    np.testing.assert_allclose(
        found.errors, np.bincount(users, w * errors, minlength=12), rtol=1e-9, atol=1e-10
    )


def log_normal(x, mean, precision):
    gap = x - mean
    return 0.5 * (np.linalg.slogdet(precision)[1] - len(gap) * np.log(2 * np.pi) - gap @ precision @ gap)


def test_the_value_is_the_evidence_bound(rng):
    """Up to the weak priors: E log p − E log q by draws from the posterior."""
    table, y, _, users, items = ratings(rng, features=True)
    sides = RatedSides.build(table, y, None, True)
    solver = VariationalFactors(0.0)
    state = solver.init(sides, solver.start(sides, K, 0.3, rng))
    for _ in range(4):
        state = solver.step(sides, state)
    found, d, n_draws = state.params, K + 1, 4000
    drawn, bound = [], np.zeros(n_draws)
    for moments, prior, side in (
        (found.users, found.user_prior, sides.users),
        (found.items, found.item_prior, sides.items),
    ):
        features = (table.user_features if side is sides.users else table.item_features).toarray()
        norms = (features**2).sum(axis=0)
        spread = np.linalg.inv(prior.precision) / (prior.strength + norms)[:, None, None]
        A = prior.regression.weights + np.einsum(
            "fde,sfe->sfd", np.linalg.cholesky(spread), rng.normal(size=(n_draws, 3, d))
        )
        own = moments.covariances()
        a = moments.means + np.einsum(
            "mde,sme->smd", np.linalg.cholesky(own), rng.normal(size=(n_draws, len(own), d))
        )
        drawn.append(a)
        for s in range(n_draws):
            expected = prior.regression.mean + features @ A[s]
            gaps = a[s] - expected
            bound[s] += 0.5 * len(own) * np.linalg.slogdet(prior.precision)[1]
            bound[s] -= 0.5 * ((gaps @ prior.precision) * gaps).sum()
            bound[s] += 0.5 * 3 * np.linalg.slogdet(prior.strength * prior.precision)[1]
            bound[s] -= 0.5 * prior.strength * ((A[s] @ prior.precision) * A[s]).sum()
        # entropies; the powers of 2π of priors and posteriors cancel
        bound += 0.5 * (
            np.linalg.slogdet(own)[1].sum() + np.linalg.slogdet(spread)[1].sum() + (len(own) + 3) * d
        )
    p, q = drawn
    scores = p[:, users, 0] + q[:, items, 0] + np.einsum("snk,snk->sn", p[:, users, 1:], q[:, items, 1:])
    alpha = found.noise_precision
    bound += 0.5 * y.size * np.log(alpha / (2 * np.pi)) - 0.5 * alpha * ((y - scores) ** 2).sum(axis=1)
    weak = 5e-4 * sum(np.trace(prior.precision) for prior in (found.user_prior, found.item_prior))
    assert abs(bound.mean() - weak + state.value) < 5 * bound.std() / np.sqrt(n_draws) + 0.02


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("features", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("solver", [fit_variational, fit_als_factors])
def test_no_sweep_loses_ground(rng, solver, features, weighted, biases):
    table, y, weight, *_ = ratings(rng, features=features, weighted=weighted)
    model = fit(solver, table, y, weight, settings(biases=biases, max_iter=40))
    objective = model.history[:, 1]
    assert len(objective) == 40
    assert np.all(np.diff(objective) <= 1e-10 * np.abs(objective[1:]))
    assert objective[-1] < objective[0] - 1e-3


@pytest.mark.parametrize("solver", [fit_variational, fit_als_factors])
def test_a_weight_is_a_repetition(rng, solver):
    table, y, _, users, items = ratings(rng, features=True)
    times = rng.integers(1, 4, y.size)
    repeated, order = RatingTable.build(
        np.repeat(users, times), np.repeat(items, times), 12, 9, table.user_features, table.item_features
    )
    one = fit(solver, table, y, times.astype(float), settings())
    other = fit(solver, repeated, np.repeat(y, times)[order], None, settings())
    np.testing.assert_allclose(one.users, other.users, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one.noise, other.noise, rtol=1e-9)
    np.testing.assert_allclose(one.history[:, 1], other.history[:, 1], rtol=1e-9)


def test_the_order_of_ratings_and_of_ids_does_not_matter(rng):
    table, y, weight, users, items = ratings(rng, weighted=True)
    solver = VariationalFactors(0.0)
    sides = RatedSides.build(table, y, weight, True)
    start = solver.start(sides, K, 0.3, rng)
    new_user, new_item, shuffled = rng.permutation(12), rng.permutation(9), rng.permutation(y.size)
    other, order = RatingTable.build(new_user[users][shuffled], new_item[items][shuffled], 12, 9)
    others = RatedSides.build(other, y[shuffled][order], weight[shuffled][order], True)
    back = np.argsort(new_item)
    turned = start._replace(items=Moments(start.items.means[back], start.items.packed[back]))
    one, two = solver.init(sides, start), solver.init(others, turned)
    for _ in range(3):
        one, two = solver.step(sides, one), solver.step(others, two)
    np.testing.assert_allclose(
        one.params.users.means, two.params.users.means[new_user], rtol=1e-9, atol=1e-11
    )
    np.testing.assert_allclose(one.value, two.value, rtol=1e-11)


def test_the_unit_of_the_ratings_does_not_matter(rng):
    table, y, *_ = ratings(rng, features=True)
    one = fit(fit_variational, table, y, None, settings())
    other = fit(fit_variational, table, 100 * y, None, settings())
    np.testing.assert_allclose(100 * one.noise, other.noise, rtol=1e-10)
    np.testing.assert_allclose(100 * one.users[0, :, 0], other.users[0, :, 0], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(10 * one.users[0, :, 1:], other.users[0, :, 1:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one.user_prior.precision[0, 0], other.user_prior.precision[0, 0], rtol=1e-8)
    np.testing.assert_allclose(1e4 * one.user_covariance[:, 0, 0], other.user_covariance[:, 0, 0], rtol=1e-5)


@pytest.mark.parametrize("solver", [fit_variational, fit_als_factors])
def test_threads_change_nothing(rng, solver):
    m, n, size = 300, 200, 24_000
    pairs = rng.permutation(m * n)[:size]
    known = [sparse.csr_array(rng.random((rows, 90))) for rows in (m, n)]
    table, order = RatingTable.build(pairs // n, pairs % n, m, n, *known)
    y = rng.normal(size=size)[order]
    one, two = (fit(solver, table, y, None, settings(max_iter=2), n_threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.users, two.users)
    np.testing.assert_array_equal(one.items, two.items)
    np.testing.assert_array_equal(one.history[:, :4], two.history[:, :4])


def als_objective(users, items, A, C, table, y, w, codes, chosen):
    scores = scores_of_pairs(users, items, *codes, chosen)
    value = 0.5 * (w * (y - scores) ** 2).sum() + 0.5 * chosen.alpha_features * ((A**2).sum() + (C**2).sum())
    sides = ((users, A, table.user_features, codes[0]), (items, C, table.item_features, codes[1]))
    for rows, weights, known, side_codes in sides:
        scale = np.bincount(side_codes, w, minlength=len(rows)) ** chosen.frequency_power
        own = rows - known @ weights
        value += 0.5 * chosen.alpha * (scale @ own**2).sum()
    return value


def test_least_squares_end_where_the_gradient_is_zero(rng):
    table, y, weight, *codes = ratings(rng, features=True, weighted=True, share=0.6)
    chosen = settings(max_iter=3000, alpha=0.4, alpha_features=0.7, frequency_power=0.5)
    model = fit(fit_als_factors, table, y, weight, chosen)
    point = [model.users[0], model.items[0], model.user_weights[0], model.item_weights[0]]
    value = als_objective(*point, table, y, weight, codes, chosen)
    np.testing.assert_allclose(value, model.history[-1, 1], rtol=1e-9)
    for which in range(4):
        for _ in range(4):
            direction = rng.normal(size=point[which].shape)
            ahead, behind = list(point), list(point)
            ahead[which], behind[which] = point[which] + 1e-4 * direction, point[which] - 1e-4 * direction
            slope = (
                als_objective(*ahead, table, y, weight, codes, chosen)
                - als_objective(*behind, table, y, weight, codes, chosen)
            ) / 2e-4
            assert abs(slope) < 2e-4


@pytest.mark.parametrize("centered", [True, False])
def test_rows_and_their_regression_reach_the_joint_optimum(rng, centered):
    """Against dense generalised least squares with the rows integrated out."""
    table, y, weight, users, items = ratings(rng, weighted=True)
    d, m = K + 1, 12
    features, scale = rng.normal(size=(m, 4)), rng.uniform(0.5, 2.0, m)
    partners = Moments.of(rng.normal(size=(9, d)))
    rows, _ = RatedRows.both(table, y, weight, True)
    precision, alpha, gamma = random_covariances(rng, 1, d)[0] * 5, 1.7, 0.6
    ridge = FeatureRidge(sparse.csr_array(features), scale, centered)
    start = ridge.at(np.zeros(d) if centered else rng.normal(size=d), rng.normal(size=(4, d)))
    conditional = rows.conditional(partners, start.expected, precision, alpha, scale, 0.0)
    found, moved = ridge.improved(start, conditional, precision, gamma, alpha, 40)
    known = features if centered else np.column_stack([np.ones(m), features])
    size = known.shape[1] * d
    gram, slope = np.zeros((size, size)), np.zeros(size)
    penalty = np.diag([gamma] * 4 if centered else [0.0] + [gamma] * 4)
    for u in range(m):
        mine = users == u
        slopes = partners.means[items[mine]].copy()
        slopes[:, 0] = 1.0
        left = y[mine] - partners.means[items[mine], 0]
        inverse = np.linalg.inv(
            slopes @ np.linalg.inv(scale[u] * precision) @ slopes.T + np.diag(1 / (alpha * weight[mine]))
        )
        design = np.kron(known[u], slopes)
        gram += design.T @ inverse @ design
        slope += design.T @ inverse @ left
    exact = np.linalg.solve(gram + np.kron(penalty, precision), slope).reshape(-1, d)
    weights = found.weights if centered else np.vstack([found.mean, found.weights])
    np.testing.assert_allclose(weights, exact, rtol=1e-6, atol=1e-8)
    again = rows.conditional(partners, found.expected, precision, alpha, scale, 0.0)
    np.testing.assert_allclose(moved.moments.means, again.moments.means, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(moved.errors, again.errors, rtol=1e-8, atol=1e-10)


def test_side_features_tell_of_ids_with_few_ratings(rng):
    m, n = 400, 30
    known = rng.normal(size=(m, 2))
    q = rng.normal(size=(n, K))
    p = known @ np.array([[1.0, -0.5], [0.3, 1.0]]) + 0.1 * rng.normal(size=(m, K))
    users, items = np.repeat(np.arange(m), 3), rng.integers(0, n, 3 * m)
    y = np.einsum("ij,ij->i", p[users], q[items]) + 0.2 * rng.normal(size=3 * m)
    errors = {}
    for name, features in (("with", sparse.csr_array(known)), ("without", None)):
        table, order = RatingTable.build(users, items, m, n, features)
        model = fit(fit_variational, table, y[order], None, settings(max_iter=60))
        grid = np.meshgrid(np.arange(m), np.arange(n), indexing="ij")
        codes = [part.ravel() for part in grid]
        scores = scores_of_pairs(model.users[0], model.items[0], *codes, settings())
        errors[name] = np.sqrt(np.mean((scores - (p @ q.T).ravel()) ** 2))
    assert errors["with"] < 0.3
    assert errors["with"] < 0.4 * errors["without"]


def test_the_predictive_deviation_covers(rng):
    table, y, _, users, items = ratings(rng, m=150, n=100, share=0.4, noise=0.5)
    kept = rng.random(y.size) < 0.7
    model = fit(fit_variational, table.take(kept), y[kept], None, settings(max_iter=60))
    u, i = users[~kept], items[~kept]
    score = scores_of_pairs(model.users[0], model.items[0], u, i, settings())
    variance = variance_of_pairs(model, u, i, settings())
    z = (y[~kept] - score) / np.sqrt(variance + model.noise**2)
    assert 0.92 < np.mean(np.abs(z) < 1.96) < 0.98
    assert 0.45 < model.noise < 0.55
    assert variance.min() > 0


@pytest.mark.parametrize("solver", [fit_variational, fit_als_factors])
def test_folding_in_gives_the_rows_of_the_fit(rng, solver):
    table, y, weight, *_ = ratings(rng, weighted=True)
    chosen = settings(max_iter=200, alpha=0.3)
    model = fit(solver, table, y, weight, chosen)
    batch = Batch(table.user_starts, table.item_of, y, weight)
    other = OtherSide(model.items, model.item_covariance, model.intercepts)
    counts = np.add.reduceat(weight, table.user_starts[:-1])
    precision = counts[:, None, None] ** model.user_prior.power * model.user_prior.precision
    prior_means = np.broadcast_to(model.user_prior.mean, model.users.shape)
    rows, found = fold_in(batch, other, prior_means, precision, chosen)
    np.testing.assert_allclose(rows, model.users, atol=5e-3)
    if solver is fit_variational:
        covariance = model.noise**2 * np.linalg.inv(found)
        np.testing.assert_allclose(covariance, model.user_covariance, atol=2e-3)


@pytest.mark.parametrize("solver", [fit_variational, fit_als_factors])
def test_ratings_held_out_say_when_to_stop(rng, solver):
    table, y, *_ = ratings(rng, m=60, n=40, share=0.3, noise=1.0)
    chosen = settings(n_components=8, alpha=1.0, frequency_power=0.0, max_iter=200, validation_fraction=0.2)
    model = fit(solver, table, y, None, chosen)
    errors = model.history[:, 2]
    assert model.converged
    assert len(errors) < 200
    gains = 1.0 - errors[1:] / np.minimum.accumulate(errors)[:-1]
    assert (gains >= 1e-5)[-5]
    assert (gains < 1e-5)[-4:].all()
    parts = hold_out(table, 0.2, np.random.default_rng(0))  # as the fit did
    scores = scores_of_pairs(model.users[0], model.items[0], parts.held.users, parts.held.item_of, chosen)
    np.testing.assert_allclose(np.sqrt(np.mean((scores - y[~parts.kept]) ** 2)), errors.min(), rtol=1e-9)


@pytest.mark.parametrize("solver", [fit_variational, fit_als_factors])
@pytest.mark.parametrize("format_", [np.float32, np.int64])
def test_number_formats_of_outcomes(rng, solver, format_):
    table, y, *_ = ratings(rng)
    y = np.round(y).astype(format_)
    one, other = (fit(solver, table, values, None, settings()) for values in (y, y.astype(np.float64)))
    np.testing.assert_allclose(one.users, other.users, rtol=1e-6, atol=1e-8)
    assert one.users.dtype == np.float64
    if solver is fit_variational:
        assert one.user_covariance.dtype == np.float32


def test_ids_without_ratings_are_at_their_prior(rng):
    table, y, *_ = ratings(rng)
    table, order = RatingTable.build(table.users, table.item_of, 14, 9)
    model = fit(fit_variational, table, y[order], None, settings())
    np.testing.assert_allclose(model.users[0, 12], model.users[0, 13], rtol=1e-12)
    model = fit(fit_als_factors, table, y[order], None, settings())
    np.testing.assert_array_equal(model.users[0, 12:], 0.0)


def test_a_constant_outcome_is_fitted(rng):
    table, y, *_ = ratings(rng)
    model = fit(fit_variational, table, np.zeros_like(y), None, settings())
    assert np.isfinite(model.users).all()
    assert np.isfinite(model.noise)


def test_nothing_that_holds_a_coefficient_is_an_error():
    rows = RatedRows(np.array([0, 0]), np.zeros(0, np.int32), np.zeros(0), np.zeros(0), True)
    with pytest.raises(FloatingPointError, match="not positive definite"):
        rows.conditional(Moments.of(np.ones((1, 2))), np.zeros(2), np.zeros((2, 2)))


def test_a_new_id_of_sampled_factors_is_expected_to_vary_as_the_known_ones_do():
    own = np.random.default_rng(0).normal([1.0, -2.0], [0.5, 3.0], (4, 500, 2))
    prior = _prior_of(own, noise=2.0)
    np.testing.assert_allclose(prior.mean, own.mean(axis=1))
    np.testing.assert_allclose(2.0**2 / np.diag(prior.precision), own.var(axis=1).mean(axis=0))


def test_alternating_sweeps_end_where_they_gain_less_than_the_tolerance(rng):
    table, y, weight, *_ = ratings(rng)
    model = fit(fit_als_factors, table, y, weight, settings(tol=0.05, max_iter=60))
    assert 3 < len(model.history) < 30
