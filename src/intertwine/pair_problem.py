r"""The convex problem over a linear block and all pairs.

    min  L(M a + pairs(Θ)) + Σ l1_j|a_j| + ½ Σ l2_j a_j² + Σ_{j<k} [ l1|θ_jk| + ½ l2 θ_jk² − shift_jk θ_jk ]

Three parts, each replaceable without touching the others: a loss, a design that is never built, a penalty. The
conditions for optimality are checked over all pairs in one streamed pass, O(n p²) time and a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self, final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from intertwine.losses.base import AbstractLoss
from intertwine.penalties import ElasticNet
from intertwine.restricted_problem import RestrictedProblem
from intertwine.structures.columns import ChosenColumns, Coordinates
from intertwine.structures.pairwise import Pairwise, ProductScaling

__all__ = ["PairDesign", "PairPenalty", "PairProblem", "Scan"]

_NEAR = 0.5  # coordinates whose gradient is below this share of l1 are never worth reporting


class PairDesign(NamedTuple):
    """The columns of the problem: a linear block and all products of two features.

    Attributes
    ----------
    linear_t : ndarray of shape (m, n), C order
        Linear block (intercept column, main effects, squares), one row a column.
    features_t : ndarray of shape (p, n), C order
        Features whose products are the pairs, one row a feature.
    scaling : ProductScaling or None
        Center and scale of the products.
    """

    linear_t: NDArray
    features_t: NDArray
    scaling: ProductScaling | None

    @classmethod
    def of(cls, linear: ArrayLike, features: ArrayLike, scaling: ProductScaling | None = None) -> Self:
        """Return the design of ``linear`` (n, m) and ``features`` (n, p)."""
        return cls(_transposed(linear), _transposed(features), scaling)

    @property
    def n_linear(self) -> int:
        """Columns m of the linear block."""
        return len(self.linear_t)

    @property
    def n_features(self) -> int:
        """Features p."""
        return len(self.features_t)

    def columns(self, coordinates: Coordinates) -> ChosenColumns:
        """Return the columns that some coordinates stand for."""
        return ChosenColumns(self.linear_t, self.features_t, coordinates, self.scaling)

    def take(self, rows: NDArray, scaling: ProductScaling | None = None) -> Self:
        """Return the design on some rows, with the scaling of products that belongs to them."""
        return type(self)(
            np.ascontiguousarray(self.linear_t[:, rows]),
            np.ascontiguousarray(self.features_t[:, rows]),
            scaling,
        )


class PairPenalty(NamedTuple):
    """Penalties of all coordinates.

    Attributes
    ----------
    linear_l1, linear_l2 : ndarray of shape (m,)
        Strengths of the linear block; both zero for an intercept.
    pairs_l1, pairs_l2 : float
        Strengths of the pairs.
    shift : ndarray of shape (p, p) or None
        Linear rewards of the pairs (``tie * target``); symmetric, the diagonal is not read.
    allowed : ndarray of bool, shape (p, p), or None
        Candidate pairs, symmetric; the others are zero in every solution.
    """

    linear_l1: NDArray
    linear_l2: NDArray
    pairs_l1: float
    pairs_l2: float
    shift: NDArray | None = None
    allowed: NDArray | None = None

    def scaled(self, factor: float) -> Self:
        """Return the penalties with all four strengths multiplied: another point of the path."""
        return self._replace(
            linear_l1=factor * self.linear_l1,
            linear_l2=factor * self.linear_l2,
            pairs_l1=factor * self.pairs_l1,
            pairs_l2=factor * self.pairs_l2,
        )

    def of(self, coordinates: Coordinates) -> ElasticNet:
        """Return the penalty of some coordinates."""
        linear = np.flatnonzero(coordinates.rows < 0)
        in_block = coordinates.cols[linear]
        l1, l2 = np.full(len(coordinates.rows), self.pairs_l1), np.full(len(coordinates.rows), self.pairs_l2)
        l1[linear], l2[linear] = self.linear_l1[in_block], self.linear_l2[in_block]
        shift = np.zeros(len(l1))
        if self.shift is not None or self.allowed is not None:
            pair = coordinates.is_pair
            at = coordinates.take(pair)
            if self.shift is not None:
                shift[pair] = self.shift[at]
            if self.allowed is not None:
                l1[pair] = np.where(self.allowed[at], l1[pair], np.inf)
        return ElasticNet(l1, l2, shift)


class Scan(NamedTuple):
    """What a pass over all coordinates outside a working set found.

    Attributes
    ----------
    violation : float
        Largest violation of the conditions for optimality, in units of the gradient.
    coordinates : Coordinates
        Coordinates near to entering or beyond, most urgent first.
    excess : ndarray of shape (w,)
        |gradient| − l1 of each: positive where the condition is violated.
    """

    violation: float
    coordinates: Coordinates
    excess: NDArray


@final
class PairProblem:
    """Loss, design and penalty together.

    Parameters
    ----------
    loss : AbstractLoss
        Loss of the scores, bound to the rows of the design.
    design : PairDesign
        Columns.
    penalty : PairPenalty
        Penalties.
    gradient_scale : float, default=1
        Unit in which solvers measure violations.
    """

    def __init__(
        self, loss: AbstractLoss, design: PairDesign, penalty: PairPenalty, gradient_scale: float = 1.0
    ) -> None:
        self.loss = loss
        self.design = design
        self.penalty = penalty
        self.gradient_scale = gradient_scale

    def restrict(self, coordinates: Coordinates) -> RestrictedProblem:
        """Return the problem on some coordinates, the others being zero."""
        columns, penalty = self.design.columns(coordinates), self.penalty.of(coordinates)
        return RestrictedProblem(self.loss, columns, penalty, self.gradient_scale)

    def scan(self, scores: NDArray, members: Coordinates, n_best: int) -> Scan:
        """Check the conditions for optimality of every coordinate that is zero and no member.

        Parameters
        ----------
        scores : ndarray of shape (n,)
            Scores of the current solution.
        members : Coordinates
            Coordinates to leave out: those of the working set.
        n_best : int
            How many coordinates to return at most.
        """
        residual = self.loss.gradient(scores)
        found = self._scan_linear(residual, members)
        member_rows, member_cols = members.take(members.is_pair)
        for start, block in self._gradient_blocks(residual):
            inside = (member_rows >= start) & (member_rows < start + len(block))
            block[member_rows[inside] - start, member_cols[inside] - start] = 0.0
            # nothing below the worst kept so far can be among the best
            bar = found.excess[-1] if len(found.excess) >= n_best else -_NEAR * self.penalty.pairs_l1
            found = _merge(found, _scan_block(block, start, self.penalty.pairs_l1, bar), n_best)
        return found

    def largest_gradients(self, scores: NDArray) -> tuple[NDArray, float]:
        """Return |gradient| of the linear block, shape (m,), and the largest over the pairs, shifts included."""
        residual = self.loss.gradient(scores)
        pairs = (_scan_block(block, start, 0.0, np.inf) for start, block in self._gradient_blocks(residual))
        return np.abs(self.design.linear_t @ residual), max((scan.violation for scan in pairs), default=0.0)

    def _gradient_blocks(self, residual: NDArray) -> Iterator[tuple[int, NDArray]]:
        """Stream the smooth gradient over pairs that are zero; zero for those that are no candidates."""
        blocks = Pairwise(self.design.scaling).pullback_blocks(self.design.features_t.T, residual)
        for start, block in blocks:
            stop = start + len(block)
            if self.penalty.shift is not None:
                block -= self.penalty.shift[start:stop, start:]
            if self.penalty.allowed is not None:
                block[~self.penalty.allowed[start:stop, start:]] = 0.0
            yield start, block

    def _scan_linear(self, residual: NDArray, members: Coordinates) -> Scan:
        outside = np.ones(self.design.n_linear, dtype=bool)
        outside[members.cols[~members.is_pair]] = False
        cols = np.flatnonzero(outside)
        excess = np.abs(self.design.linear_t[cols] @ residual) - self.penalty.linear_l1[cols]
        near = excess > -_NEAR * self.penalty.linear_l1[cols]
        coordinates = Coordinates(np.full(np.count_nonzero(near), -1), cols[near])
        return Scan(max(float(np.max(excess, initial=0.0)), 0.0), coordinates, excess[near])


def _transposed(columns: ArrayLike) -> NDArray:
    return np.ascontiguousarray(np.asarray(columns, dtype=float).T)


def _scan_block(block: NDArray, start: int, l1: float, bar: float) -> Scan:
    positions, excess, violation = _near_entries(block, l1, bar)
    rows, cols = np.divmod(positions, block.shape[1])
    return Scan(violation, Coordinates(rows + start, cols + start), excess)


def _merge(first: Scan, second: Scan, n_best: int) -> Scan:
    coordinates = first.coordinates.joined(second.coordinates)
    excess = np.concatenate([first.excess, second.excess])
    # a stable sort keeps the order of columns among ties, whatever the size of the blocks
    best = np.argsort(-excess, kind="stable")[:n_best]
    return Scan(max(first.violation, second.violation), coordinates.take(best), excess[best])


@njit(cache=True, nogil=True)
def _near_entries(block, l1, bar):
    """Positions and excess of the entries right of the diagonal with |entry| − l1 > bar, and the largest excess."""
    count = 0
    largest = 0.0
    for i in range(block.shape[0]):
        for k in range(i + 1, block.shape[1]):
            excess = abs(block[i, k]) - l1
            largest = max(largest, excess)
            count += excess > bar
    positions = np.empty(count, np.int64)
    found = np.empty(count)
    count = 0
    for i in range(block.shape[0]):
        for k in range(i + 1, block.shape[1]):
            excess = abs(block[i, k]) - l1
            if excess > bar:
                positions[count] = i * block.shape[1] + k
                found[count] = excess
                count += 1
    return positions, found, largest
