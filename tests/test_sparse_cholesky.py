"""Order, factors, solutions, determinants and entries of inverses against numpy's dense matrices."""

import numpy as np
import pytest
from scipy import sparse

from intertwine.mixed_effects._elimination_kernels import find_slot, minimum_degree, pair_slots_of_rows
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


def graph(n, one, other):
    """Where the neighbours of each node begin, and the neighbours: both directions of every edge."""
    meet = np.zeros((n, n), bool)
    meet[one, other] = meet[other, one] = True
    np.fill_diagonal(meet, False)
    return np.append(0, np.cumsum(meet.sum(axis=1))), np.nonzero(meet)[1].astype(np.int32), meet


@pytest.mark.parametrize(("seed", "n", "n_edges"), [(0, 40, 60), (1, 40, 60), (2, 40, 60), (3, 90, 300)])
def test_patterns_are_those_of_elimination_written_out(seed, n, n_edges):
    """Each node is connected to its neighbours that are left, which then are connected to each other."""
    rng = np.random.default_rng(seed)
    start, adjacent, meet = graph(n, *rng.integers(0, n, (2, n_edges)))
    candidate = rng.uniform(size=n) < 0.9
    order, begin, pattern = minimum_degree(start, adjacent, candidate, 2.0, 10**6)
    assert set(order) == set(np.flatnonzero(candidate))
    assert n < 90 or len(pattern) > len(adjacent) + n + 16  # so much fill that the room for it has to grow
    left = np.ones(n, bool)
    for step, node in enumerate(order):
        left[node] = False
        found = np.sort(pattern[begin[step] : begin[step + 1]])
        np.testing.assert_array_equal(found, np.flatnonzero(meet[node] & left))
        meet[np.ix_(found, found)] = True


@pytest.mark.parametrize("seed", range(4))
def test_the_branches_of_a_tree_go_before_its_forks(seed):
    """No node is eliminated while it has more than two neighbours."""
    rng = np.random.default_rng(seed)
    n = 80
    parents = np.array([rng.integers(0, 1 + i // 4) for i in range(n - 1)])  # some have many children
    start, adjacent, _ = graph(n, parents, np.arange(1, n))
    _, begin, _ = minimum_degree(start, adjacent, np.ones(n, bool), 2.0, 10**6)
    assert np.diff(begin).max() <= 2


def test_pairs_of_a_row_are_found_unless_it_is_wide():
    """Rows of two, one, four and two unknowns; of the last the pair is not in the pattern."""
    rows, column_start = np.array([0, 1, 1, 2, 3], np.int32), np.array([0, 2, 3, 4, 5])
    start, columns = np.array([0, 2, 3, 7, 9]), np.array([0, 1, 2, 0, 1, 2, 3, 0, 3], np.int32)
    begin, slots, known = pair_slots_of_rows(start, columns, column_start, rows, 0, 3)
    np.testing.assert_array_equal(begin, [0, 3, 4, 4, 7])
    np.testing.assert_array_equal(known, [True, True, False, False])
    expected = [find_slot(*pair, column_start, rows, 0) for pair in ((0, 0), (1, 0), (1, 1), (2, 2))]
    np.testing.assert_array_equal(slots[:4], expected)
    assert expected == [0, 1, 2, 3]


def test_a_node_of_many_neighbours_has_room_for_them():
    """A hub whose neighbours stay for good is eliminated last, when there is little room left."""
    rng, n, k = np.random.default_rng(3), 91, 140
    edges = np.concatenate([rng.integers(0, 90, (2, 300)), [np.full(k, 90), np.arange(n, n + k)]], axis=1)
    start, adjacent, _ = graph(n + k, *edges)
    order, begin, pattern = minimum_degree(start, adjacent, np.arange(n + k) < n, 2.0, 10**6)
    hub = list(order).index(90)
    np.testing.assert_array_equal(np.sort(pattern[begin[hub] : begin[hub + 1]]), np.arange(n, n + k))


def test_degrees_count_neighbours_that_elements_share_once():
    """A grid of 16 × 16 has 1,812 entries below the diagonal of its factor, and 2,148 when they are counted twice."""
    place = np.arange(256).reshape(16, 16)
    across, down = (place[:, 1:], place[:, :-1]), (place[1:], place[:-1])
    edges = [np.concatenate([one.ravel(), other.ravel()]) for one, other in zip(across, down, strict=True)]
    start, adjacent, _ = graph(256, *edges)
    assert len(minimum_degree(start, adjacent, np.ones(256, bool), 2.0, 10**6)[2]) < 1900
