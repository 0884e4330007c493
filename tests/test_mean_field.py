"""Independent coefficients: the best of their kind, what their bound lacks, and how small their variances become."""

import numpy as np
import pytest

from intertwine.mixed_effects.mean_field import MeanField, latent_entropy
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, Sites, SubjectRows, Trend


def visits(flat=False, n_subjects=6, seed=0):
    rng = np.random.default_rng(seed)
    subject = rng.permutation(np.repeat(np.arange(n_subjects), 5))
    n, K = len(subject), 2
    rows = SubjectRows(subject, n_subjects, rng.standard_normal((n, 3)), rng.standard_normal((n, 2)))
    shared = rng.uniform(0.5, 2.0, (3, K))
    if flat:
        shared[0] = np.inf
    variances = LatentVariances(np.array([0.3, 0.8]), shared, rng.uniform(0.5, 2.0, (2, K)), np.empty((0, K)))
    return rows, rng.standard_normal((n, K)), rng.uniform(0.1, 0.5, (n, K)), variances


def exact_bound(rows, mean, variance, variances):
    posterior = SubjectSystem(rows).posterior(Sites(mean, np.zeros(mean.shape)), variances)
    return posterior.log_evidence - variance.sum(axis=0) / (2 * variances.noise) + latent_entropy(variance)


def design(rows):
    own = np.zeros((len(rows.subject), rows.n_subjects, rows.own.shape[1]))
    own[np.arange(len(rows.subject)), rows.subject] = rows.own
    return np.hstack([rows.shared, own.reshape(len(own), -1)])


@pytest.mark.parametrize("flat", [False, True])
def test_what_the_bound_lacks_is_the_formula(flat):
    rows, mean, variance, variances = visits(flat)
    found = MeanField.best(rows, mean, variances).bound(rows, mean, variance, variances)
    phi = design(rows)
    for k in range(2):
        prior = np.concatenate([variances.shared[:, k], np.tile(variances.own[:, k], rows.n_subjects)])
        precision = phi.T @ phi / variances.noise[k] + np.diag(1 / prior)
        lacking = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
        expected = exact_bound(rows, mean, variance, variances)[k] - lacking
        np.testing.assert_allclose(found[k], expected, rtol=1e-10)


def test_no_other_of_its_kind_is_better():
    rows, mean, variance, variances = visits()
    best = MeanField.best(rows, mean, variances)
    value = best.bound(rows, mean, variance, variances)
    for field in best._fields:
        for factor in (0.97, 1.03):
            moved = best._replace(**{field: factor * getattr(best, field)})
            assert (moved.bound(rows, mean, variance, variances) < value).all()


def test_coefficients_that_share_nothing_are_exact():
    rows, mean, variance, variances = visits()
    rows = rows._replace(shared=np.empty((len(mean), 0)), own=np.ones((len(mean), 1)))
    variances = variances._replace(shared=np.empty((0, 2)), own=variances.own[:1])
    found = MeanField.best(rows, mean, variances)
    np.testing.assert_allclose(
        found.bound(rows, mean, variance, variances), exact_bound(rows, mean, variance, variances)
    )
    exact = SubjectSystem(rows).posterior(Sites(mean, np.zeros(mean.shape)), variances).marginals()
    for one, other in zip(found.linear(rows), (exact.linear_mean, exact.linear_variance), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_moments_are_those_of_draws():
    rows, mean, variance, variances = visits()
    found = MeanField.best(rows, mean, variances)
    rng, n_draws = np.random.default_rng(1), 20_000
    z = mean + np.sqrt(variance) * rng.standard_normal((n_draws, *mean.shape))
    a, b = (
        m + np.sqrt(v) * rng.standard_normal((n_draws, *m.shape))
        for m, v in ((found.shared_mean, found.shared_variance), (found.own_mean, found.own_variance))
    )
    left = z - rows.shared @ a - np.einsum("nq,dnqk->dnk", rows.own, b[:, rows.subject])
    moments = found.moments(rows, mean, variance)
    for moment, draws in ((moments.noise, left), (moments.shared, a[:, None]), (moments.own, b)):
        np.testing.assert_allclose(moment, (draws**2).mean(axis=(0, 1)), rtol=0.03)


def test_a_new_subject_is_given_its_own_coefficients_alone():
    rows, mean, _, variances = visits()
    fit = MeanField.best(rows, mean, variances)
    seen = rows.subject < 100
    again = fit.of_new_subjects(rows, mean, seen, variances)
    for one, other in zip(again, fit, strict=True):  # the best own coefficients given the shared ones
        np.testing.assert_allclose(one, other, rtol=1e-8)
    nobody = fit.of_new_subjects(rows, mean, ~seen, variances)
    np.testing.assert_array_equal(nobody.own_mean, 0.0)
    np.testing.assert_allclose(nobody.own_variance, np.broadcast_to(variances.own, fit.own_variance.shape))


def test_variances_of_effects_that_overlap_become_too_small():
    rng = np.random.default_rng(0)
    P, T = 40, 8
    subject, time = np.repeat(np.arange(P), T), np.tile(np.linspace(0.5, 1.5, T), P)
    own = np.column_stack([np.ones(P * T), time])
    z = np.einsum("nq,nq->n", own, rng.standard_normal((P, 2))[subject]) + 0.1 * rng.standard_normal(P * T)
    rows = SubjectRows(subject, P, np.empty((P * T, 0)), own)
    start = LatentVariances(np.full(1, 0.01), np.empty((0, 1)), np.ones((2, 1)), np.empty((0, 1)))

    def learnt(moments_of):
        variances = start
        for _ in range(60):
            variances = variances._replace(own=moments_of(variances).own)
        return variances.own

    mean, none = z[:, None], np.zeros((P * T, 1))
    exact = learnt(lambda v: SubjectSystem(rows).posterior(Sites(mean, none), v).moments())
    field = learnt(lambda v: MeanField.best(rows, mean, v).moments(rows, mean, none))
    assert (exact > 0.5).all()
    assert (field < 0.99 * exact).all()


def test_trends_by_state_space_are_refused():
    rows, mean, _, variances = visits()
    trend = Trend(np.arange(float(len(mean))), "matern32", 1.0)
    with pytest.raises(ValueError, match="method='basis'"):
        MeanField.best(rows._replace(trends=(trend,)), mean, variances)


def test_an_effect_of_variance_zero_is_not_there():
    rows, mean, variance, variances = visits()
    variances.shared[1], variances.own[0, 1] = 0.0, 0.0
    found = MeanField.best(rows, mean, variances)
    assert np.all(found.shared_variance[1] == 0.0)
    without = rows._replace(shared=np.delete(rows.shared, 1, axis=1))
    fewer = variances._replace(shared=np.delete(variances.shared, 1, axis=0))
    expected = MeanField.best(without, mean, fewer).bound(without, mean, variance, fewer)
    np.testing.assert_allclose(found.bound(rows, mean, variance, variances), expected, rtol=1e-10)
