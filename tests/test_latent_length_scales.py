"""Length scales of latent effects: those that made the latents are found, with some of the subjects as well."""

from types import SimpleNamespace

import numpy as np
import pytest

from intertwine.effects import BySubject, Linear, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.mixed_effects import latent_length_scales
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.latent_length_scales import _some_subjects, fit_length_scales
from intertwine.mixed_effects.subjects import Sites


def drawn(effects, true_shape, n_subjects=60, visits=8, n_axes=2, seed=0):
    """Latents from the prior of the effects themselves."""
    rng = np.random.default_rng(seed)
    n = n_subjects * visits
    subject = np.repeat(np.arange(n_subjects), visits)
    columns = Covariates(n, {"time": rng.uniform(0, 10, n), "dose": rng.normal(size=n)}, {})
    effects = LatentEffects.of(effects, columns, subject)
    rows = effects.rows(columns, subject, n_subjects, np.asarray(true_shape))
    mean = rows.shared[:, 1:] @ rng.normal(size=(rows.shared.shape[1] - 1, n_axes))
    own = rng.normal(size=(n_subjects, rows.own.shape[1], n_axes))
    mean += np.einsum("nq,nqk->nk", rows.own, own[subject])
    mean += 0.3 * rng.normal(size=mean.shape)
    variances = effects.variances(np.full(n_axes, 0.1), np.full((len(effects.effects), n_axes), 0.5))
    return effects, columns, subject, Sites(mean, np.zeros(mean.shape)), variances


@pytest.mark.parametrize("true_scale", [1.5, 5.0])
def test_the_length_scale_of_subjects_is_found(true_scale):
    given = drawn([BySubject(Smooth("time", "matern52"))], [true_scale])
    effects, columns, subject, sites, variances = given
    found = fit_length_scales(effects, columns, subject, sites, effects.start_shape(), variances)
    assert found.converged
    assert found.bound.tolist() == [0]
    assert found.shape[0] == pytest.approx(true_scale, rel=0.3)


def test_some_subjects_tell_as_much():
    effects, columns, subject, sites, variances = drawn([BySubject(Smooth("time"))], [2.0], n_subjects=100)
    few = fit_length_scales(effects, columns, subject, sites, [4.0], variances, max_visits=300)
    again = fit_length_scales(effects, columns, subject, sites, [4.0], variances, max_visits=300)
    assert few.shape == again.shape
    assert few.shape[0] == pytest.approx(2.0, rel=0.3)


def test_what_is_given_is_left_alone():
    effects, columns, subject, sites, variances = drawn(
        [Smooth("time", length_scale=2.0), BySubject(Linear("dose"))], [2.0]
    )
    found = fit_length_scales(effects, columns, subject, sites, effects.start_shape(), variances)
    assert found.shape.tolist() == [2.0]
    assert found.converged
    none = LatentEffects.of([BySubject()], columns, subject)
    variances = none.variances(np.full(2, 0.1), np.ones((1, 2)))
    assert fit_length_scales(none, columns, subject, sites, np.empty(0), variances).shape.shape == (0,)


def test_a_straight_line_takes_a_long_length_scale():
    effects, columns, subject, sites, variances = drawn([Smooth("time")], [3.0], n_subjects=20)
    line = sites._replace(
        mean=columns.numbers["time"][:, None] + 0.1 * np.random.default_rng(0).normal(size=(160, 2))
    )
    found = fit_length_scales(effects, columns, subject, line, effects.start_shape(), variances)
    assert found.shape[0] > 5.0 > effects.start_shape()[0]


def test_subjects_that_are_drawn_are_numbered_without_gaps():
    subject = np.repeat(np.arange(50), 4) * 3
    kept, whose = _some_subjects(subject, 30)
    assert 30 <= len(kept) < 60
    assert np.unique(whose).tolist() == list(range(len(kept) // 4))
    np.testing.assert_array_equal(np.unique(subject[kept], return_inverse=True)[1], whose)


def test_axes_that_say_most_are_looked_at(monkeypatch):
    monkeypatch.setattr(latent_length_scales, "_MOST_AXES", 1)
    effects, columns, subject, sites, variances = drawn([BySubject(Smooth("time"))], [2.0], n_subjects=12)
    variances = effects.variances(np.array([0.1, 0.1]), np.array([[0.01, 0.5]]))
    found = fit_length_scales(effects, columns, subject, sites, [4.0], variances)
    second = np.array([1])
    alone = fit_length_scales(
        effects,
        columns,
        subject,
        Sites(*(part[:, second] for part in sites)),
        [4.0],
        variances.of_axes(second),
    )
    assert found.shape == alone.shape
    assert found.log_evidence == alone.log_evidence


@pytest.mark.parametrize("kinds", [[Smooth("time")], [BySubject(Smooth("time"))]], ids=["shared", "own"])
def test_a_second_search_from_what_was_found_gains_nothing(kinds):
    effects, columns, subject, sites, variances = drawn(
        [*kinds, BySubject(Smooth("dose"))], [3.0, 1.0], n_subjects=30, visits=6, seed=2
    )
    found = fit_length_scales(effects, columns, subject, sites, effects.start_shape(), variances)
    assert found.converged
    again = fit_length_scales(effects, columns, subject, sites, found.shape, variances)
    assert again.log_evidence < found.log_evidence + 0.1


def test_length_scales_are_looked_for_in_turns_until_none_gains(monkeypatch):
    effects, columns, subject, sites, variances = drawn(
        [Smooth("time"), BySubject(Smooth("dose"))], [3.0, 1.0], n_subjects=10
    )
    values = iter([-10.0, -9.0, -8.0, -7.0, -7.0, -7.0])
    monkeypatch.setattr(
        latent_length_scales,
        "maximize_scalar",
        lambda *_, **__: SimpleNamespace(x=0.5, bound=0, value=next(values)),
    )
    found = fit_length_scales(effects, columns, subject, sites, [8.0, 5.0], variances)
    assert found.converged
    assert found.log_evidence == -7.0
    assert not list(values)
