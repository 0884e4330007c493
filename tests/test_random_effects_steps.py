"""What a fit of components is made of: its start, its parameters as one vector, its steps, and what it tells."""

from __future__ import annotations

import numpy as np
import pytest

from intertwine.effects import Grouped, Longitudinal
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.fitting.random_effects.fixed_point import accelerated
from intertwine.fitting.random_effects.pca import PCASettings, _Layout, climb, start_of_bound
from intertwine.fitting.random_effects.pca_exact import PCAParameters
from intertwine.fitting.watch import UNWATCHED, AbstractProgress, Watch

N, P, D = 40, 3, 2
SETTINGS = PCASettings(D, False, 50, 1e-8)
MAP = np.array([[0.9, 0.05, 0.0], [0.05, 0.6, 0.1], [0.0, 0.1, -0.4]])
REST = np.array([3.0, -1.0, 2.0])


def towards_rest(x):
    """A linear step of EM's kind: symmetric and contracting; the nearer to where it rests, the better."""
    image = REST + MAP @ (x - REST)
    return image, -float(np.sum((x - REST) ** 2))


def test_steps_on_a_linear_map_end_after_as_many_as_it_has_dimensions():
    """Anderson's method is GMRES there (Walker & Ni, 2011, theorem 2.2); plain steps would need 200."""
    found = accelerated(towards_rest, np.zeros(3), 60, 1e-15)
    assert next(i for i, value in enumerate(found.values) if value > -1e-12) <= 6
    np.testing.assert_allclose(found.x, REST, atol=1e-7)


def test_a_climb_tells_what_is_minimised_and_what_was_gained():
    told = []

    class Progress(AbstractProgress):
        section = part = candidate = lambda self, *_: None

        def iteration(self, row, state):
            told.append(row)

    found = climb(towards_rest, np.zeros(3), 1, SETTINGS, Watch(Progress(), UNWATCHED.journal))
    values = np.array(found.history["log_likelihood"])
    assert len(told) == len(values) - 1
    np.testing.assert_array_equal([row.value for row in told], -values[1:])
    np.testing.assert_array_equal([row.optimality for row in told], np.diff(values))
    np.testing.assert_array_equal(found.history["gain"], [0.0, *np.diff(values)])


def test_parameters_come_back_from_their_vector():
    rng = np.random.default_rng(0)
    roots = [np.tril(rng.normal(size=(P, r, r))) for r in (2, 1, 3)]
    params = PCAParameters(
        np.zeros(P), rng.normal(size=(P, D)), rng.uniform(0.5, 2.0, P),
        tuple(root @ np.swapaxes(root, 1, 2) for root in roots),
    )  # fmt: skip
    layout = _Layout(P, SETTINGS, [2, 1, 3])
    packed = layout.packed(params)
    assert packed.shape == (layout.size,)
    back = layout.unpacked(packed)
    np.testing.assert_allclose(back.loadings, params.loadings)
    np.testing.assert_allclose(back.noise, params.noise)
    for found, expected in zip(back.effects, params.effects, strict=True):
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("effect", [Grouped(), Longitudinal()])
def test_a_start_gives_effects_half_of_what_features_vary_wherever_zero_is(effect):
    rng = np.random.default_rng(1)
    school, age = rng.integers(0, 5, N), rng.random(N)
    X = rng.normal(size=(N, D)) @ rng.normal(size=(D, P)) + rng.normal(size=(N, P))
    X[3, 1] = np.nan
    bound = [effect.bind(EffectRows(N, {None: GroupCodes(school, 5)}, age))]
    params, latents = start_of_bound(X, bound, SETTINGS)
    moved, same = start_of_bound(X + np.array([100.0, -20.0, 3.0]), bound, SETTINGS)
    np.testing.assert_allclose(same, latents, atol=1e-9)
    for one, other in zip((*params[:3], *params.effects), (*moved[:3], *moved.effects), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-9)
    variance = np.nanvar(X, axis=0)
    factors = np.sum(params.loadings**2, axis=1) + params.noise
    np.testing.assert_allclose(factors, 0.5 * variance, rtol=0.05)
    basis = np.ones((N, 1)) if bound[0].basis is None else bound[0].basis
    [Sigma] = params.effects
    explained = np.einsum("ia,mab,ib->im", basis, Sigma, basis).mean(axis=0)
    np.testing.assert_allclose(explained, 0.5 * variance, rtol=1e-6)
