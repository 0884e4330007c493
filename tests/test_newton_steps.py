"""Single steps of Gauss-Newton: what they promise, what they count, and which are not taken."""

import numpy as np
import pytest
from scipy import sparse

from intertwine.losses import SquaredLoss
from intertwine.penalties import ElasticNet
from intertwine.risk import PenalisedRisk, RowRisk
from intertwine.solvers._block_kernels import factor_in_parallel, solve_in_parallel
from intertwine.solvers.gauss_newton import GaussNewton, conjugate_gradients
from intertwine.solvers.preconditioners import NoPreconditioner
from intertwine.structures.latent_factors import FactorScores, LatentFactors
from intertwine.structures.ratings import RatingTable


def factors():
    """A penalised risk of latent factors, and a point."""
    rng = np.random.default_rng(0)
    pairs = np.flatnonzero(rng.random(30) < 0.7)
    features = sparse.csr_array(rng.standard_normal((6, 2)))
    X = RatingTable.build(pairs // 5, pairs % 5, 6, 5, features)[0]
    scores = FactorScores(LatentFactors(2), X)
    loss = SquaredLoss(2.0 * rng.standard_normal(X.n_ratings), rng.uniform(0.5, 2.0, X.n_ratings))
    ridge = ElasticNet(l2=0.3 * rng.uniform(0.5, 2.0, scores.size))
    return PenalisedRisk(RowRisk(loss, scores), ridge), rng.standard_normal(scores.size)


def test_products_are_counted_and_the_promise_is_that_of_the_model():
    asked = []

    def bent_down(v):
        asked.append(v)
        return -v

    assert conjugate_gradients(bent_down, np.ones(2), np.copy, 1e-8, 9).n_products == len(asked) == 1
    risk, theta = factors()
    solver = GaussNewton(0.0, damping=0.7, cg_tol=1e-9, cg_iter=2, preconditioner=NoPreconditioner())
    state = solver.init(risk, theta)
    after = solver.step(risk, state)
    here = risk.expand(theta)
    d = conjugate_gradients(
        lambda v: here.product(v) + 0.7 * v, here.gradient, np.copy, 1e-9, 2
    ).vector  # far from the solution
    promised = -here.gradient @ d - 0.5 * d @ here.product(d)
    assert after.optimality == pytest.approx(promised / abs(state.value))


def test_a_full_step_that_leads_up_is_not_taken():
    risk, theta = factors()
    solver = GaussNewton(
        0.0, damping=1e-9, cg_tol=1e-3, cg_iter=100, line_search=False, adaptive=True,
        preconditioner=NoPreconditioner(),
    )  # fmt: skip
    states = [solver.init(risk, seed * theta) for seed in (1.0, 0.1, 0.01, 1e-3)]
    steps = [(state, solver.step(risk, state)) for state in states]
    refused = [(before, after) for before, after in steps if after.params is before.params]
    assert refused
    for before, after in refused:
        assert after.damping > before.damping
        assert (
            after.passes == before.passes + after.n_products + 2.0
        )  # the trial, and the expansion once more
    assert all(after.value < before.value for before, after in steps if after.params is not before.params)


def test_blocks_are_factored_and_solved_as_single_matrices_are():
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((7, 4, 4))
    matrices, right = roots @ roots.transpose(0, 2, 1), rng.standard_normal((7, 4))
    lower = np.tril_indices(4)
    packed = matrices[:, lower[0], lower[1]].copy()
    factor_in_parallel(3, packed, 0.2, 1e-12)
    factors = np.linalg.cholesky(matrices + 0.2 * np.eye(4))
    diagonal = lower[0] == lower[1]
    packed_diagonal = packed[:, diagonal]
    np.testing.assert_allclose(packed[:, ~diagonal], factors[:, lower[0], lower[1]][:, ~diagonal])
    np.testing.assert_allclose(packed_diagonal, 1.0 / np.einsum("bii->bi", factors))
    solved = right.copy()
    solve_in_parallel(3, packed, solved)
    expected = np.linalg.solve(matrices + 0.2 * np.eye(4), right[:, :, None])[:, :, 0]
    np.testing.assert_allclose(solved, expected)
