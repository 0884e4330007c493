"""Order, factors, solutions, determinants and entries of inverses against numpy's dense matrices."""

import numpy as np
import pytest
from scipy import sparse

from intertwine.mixed_effects.sparse_cholesky import SparseFactors, SparsePattern, TailBlock

MATRICES = 3


def drawn(seed):
    """A pattern of nodes of one to three unknowns with up to three dense ones behind, and matrices that have it."""
    rng = np.random.default_rng(seed)
    n, n_dense = int(rng.integers(2, 40)), int(rng.integers(0, 4))
    size = rng.integers(1, 4, n)
    one, other = rng.integers(0, n, (2, int(rng.integers(0, 2 * n))))
    one, other = one[one != other], other[one != other]
    pattern = SparsePattern(size, one, other, rng.uniform(size=n) < 0.1, n_dense)
    N = pattern.n_unknowns
    node = np.repeat(np.arange(n), size)
    meet = np.eye(n, dtype=bool)
    meet[one, other] = meet[other, one] = True
    full = np.ones((N, N), bool)
    full[: N - n_dense, : N - n_dense] = meet[np.ix_(node, node)]
    H = rng.normal(size=(MATRICES, N, N)) * full
    H = H + H.transpose(0, 2, 1)
    H += np.eye(N) * (np.abs(H).sum(axis=2).max() + 1.0)
    lower = np.nonzero(np.tril(full))
    slots = pattern.slots(*lower)
    values = np.zeros((MATRICES, pattern.n_entries))
    values[:, slots] = H[:, lower[0], lower[1]]
    return rng, pattern, H, lower, slots, values, n_dense


@pytest.mark.parametrize("seed", range(8))
def test_every_entry_has_a_slot_of_its_own(seed):
    _, _, _, _, slots, _, _ = drawn(seed)
    assert (slots >= 0).all()
    assert len(np.unique(slots)) == slots.size


