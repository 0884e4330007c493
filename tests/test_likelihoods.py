"""Likelihoods of a decoder's outputs: against scipy, at the extremes, mixed by column, and what they refuse."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats
from scipy.special import expit

from intertwine.likelihoods import KINDS, ColumnLikelihood, Noise, column_kinds
from intertwine.likelihoods.bounds import column_bounds

enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # long ago

OWN = Noise()
NAMES = np.array(["a", "b", "c"], dtype=object)


@cache
def as_one(method):
    return jax.jit(lambda likelihood, *args: getattr(likelihood, method)(*args))


def compiled(likelihood, method, *args):
    """What a method gives; compiled as one, which is quicker than piece by piece."""
    return np.asarray(as_one(method)(likelihood, *args))


def table(kind, n=60, seed=0):
    rng = np.random.default_rng(seed)
    draws = {
        "gaussian": rng.standard_normal((n, 3)) * [1.0, 5.0, 0.1] + [0.0, 40.0, -3.0],
        "bernoulli": (rng.random((n, 3)) < [0.5, 0.1, 0.8]).astype(float),
        "poisson": rng.poisson([1.0, 30.0, 700.0], (n, 3)).astype(float),
        "ordinal": np.minimum(rng.poisson(2.0, (n, 3)), [4, 3, 6]) + np.array([0.0, 1.0, -2.0]),
    }
    return draws[kind]


def fitted(kind, noise=OWN, seed=0):
    X = table(kind, seed=seed)
    likelihood = ColumnLikelihood.of(X, (kind,) * 3, noise)
    params = jax.tree.map(jnp.asarray, likelihood.start(X))
    outputs = np.random.default_rng(1).standard_normal(X.shape).astype(np.float32)
    return X, likelihood, params, outputs


def reference(kind, likelihood, params, outputs, X):
    """Log densities, means and variances by scipy, from the definitions."""
    (block,), (own,) = likelihood.blocks, params
    place = np.float64(likelihood.outputs.center) + np.float64(likelihood.outputs.scale) * outputs
    if kind == "gaussian":
        noise = block.likelihood.floor + np.exp(np.float64(own.log_variance))
        law = stats.norm(place, np.sqrt(noise) * likelihood.outputs.scale)
        return law.logpdf(X), law.mean(), law.var()
    if kind in ("bernoulli", "poisson"):
        law = stats.bernoulli(expit(place)) if kind == "bernoulli" else stats.poisson(np.exp(place))
        return law.logpmf(X), law.mean(), law.var()
    cuts = np.float64(block.likelihood._cuts(own)[0])
    logpmf, mean, var = (np.empty(X.shape) for _ in range(3))
    for j, (low, K) in enumerate(zip(block.likelihood.lowest, block.likelihood.n_levels, strict=True)):
        below = expit(cuts[j, : K - 1] - place[:, j, None])
        mass = np.diff(below, axis=1, prepend=0.0, append=1.0)
        levels = low + np.arange(K)
        logpmf[:, j] = np.log(mass[np.arange(len(X)), (X[:, j] - low).astype(int)])
        mean[:, j] = mass @ levels
        var[:, j] = mass @ levels**2 - mean[:, j] ** 2
    return logpmf, mean, var


@pytest.mark.parametrize("kind", list(KINDS))
def test_densities_means_and_variances_are_those_of_scipy(kind):
    X, likelihood, params, outputs = fitted(kind)
    density, mean, variance = reference(kind, likelihood, params, outputs, X)
    np.testing.assert_allclose(
        compiled(likelihood, "log_density", params, outputs, X), density, rtol=2e-5, atol=2e-5
    )
    np.testing.assert_allclose(compiled(likelihood, "mean", params, outputs), mean, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(
        compiled(likelihood, "variance", params, outputs), variance, rtol=5e-5, atol=1e-5
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_draws_have_the_mean_and_variance(kind):
    _, likelihood, params, outputs = fitted(kind)
    rows = np.repeat(outputs[:2], 4000, axis=0)
    drawn = likelihood.sample(np.random.default_rng(2), params, rows).reshape(2, 4000, 3)
    mean, variance = (
        compiled(likelihood, "mean", params, outputs[:2]),
        compiled(likelihood, "variance", params, outputs[:2]),
    )
    error = np.sqrt(np.asarray(variance) / 4000)
    assert np.all(np.abs(drawn.mean(axis=1) - mean) < 4.5 * error)
    np.testing.assert_allclose(drawn.var(axis=1), variance, rtol=0.2, atol=1e-3)


@pytest.mark.parametrize("kind", list(KINDS))
def test_gradients_are_finite_differences(kind):
    X, likelihood, params, outputs = fitted(kind)

    @jax.jit
    def total(params, outputs):
        return likelihood.log_density(params, outputs, X[:8]).sum()

    single = jax.jit(jax.grad(total, (0, 1)))(params, outputs[:8])
    with enable_x64(True):
        params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
        at = jnp.asarray(outputs[:8], jnp.float64)
        check_grads(total, (params, at), order=1, modes=["rev"], eps=1e-5, rtol=1e-4)
        double = jax.jit(jax.grad(total, (0, 1)))(params, at)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), single, double)


@pytest.mark.parametrize("kind", list(KINDS))
def test_nothing_breaks_at_the_extremes(kind):
    X, likelihood, params, _ = fitted(kind)
    extremes = np.array([-1e6, -1e3, -90.0, 90.0, 1e3, 1e6], np.float32)[:, None] * np.ones(3, np.float32)
    rows = X[:6].astype(np.float32)

    def total(params, outputs):
        return likelihood.log_density(params, outputs, rows).sum()

    graded = jax.jit(jax.value_and_grad(total, (0, 1)))
    for shift in (-1e4, 0.0, 1e4):
        moved = jax.tree.map(lambda a, shift=shift: a + shift, params)
        value, gradient = graded(moved, extremes)
        finite = [np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves((value, gradient))]
        assert all(finite)
        assert np.isfinite(compiled(likelihood, "mean", moved, extremes)).all()
        assert (np.asarray(compiled(likelihood, "variance", moved, extremes)) >= 0).all()


@pytest.mark.parametrize("count", [1, 2, 5, 300, 1e5, 1e7])
def test_large_counts_lose_no_digits(count):
    X = np.full((4, 1), float(count))
    likelihood = ColumnLikelihood.of(X, ("poisson",))
    outputs = np.array([[-0.01], [0.0], [0.003], [0.4]], np.float32)
    place = (
        np.float64(likelihood.outputs.center) + outputs
    )  # in float32 a location has 1e-6 of an error itself
    expected = stats.poisson(np.exp(place)).logpmf(X)
    found = likelihood.log_density(likelihood.start(X), outputs, X)
    np.testing.assert_allclose(
        found, expected, rtol=3e-6 * max(1.0, 20 * np.log10(count)), atol=1e-5 + 1e-6 * count**0.5
    )


def test_levels_start_with_their_frequencies():
    X, likelihood, params, _ = fitted("ordinal")
    for j in range(3):
        levels = np.unique(X[:, j])
        rows = np.tile(X[:1], (len(levels), 1))
        rows[:, j] = levels
        mass = np.exp(
            compiled(likelihood, "log_density", params, np.zeros_like(rows, dtype=np.float32), rows)[:, j]
        )
        np.testing.assert_allclose(mass, [(X[:, j] == level).mean() for level in levels], atol=0.02)


def test_shared_noise_is_one_number_in_the_units_of_the_table():
    _, likelihood, params, outputs = fitted("gaussian", Noise(shared=True))
    assert params[0].log_variance.shape == (1,)
    assert np.ptp(compiled(likelihood, "variance", params, outputs)) == 0


def test_columns_of_shared_noise_are_shown_in_one_scale():
    X, likelihood, _, _ = fitted("gaussian", Noise(shared=True))
    shown = compiled(likelihood, "encoded", X, np.ones(X.shape))
    np.testing.assert_allclose(shown.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(shown.std(axis=0), X.std(axis=0) / np.sqrt(X.var(axis=0).mean()), rtol=1e-4)


def test_noise_has_a_floor():
    X, likelihood, params, outputs = fitted("gaussian", Noise(floor=0.01))
    silent = jax.tree.map(lambda a: a - 100.0, params)
    np.testing.assert_allclose(
        compiled(likelihood, "variance", silent, outputs)[0], 0.01 * X.var(axis=0), rtol=1e-5
    )


def mixed():
    X = np.concatenate([table(kind)[:, :2] for kind in KINDS], axis=1)[:, [0, 2, 4, 6, 1, 3, 5, 7]]
    kinds = tuple(KINDS) * 2
    X[3, 2] = X[5, 0] = X[7, 6] = np.nan
    return X, kinds, ColumnLikelihood.of(X, kinds)


def test_columns_of_several_kinds_are_each_what_they_are_alone():
    X, kinds, likelihood = mixed()
    outputs = np.random.default_rng(1).standard_normal(X.shape).astype(np.float32)

    @jax.jit
    def everything(likelihood, params, outputs, x):
        there = ~jnp.isnan(x)
        density = likelihood.log_density(params, outputs, x)
        moments = likelihood.mean(params, outputs), likelihood.variance(params, outputs)
        return jnp.stack([density, *moments, likelihood.encoded(x, there)])

    together = everything(likelihood, likelihood.start(X), outputs, X)
    for kind in KINDS:
        own = np.flatnonzero([other == kind for other in kinds])
        alone = ColumnLikelihood.of(X[:, own], (kind,) * 2)
        expected = everything(alone, alone.start(X[:, own]), outputs[:, own], X[:, own])
        np.testing.assert_allclose(together[..., own], expected, rtol=1e-5, atol=1e-5)
    drawn = likelihood.sample(np.random.default_rng(0), likelihood.start(X), outputs)
    likelihood.check(drawn)  # each is of its kind


def test_what_is_missing_says_nothing():
    X, _, likelihood = mixed()
    params, outputs = likelihood.start(X), np.ones(X.shape, np.float32)
    missing = np.isnan(X)
    density, gradient = jax.jit(jax.value_and_grad(lambda f: likelihood.log_density(params, f, X).sum()))(
        outputs
    )
    assert np.isfinite(density)
    assert (np.asarray(gradient)[missing] == 0).all()
    assert (np.asarray(gradient)[~missing] != 0).all()
    assert (np.asarray(compiled(likelihood, "encoded", X, ~missing))[missing] == 0).all()


def test_what_an_encoder_is_shown_is_standardised_and_bounded():
    X, _, likelihood = mixed()
    there = np.isfinite(X)
    shown = np.asarray(compiled(likelihood, "encoded", X, there))
    for j in range(X.shape[1]):
        values = shown[there[:, j], j]
        np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-4)
    assert np.abs(compiled(likelihood, "encoded", X + 1e6, there)).max() == 10.0


def test_another_table_of_the_same_kinds_does_not_compile_again():
    compiled = []

    @jax.jit
    def density(likelihood, params, outputs, x):
        compiled.append(1)
        return likelihood.log_density(params, outputs, x)

    for seed in (0, 1):
        X, likelihood, params, outputs = fitted("gaussian", seed=seed)
        density(likelihood, params, outputs, X)
    assert len(compiled) == 1
    same = fitted("gaussian", seed=1)[1]
    assert (same == likelihood, hash(same) == hash(likelihood)) == (True, True)
    assert fitted("gaussian", seed=0)[1] != likelihood
    assert np.isfinite(jax.jit(lambda likelihood: likelihood.outputs.center, static_argnums=0)(same)).all()


def test_a_state_holds_all():
    X, _, likelihood = mixed()
    params, outputs = likelihood.start(X), np.ones(X.shape, np.float32)
    again, own = ColumnLikelihood.from_state(likelihood.to_state(params))
    assert again == likelihood
    np.testing.assert_array_equal(
        compiled(again, "log_density", own, outputs, X),
        compiled(likelihood, "log_density", params, outputs, X),
    )


def test_kinds_are_given_for_all_for_some_or_for_each():
    assert column_kinds("poisson", 2) == ("poisson", "poisson")
    assert column_kinds({"c": "ordinal", 0: "bernoulli"}, 3, NAMES) == ("bernoulli", "gaussian", "ordinal")
    assert column_kinds(["poisson", "gaussian"], 2) == ("poisson", "gaussian")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("normal", ValueError, r"'normal'.*choose from \['gaussian'"),
        ({"d": "poisson"}, ValueError, r"'d'.*\['a', 'b', 'c'\]"),
        ({3: "poisson"}, ValueError, "column 3.*0 to 2"),
        (["poisson"], ValueError, "1 kind,.*3 columns"),
        (None, TypeError, "NoneType"),
    ],
)
def test_kinds_that_are_not_there_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        column_kinds(given, 3, NAMES)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("bernoulli", [0.0, 0.5, 1.0], r"\['b'\] must hold 0 and 1"),
        ("poisson", [0.0, -1.0, 3.0], r"\['b'\] must hold counts"),
        ("poisson", [0.0, 1.5, 3.0], r"\['b'\] must hold counts"),
        ("ordinal", [0.0, 1.5, 3.0], r"\['b'\] must hold whole numbers"),
        ("ordinal", [0.0, 1.0, 50.0], "at most 50 levels"),
        ("ordinal", [2.0, 2.0, 2.0], "at least 2"),
        ("gaussian", [1e7, 1e7 + 1, 1e7 + 2], "subtract a constant"),
    ],
)
def test_values_of_another_kind_are_refused_by_name(kind, values, message):
    good = table(kind, n=3)[:, :1] if kind != "ordinal" else np.array([[0.0], [1.0], [2.0]])
    X = np.concatenate([good, np.array(values)[:, None]], axis=1)
    with pytest.raises(ValueError, match=message):
        ColumnLikelihood.of(X, (kind, kind), names=NAMES[:2])


def test_new_rows_are_checked_against_the_fit():
    X, _, likelihood = mixed()
    nothing = np.full((1, X.shape[1]), np.nan)
    likelihood.check(nothing)
    likelihood.check(X)
    for j, wrong in ((1, 0.3), (2, -1.0), (2, 1.5), (3, -5.0), (7, 1.5)):
        row = nothing.copy()
        row[0, j] = wrong
        kind = list(KINDS)[j % 4]
        if (kind == "ordinal") != (j in (3, 7)):
            continue
        with pytest.raises(ValueError, match=rf"columns \[{j}\]"):
            likelihood.check(row)


def test_a_column_that_does_not_vary_is_harmless():
    X = np.array([[3.0, 0.1], [3.0, 0.1], [3.0, 0.1]])
    likelihood = ColumnLikelihood.of(X, ("gaussian", "gaussian"))
    shown = compiled(likelihood, "encoded", X, np.ones(X.shape))
    np.testing.assert_allclose(shown, 0.0, atol=1e-6)
    assert np.isfinite(likelihood.log_density(likelihood.start(X), np.zeros((3, 2), np.float32), X)).all()


def test_a_pixel_that_is_hardly_touched_is_fine_where_noise_is_shared():
    X = np.random.default_rng(0).standard_normal((20, 3)) * np.array([1.0, 1e-25, 1.0])
    ColumnLikelihood.of(X, ("gaussian",) * 3, Noise(shared=True))
    with pytest.raises(ValueError, match="rescale it"):
        ColumnLikelihood.of(X, ("gaussian",) * 3, Noise(shared=False))
    with pytest.raises(ValueError, match="rescale it"):
        ColumnLikelihood.of(1e-25 * X, ("gaussian",) * 3, Noise(shared=True))


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_shifted_until_means_are_what_they_should_be(kind):
    X, likelihood, params, outputs = fitted(kind)
    spread = np.random.default_rng(1).standard_normal((len(X), 16, X.shape[1])).astype(np.float32)
    at = outputs[:, None] + 1.5 * spread
    wanted = np.asarray(likelihood.mean(params, outputs + np.float32(0.7)))
    shift = np.asarray(compiled(likelihood, "shift_to", params, at, wanted))
    found = np.asarray(likelihood.mean(params, at + shift[:, None])).mean(axis=1)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-4)
    assert np.abs(np.asarray(likelihood.mean(params, at)).mean(axis=1) - wanted).max() > 0.05


@pytest.mark.parametrize("noise", [OWN, Noise(shared=True)])
def test_the_most_likely_noise_is_the_mean_squared_misfit(noise):
    X, likelihood, params, outputs = fitted("gaussian", noise)
    missed = np.where(np.isnan(X), 0.0, X - np.asarray(likelihood.mean(params, outputs)))
    count = np.sum(~np.isnan(X), axis=0)
    best = likelihood.with_misfit(params, np.square(missed).sum(axis=0), count)

    def density(parameters):
        return float(np.asarray(likelihood.log_density(parameters, outputs, X), np.float64).sum())

    for change in (-0.05, 0.05):
        other = (type(best[0])(best[0].log_variance + np.float32(change)),)
        assert density(other) < density(best)
    never = likelihood.with_misfit(params, np.zeros(X.shape[1]), np.zeros(X.shape[1], int))
    np.testing.assert_array_equal(never[0].log_variance, params[0].log_variance)


@pytest.mark.parametrize(
    ("low", "high"), [(0.1, 0.7), (-0.7, -0.1), (-0.3, 0.3), (1 / 3, 2 / 3), (-2.0, 4.0)]
)
def test_bounds_are_rounded_inwards(low, high):
    found = column_bounds((low, high), ("gaussian", "poisson"))
    assert low <= float(found.low[0]) < low + 1e-7 * abs(low) + 1e-30
    assert high - 1e-7 * abs(high) - 1e-30 < float(found.high[0]) <= high
    found.check(np.array([[low, -1e9], [high, 1e9]], np.float32), None)  # as the values are rounded
    with pytest.raises(ValueError, match="outside bounds"):
        found.check(np.array([[low - 1e-3, 0.0]]), None)
