"""Laws that every loss obeys. A new loss adds one line to LOSSES."""

from typing import final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poisson_loss import PoissonLoss
from scipy.stats import norm

from intertwine.losses import BreslowLoss, CoxLoss, EfronLoss, LogisticLoss, SquaredLoss, best_constant
from intertwine.losses.diagonal import AbstractErrorLoss

N = 14


def survival(rng, n):
    """Times with many ties, about a third censored, at least one event."""
    time = rng.integers(2, 7, n).astype(float)
    event = rng.random(n) < 0.65
    event[0] = True
    return time, event


def truncated(make):
    def build(rng, n):
        time, event = survival(rng, n)
        entry = np.minimum(rng.integers(0, 5, n), time - 1)
        return make(time, event, entry, rng.integers(0, 2, n), rng.uniform(0.2, 3, n))

    return build


LOSSES = {
    "squared": lambda rng, n: SquaredLoss(rng.normal(size=n)),
    "squared, weights": lambda rng, n: SquaredLoss(rng.normal(size=n), rng.uniform(0.2, 3, n)),
    "logistic": lambda rng, n: LogisticLoss(rng.choice([-1, 1], n)),
    "logistic, weights": lambda rng, n: LogisticLoss(rng.choice([-1, 1], n), rng.uniform(0.2, 3, n)),
    "Poisson, of a newcomer": lambda rng, n: PoissonLoss(rng.poisson(2.0, n), rng.uniform(0.2, 3, n)),
    "efron": lambda rng, n: EfronLoss(*survival(rng, n)),
    "breslow": lambda rng, n: BreslowLoss(*survival(rng, n)),
    "efron, entry, strata, weights": truncated(EfronLoss),
    "breslow, entry, strata, weights": truncated(BreslowLoss),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def make(name, seed=0, n=N):
    rng = np.random.default_rng(seed)
    return LOSSES[name](rng, n), rng.normal(size=n), rng


def derivative(function, f, step=1e-5):
    """Central differences, one row of the result per coordinate of f."""
    return np.array([(function(f + e) - function(f - e)) / (2 * step) for e in step * np.eye(f.size)])


def dense(curvature, n):
    return curvature.matmul(np.eye(n))


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_derivative_of_the_value(name, seed):
    loss, f, _ = make(name, seed)
    np.testing.assert_allclose(loss.gradient(f), derivative(loss.value, f), atol=1e-9)


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_curvature_is_the_derivative_of_the_gradient(name, seed):
    loss, f, _ = make(name, seed)
    np.testing.assert_allclose(dense(loss.curvature(f), N), derivative(loss.gradient, f), atol=1e-9)


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_curvature_is_symmetric_and_positive_semi_definite(name, seed):
    loss, f, _ = make(name, seed)
    hessian = dense(loss.curvature(f), N)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-14)
    assert np.linalg.eigvalsh(hessian).min() > -1e-14


@every_loss
def test_diagonal_and_majorizer(name):
    loss, f, _ = make(name)
    curvature = loss.curvature(f)
    hessian = dense(curvature, N)
    np.testing.assert_allclose(curvature.diagonal(), np.diag(hessian), atol=1e-14)
    assert np.linalg.eigvalsh(np.diag(curvature.majorizer()) - hessian).min() > -1e-14


@every_loss
def test_products_with_many_vectors_equal_those_with_each(name):
    loss, f, rng = make(name)
    curvature = loss.curvature(f)
    vectors = rng.normal(size=(N, 70))
    one_by_one = np.stack([curvature.matmul(v) for v in vectors.T], axis=1)
    np.testing.assert_allclose(curvature.matmul(vectors), one_by_one, atol=1e-14)
    np.testing.assert_allclose(curvature.matmul(np.asfortranarray(vectors)), one_by_one, atol=1e-14)
    assert curvature.matmul(np.zeros((N, 0))).shape == (N, 0)


