"""Shapes of effects for models of many features: what is left out of the search does not change what it finds."""

from __future__ import annotations

import numpy as np
import pytest

from intertwine.effects import AR1, Grouped, Spatial
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.fitting.random_effects.latent_shapes import learnt_shapes

N, Q = 500, 120


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    sites = rng.uniform(-1, 1, (Q, 2))
    distance = np.linalg.norm(sites[:, None] - sites, axis=2)
    root = np.linalg.cholesky(np.exp(-0.5 * (distance / 0.4) ** 2) + 1e-8 * np.eye(Q))
    site, state = rng.integers(0, Q, N), rng.integers(0, 5, N)
    X = (root @ rng.normal(size=(Q, 5)))[site] + 2.0 * rng.normal(size=(5, 5))[state]
    X += rng.normal(size=(N, 1)) @ rng.normal(size=(1, 5)) + 0.4 * rng.normal(size=(N, 5))
    groups = {"state": GroupCodes(state, 5)}
    return X, EffectRows(N, groups, coords=sites[site])


def test_few_levels_stand_as_fixed_columns(rows):
    X, effects = rows
    bound = [Grouped("state").bind(effects), Spatial().bind(effects)]
    shapes = learnt_shapes(X, bound)
    assert shapes[0].size == 0
    assert shapes[1][0] == pytest.approx(0.4, rel=0.2)


def test_some_missing_entries_do_not_matter(rows):
    X, effects = rows
    X[np.random.default_rng(1).random(X.shape) < 0.05] = np.nan
    assert learnt_shapes(X, [Spatial().bind(effects)])[0][0] == pytest.approx(0.4, rel=0.35)


def test_given_shapes_stay(rows):
    X, effects = rows
    assert learnt_shapes(X, [Spatial(length_scale=0.7).bind(effects)])[0][0] == 0.7
    assert learnt_shapes(X, [Grouped("state").bind(effects)])[0].size == 0
    assert learnt_shapes(X, []) == ()
    assert learnt_shapes(np.zeros_like(X), [Spatial().bind(effects)])[0].size == 1


def test_two_shapes_are_learnt_together(rows):
    X, effects = rows
    time = np.arange(N, dtype=float) % 40
    walk = np.random.default_rng(2).normal(size=(40, 5))
    for t in range(1, 40):
        walk[t] = 0.8 * walk[t - 1] + 0.6 * walk[t]
    effects = effects._replace(time=time, groups={}).take(slice(0, 160))
    bound = [Spatial().bind(effects), AR1().bind(effects)]
    found = learnt_shapes((X + 2.0 * walk[time.astype(int)])[:160, :2], bound)
    assert [len(shape) for shape in found] == [1, 1]
    assert 0.1 < found[0][0] < 1.2
