"""Local factorization machines against their definition, written out slowly; derivatives by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from intertwine.structures import _local_fm_kernels as kernels
from intertwine.structures.coding import AdaptiveCoding, GaussianCoding
from intertwine.structures.local_fm import Anchors, LocalFM, LocalFMParams, Rows

N, P, K, M = 12, 5, 3, 6
CODINGS = [GaussianCoding(3), GaussianCoding(M), AdaptiveCoding(M)]
SPACES = ["features", "columns", "latent"]


def name_of(coding):
    return f"{type(coding).__name__}({coding.n_neighbors})"


def problem(coding, space, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) * (rng.random((N, P)) < 0.7)
    columns = np.array([0, 3]) if space == "columns" else None
    machine = LocalFM(P, K, M, coding, columns)
    size = {"features": P, "columns": 2, "latent": 4}[space]
    params = LocalFMParams(
        rng.standard_normal(M),
        rng.standard_normal((M, P, 1 + K)),
        rng.standard_normal((M, size)),
        rng.standard_normal((P, 4)) if space == "latent" else np.zeros((P, 0)),
        np.array(0.6),
    )
    return machine, params, X, rng


def written_out(machine, params, X):
    """f and γ from the formulas, a row at a time."""
    scores, weights = [], np.zeros((len(X), M))
    for n, x in enumerate(X):
        u = x @ params.projection if params.projection.size else x
        u = u if machine.columns is None else x[machine.columns]
        t = params.gamma * ((u - params.anchors) ** 2).sum(axis=1)
        near = np.argsort(t)[: machine.coding.n_neighbors]
        if isinstance(machine.coding, GaussianCoding):
            weights[n, near] = np.exp(-t[near]) / np.exp(-t[near]).sum()
        else:
            weights[n, near] = solved_numerically(t[near])
        f = 0.0
        for i in range(M):
            w, V = params.experts[i, :, 0], params.experts[i, :, 1:]
            pairs = sum(V[j] @ V[k] * x[j] * x[k] for j in range(P) for k in range(j))
            f += weights[n, i] * (params.intercepts[i] + w @ x + pairs)
        scores.append(f)
    return np.array(scores), weights


def solved_numerically(t):
    """argmin ‖γ‖₂ + γᵀt on the simplex."""
    found = minimize(
        lambda g: np.linalg.norm(g) + g @ t,
        np.full(len(t), 1 / len(t)),
        jac=lambda g: g / np.linalg.norm(g) + t,
        bounds=[(0, 1)] * len(t),
        constraints={"type": "eq", "fun": lambda g: g.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    return found.x


every_case = pytest.mark.parametrize(
    ("coding", "space"),
    [(coding, space) for coding in CODINGS for space in SPACES],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)


@every_case
def test_scores_and_codes_are_those_of_the_formula(coding, space):
    machine, params, X, _ = problem(coding, space)
    scores, weights = written_out(machine, params, X)
    codes = machine.codes(params, X)
    spread = np.zeros((N, M))
    np.add.at(spread, (np.arange(N)[:, None], codes.nearest), codes.weights)
    tolerance = 1e-6 if isinstance(coding, AdaptiveCoding) else 1e-12  # that of the numerical solution
    np.testing.assert_allclose(spread, weights, atol=tolerance)
    np.testing.assert_allclose(machine.score(params, X), scores, atol=20 * tolerance)


@every_case
def test_sparse_rows_are_dense_rows(coding, space):
    machine, params, X, rng = problem(coding, space)
    S, v = sparse.csr_array(X), rng.standard_normal(N)
    np.testing.assert_allclose(machine.score(params, S), machine.score(params, X), atol=1e-13)
    for one, other in zip(machine.pullback(params, S, v), machine.pullback(params, X, v), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def along(params, direction, step):
    return LocalFMParams(*(a + step * d for a, d in zip(params, direction, strict=True)))


@every_case
@pytest.mark.parametrize("moved", LocalFMParams._fields)
def test_pushforward_is_the_directional_derivative(coding, space, moved):
    machine, params, X, rng = problem(coding, space, seed=3)
    direction = LocalFMParams(
        *(rng.standard_normal(a.shape) * (name == moved) for name, a in params._asdict().items())
    )
    step = 1e-6
    difference = machine.score(params=along(params, direction, step), X=X)
    difference = (difference - machine.score(along(params, direction, -step), X)) / (2 * step)
    np.testing.assert_allclose(machine.pushforward(params, X, direction), difference, atol=1e-6)


@every_case
def test_pullback_is_the_adjoint_of_pushforward(coding, space):
    machine, params, X, rng = problem(coding, space, seed=4)
    direction = LocalFMParams(*(rng.standard_normal(a.shape) for a in params))
    v = rng.standard_normal(N)
    pulled = machine.pullback(params, X, v)
    inner = sum(float((a * b).sum()) for a, b in zip(pulled, direction, strict=True))
    assert inner == pytest.approx(v @ machine.pushforward(params, X, direction), rel=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_adaptive_weights_are_on_the_simplex_and_their_levels_have_norm_one(seed):
    t = np.sort(np.random.default_rng(seed).exponential(10.0 ** np.arange(-3, 3)[:, None], (6, 9)), axis=1)
    weights, counts = AdaptiveCoding(9).weigh(t)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    for row, weight, count in zip(t, weights, counts, strict=True):
        assert (weight[:count] > 0).all()
        assert not weight[count:].any()
        # γ_i = (λ − t_i)/S with Σ (λ − t_i)² = 1, so 1/S = ‖γ‖ and λ is the same read off every positive weight
        levels = row[:count] + weight[:count] / np.linalg.norm(weight)
        np.testing.assert_allclose(levels, levels[0], rtol=1e-9)
        assert count == 9 or row[count] >= levels[0]


def test_adaptive_weights_do_not_jump_where_an_anchor_drops_out():
    gaps = np.linspace(0.5, 3.0, 2001)
    weights = np.array([AdaptiveCoding(3).weigh(np.array([[0.0, 0.3, g]]))[0][0] for g in gaps])
    assert np.abs(np.diff(weights, axis=0)).max() < 2e-3
    assert weights[-1, 2] == 0 < weights[0, 2]


def test_large_common_distances_lose_no_digits():
    t = np.array([[0.0, 0.25, 0.5]])
    near, _ = AdaptiveCoding(3).weigh(t)
    far, _ = AdaptiveCoding(3).weigh(t + 2.0**40)
    np.testing.assert_allclose(far, near, rtol=1e-3)
    np.testing.assert_array_equal(GaussianCoding(3).weigh(t + 2.0**40)[0], GaussianCoding(3).weigh(t)[0])


@pytest.mark.parametrize(
    ("n_neighbors", "n_anchors"), [(5, 200), (1, 3), (7, 7), (3, 50), (4, 33), (26, 48), (9, 9)]
)
def test_the_nearest_anchors_are_those_of_a_full_sort(n_neighbors, n_anchors):
    rng = np.random.default_rng(n_anchors)
    X = sparse.csr_array(rng.standard_normal((60, 9)) * (rng.random((60, 9)) < 0.6))
    anchors = rng.standard_normal((n_anchors, 9)).round(1)
    anchors[-1] = anchors[0]  # of two at the same place the first comes first
    found, distances = np.empty((60, n_neighbors), np.int32), np.empty((60, n_neighbors))
    for reach in (np.inf, 2.0):
        kernels.find_nearest(*Rows.of(X), *Anchors.of(anchors), reach, found, distances)
        squared = ((X.toarray()[:, None] - anchors) ** 2).sum(axis=2)
        order = np.argsort(squared.round(9), axis=1, kind="stable")[:, :n_neighbors]
        expected = np.take_along_axis(squared, order, axis=1)
        near = expected <= expected[:, :1] + 0.999 * reach
        np.testing.assert_array_equal(found[near], order[near])
        np.testing.assert_allclose(distances[near], expected[near], atol=1e-12)
        assert (distances[~near] > (expected[:, :1] + 0.999 * reach + 0 * expected)[~near]).all()


@pytest.mark.parametrize("n_components", [1, 6, 7, 14, 15, 22, 30])
def test_scores_are_those_of_the_experts_however_wide_they_are(n_components):
    rng = np.random.default_rng(n_components)
    X = rng.standard_normal((9, P)) * (rng.random((9, P)) < 0.7)
    machine = LocalFM(P, n_components, M, GaussianCoding(3))
    params = machine.init(X, rng)
    params = params._replace(
        intercepts=rng.standard_normal(M), experts=rng.standard_normal(params.experts.shape)
    )
    rows, coordinates = machine.rows_of(params, X)
    np.testing.assert_allclose(
        machine.score(params, X), machine.blend(params, rows, coordinates).scores, rtol=1e-12
    )
