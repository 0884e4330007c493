"""Laws of the posterior of one exchangeable effect: what changes nothing, and what adds up."""

import numpy as np
import pytest
from dense_mixed_model import GivenEffect, assert_same_posterior, random_variances
from hypothesis import given, settings
from hypothesis import strategies as st

from intertwine.effects.random import IndependentPrior
from intertwine.mixed_effects.block import BlockSystem

P = 3
problems = st.builds(
    dict,
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(8, 40),
    q=st.integers(2, 6),
    r=st.integers(1, 3),
    c=st.integers(0, 3),
    restricted=st.booleans(),
)


class Problem:
    """Rows, levels, weights of entries (a quarter is missing) and variances, drawn."""

    def __init__(self, seed, n, q, r, c, restricted):
        rng = self.rng = np.random.default_rng(seed)
        self.q, self.restricted = q, restricted
        self.level, self.basis = rng.integers(0, q, n), rng.normal(size=(n, r))
        self.fixed = rng.normal(size=(n, c))
        self.weights = rng.uniform(0.5, 2.0, (n, P)) * (rng.uniform(size=(n, P)) > 0.25)
        self.weights[: c + 1] = 1.0  # enough entries for the fixed columns
        self.y = rng.normal(size=(n, P))
        self.variances = random_variances(rng, (r,), P)

    def system(self, rows=None, level=None, weights=None, n_outputs=P):
        rows = np.arange(len(self.level)) if rows is None else rows
        effect = GivenEffect(
            (self.level if level is None else level)[rows], IndependentPrior(self.q), self.q, self.basis[rows]
        )
        weights = self.weights[rows] if weights is None else weights
        return BlockSystem(effect, np.empty(0), self.fixed[rows], weights, n_outputs, self.restricted)

    def posterior(self, **changes):
        return self.system(**changes).posterior(self.y, self.variances)


laws = settings(max_examples=25, deadline=None)


@laws
@given(problems)
def test_the_order_of_rows_does_not_matter(drawn):
    problem = Problem(**drawn)
    one, rows = problem.posterior(), problem.rng.permutation(len(problem.y))
    other = problem.system(rows=rows).posterior(problem.y[rows], problem.variances)
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(other.effects[0], one.effects[0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.row_variance(), one.row_variance()[rows], rtol=1e-7)
    np.testing.assert_allclose(other.fitted(), one.fitted()[rows], rtol=1e-7, atol=1e-9)


@laws
@given(problems)
def test_the_names_of_levels_do_not_matter(drawn):
    problem = Problem(**drawn)
    names = problem.rng.permutation(problem.q)
    one, other = problem.posterior(), problem.posterior(level=names[problem.level])
    np.testing.assert_allclose(other.effects[0][names], one.effects[0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(
        other.level_covariance(0)[names], one.level_covariance(0), rtol=1e-7, atol=1e-10
    )
    np.testing.assert_allclose(other.second_moments()[0], one.second_moments()[0], rtol=1e-7, atol=1e-9)


@laws
@given(problems)
def test_a_missing_entry_is_a_row_that_is_not_there(drawn):
    problem = Problem(**drawn)
    y = np.where(problem.weights > 0, problem.y, np.nan)
    together = problem.system().posterior(y, problem.variances)
    for m in range(P):
        rows = np.flatnonzero(problem.weights[:, m])
        alone = problem.system(rows=rows, weights=problem.weights[rows, m], n_outputs=1)
        variances = type(problem.variances)(
            problem.variances.noise[[m]], (problem.variances.effects[0][[m]],)
        )
        got = alone.posterior(problem.y[rows][:, [m]], variances)
        assert alone.n_entries == problem.system().n_entries[m]
        np.testing.assert_allclose(together.log_likelihood[m], got.log_likelihood[0], rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(together.noise_moment()[m], got.noise_moment()[0], rtol=1e-7)
        for name in ("second_moments", "score"):
            one, other = (getattr(posterior, name)()[0] for posterior in (together, got))
            np.testing.assert_allclose(one[m], other[0], rtol=1e-6, atol=1e-8)


@laws
@given(problems)
def test_a_weight_is_a_repetition_for_all_but_the_count_of_entries(drawn):
    """k rows alike tell what one row of weight k tells, and of the noise that k − 1 times it was nothing."""
    problem = Problem(**drawn)
    times = problem.rng.integers(1, 4, len(problem.y))
    rows = np.repeat(np.arange(len(problem.y)), times)
    weighted = problem.system(weights=times.astype(float))
    repeated = problem.system(rows=rows, weights=np.ones(len(rows)))
    one = weighted.posterior(problem.y, problem.variances)
    other = repeated.posterior(problem.y[rows], problem.variances)
    first = np.searchsorted(rows, np.arange(len(problem.y)))
    extra = repeated.n_entries - weighted.n_entries
    constant = 0.5 * (extra * np.log(2 * np.pi * problem.variances.noise) + np.log(times).sum())
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood - constant, rtol=1e-8, atol=1e-8)
    for name in ("noise_moment", "second_moments", "score"):
        np.testing.assert_allclose(getattr(other, name)(), getattr(one, name)(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other.effects[0], one.effects[0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.fixed, one.fixed, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other.row_variance()[first], one.row_variance(), rtol=1e-7)


@laws
@given(problems)
def test_some_outputs_are_taken_without_the_others(drawn):
    problem = Problem(**drawn)
    outputs = np.array([2, 0])
    variances = type(problem.variances)(
        problem.variances.noise[outputs], (problem.variances.effects[0][outputs],)
    )
    system = problem.system()
    whole = system.observe(problem.y)
    part = whole.take(outputs).posterior(variances)
    weights = np.ascontiguousarray(problem.weights[:, outputs])
    alone = problem.system(weights=weights, n_outputs=2).posterior(problem.y[:, outputs], variances)
    assert_same_posterior(part, alone, 1, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(  # and the whole is as before
        whole.posterior(problem.variances).log_likelihood, problem.posterior().log_likelihood
    )


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_units_of_y_and_of_the_basis_only_rescale(factor):
    problem = Problem(seed=1, n=40, q=6, r=2, c=2, restricted=True)
    one = problem.posterior()
    variances = type(problem.variances)(
        problem.variances.noise * factor**2, (problem.variances.effects[0] * factor**4,)
    )
    problem.basis = problem.basis / factor
    other = problem.system().posterior(problem.y * factor, variances)
    np.testing.assert_allclose(other.effects[0], one.effects[0] * factor**2, rtol=1e-8)
    entries = problem.system().n_entries - problem.fixed.shape[1]
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood - entries * np.log(factor), rtol=1e-9)