@every_loss
def test_value_is_the_weighted_mean_of_unit_losses(name):
    loss, f, _ = make(name)
    assert loss.value(f) == pytest.approx(np.average(loss.unit_losses(f), weights=loss.sample_weight))
    assert loss.total_weight == pytest.approx(loss.sample_weight.sum())


@every_loss
def test_order_of_rows_does_not_matter(name):
    loss, f, rng = make(name)
    order = rng.permutation(N)
    shuffled = loss.take(order)
    assert shuffled.value(f[order]) == pytest.approx(loss.value(f), rel=1e-13)
    np.testing.assert_allclose(shuffled.unit_losses(f[order]), loss.unit_losses(f)[order], atol=1e-14)
    np.testing.assert_allclose(shuffled.gradient(f[order]), loss.gradient(f)[order], atol=1e-15)


@every_loss
def test_take_by_mask_equals_take_by_position(name):
    loss, f, _ = make(name)
    mask = np.arange(N) % 3 != 1
    by_mask, by_position = loss.take(mask), loss.take(np.flatnonzero(mask))
    assert by_mask.n_rows == mask.sum()
    assert by_mask.value(f[mask]) == by_position.value(f[mask])
    assert by_mask.total_weight == pytest.approx(loss.sample_weight[mask].sum())


def reweighted(loss, weights):
    """The same outcome with other weights, through the constructor."""
    if isinstance(loss, CoxLoss):
        return type(loss)(loss.time, loss.event, loss.entry, loss.strata, weights)
    return type(loss)(loss.y, weights)


@every_loss
def test_weight_zero_equals_leaving_the_row_out(name):
    loss, f, _ = make(name)
    keep = np.arange(N) % 4 != 2
    zeroed, shorter = reweighted(loss, loss.sample_weight * keep), loss.take(keep)
    # the largest score of all is in a row that does not count
    f = np.where(keep, f, 800.0)
    assert zeroed.value(f) == pytest.approx(shorter.value(f[keep]), rel=1e-13)
    np.testing.assert_allclose(zeroed.gradient(f)[keep], shorter.gradient(f[keep]), atol=1e-15)
    np.testing.assert_array_equal(zeroed.gradient(f)[~keep], 0)
    rows = np.ix_(keep, keep)
    np.testing.assert_allclose(
        dense(zeroed.curvature(f), N)[rows], dense(shorter.curvature(f[keep]), keep.sum()), atol=1e-15
    )


@pytest.mark.parametrize("name", [name for name in LOSSES if not name.startswith("efron")])
def test_weight_equals_repetition(name):
    loss, f, rng = make(name)
    counts = rng.integers(1, 4, N)
    repeated = np.repeat(np.arange(N), counts)
    weighted = reweighted(loss, loss.sample_weight * counts)
    many = loss.take(repeated)
    assert weighted.value(f) == pytest.approx(many.value(f[repeated]), rel=1e-13)
    total = np.bincount(repeated, many.gradient(f[repeated]))
    np.testing.assert_allclose(weighted.gradient(f), total, atol=1e-15)


def test_weight_equals_repetition_for_censored_rows_with_efron_ties():
    loss, f, rng = make("efron")
    counts = np.where(loss.event, 1, rng.integers(1, 4, N))
    repeated = np.repeat(np.arange(N), counts)
    weighted = reweighted(loss, counts)
    assert weighted.value(f) == pytest.approx(loss.take(repeated).value(f[repeated]), rel=1e-13)


