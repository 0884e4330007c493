"""What outputs of zero say of each column, what entries say of η, and shifts that no output can reach."""

import numpy as np
import pytest
from scipy.special import expit, gammaln

from intertwine.likelihoods import ColumnLikelihood, Noise
from intertwine.likelihoods.gaussian import GaussianParams
from intertwine.likelihoods.local_bounds import LOCAL_BOUNDS
from intertwine.likelihoods.poisson import stirling_error


@pytest.mark.parametrize("kind", ["bernoulli", "poisson"])
def test_outputs_of_zero_have_the_mean_of_what_was_seen_and_half_a_count(kind):
    rng = np.random.default_rng(0)
    X = (rng.random((30, 2)) < 0.2).astype(float) * (1.0 if kind == "bernoulli" else 7.0)
    X[::3, 1] = np.nan
    likelihood = ColumnLikelihood.of(X, (kind, kind))
    mean = likelihood.mean(likelihood.start(X), np.zeros((1, 2), np.float32))
    seen = np.isfinite(X).sum(axis=0)
    np.testing.assert_allclose(mean[0], (np.nansum(X, axis=0) + 0.5) / (seen + 1.0), rtol=1e-5)


def test_numbers_beyond_single_precision_are_refused_on_either_side():
    for extreme in (1e30, -1e30):
        with pytest.raises(ValueError, match="rescale it"):
            ColumnLikelihood.of(np.array([[1.0], [extreme], [2.0]]), ("gaussian",))


def test_a_mean_that_no_shift_reaches_ends_the_search():
    X = np.array([[0.0], [1.0], [1.0]])
    likelihood = ColumnLikelihood.of(X, ("bernoulli",))
    shift = likelihood.shift_to(
        likelihood.start(X), np.zeros((1, 2, 1), np.float32), np.array([[2.0]], np.float32)
    )
    assert np.isfinite(shift).all()
    assert shift[0, 0] > 5.0


def test_levels_have_their_frequencies_at_outputs_of_zero():
    X = np.repeat([0.0, 1.0, 2.0, 3.0], [5, 20, 7, 40])[:, None]
    likelihood = ColumnLikelihood.of(X, ("ordinal",))
    params, zeros = likelihood.start(X), np.zeros((4, 1), np.float32)
    found = np.exp(likelihood.log_density(params, zeros, np.arange(4.0, dtype=np.float32)[:, None]))[:, 0]
    above = (np.array([67, 47, 40]) + 0.5) / 73.0  # P(x > k), half a count on either side
    np.testing.assert_allclose(found, -np.diff([1.0, *above, 0.0]), rtol=1e-4)


def test_shared_noise_is_in_the_units_of_columns_that_vary():
    X = np.column_stack([np.tile([1.0, 5.0], 10), np.full(20, 3.0), np.tile([1.0, -1.0], 10)])
    likelihood = ColumnLikelihood.of(X, ("gaussian",) * 3, Noise(shared=True))
    np.testing.assert_allclose(likelihood.outputs.scale, np.sqrt((4.0 + 0.0 + 1.0) / 3.0))


def test_noise_and_its_floor_are_the_misfit():
    X = np.random.default_rng(0).standard_normal((50, 1))
    (block,) = ColumnLikelihood.of(X, ("gaussian",), Noise()).blocks
    likelihood = type(block.likelihood)(shared=False, floor=0.2)
    params = GaussianParams(np.zeros(1, np.float32))
    units = likelihood.output_units(X)
    found = likelihood.with_misfit(params, units, 50 * 0.7 * units.scale**2, np.array([50]))
    np.testing.assert_allclose(likelihood.noise(found), 0.7, rtol=1e-5)


def test_counts_far_below_what_is_expected_say_so_at_any_location():
    X = np.array([[1.0], [0.0], [2.0]])
    likelihood = ColumnLikelihood.of(X, ("poisson",))
    at = np.array([[40.0], [60.0], [80.0]], np.float32)
    found = np.asarray(likelihood.log_density(likelihood.start(X), at, np.float32(X)))
    assert (
        np.diff(np.asarray(likelihood.log_density(likelihood.start(X), at, np.zeros_like(at))), axis=0) < 0
    ).all()
    assert (found < -1e10).all()
    count = np.arange(2.0, 40.0)
    exact = gammaln(count + 1.0) - (0.5 * np.log(2.0 * np.pi * count) + count * np.log(count) - count)
    np.testing.assert_allclose(stirling_error(count), exact, atol=4e-7)


def test_entries_that_are_expected_say_nothing_and_others_to_which_side():
    x, mean = np.array([0.0, 1.0, 1.0]), np.array([-0.4, 0.3, 5.0])
    np.testing.assert_allclose(LOCAL_BOUNDS["bernoulli"].seen(x, mean), 2.0 * (x - expit(mean)))
    counts = np.array([0.0, 3.0, 50.0])
    found = LOCAL_BOUNDS["poisson"].seen(counts, np.log([1.0, 3.0, 20.0]))
    np.testing.assert_allclose(found, np.log([0.5 / 1.5, 1.0, 50.5 / 20.5]), atol=1e-12)
