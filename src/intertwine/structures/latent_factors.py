r"""Users and items as vectors: a rating is explained by two biases and an inner product.

    f_ui = b_u + c_i + ⟨φ(p_u), φ(q_i)⟩,   [b_u, p_u] = own_u + Σ_j S_uj A_j,   [c_i, q_i] = own_i + Σ_j T_ij C_j

with side features S of users and T of items, and φ an optional map of the factors (never of the biases).

With x_u = [φ(p_u), b_u, 1] and y_i = [φ(q_i), 1, c_i] a score is ⟨x_u, y_i⟩, and for a direction
Δx_u = [φ′(p_u)∘Δp_u, Δb_u, 0], Δy_i alike,

    J v = ⟨Δx_u, y_i⟩ + ⟨x_u, Δy_i⟩,   (Jᵀ r)_u = φ′(p_u) ∘ Σ_i r_ui y_i,   (Jᵀ r)_A = Sᵀ (Jᵀ r)_users.

J is never formed: a Gauss-Newton product is one pass over the ratings, by user.

Source: the products are those of arXiv 2512.16277; side features enter by the chain rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.structures import _latent_kernels as kernels
from intertwine.structures.base import AbstractStructure
from intertwine.structures.fm_sweep import THREADS
from intertwine.structures.linearization import AbstractLinearization, AbstractScoreMap, StackedLayout
from intertwine.structures.mapping import AbstractMapping, Identity
from intertwine.structures.ratings import RatingTable

__all__ = ["FactorLinearization", "FactorParams", "FactorScores", "LatentFactors"]

_PARTS = 32  # of about as many ratings, shared among the threads
_MOST_SUMS = 8  # parts with sums over all items of their own
_RATINGS_OF_A_SUM = 8  # for each item: where parts have fewer, adding up their sums costs what sharing saves
_WORTH_THREADS = 20_000  # ratings: below, starting threads costs more than it saves

Table = NDArray[np.float64]
Slopes = tuple[Table | None, Table | None]


class FactorParams(NamedTuple):
    """Coefficients of users, items and their side features; columns are the bias (if any), then the factors.

    Attributes
    ----------
    users, items : ndarray of shape (n_users, d) and (n_items, d)
        The ids' own coefficients.
    user_weights, item_weights : ndarray of shape (·, d)
        A row for each side feature.
    """

    users: Table
    items: Table
    user_weights: Table
    item_weights: Table


@final
class LatentFactors(AbstractStructure):
    """Scores of the ratings of a `RatingTable`.

    Parameters
    ----------
    n_components : int
    biases : bool, default=True
    mapping : AbstractMapping, optional
        φ; none by default.

    Examples
    --------
    >>> import numpy as np
    >>> X, _ = RatingTable.build(np.array([0, 0]), np.array([0, 1]), 1, 2)
    >>> params = FactorParams(np.array([[0.5, 2.0]]), np.array([[0.1, 1.0], [0.2, -1.0]]), *np.zeros((2, 0, 2)))
    >>> LatentFactors(1).score(params, X)  # ½ + .1 + 2 · 1 and ½ + .2 − 2 · 1
    array([ 2.6, -1.3])
    """

    def __init__(
        self, n_components: int, biases: bool = True, mapping: AbstractMapping | None = None
    ) -> None:
        self.n_components = n_components
        self.biases = biases
        self.mapping = Identity() if mapping is None else mapping
        self.degree = 2 if isinstance(self.mapping, Identity) else None

    @property
    def width(self) -> int:
        """Columns d of a table."""
        return int(self.biases) + self.n_components

    def init(self, X, rng: np.random.Generator) -> FactorParams:
        """No biases, no effects of features, factors near zero: at zero itself no product has a derivative."""
        tables = [np.zeros((rows, self.width)) for rows in (X.n_users, X.n_items, *_n_features(X))]
        for table in tables[:2]:
            table[:, int(self.biases) :] = 0.1 * rng.standard_normal((len(table), self.n_components))
        return FactorParams(*tables)

    def score(self, params, X):
        return FactorScores(self, X).score(_flat(params))

    def pushforward(self, params, X, direction):
        return FactorScores(self, X).at(_flat(params)).pushforward(_flat(direction))

    def pullback(self, params, X, v):
        scores = FactorScores(self, X)
        return scores.layout.unravel(scores.at(_flat(params)).pullback(v))


@final
class FactorScores(AbstractScoreMap):
    """The same as a function of one vector, with fused products and any number of threads.

    Parameters
    ----------
    structure : LatentFactors
    X : RatingTable
    n_threads : int, default=1
        More than one: as many as numba has been given. Results are the same.
    """

    def __init__(self, structure: LatentFactors, X: RatingTable, n_threads: int = 1) -> None:
        self.structure, self.X = structure, X
        self.degree = structure.degree
        shapes = [(rows, structure.width) for rows in (X.n_users, X.n_items, *_n_features(X))]
        self.layout = StackedLayout(FactorParams(*(np.broadcast_to(0.0, shape) for shape in shapes)))
        self.size = self.layout.size
        self._parallel = n_threads > 1 and X.n_ratings >= _WORTH_THREADS
        self._user_parts, self._item_parts = (
            _even_parts(starts, _PARTS) for starts in (X.user_starts, X.item_starts)
        )
        # sums over all items for each part: few parts, and none where ratings are hardly more than items
        n_sums = min(max(X.n_ratings // (_RATINGS_OF_A_SUM * max(X.n_items, 1)), 1), _MOST_SUMS)
        self._sum_parts = _even_parts(X.user_starts, n_sums)

    def score(self, theta):
        scores = np.empty(self.X.n_ratings)
        arguments = (self.X.user_starts, self.X.item_of, *self._sides(*self.totals(theta)), scores)
        self._run(kernels.score_some, kernels.score_in_parallel, self._user_parts, *arguments)
        return scores

    def squares(self, theta: NDArray, y: NDArray[Any], weight: NDArray[Any], level: float) -> float:
        """Σ w (y + level − f)², without an array as long as the ratings."""
        X, squares = self.X, np.empty(self.X.n_users)
        arguments = (
            X.user_starts, X.item_of, *self._sides(*self.totals(theta)), y, weight, float(level), squares
        )  # fmt: skip
        self._run(kernels.square_some, kernels.square_in_parallel, self._user_parts, *arguments)
        return float(squares.sum())

    def at(self, theta):
        near = self.around(theta)
        near.scores = self.score(theta)
        return near

    def around(self, theta: NDArray) -> FactorLinearization:
        """What `at` gives, without the scores, which are as long as the ratings."""
        return FactorLinearization(self, theta)

    def totals(self, theta: NDArray) -> tuple[Table, Table]:
        """Own coefficients plus what side features say, of users and of items."""
        own = self.layout.unravel(theta)
        users, items = own.users, own.items
        if self.X.user_features is not None:
            users = users + self.X.user_features @ own.user_weights
        if self.X.item_features is not None:
            items = items + self.X.item_features @ own.item_weights
        return users, items

    @property
    def _width(self) -> int:
        """Columns of x and y: room for the biases, and zeros up to a multiple of four, what registers hold."""
        return -4 * (-(self.structure.n_components + 2 * int(self.structure.biases)) // 4)

    def _sides(self, users: Table, items: Table) -> tuple[Table, Table]:
        """x_u and y_i."""
        first, k, value = (
            int(self.structure.biases),
            self.structure.n_components,
            self.structure.mapping.value,
        )
        left, right = (np.zeros((len(table), self._width)) for table in (users, items))
        left[:, :k], right[:, :k] = value(users[:, first:]), value(items[:, first:])
        if first:
            left[:, k], left[:, k + 1] = users[:, 0], 1.0
            right[:, k], right[:, k + 1] = 1.0, items[:, 0]
        return left, right

    def _write_moves(self, slopes: Slopes, direction: NDArray, left: Table, right: Table) -> None:
        """Δx_u and Δy_i into tables of zeros."""
        users, items = self.totals(direction)
        first, k = int(self.structure.biases), self.structure.n_components
        for out, table, slope in ((left, users, slopes[0]), (right, items, slopes[1])):
            if slope is None:
                out[:, :k] = table[:, first:]
            else:
                np.multiply(slope, table[:, first:], out=out[:, :k])
        if first:
            left[:, k], right[:, k + 1] = users[:, 0], items[:, 0]

    def _sums(
        self, some: Any, in_parallel: Any, arguments: tuple, n_users: int, n_items: int
    ) -> tuple[Table, Table]:
        """Sums over the ratings of each user and of each item, of so many columns."""
        bounds, shape = self._sum_parts, (self.X.n_items, n_items)
        users, parts = np.empty((self.X.n_users, n_users)), np.zeros((1, *shape))
        if self._parallel:
            parts = np.zeros((len(bounds) - 1, *shape))
            with THREADS:
                in_parallel(bounds, *arguments, users, parts)
        else:
            some(bounds[0], bounds[1], *arguments, users, parts[0])
        items, part = parts[0], np.empty((0, 0))
        for number in range(1, len(bounds) - 1):
            if self._parallel:
                part = parts[number]
            else:
                part = np.zeros(shape) if number == 1 else part
                part[:] = 0.0
                some(bounds[number], bounds[number + 1], *arguments, users, part)
            items += part
        return users, items

    def pull(self, values: NDArray[Any], left: Table, right: Table) -> tuple[Table, Table]:
        """Σ value · right over the ratings of each user, and Σ value · left over those of each item."""
        arguments = (self.X.user_starts, self.X.item_of, values, left, right)
        return self._sums(
            kernels.pull_some, kernels.pull_in_parallel, arguments, right.shape[1], left.shape[1]
        )

    def _run(self, some: Any, in_parallel: Any, parts: NDArray[np.int64], *arguments: Any) -> None:
        if self._parallel:
            with THREADS:
                in_parallel(parts, *arguments)
        else:
            some(0, parts[-1], *arguments)


@final
class FactorLinearization(AbstractLinearization):
    """Scores of ratings near a point."""

    def __init__(self, of: FactorScores, theta: NDArray) -> None:
        self._of = of
        self._first = int(of.structure.biases)
        self._totals = of.totals(theta)
        self._left, self._right = of._sides(*self._totals)
        self._slopes: Slopes = (None, None)  # ones
        if of.degree is None:
            users, items = (of.structure.mapping.slope(table[:, self._first :]) for table in self._totals)
            self._slopes = users, items
        self._both: tuple[Table, Table] | None = None
        self.scores = np.empty(0)

    def pushforward(self, v):
        return self.along(v)[0]

    def along(self, v):
        X, of = self._of.X, self._of
        first, second = np.empty(X.n_ratings), np.empty(X.n_ratings)
        arguments = (X.user_starts, X.item_of, *self._side_by_side(v), first, second)
        of._run(kernels.line_some, kernels.line_in_parallel, of._user_parts, *arguments)
        return first, second

    def pullback(self, r):
        return self._back(*self._of.pull(r, self._left, self._right))

    def squares(self, y: NDArray[Any], weight: NDArray[Any], level: float) -> tuple[float, NDArray]:
        """½ Σ w (y + level − f)² at the point, and its gradient."""
        X, of, width, squares = self._of.X, self._of, self._left.shape[1], np.empty(self._of.X.n_users)
        arguments = (
            X.user_starts, X.item_of, self._left, self._right, y, weight, float(level), squares
        )  # fmt: skip
        sums = of._sums(kernels.descend_some, kernels.descend_in_parallel, arguments, width, width)
        return 0.5 * float(squares.sum()), self._back(*sums)

    def gram_product(self, w, v):
        X, of, width = self._of.X, self._of, self._left.shape[1]
        arguments = (X.user_starts, X.item_of, *self._side_by_side(v), w)
        return self._back(
            *of._sums(kernels.multiply_some, kernels.multiply_in_parallel, arguments, width, width)
        )

    def bend_product(self, r, v):
        of, k, first = self._of, self._of.structure.n_components, self._first
        left, right = np.zeros_like(self._left), np.zeros_like(self._right)
        of._write_moves(self._slopes, v, left, right)
        # scores are linear in the biases: the columns that would belong to them are zero in both Δ
        sums = of.pull(r, left, right)
        if of.degree is not None:
            return self._back(*sums)
        bent = []
        curvature, pulled = of.structure.mapping.curvature, of.pull(r, self._left, self._right)
        for own, total, move in zip(pulled, self._totals, of.totals(v), strict=True):
            bent.append(curvature(total[:, first:]) * own[:, :k] * move[:, first:])
        return self._back(*sums, bent)

    def gram_blocks(self, w):
        X, of = self._of.X, self._of
        blocks = []
        for starts, other_of, weight, parts, others, slopes, features in (
            (X.user_starts, X.item_of, w, of._user_parts, self._right, self._slopes[0], X.user_features),
            (X.item_starts, X.user_of, X.by_item(w), of._item_parts, self._left, self._slopes[1], X.item_features),
        ):  # fmt: skip
            d = of.structure.width
            table = np.ones((len(others), d))
            table[:, self._first :] = others[:, : of.structure.n_components]
            gram = np.empty((len(starts) - 1, d * (d + 1) // 2))
            arguments = (starts, other_of, weight, table, gram)
            of._run(kernels.gram_some, kernels.gram_in_parallel, parts, *arguments)
            if slopes is not None:
                rows, columns = np.tril_indices(d)
                slopes = np.hstack([np.ones((len(slopes), self._first)), slopes])
                gram *= slopes[:, rows] * slopes[:, columns]
            # a rating has one user: no two users' coefficients meet in a block of a feature of users
            of_features = np.zeros((0, gram.shape[1])) if features is None else features.power(2).T @ gram
            blocks += [gram, of_features]
        return [blocks[0], blocks[2], blocks[1], blocks[3]]

    def _side_by_side(self, v: NDArray) -> tuple[Table, Table]:
        """[Δx, x] and [y, Δy]: one inner product gives J v."""
        width = self._left.shape[1]
        if self._both is None:  # half of it stays
            self._both = (
                np.hstack([np.zeros_like(self._left), self._left]),
                np.hstack([self._right, np.zeros_like(self._right)]),
            )
        moves, rows = self._both
        self._of._write_moves(self._slopes, v, moves[:, :width], rows[:, width:])
        return moves, rows

    def _back(self, users: Table, items: Table, bent: Sequence[Table] = ()) -> NDArray[np.float64]:
        """Sums Σ r y_i and Σ r x_u as a vector of derivatives of all coefficients; ``bent`` is added to factors'."""
        X, k, first = self._of.X, self._of.structure.n_components, self._first
        out = np.empty(self._of.size)
        back = self._of.layout.unravel(out)
        # y_i has the 1 of b_u in column k, x_u that of c_i in the next
        for number, (own, sums, slopes) in enumerate(
            zip(back[:2], (users, items), self._slopes, strict=True)
        ):
            if slopes is None:
                own[:, first:] = sums[:, :k]
            else:
                np.multiply(slopes, sums[:, :k], out=own[:, first:])
            if bent:
                own[:, first:] += bent[number]
            if first:
                own[:, 0] = sums[:, k + number]
        if X.user_features is not None:
            back.user_weights[:] = X.user_features.T @ back.users
        if X.item_features is not None:
            back.item_weights[:] = X.item_features.T @ back.items
        return out


def _flat(params: FactorParams) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(part) for part in params])


def _n_features(X: RatingTable) -> tuple[int, int]:
    return (
        0 if X.user_features is None else X.user_features.shape[1],
        0 if X.item_features is None else X.item_features.shape[1],
    )


def _even_parts(starts: NDArray[np.int64], n_parts: int) -> NDArray[np.int64]:
    """Bounds of runs of ids with about as many ratings each."""
    inner = np.searchsorted(starts, np.linspace(0, starts[-1], n_parts + 1)[1:-1])
    return np.unique(np.concatenate([[0], inner, [len(starts) - 1]])).astype(np.int64)