@every_loss
def test_scale_of_the_weights_does_not_matter(name):
    loss, f, _ = make(name)
    for scale in (1e-250, 1e250):
        scaled = reweighted(loss, loss.sample_weight * scale)
        # the partial likelihood itself moves by a constant
        rise, expected = scaled.value(f) - scaled.value(-f), loss.value(f) - loss.value(-f)
        assert rise == pytest.approx(expected, rel=1e-10, abs=1e-11)
        np.testing.assert_allclose(scaled.gradient(f), loss.gradient(f), rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(
            dense(scaled.curvature(f), N), dense(loss.curvature(f), N), rtol=1e-9, atol=1e-15
        )


@every_loss
def test_start_score_is_the_best_constant(name):
    loss, _, _ = make(name)
    start = loss.start_score()
    values = [loss.value(np.full(N, start + shift)) for shift in (0.0, -1e-3, 1e-3)]
    if loss.has_intercept:
        assert values[0] < min(values[1:])
    else:
        assert start == 0.0
        np.testing.assert_allclose(values, values[0], rtol=1e-14)
    assert np.shape(loss.inverse_link(np.zeros((3, 2)))) == (3, 2)


@final
class ThreeHalvesLoss(AbstractErrorLoss):
    """|f − y|^(3/2), between absolute and squared errors."""

    def _losses(self, f):
        return np.abs(f - self.y) ** 1.5

    def _slopes(self, f):
        return 1.5 * np.sign(f - self.y) * np.sqrt(np.abs(f - self.y))

    def _curvatures(self, f):
        return 0.75 / np.sqrt(np.maximum(np.abs(f - self.y), 1e-300))

    def start_score(self) -> float:
        return best_constant(self)


@pytest.mark.parametrize("unit", [1e-14, 1.0, 1e6])
def test_the_best_constant_has_its_digits_in_any_unit(unit):
    loss = ThreeHalvesLoss(unit * np.array([1.0, 2.0, 6.0, 13.0]))
    start = loss.start_score()
    before, after = (loss.gradient(np.full(4, start * factor)).sum() for factor in (1 - 1e-12, 1 + 1e-12))
    assert before < 0 < after


@final
class RaisedLoss(AbstractErrorLoss):
    """Squared error around outcomes that are raised by 20, so that no outcome is near the best constant."""

    def _losses(self, f):
        return 0.5 * (f - self.y - 20.0) ** 2

    def _slopes(self, f):
        return f - self.y - 20.0

    def _curvatures(self, f):
        return np.ones_like(f)

    def start_score(self) -> float:
        return best_constant(self)


@final
class LoweredLoss(AbstractErrorLoss):
    """The same, lowered."""

    def _losses(self, f):
        return 0.5 * (f - self.y + 20.0) ** 2

    def _slopes(self, f):
        return f - self.y + 20.0

    def _curvatures(self, f):
        return np.ones_like(f)

    def start_score(self) -> float:
        return best_constant(self)


@pytest.mark.parametrize(("loss", "best"), [(RaisedLoss, 18.0), (LoweredLoss, -22.0)])
def test_the_best_constant_is_found_beyond_all_outcomes(loss, best):
    assert loss([-1.0, -2.0, -3.0]).start_score() == pytest.approx(best, rel=1e-12)


def test_inverse_links():
    assert make("squared")[0].inverse_link([2.0]) == [2.0]
    assert make("logistic")[0].inverse_link([0.0]) == [0.5]
    np.testing.assert_allclose(make("efron")[0].inverse_link([0.0, np.log(3)]), [1, 3])


@every_loss
def test_float32_scores_are_computed_in_float64(name):
    loss, f, _ = make(name)
    single = f.astype(np.float32)
    assert loss.value(single) == loss.value(single.astype(np.float64))
    assert loss.gradient(single).dtype == np.float64


@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(name, bad):
    loss, f, _ = make(name)
    f[3] = bad
    for method in (loss.value, loss.unit_losses, loss.gradient):
        with pytest.raises(ValueError, match="overflow: 1 of 14 scores"):
            method(f)


def test_squared_loss_and_its_normalizer_are_the_gaussian_log_density():
    loss, f, _ = make("squared, weights")
    dispersion = loss.dispersion(misfit=6.0, degrees_of_freedom=4.0)
    assert dispersion == 1.5
    log_density = norm(f, np.sqrt(dispersion / loss.sample_weight)).logpdf(loss.y).sum()
    total = loss.total_weight * loss.value(f)
    assert loss.log_normalizer(dispersion) - total / dispersion == pytest.approx(log_density)


@pytest.mark.parametrize("name", ["logistic", "efron"])
def test_likelihoods_need_no_dispersion(name):
    loss, _, _ = make(name)
    assert (loss.dispersion(misfit=6.0, degrees_of_freedom=4.0), loss.log_normalizer(1.0)) == (1.0, 0.0)


def test_a_loss_that_is_not_finite_is_refused():
    loss, f, _ = make("squared")
    with pytest.raises(ValueError, match="overflow: the loss"):
        loss.value(f * 1e200)


@every_loss
def test_other_shapes_are_refused(name):
    loss, f, _ = make(name)
    with pytest.raises(ValueError, match=r"\(13,\), expecting \(14,\)"):
        loss.value(f[1:])


@every_loss
def test_nothing_given_is_changed_or_shared(name):
    loss, f, _ = make(name)
    scores, vectors = f.copy(), np.ones((N, 2))
    curvature = loss.curvature(f)
    before = loss.value(f), dense(curvature, N)
    for array in (loss.gradient(f), loss.unit_losses(f), curvature.diagonal(), curvature.majorizer()):
        array[:] = 7.0
    curvature.matmul(vectors)[:] = 7.0
    np.testing.assert_array_equal(f, scores)
    np.testing.assert_array_equal(vectors, 1)
    assert loss.value(f) == before[0]
    np.testing.assert_array_equal(dense(curvature, N), before[1])


@every_loss
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), spread=st.sampled_from([0.1, 3.0, 100.0]), at=st.floats(0, 1))
def test_convex_along_lines(name, seed, spread, at):
    loss, f, rng = make(name, seed)
    start, end = spread * f, spread * rng.normal(size=N)
    chord = (1 - at) * loss.value(start) + at * loss.value(end)
    value = loss.value((1 - at) * start + at * end)
    assert value <= chord + 1e-12 * (1 + abs(chord))


