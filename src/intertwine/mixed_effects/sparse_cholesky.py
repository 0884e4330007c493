"""Sparse Cholesky factors of many matrices that share one pattern, with a dense tail.

    H = | A   Bᵀ |        A = L Lᵀ sparse (the head),    S = D − B A⁻¹ Bᵀ full (the tail)
        | B   D  |

Elimination in an order of little fill leaves, in crossed designs, a core that is all but full: that is the tail, and
LAPACK's. Order, pattern and places are found once (`SparsePattern`); numbers come and go, one matrix to a thread
(`SparseFactors`).

Source: Davis, Direct Methods for Sparse Linear Systems (2006); Takahashi, Fagan & Chin (1973) for the inverse.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from intertwine.mixed_effects import _elimination_kernels as elimination
from intertwine.mixed_effects import _sparse_cholesky_kernels as kernels

__all__ = [
    "AbstractFactors",
    "RowPaths",
    "SparseFactors",
    "SparsePattern",
    "TailBlock",
    "corner_inverses",
    "forms_of_rows",
    "require_positive",
    "tail_inverse",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_STOP_DENSITY = 0.25  # of what is left where LAPACK takes over
_CROWDED = 10.0  # a node with more neighbours than this times √nodes is never eliminated early
_LOOKED_UP = 16  # unknowns of a row whose pairs are looked up one by one


class TailBlock(NamedTuple):
    """Unknowns of the tail that are F z with the prior N(0, I) for z: where they begin in the tail, and F."""

    begin: int
    factor: Array


@final
class SparsePattern:
    """Order of elimination and places of the entries for symmetric matrices with one pattern.

    Parameters
    ----------
    size : (nodes,) int array
        How many unknowns each node has; these are full blocks.
    one, other : int arrays
        The pairs of different nodes that have a block.
    last : (nodes,) bool array
        Nodes that must stand in the tail.
    n_dense : int
        Unknowns after those of the nodes that have entries with all others.
    max_entries : float
        How large one factor may get.

    Raises
    ------
    MemoryError
        Where no order with fewer than ``max_entries`` entries is found.

    Examples
    --------
    An arrow: 50 nodes that know only the last one.

    >>> import numpy as np
    >>> pattern = SparsePattern(np.ones(51, int), np.arange(50), np.full(50, 50), np.zeros(51, bool), 0)
    >>> pattern.n_tail < 10
    True
    """

    def __init__(
        self,
        size: NDArray[np.int64],
        one: NDArray[np.int64],
        other: NDArray[np.int64],
        last: NDArray[np.bool_],
        n_dense: int,
        max_entries: float = np.inf,
    ) -> None:
        n_nodes = len(size)
        edges = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), (n_nodes, n_nodes))
        graph = sparse.csr_array(edges + edges.T)
        start, adjacent = graph.indptr.astype(np.int64), graph.indices.astype(np.int32)
        crowded = np.diff(start) > max(16.0, _CROWDED * np.sqrt(n_nodes))
        widest = max(1, int(size.max(initial=1)))
        max_fill = int(min(max_entries / widest**2, 2**62))
        order, pattern_start, pattern = elimination.minimum_degree(
            start, adjacent, ~(crowded | last), _STOP_DENSITY, max_fill
        )
        early = np.zeros(n_nodes, bool)
        early[order] = True
        late = np.flatnonzero(~early)
        sequence = np.concatenate([order, late])
        place = np.empty(n_nodes, np.int64)  # of the first unknown of each node
        place[sequence] = np.cumsum(size[sequence]) - size[sequence]
        self.n_unknowns = int(size.sum()) + n_dense
        n_head = int(size[order].sum())
        self.n_tail = self.n_unknowns - n_head
        if float(self.n_tail) ** 2 > max_entries:
            raise MemoryError(
                f"elimination leaves {self.n_tail:,} unknowns that are all connected: their square does not fit; "
                "use IterativeSystem instead"
            )
        self.column_start, self.rows = elimination.expand_columns(
            order, pattern_start, pattern, place, size, self.n_unknowns, n_dense
        )
        self.row_start, self.row_column, self.row_entry, self.tail_start = elimination.transpose_columns(
            self.column_start, self.rows
        )
        parents = np.minimum(self.column_start[:-1] + 1, len(self.rows) - 1)
        has_parent = np.diff(self.column_start) > 1
        self.parent = np.where(has_parent, self.rows[parents] if n_head else 0, -1).astype(np.int64)
        within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
        self.position = np.concatenate(
            [np.repeat(place, size) + within, np.arange(self.n_unknowns - n_dense, self.n_unknowns)]
        )

    @property
    def n_head(self) -> int:
        return len(self.column_start) - 1

    @property
    def n_entries(self) -> int:
        """Numbers of one factor: the sparse columns, and the square of the tail."""
        return int(self.column_start[-1]) + self.n_tail**2

    @property
    def operations(self) -> float:
        """Multiplications of one factorisation, those of the tail counted at the speed of LAPACK."""
        counts = np.diff(self.column_start).astype(float)
        return float((counts**2).sum() / 2.0 + self.n_tail**3 / 3.0 / 30.0)

    def slots(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the entries (one, other) stand among the numbers of a factor."""
        i, j = self.position[one.ravel()], self.position[other.ravel()]
        out = np.empty(i.size, np.int64)
        elimination.find_slots(i, j, self.column_start, self.rows, self.n_tail, out)
        return out.reshape(one.shape)

    def paths(self, start: Index, columns: Index) -> RowPaths:
        """Slots of the pairs of unknowns of sparse rows, or the columns that their elimination passes through."""
        pair_start, slots, known = elimination.pair_slots_of_rows(
            start, columns, self.column_start, self.rows, self.n_tail, _LOOKED_UP
        )
        reach = kernels.reach_of_rows(start, columns, known, self.parent)
        return RowPaths(known, pair_start, slots, *reach)


