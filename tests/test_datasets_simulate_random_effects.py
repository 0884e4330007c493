"""The simulated random effects follow the laws that their descriptions state."""

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process.kernels import RBF, Matern

from intertwine.datasets import (
    simulate_categorical_effects,
    simulate_longitudinal_effects,
    simulate_spatial_effects,
)


def categorical(seed=0, n=900, p=5, **options):
    return simulate_categorical_effects(
        n, p, n_levels=(30, 60), variances=(3.0, 0.3), random_state=seed, **options
    )


def longitudinal(seed=0, n=900, p=5, **options):
    return simulate_longitudinal_effects(n, p, n_subjects=40, random_state=seed, **options)


def spatial(seed=0, n=900, p=5, **options):
    return simulate_spatial_effects(n, p, n_sites=50, random_state=seed, **options)


DESIGNS = {"categorical": categorical, "longitudinal": longitudinal, "spatial": spatial}


@pytest.mark.parametrize("design", DESIGNS)
def test_rows_are_the_sum_of_their_parts(design):
    truth = DESIGNS[design](d=2)
    groups = truth.groups.reshape(len(truth.data), -1)
    basis = truth.time[:, None] ** np.arange(3) if design == "longitudinal" else np.ones((len(truth.data), 1))
    product = truth.latent[:, None, :] * truth.loadings
    np.testing.assert_allclose(truth.signal, (product * np.cos(product)).sum(axis=2), atol=1e-12)
    part = sum(
        np.einsum("nr,nrm->nm", basis, effect[level])
        for level, effect in zip(groups.T, truth.effects, strict=True)
    )
    np.testing.assert_allclose(truth.random_part, part, atol=1e-12)
    noise = truth.data - truth.mean - truth.signal - truth.random_part
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert np.all(np.abs(truth.mean) < 10)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_seed_fixes_everything(design):
    first, again, other = DESIGNS[design](3), DESIGNS[design](3), DESIGNS[design](4)
    for name in ("data", "groups", "test", "latent", "random_part"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


@pytest.mark.parametrize("design", DESIGNS)
def test_every_row_is_on_one_side_of_the_split(design):
    for split in ("random", "unknown"):
        truth = DESIGNS[design](split=split)
        np.testing.assert_array_equal(np.sort(np.r_[truth.train, truth.test]), np.arange(len(truth.data)))
        level = truth.groups.reshape(len(truth.data), -1)[:, 0]
        assert len(truth.test) == pytest.approx(180, abs=0 if split == "random" else 90)
        assert set(level[truth.train]).isdisjoint(level[truth.test]) == (split == "unknown")


def test_the_future_is_the_largest_times():
    truth = longitudinal(split="future")
    assert len(truth.test) == 180
    assert truth.time[truth.train].max() < truth.time[truth.test].min()


def test_features_differ_in_their_variances():
    truth = categorical(p=4000, n=300)
    for (effect, covariance), nominal in zip(
        zip(truth.effects, truth.effect_variances, strict=True), (3.0, 0.3), strict=True
    ):
        scale = covariance[:, 0, 0]
        assert set(np.round(scale / min(nominal, 1.0), 6)) <= set(range(1, 20))
        assert scale.mean() == pytest.approx((nominal + 1) * min(nominal, 1.0), rel=0.05)
        assert stats.kstest((effect[:, 0] / np.sqrt(scale))[::5].ravel(), "norm").pvalue > 1e-3


def test_sorted_groupings_are_almost_nested_and_crossed_ones_are_not():
    nested, crossed = categorical(), categorical(crossed=True)
    assert np.all(np.diff(nested.groups, axis=0) >= 0)
    assert len(np.unique(nested.groups, axis=0)) < 100 < len(np.unique(crossed.groups, axis=0))
    assert np.bincount(nested.groups[:, 0]).std() > np.sqrt(900 / 30)  # levels differ more than by chance


def test_the_coefficients_of_time_have_their_covariance():
    truth = simulate_longitudinal_effects(
        300, 400, n_subjects=200, variances=(1.0, 4.0, 0.25), random_state=0
    )
    expected = [[1.0, 0.6, 0.15], [0.6, 4.0, 0.0], [0.15, 0.0, 0.25]]
    np.testing.assert_allclose(truth.effect_variances[0][7], expected, atol=1e-12)
    drawn = truth.effects[0].transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(np.cov(drawn), expected, atol=0.05)


@pytest.mark.parametrize(
    ("kernel", "known"),
    [("rbf", RBF(0.7)), ("matern12", Matern(0.7, nu=0.5)), ("matern32", Matern(0.7, nu=1.5))],
)
def test_fields_have_their_kernel(kernel, known):
    truth = spatial(p=20_000, n=60, kernel=kernel, length_scale=0.7)
    field = truth.effects[0][:, 0] / np.sqrt(truth.effect_variances[0][:, 0, 0])
    np.testing.assert_allclose(np.cov(field), known(truth.sites), atol=0.05)
    np.testing.assert_array_equal(truth.coords, truth.sites[truth.groups])


def test_a_rough_field_is_factored_whole(monkeypatch):
    monkeypatch.setattr("intertwine.datasets.simulate_random_effects._LARGEST_RANK", 5)
    truth = spatial(p=20_000, n=60, kernel="matern12", length_scale=0.7)
    field = truth.effects[0][:, 0] / np.sqrt(truth.effect_variances[0][:, 0, 0])
    np.testing.assert_allclose(np.cov(field), Matern(0.7, nu=0.5)(truth.sites), atol=0.05)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: categorical(split="future"), "split must be 'random' or 'unknown', got 'future'"),
        (lambda: longitudinal(split="past"), "split must be 'random', 'unknown' or 'future', got 'past'"),
        (lambda: simulate_categorical_effects(9, 2, n_levels=(3,)), "1 groupings but 3 variances"),
        (lambda: longitudinal(correlation=0.9), "correlation=0.9 is too large for 3 coefficients"),
        (lambda: spatial(kernel="cubic"), "kernel must be 'rbf' or one of"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