BAD_WEIGHTS = {
    "negative": ([-1.0] + [1.0] * (N - 1), "not negative"),
    "NaN": ([np.nan] + [1.0] * (N - 1), r"NaN in rows \[0\]"),
    "infinite": ([np.inf] + [1.0] * (N - 1), "finite"),
    "zero": ([0.0] * N, "zero in every row"),
    "short": ([1.0] * 3, r"\(3,\), expecting \(14,\)"),
    "square": (np.ones((N, 1)), r"\(14, 1\)"),
}


@every_loss
@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_bad_weights_are_refused(name, kind):
    weights, message = BAD_WEIGHTS[kind]
    with pytest.raises(ValueError, match=message):
        reweighted(make(name)[0], weights)


def test_bad_outcomes_are_refused():
    with pytest.raises(ValueError, match="y contains NaN in rows"):
        SquaredLoss([1.0, np.nan])
    with pytest.raises(ValueError, match="infinity"):
        SquaredLoss([1.0, np.inf])
    with pytest.raises(ValueError, match="n ≥ 1"):
        SquaredLoss([])
    with pytest.raises(ValueError, match="−1 or"):
        LogisticLoss([0, 1])
    with pytest.raises(ValueError, match="one class only"):
        LogisticLoss([1, 1]).start_score()


def test_logistic_is_accurate_at_the_ends():
    loss = LogisticLoss([1.0, -1.0])
    assert loss.value([800.0, -800.0]) == 0.0
    assert loss.value([-800.0, 800.0]) == 800.0
    # p (1 − p) = e^-40 would cancel to zero in double precision
    np.testing.assert_allclose(loss.curvature([40.0, 0.0]).diagonal()[0], np.exp(-40) / 2, rtol=1e-12)