@final
class RowPaths(NamedTuple):
    """How sparse rows meet the pattern, for all factors: see `SparsePattern.paths`."""

    known: NDArray[np.bool_]
    pair_start: NDArray[np.int64]
    slots: NDArray[np.int64]
    reach_start: NDArray[np.int64]
    reach: NDArray[np.int32]


class AbstractFactors(abc.ABC):
    """Cholesky factors of several matrices of one pattern."""

    @abc.abstractmethod
    def log_determinants(self, n_leading: int) -> Array:
        """Log determinants of the leading blocks of so many unknowns (all of the head, and some of the tail)."""

    @abc.abstractmethod
    def solve(self, right: Array, factor_of: Index) -> tuple[Array, tuple[Array, ...]]:
        """Solutions for right-hand sides (outputs, unknowns), each with its factor; and the z of every tail block."""

    @abc.abstractmethod
    def quadratic_forms(
        self, inverses: Array, start: Index, columns: Index, entries: Array, paths: RowPaths
    ) -> Array:
        """aᵀ H⁻¹ a of sparse rows a (in the order of elimination), (matrices, rows).

        Rows all of whose pairs are in the pattern look them up; the others are eliminated.

        Parameters
        ----------
        inverses : what `inverses` gave.
        start, columns : pattern of the rows.
        entries : (matrices, entries) their numbers for each factor.
        paths : what `SparsePattern.paths` gave for them.
        """

    @abc.abstractmethod
    def inverses(self, n_forgotten: int = 0) -> tuple[Array, Array | None]:
        """Entries of the inverses, each in its slot, and the inverses of the tails of z where there are blocks.

        The tail of an inverse is full, both triangles. The last ``n_forgotten`` unknowns are left out, as if they were
        known, with zeros in their place.
        """

    @abc.abstractmethod
    def trailing_inverse(self, count: int) -> Array:
        """The last block of the inverses, (matrices, count, count)."""


