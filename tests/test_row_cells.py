"""Sums over rows and values at rows, cell by cell, against rows one by one."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem, GivenEffect

from intertwine.effects.random import IndependentPrior
from intertwine.fitting.random_effects.vae_effects import CollapsedEffects
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.row_cells import cells_of
from intertwine.mixed_effects.sparse import SparseSystem

N, P = 40, 3


def crossed(rng, continuous):
    """A grouping with slopes beside two without; their rows repeat unless the basis is continuous."""
    x = rng.standard_normal(N) if continuous else rng.integers(0, 2, N).astype(float)
    slopes = GivenEffect(rng.integers(0, 3, N), IndependentPrior(3), 3, np.column_stack([np.ones(N), x]))
    others = [GivenEffect(rng.integers(0, q, N), IndependentPrior(q), q) for q in (2, 4)]
    return [slopes, *others]


def variances_of(rng, effects):
    roots = [rng.standard_normal((P, e.n_basis, e.n_basis)) for e in effects]
    return VarianceComponents(rng.uniform(0.5, 2.0, P), tuple(0.3 * R @ R.swapaxes(1, 2) for R in roots))


@pytest.mark.parametrize("by_entry", [None, False, True], ids=["unweighted", "rows", "entries"])
def test_sums_and_misfits_are_those_of_rows(by_entry):
    rng = np.random.default_rng(0)
    effects = crossed(rng, continuous=False)
    blocks, Z, begin = [], [], 0
    for effect in effects:
        basis = np.ones((N, 1)) if effect.basis is None else effect.basis
        blocks.append((effect.level, basis, begin))
        Z.append((np.eye(effect.n_levels)[effect.level][:, :, None] * basis[:, None, :]).reshape(N, -1))
        begin += Z[-1].shape[1]
    Z, cells = np.concatenate(Z, axis=1), cells_of(blocks, N)
    assert len(cells.starts) - 1 == len(np.unique(Z, axis=0)) < N
    y, b = rng.standard_normal((N, 2 * P)).astype(np.float32), rng.standard_normal((begin, 2 * P))
    weights = None if by_entry is None else rng.uniform(0.5, 2.0, (N, 2 * P if by_entry else 1))
    W, out = 1.0 if weights is None else weights, np.ones((N, 2 * P))
    np.testing.assert_allclose(cells.sums(y, weights, begin), Z.T @ (W * y.astype(float)), atol=1e-12)
    np.testing.assert_allclose(cells.misfit(y, weights, b), np.sum(W * (y - Z @ b) ** 2, axis=0), rtol=1e-12)
    cells.add(b, out)
    np.testing.assert_allclose(out, 1.0 + Z @ b, rtol=1e-12)


@pytest.mark.parametrize("continuous", [False, True], ids=["repeated", "continuous"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_pairs_of_levels_tell_rows_what_rows_do(continuous, missing):
    rng = np.random.default_rng(1)
    effects = crossed(rng, continuous)
    observed = rng.uniform(size=(N, P)) >= missing
    residual = (rng.standard_normal((N, P)) * observed).astype(np.float32)
    variances, weights = variances_of(rng, effects), observed.astype(float) if missing else None
    shapes = [np.empty(0)] * len(effects)
    by_pairs = SparseSystem(effects, shapes, None, weights, P, restricted=False)
    assert by_pairs.posterior(residual, variances).row_tables() is not None
    by_rows = DenseSystem(effects, weights=weights, n_outputs=P, restricted=False)
    found, wanted = (
        CollapsedEffects(system, observed if missing else None, 0.7).solve(residual, variances, 2)
        for system in (by_pairs, by_rows)
    )
    np.testing.assert_allclose(found.others.offset, wanted.others.offset, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.others.weight, wanted.others.weight, rtol=1e-6)
    np.testing.assert_allclose(found.log_likelihood, wanted.log_likelihood, rtol=1e-11)
    for one, other in zip(found.variances.effects, wanted.variances.effects, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_outputs_that_share_a_factor_share_tables():
    rng = np.random.default_rng(2)
    effects = crossed(rng, continuous=False)
    variances = variances_of(rng, effects)
    same, times = [0, 1, 0], np.array([1.0, 1.0, 4.0])  # output 2 has the ratios of output 0
    shared = VarianceComponents(
        variances.noise[same] * times,
        tuple(Sigma[same] * times[:, None, None] for Sigma in variances.effects),
    )
    residual, shapes = rng.standard_normal((N, P)), [np.empty(0)] * len(effects)
    system = SparseSystem(effects, shapes, None, None, P, restricted=False)
    dense = DenseSystem(effects, n_outputs=P, restricted=False)
    found, wanted = (one.posterior(residual, shared) for one in (system, dense))
    np.testing.assert_allclose(found.row_variance(), wanted.row_variance(), rtol=1e-9)
    np.testing.assert_allclose(found.fitted(), wanted.fitted(), rtol=1e-9, atol=1e-12)