@pytest.mark.parametrize("seed", range(8))
def test_solutions_and_determinants(seed):
    rng, pattern, H, _, _, values, n_dense = drawn(seed)
    factors, N = SparseFactors(pattern, values), pattern.n_unknowns
    np.testing.assert_allclose(factors.log_determinants(N), np.linalg.slogdet(H)[1])
    leading = N - n_dense
    np.testing.assert_allclose(
        factors.log_determinants(leading), np.linalg.slogdet(H[:, :leading, :leading])[1]
    )
    right, factor_of = rng.normal(size=(5, N)), np.array([0, 2, 1, 0, 2])
    expected = np.stack([np.linalg.solve(H[f], b) for f, b in zip(factor_of, right, strict=True)])
    np.testing.assert_allclose(factors.solve(right, factor_of)[0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_entries_of_the_inverse(seed, forget):
    """In the whole pattern; with the last unknowns left out too, as if they were known."""
    _, pattern, H, (i, j), slots, values, n_dense = drawn(seed)
    factors = SparseFactors(pattern, values)
    known = n_dense if forget else 0
    keep = pattern.n_unknowns - known
    inverse = np.linalg.inv(H[:, :keep, :keep])
    entries = factors.inverses(known)[0][:, slots]
    inside = (i < keep) & (j < keep)
    np.testing.assert_allclose(entries[:, inside], inverse[:, i[inside], j[inside]], rtol=1e-8, atol=1e-12)
    trailing = np.linalg.inv(H)[:, len(H[0]) - n_dense :, len(H[0]) - n_dense :]
    np.testing.assert_allclose(factors.trailing_inverse(n_dense), trailing, rtol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_quadratic_forms_of_any_rows(seed):
    """Also of unknowns that have no entry in common."""
    rng, pattern, H, _, _, values, _ = drawn(seed)
    factors = SparseFactors(pattern, values)
    a = sparse.random_array((7, pattern.n_unknowns), density=0.2, rng=rng, format="csr")
    in_order = sparse.csr_array(a[:, np.argsort(pattern.position)])
    start, columns = in_order.indptr.astype(np.int64), in_order.indices.astype(np.int64)
    paths = pattern.paths(start, columns)
    scale = rng.uniform(0.5, 2.0, (MATRICES, 1))
    got = factors.quadratic_forms(factors.inverses()[0], start, columns, scale * in_order.data, paths)
    dense = a.toarray()
    expected = scale**2 * np.einsum("ij,fjk,ik->fi", dense, np.linalg.inv(H), dense)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-14)
    assert not paths.known.all()


def test_unknowns_that_a_dense_matrix_colours():
    """H = A + K⁻¹ on some unknowns, by F with F Fᵀ = K."""
    rng = np.random.default_rng(0)
    last = np.array([False] * 6 + [True] * 3)
    one, other = np.arange(6), 6 + np.arange(6) % 3
    pattern = SparsePattern(np.ones(9, int), one, other, last, 0)
    A = np.diag(np.full(9, 4.0))
    A[one, other] = A[other, one] = rng.normal(size=6)
    K = np.cov(rng.normal(size=(3, 8)))
    F = np.linalg.cholesky(K)
    values = np.zeros((1, pattern.n_entries))
    i, j = np.nonzero(np.tril(A != 0))
    values[0, pattern.slots(i, j)] = A[i, j]
    begin = int(pattern.position[6]) - pattern.n_head
    factors = SparseFactors(pattern, values, [TailBlock(begin, F)])
    H = A.copy()
    H[6:, 6:] += np.linalg.inv(K)
    right = rng.normal(size=(1, 9))
    x, (z,) = factors.solve(right, np.zeros(1, int))
    np.testing.assert_allclose(x[0], np.linalg.solve(H, right[0]))
    np.testing.assert_allclose(z[0], np.linalg.solve(F, x[0, 6:]))
    determinant = np.linalg.slogdet(H)[1] + np.linalg.slogdet(K)[1]
    np.testing.assert_allclose(factors.log_determinants(9), determinant)
    entries = factors.inverses()[0]
    np.testing.assert_allclose(entries[0, pattern.slots(i, j)], np.linalg.inv(H)[i, j])


def test_a_crossed_design_leaves_a_small_full_tail_and_a_chain_none():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(400 * 20, 2400, replace=False), 20)
    crossed = SparsePattern(np.ones(420, int), users, 400 + items, np.zeros(420, bool), 0)
    assert crossed.n_tail <= 60
    chain = SparsePattern(np.ones(1000, int), np.arange(999), np.arange(1, 1000), np.zeros(1000, bool), 0)
    assert chain.n_entries < 3100
    depth = np.zeros(chain.n_head, int)
    for j in range(chain.n_head - 1, -1, -1):
        if chain.parent[j] < chain.n_head:
            depth[j] = depth[chain.parent[j]] + 1
    assert depth.max() < 20  # what elimination of one row passes through


def test_a_factor_that_would_not_fit_is_refused():
    one, other = np.triu_indices(300, 1)
    with pytest.raises(MemoryError, match="IterativeSystem"):
        SparsePattern(np.ones(300, int), one, other, np.zeros(300, bool), 0, max_entries=1e4)


def test_columns_that_depend_on_others_are_told():
    pattern = SparsePattern(np.ones(2, int), np.array([0]), np.array([1]), np.zeros(2, bool), 0)
    values = np.zeros((1, pattern.n_entries))
    values[0, pattern.slots(np.array([0, 0, 1]), np.array([0, 1, 1]))] = 1.0, 1.0, 1.0
    with pytest.raises(np.linalg.LinAlgError, match="depend"):
        SparseFactors(pattern, values)


def test_unknowns_that_do_not_meet_are_solved_one_by_one():
    pattern = SparsePattern(
        np.ones(3, dtype=np.int64), *np.empty((2, 0), dtype=np.int64), np.zeros(3, bool), 0
    )
    values = np.zeros((1, pattern.n_entries))
    values[:, pattern.slots(np.arange(3), np.arange(3))] = [2.0, 4.0, 5.0]
    solved, *_ = SparseFactors(pattern, values).solve(np.ones((1, 3)), np.zeros(1, dtype=np.int64))
    np.testing.assert_allclose(solved, [[0.5, 0.25, 0.2]])
    dense = SparsePattern(np.ones(30, dtype=np.int64), *np.triu_indices(30, 1), np.zeros(30, bool), 0)
    assert dense.operations > pattern.operations
