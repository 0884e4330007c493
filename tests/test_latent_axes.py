"""Axes of latents: which carry a signal, and the order, sign and scale in which they are reported."""

import numpy as np
import pytest

from intertwine.effects import BySubject, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.fitting.longitudinal.model import FittedLatents
from intertwine.mixed_effects.latent_axes import AxisConvention, alike_axes, axis_convention, identified_axes
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, SharedPosterior, Sites


def fitted(levels, curves, mix=None, seed=0, n_subjects=80, visits=5):
    """A few steps of EM at sites of axes that have levels of subjects and a common curve of these sizes."""
    rng = np.random.default_rng(seed)
    n, n_axes = n_subjects * visits, len(levels)
    time, subject = rng.uniform(0, 10, n), np.repeat(np.arange(n_subjects), visits)
    columns = Covariates(n, {"time": time}, {})
    effects = LatentEffects.of([BySubject(), Smooth("time", length_scale=3.0)], columns, subject)
    rows = effects.rows(columns, subject, n_subjects, effects.start_shape())
    signal = rng.normal(size=(n_subjects, n_axes))[subject] * np.sqrt(levels)
    signal += np.sin(time)[:, None] * curves
    if mix is not None:
        signal = signal @ mix
    mean = signal + rng.normal(size=(n, n_axes)) + np.sqrt(0.2) * rng.normal(size=(n, n_axes))
    variance = np.full((n, n_axes), 0.2)
    variance[rng.uniform(size=n) < 0.1] = np.inf
    system, sites = SubjectSystem(rows), Sites(mean, variance)
    by_effect, noise = np.full((2, n_axes), 0.3), np.ones(n_axes)
    for _ in range(12):
        moments = system.posterior(sites, effects.variances(noise, by_effect)).moments()
        by_effect, noise = effects.by_effect(moments), moments.noise
    return system, sites, effects.variances(noise, by_effect)


def test_axes_of_noise_are_told_from_those_that_carry_a_signal():
    found = identified_axes(
        *fitted(np.array([0.0, 1.0, 0.3, 0.0, 0.0]), np.array([0.0, 0.3, 0.0, 0.0, 0.7])), 2
    )
    assert found.identified.tolist() == [False, True, True, False, True]
    assert found.rank == 3
    assert found.gain[1] > 20.0 > 2.0 > found.gain[0]


def test_noise_is_rarely_taken_for_a_signal():
    wrong = [identified_axes(*fitted(np.zeros(8), np.zeros(8), seed=seed), 2) for seed in range(3)]
    assert sum(found.identified.sum() for found in wrong) == 0
    assert [found.rank for found in wrong] == [0, 0, 0]


def test_axes_that_share_a_signal_count_once():
    mix = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = identified_axes(*fitted(np.array([2.0, 0.0, 1.0]), np.zeros(3), mix=mix), 2)
    assert found.identified.tolist() == [True, True, True]
    assert found.rank == 2


def test_what_is_identified_does_not_depend_on_units_order_or_sign():
    system, sites, variances = fitted(np.array([0.0, 1.0, 0.4]), np.zeros(3))
    convention = AxisConvention(np.array([2, 0, 1]), np.array([1.0, -1.0, -1.0]), np.array([0.1, 5.0, 2.0]))
    found = identified_axes(system, sites, variances, 2)
    turned = identified_axes(system, convention.sites(sites), convention.variances(variances), 2)
    np.testing.assert_allclose(turned.gain, found.gain[convention.order], rtol=1e-6, atol=1e-7)
    assert turned.rank == found.rank == 2


def test_the_convention_orders_signs_and_scales():
    slopes = np.array([[1.0, -0.2, 0.0], [-3.0, 0.1, 0.5]])
    convention = axis_convention(np.array([1.0, 4.0, 100.0]), np.array([3.0, 0.0, 0.0]), slopes)
    assert convention.order.tolist() == [2, 0, 1]  # 100 · .25, 1 · 10, 4 · .05
    assert convention.sign.tolist() == [1.0, -1.0, -1.0]
    assert convention.scale.tolist() == [10.0, 2.0, 2.0]
    by_share = axis_convention(
        np.array([1.0, 4.0, 9.0]), np.array([1.0, 1.0, 0.0]), None, np.array([1, 1, 0], bool)
    )
    assert by_share.order.tolist() == [1, 0, 2]


