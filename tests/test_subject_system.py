"""Subjects eliminated one by one give what dense matrices give."""

import numpy as np
import pytest
from dense_latent_model import DenseLatentModel, assert_same_posterior, random_problem
from scipy import sparse

from intertwine import resources
from intertwine.mixed_effects import subject_rows, subject_system
from intertwine.mixed_effects.subject_prediction import draw_subjects, predict_subjects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import Sites, Trend
from intertwine.resources import thread_limit

CASES = {
    "shared and own": {},
    "no own": {"q": 0},
    "no shared": {"p": 0},
    "neither": {"p": 0, "q": 0},
    "flat": {"flat": 2},
    "all flat": {"flat": 3, "missing": 0.0},
    "long and short, and one without sites": {"lengths": (40, 1, 0, 2, 11), "q": 3, "missing": 0.5},
    "nothing seen": {"missing": 1.0},
    "a trend": {"q": 0, "trends": (Trend(None, "matern32", 1.3),)},
    "a rough trend, flat coefficients, own ones": {"flat": 1, "trends": (Trend(None, "matern12", 0.7),)},
    "a smooth trend at equal times": {"trends": (Trend(None, "matern52", 2.0),), "repeated_times": True},
    "two trends": {"q": 1, "trends": (Trend(None, "matern52", 3.0), Trend(None, "matern12", 0.5))},
    "a trend alone": {"p": 0, "q": 0, "trends": (Trend(None, "matern32", 1.0),), "missing": 0.6},
    "one subject": {"lengths": (9,), "n_axes": 3},
    "correlated": {"correlated": ((0, 1),), "flat": 1},
    "some correlated, and a trend": {
        "q": 6,
        "correlated": ((4, 0, 2), (1, 5)),
        "trends": (Trend(None, "matern32", 1.3),),
        "missing": 0.4,
    },
}


def rows_of(rows, part):
    """Some of the rows; subjects keep their numbers."""
    trends = tuple(trend._replace(time=trend.time[part]) for trend in rows.trends)
    return rows._replace(
        subject=rows.subject[part], shared=rows.shared[part], own=rows.own[part], trends=trends
    )


def sites_of(sites, part):
    return Sites(sites.mean[part], sites.variance[part])


def assert_drawn(draws, mean, covariance):
    """Draws (s, n) of a Gaussian, to within their error."""
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(draws.mean(axis=0) / scale, mean / scale, atol=0.03)
    np.testing.assert_allclose(
        np.cov(draws.T) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.04
    )


def with_trends(rows, sites, variances, *trends):
    rows = rows._replace(trends=tuple(Trend(*trend) for trend in trends))
    return rows, sites, variances._replace(trends=np.ones((len(trends), 2)))


@pytest.mark.parametrize("case", CASES)
def test_is_as_dense_matrices_say(case):
    rows, sites, variances = random_problem(np.random.default_rng(len(case)), **CASES[case])
    posterior = SubjectSystem(rows).posterior(sites, variances)
    assert_same_posterior(posterior, DenseLatentModel(rows, sites, variances))


def test_variances_of_zero_and_sites_without_error():
    rows, sites, variances = random_problem(np.random.default_rng(3))
    variances.shared[0, 0] = variances.own[1, 0] = variances.own[0, 1] = 0.0
    variances.noise[1] = 0.0
    sites.variance[:4, 0] = 0.0
    sites.mean[np.isinf(sites.variance)] = np.nan  # never read
    posterior = SubjectSystem(rows).posterior(sites, variances)
    assert_same_posterior(posterior, DenseLatentModel(rows, sites, variances))


def test_a_trend_that_is_not_there_at_all_visits_and_a_longer_series():
    """The second trend measures time from another day in each subject, and one subject knows no such day."""
    rng = np.random.default_rng(1)
    trends = (Trend(None, "matern32", 5.0), Trend(None, "matern12", 2.0))
    rows, sites, variances = random_problem(rng, lengths=(150, 4, 9), q=1, trends=trends)
    rows.trends[1].time[:] += np.array([-1.0, np.nan, 2.0])[rows.subject]
    rows.trends[1].time[rng.uniform(size=len(rows.subject)) < 0.1] = np.nan
    posterior = SubjectSystem(rows).posterior(sites, variances)
    assert_same_posterior(
        posterior, DenseLatentModel(rows, sites, variances), rtol=1e-6
    )  # dense K is nearly singular