@final
class SparseFactors(AbstractFactors):
    """Factors one matrix at a time, with any tail.

    Parameters
    ----------
    pattern : SparsePattern
    values : (matrices, entries) array
        The lower triangles, each number in its slot; overwritten.
    blocks : sequence of TailBlock
        The tail is Fᵀ S F + I on these; the unknowns are F z.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where a matrix is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> pattern = SparsePattern(np.ones(2, int), np.array([0]), np.array([1]), np.zeros(2, bool), 0)
    >>> values = np.zeros((1, pattern.n_entries))
    >>> values[0, pattern.slots(np.array([0, 0, 1]), np.array([0, 1, 1]))] = [2.0, 1.0, 2.0]
    >>> float(SparseFactors(pattern, values).log_determinants(2)[0])  # of [[2, 1], [1, 2]]
    1.09...
    """

    def __init__(self, pattern: SparsePattern, values: Array, blocks: Sequence[TailBlock] = ()) -> None:
        self._pattern, self._values, self._blocks = pattern, values, tuple(blocks)
        failed = np.full(len(values), -1, np.int64)
        p = pattern
        head = p.column_start, p.rows, p.row_start, p.row_column, p.row_entry, p.tail_start, p.n_tail
        if len(values) == 1:  # no threads to wake
            failed[0] = kernels.factor_one(values[0], *head, np.empty(p.n_unknowns, np.int64))
        else:
            kernels.factor_heads(values, *head, failed)
        for f in range(len(values)):
            if failed[f] < 0 and p.n_tail:
                tail = self._tail(values[f])
                if self._blocks:
                    kernels.copy_both_triangles(tail, tail)
                    for begin, F in self._blocks:
                        _both_sides(tail, begin, F.T)
                        inside = np.arange(begin, begin + F.shape[1])
                        tail[inside, inside] += 1.0
                _, info = lapack.dpotrf(tail.T, lower=0, overwrite_a=1, clean=0)
                failed[f] = -1 if info == 0 else p.n_head + info - 1
        require_positive(failed)

    def _tail(self, values: Array) -> Array:
        n = self._pattern.n_tail
        return values[self._pattern.column_start[-1] :].reshape(n, n)

    def log_determinants(self, n_leading: int) -> Array:
        p = self._pattern
        head = self._values[:, p.column_start[:-1]]
        n = n_leading - p.n_head
        tail = self._values[:, p.column_start[-1] + (p.n_tail + 1) * np.arange(n)]
        return 2.0 * (np.log(head).sum(axis=1) + np.log(tail).sum(axis=1))

    def solve(self, right: Array, factor_of: NDArray[np.int64]) -> tuple[Array, tuple[Array, ...]]:
        p = self._pattern
        x = np.ascontiguousarray(right[:, np.argsort(p.position)])
        if len(x) == 1:
            kernels.forward_one(self._values[factor_of[0]], p.column_start, p.rows, x[0])
        else:
            kernels.forward(self._values, factor_of, p.column_start, p.rows, x)
        whitened = tuple(np.empty((len(x), F.shape[1])) for _, F in self._blocks)
        for f in np.unique(factor_of) if p.n_tail else ():
            outputs = np.flatnonzero(factor_of == f)
            tail = x[outputs, p.n_head :]
            for begin, F in self._blocks:
                tail[:, begin : begin + len(F)] = tail[:, begin : begin + len(F)] @ F
            tail = lapack.dpotrs(self._tail(self._values[f]).T, tail.T, lower=0)[0].T
            for (begin, F), z in zip(self._blocks, whitened, strict=True):
                z[outputs] = tail[:, begin : begin + len(F)]
                tail[:, begin : begin + len(F)] = z[outputs] @ F.T
            x[outputs, p.n_head :] = tail
        if len(x) == 1:
            kernels.backward_one(self._values[factor_of[0]], p.column_start, p.rows, x[0])
        else:
            kernels.backward(self._values, factor_of, p.column_start, p.rows, x)
        return np.ascontiguousarray(x[:, p.position]), whitened

    def quadratic_forms(
        self, inverses: Array, start: Index, columns: Index, entries: Array, paths: RowPaths
    ) -> Array:
        return forms_of_rows(self._pattern, self._values, inverses, start, columns, entries, paths)

    def inverses(self, n_forgotten: int = 0) -> tuple[Array, Array | None]:
        p = self._pattern
        out = np.empty((len(self._values), p.n_entries))
        whitened = np.empty((len(out), p.n_tail, p.n_tail)) if self._blocks else None
        for f in range(len(out)):
            tail = self._tail(out[f])
            tail_inverse(self._tail(self._values[f]), n_forgotten, tail)
            if whitened is not None:
                whitened[f] = tail
                for begin, F in self._blocks:
                    _both_sides(tail, begin, F)
        head = p.column_start, p.rows, p.tail_start, p.n_tail
        if len(out) == 1:
            kernels.invert_one(self._values[0], out[0], *head, np.empty(p.n_unknowns, np.int64))
        else:
            kernels.invert_heads(self._values, out, *head)
        return out, whitened

    def trailing_inverse(self, count: int) -> Array:
        return corner_inverses([self._tail(values) for values in self._values], count)


def require_positive(failed: Index) -> None:
    """Refuse matrices that failed, at these columns; −1 where none did."""
    if (failed >= 0).any():
        raise np.linalg.LinAlgError(
            f"{np.count_nonzero(failed >= 0)} of {len(failed)} matrices are not positive definite: "
            "some columns depend on others"
        )


def tail_inverse(lower: Array, n_forgotten: int, out: Array) -> None:
    """Write the inverse of the tail from its factor, zeros for the last unknowns, which are taken for known."""
    keep = len(out) - n_forgotten
    out[keep:], out[:, keep:] = 0.0, 0.0
    if keep:
        leading = np.array(lower[:keep, :keep], order="C")
        inverse, _ = lapack.dpotri(leading.T, lower=0, overwrite_c=1)
        kernels.copy_both_triangles(inverse.T, out)


def corner_inverses(tails: Sequence[Array], count: int) -> Array:
    """The last blocks of the inverses, (matrices, count, count), from the factors of the tails."""
    out = np.empty((len(tails), count, count))
    for tail, block in zip(tails, out, strict=True):
        corner = np.tril(tail[-count:, -count:]) if count else np.empty((0, 0))
        inverse = lapack.dtrtri(corner, lower=1)[0] if count else corner
        block[:] = inverse.T @ inverse
    return out


def forms_of_rows(
    pattern: SparsePattern,
    values: Array,
    inverses: Array,
    start: Index,
    columns: Index,
    entries: Array,
    paths: RowPaths,
) -> Array:
    """See `AbstractFactors.quadratic_forms`; ``values`` are the factors, (matrices, entries)."""
    out = np.empty((len(values), len(start) - 1))
    kernels.looked_up_forms(inverses, start, entries, paths, out)
    if not paths.known.all():
        head = pattern.column_start, pattern.rows, pattern.n_tail
        kernels.eliminated_forms(values, inverses, *head, start, columns, entries, paths, out)
    return out


def _both_sides(matrix: Array, begin: int, factor: Array) -> None:
    """Multiply the rows and the columns of one square block by a factor, in place."""
    inside = slice(begin, begin + factor.shape[1])
    matrix[inside] = factor @ matrix[inside]
    matrix[:, inside] = matrix[:, inside] @ factor.T