def test_new_axes_decode_as_the_old_ones_did():
    rng = np.random.default_rng(0)
    slopes, latents = rng.normal(size=(4, 3)), rng.normal(size=(10, 3))
    convention = axis_convention(np.array([2.0, 1.0, 3.0]), np.ones(3), slopes)
    new = convention.latents(latents)
    np.testing.assert_allclose(new @ convention.slopes(slopes).T, latents @ slopes.T)
    np.testing.assert_allclose(convention.undone(new), latents)
    again = axis_convention(
        np.array([2.0, 1.0, 3.0])[convention.order], np.ones(3), convention.slopes(slopes)
    )
    assert (again.sign == 1.0).all()


def test_the_convention_gives_latents_the_prior_variance_one():
    _, _, variances = fitted(np.array([1.0, 0.3]), np.zeros(2))
    prior = variances.own.sum(axis=0)
    new = axis_convention(prior, variances.noise).variances(variances)
    np.testing.assert_allclose(new.own.sum(axis=0) + new.noise, 1.0)
    assert np.isinf(new.shared[0]).all()


def test_axes_of_the_same_proportions_may_be_rotated():
    by_effect = np.array([[1.0, 2.0, 1.0, 3.0], [0.5, 1.0, 0.1, 1.6]])
    noise = np.array([1.0, 2.0, 1.0, 3.0])
    assert alike_axes(by_effect, np.array([1.0, 0.6]), noise) == [(0, 1), (0, 3), (1, 3)]
    assert alike_axes(by_effect[:, :1], np.ones(2), noise[:1]) == []


@pytest.mark.parametrize("n_seen", [0, 4])
@pytest.mark.parametrize("n_axes", [1, 3])
def test_sites_that_say_next_to_nothing_identify_nothing(n_axes, n_seen):
    system, sites, variances = fitted(np.ones(n_axes), np.zeros(n_axes))
    variance = np.full(sites.mean.shape, np.inf)
    variance[:n_seen] = 0.2
    found = identified_axes(system, sites._replace(variance=variance), variances, 2)
    assert not found.identified.any()
    assert found.rank == 0


def test_what_is_known_of_shared_coefficients_turns_with_them():
    convention = AxisConvention(np.array([2, 0, 1]), np.array([1.0, -1.0, -1.0]), np.array([0.1, 5.0, 2.0]))
    rng = np.random.default_rng(1)
    mean, root = rng.standard_normal((2, 3)), rng.standard_normal((3, 2, 2))
    variances = LatentVariances(*(rng.uniform(size=shape) for shape in ((3,), (2, 3), (1, 3), (0, 3))))
    sites = Sites(rng.standard_normal((4, 3)), rng.uniform(size=(4, 3)))
    fitted = FittedLatents(
        None, np.zeros(0), variances, SharedPosterior(mean, root @ root.swapaxes(1, 2)), sites
    )
    turned = fitted.turned(convention)
    # coefficients one posterior deviation away are one away in the new axes
    away = convention.latents(mean + root[:, :, 0].T) - convention.latents(mean)
    new_root = root[convention.order] * (convention.sign / convention.scale)[:, None, None]
    np.testing.assert_allclose(turned.shared.covariance, new_root @ new_root.swapaxes(1, 2))
    np.testing.assert_allclose(new_root[:, :, 0].T, away)
    np.testing.assert_allclose(turned.shared.mean, convention.latents(mean))


def test_noise_may_be_told_by_the_sites_and_latents_have_no_zero():
    system, sites, variances = fitted(np.array([1.0, 0.0, 0.3]), np.zeros(3))
    sites = Sites(sites.mean, np.where(np.isfinite(sites.variance), 0.0, np.inf))
    total = variances.noise + 0.2
    expected = identified_axes(system, sites, variances._replace(noise=total), 2)
    known = Sites(sites.mean + 40.0, sites.variance + 0.8 * total)  # most of it, and elsewhere
    found = identified_axes(system, known, variances._replace(noise=0.2 * total), 2)
    np.testing.assert_allclose(found.gain, expected.gain, rtol=1e-6, atol=1e-6)
    assert found.rank == expected.rank == 2