def test_what_subjects_say_of_shared_coefficients_adds_up():
    rows, sites, variances = random_problem(np.random.default_rng(7), lengths=(3, 9, 4, 6))
    whole = SubjectSystem(rows).information(sites, variances)
    first = rows.subject < 2
    parts = [
        SubjectSystem(rows_of(rows, part)).information(sites_of(sites, part), variances)
        for part in (first, ~first)
    ]
    for one, other, together in zip(*parts, whole, strict=True):
        np.testing.assert_allclose(one + other, together, rtol=1e-10)


def test_a_trend_of_variance_zero_is_none():
    trend = (Trend(None, "matern52", 1.0),)
    rows, sites, variances = random_problem(np.random.default_rng(1), trends=trend)
    variances = variances._replace(trends=0.0 * variances.trends)
    found = SubjectSystem(rows).posterior(sites, variances)
    without = SubjectSystem(rows._replace(trends=())).posterior(
        sites, variances._replace(trends=np.empty((0, 2)))
    )
    np.testing.assert_allclose(found.log_evidence, without.log_evidence, rtol=1e-10)
    assert np.all(found.moments().trends == 0.0)


@pytest.mark.parametrize("kernel", ["matern12", "matern32", "matern52"])
def test_trends_at_times_that_nearly_agree_lose_no_digits(kernel):
    """At steps of 1e-7 length scales the step's variance is 1e-35, or what rounding makes of it."""
    rng = np.random.default_rng(1)
    rows, sites, variances = random_problem(rng, lengths=(12,), p=1, q=0, trends=(Trend(None, kernel, 1.0),))
    rows.trends[0].time[:] = np.repeat([0.0, 1.0, 2.5], 4) + np.tile([0, 1e-7, 2e-7, 1e-3], 3)
    posterior = SubjectSystem(rows).posterior(sites, variances)
    expected = DenseLatentModel(rows, sites, variances)
    np.testing.assert_allclose(posterior.log_evidence, expected.log_evidence, rtol=1e-9)
    for one, other in zip(posterior.marginals(), expected.marginals(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def few_of_many(rng, **given):
    """A problem whose rows have one or two of 30 shared columns, dense and sparse."""
    rows, sites, variances = random_problem(rng, lengths=(5, 3, 8, 2, 6, 14, 4), p=30, **given)
    rows.shared[rng.uniform(size=rows.shared.shape) > 0.05] = 0.0
    return rows, rows._replace(shared=sparse.csr_array(rows.shared)), sites, variances


def test_sparse_shared_columns_are_as_dense_ones(monkeypatch):
    rng = np.random.default_rng(4)
    rows, few, sites, variances = few_of_many(rng, trends=(Trend(None, "matern12", 1.0),))
    monkeypatch.setattr(subject_rows, "_CHUNK", 4 * subject_rows._SPARSE)
    assert len(SubjectSystem(few).rows.chunks()) > 3
    posterior = SubjectSystem(few).posterior(sites, variances)
    assert_same_posterior(posterior, DenseLatentModel(rows, sites, variances))
    for one, other in zip(
        predict_subjects(posterior.shared, variances, few, sites),
        predict_subjects(posterior.shared, variances, rows, sites),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-8)


def test_draws_with_sparse_shared_columns(monkeypatch):
    rng = np.random.default_rng(4)
    rows, few, sites, variances = few_of_many(rng, n_axes=1)
    monkeypatch.setattr(subject_rows, "_CHUNK", 4 * subject_rows._SPARSE)
    posterior = SubjectSystem(few).posterior(sites, variances)
    mean, covariance = DenseLatentModel(rows, sites, variances).joint(0)
    assert_drawn(posterior.draw(rng, 20_000)[:, :, 0], mean, covariance)
    marginals = predict_subjects(posterior.shared, variances, few, sites)
    drawn = draw_subjects(posterior.shared, variances, few, sites, rng, 20_000)
    np.testing.assert_allclose(drawn.mean(axis=0), marginals.linear_mean, atol=0.05)
    np.testing.assert_allclose(drawn.var(axis=0), marginals.linear_variance, rtol=0.08)


def test_subjects_that_are_not_kept_are_eliminated_anew(monkeypatch):
    rows, sites, variances = random_problem(np.random.default_rng(5), **CASES["two trends"])
    kept = SubjectSystem(rows).posterior(sites, variances)
    monkeypatch.setattr(subject_system, "_KEPT", 0)
    anew = SubjectSystem(rows).posterior(sites, variances)
    assert (len(kept._kept) > 0, len(anew._kept)) == (True, 0)
    for one, other in zip(kept.moments(), anew.moments(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(kept.own(), anew.own(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_memory_of_a_posterior_that_is_spent_is_written_over():
    rows, sites, variances = random_problem(np.random.default_rng(4), q=2)
    system, kept = SubjectSystem(rows), {}
    system.posterior(sites, variances._replace(noise=3.0 * variances.noise), kept)
    before = {key: chunk.stacked for key, chunk in kept.items()}
    again, alone = system.posterior(sites, variances, kept), system.posterior(sites, variances)
    assert before
    assert all(kept[key].stacked is memory for key, memory in before.items())
    for one, other in zip(again.moments(), alone.moments(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.shared.mean, alone.shared.mean)


def test_chunks_and_threads_change_nothing(monkeypatch):
    rows, sites, variances = random_problem(np.random.default_rng(5), lengths=(3, 9, 4, 6, 5, 8), n_axes=3)
    whole = SubjectSystem(rows).posterior(sites, variances)
    monkeypatch.setattr(subject_rows, "_CHUNK", 60)
    monkeypatch.setattr(subject_rows, "_SMALL", 0)
    system = SubjectSystem(rows)
    assert len(system.rows.chunks()) > 3
    assert_same_posterior(system.posterior(sites, variances), whole, rtol=1e-11)
    with thread_limit(1):
        alone = system.posterior(sites, variances)
    for one, other in zip(system.posterior(sites, variances).moments(), alone.moments(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "case", ["shared and own", "no own", "no shared", "flat", "long", "two trends", "correlated"]
)
def test_new_subjects_are_as_in_a_refit_with_their_rows(case):
    """Given the fit, one subject at a time; short ones and one longer than there are coefficients."""
    rng = np.random.default_rng(11)
    given = {"p": 12, "missing": 0.3} if case == "long" else CASES[case]
    rows, sites, variances = random_problem(rng, lengths=(5, 3, 8, 2, 6, 14), **given)
    new = np.isin(rows.subject, [1, 5])
    fitted = SubjectSystem(rows_of(rows, ~new)).posterior(sites_of(sites, ~new), variances)
    found = predict_subjects(fitted.shared, variances, rows_of(rows, new), sites_of(sites, new))
    for subject in (1, 5):
        together = ~new | (rows.subject == subject)
        refit = DenseLatentModel(rows_of(rows, together), sites_of(sites, together), variances).marginals()
        for one, other in zip(found, refit, strict=True):
            np.testing.assert_allclose(
                one[rows.subject[new] == subject],
                other[rows.subject[together] == subject],
                rtol=1e-9,
                atol=1e-10,
            )


@pytest.mark.parametrize("case", ["flat", "two trends"])
def test_draws_have_the_posteriors_means_and_covariances(case):
    rng = np.random.default_rng(2)
    trends = CASES[case].get("trends", ())
    rows, sites, variances = random_problem(rng, lengths=(3, 4), p=2, q=1, n_axes=1, flat=1, trends=trends)
    dense = DenseLatentModel(rows, sites, variances)
    posterior = SubjectSystem(rows).posterior(sites, variances)
    mean, covariance = dense.joint(0)
    assert_drawn(posterior.draw(rng, 40_000)[:, :, 0], mean, covariance)
    z = posterior.draw(rng, 40_000, noise=True)[:, :, 0]
    marginals = dense.marginals()
    np.testing.assert_allclose(z.mean(axis=0), marginals.mean[:, 0], atol=0.03)
    np.testing.assert_allclose(z.var(axis=0), marginals.variance[:, 0], rtol=0.05)


@pytest.mark.parametrize("given", [{"q": 1}, {"q": 2, "correlated": ((1, 0),)}])
def test_draws_of_a_new_subject_are_those_of_a_refit(given):
    rng = np.random.default_rng(4)
    rows, sites, variances = random_problem(rng, lengths=(6, 4), p=2, n_axes=1, **given)
    new = rows.subject == 1
    fitted = SubjectSystem(rows_of(rows, ~new)).posterior(sites_of(sites, ~new), variances)
    drawn = draw_subjects(fitted.shared, variances, rows_of(rows, new), sites_of(sites, new), rng, 40_000)
    mean, covariance = DenseLatentModel(rows, sites, variances).joint(0)
    assert_drawn(drawn[:, :, 0], mean[new], covariance[np.ix_(new, new)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, s, v: (r, Sites(s.mean[:-1], s.variance), v), r"sites.mean has the shape \(18, 2\)"),
        (lambda r, s, v: (r, s, v._replace(noise=-v.noise)), "variances.noise must not be negative"),
        (lambda r, s, v: (r, s, v._replace(own=v.own * np.inf)), "variances.own must not be .* infinite"),
        (lambda r, s, v: (r, Sites(s.mean, 0 * s.mean), v._replace(noise=0 * v.noise)), "variance zero"),
        (lambda r, s, v: (r, Sites(s.mean * np.nan, s.variance), v), "means of sites are not finite"),
        (lambda r, s, v: (r._replace(shared=r.shared[:-1]), s, v), "shared features have the shape"),
        (lambda r, s, v: (r._replace(own=r.own * np.nan), s, v), "own features are not finite"),
        (lambda r, s, v: with_trends(r, s, v, (np.zeros(19), "rbf", 1.0)), "kernel 'rbf', expecting one of"),
        (lambda r, s, v: with_trends(r, s, v, (np.zeros(3), "matern12", 1.0)), "19 finite numbers"),
        (lambda r, s, v: with_trends(r, s, v, (np.zeros(19), "matern12", 0.0)), "must be positive"),
        (
            lambda r, s, v: with_trends(
                r, s, v, (np.arange(19), "matern12", 1.0), (-np.arange(19), "matern12", 1.0)
            ),
            "run backwards .* in subject 0",
        ),
        (lambda r, s, v: (r._replace(n_subjects=2), s, v), "numbered from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = random_problem(np.random.default_rng(0))
    rows, sites, variances = change(*given)
    with pytest.raises(ValueError, match=message):
        SubjectSystem(rows).posterior(sites, variances)


def test_flat_columns_that_depend_on_each_other_are_named():
    rows, sites, variances = random_problem(np.random.default_rng(0), flat=2)
    rows.shared[:, 1] = 3.0 * rows.shared[:, 0]
    with pytest.raises(np.linalg.LinAlgError, match=r"flat prior \(0, 1\) depend on each other"):
        SubjectSystem(rows).posterior(sites, variances)


def test_memory_is_refused_before_it_is_taken(monkeypatch):
    rows, sites, variances = random_problem(np.random.default_rng(0))
    posterior = SubjectSystem(rows).posterior(sites, variances)
    monkeypatch.setattr(resources, "available_memory", lambda: 0)
    monkeypatch.setattr(resources, "_NEGLIGIBLE", 0)
    for ask in (
        posterior.own,
        posterior.marginals,
        lambda: posterior.draw(np.random.default_rng(0), 5),
        lambda: SubjectSystem(rows).posterior(sites, variances),
        lambda: draw_subjects(posterior.shared, variances, rows, sites, np.random.default_rng(0)),
        lambda: predict_subjects(posterior.shared, variances, rows, sites),
    ):
        with pytest.raises(MemoryError, match="instead"):
            ask()
