r"""Users and items as vectors: a rating is explained by two biases and an inner product.

    f_ui = b_u + c_i + ⟨φ(p_u), φ(q_i)⟩,   [b_u, p_u] = own_u + Σ_j S_uj A_j,   [c_i, q_i] = own_i + Σ_j T_ij C_j

with side features S of users and T of items, and φ an optional map of the factors (never of the biases).

With x_u = [φ(p_u), b_u, 1] and y_i = [φ(q_i), 1, c_i] a score is ⟨x_u, y_i⟩, and for a direction
Δx_u = [φ′(p_u)∘Δp_u, Δb_u, 0], Δy_i alike,

    J v = ⟨Δx_u, y_i⟩ + ⟨x_u, Δy_i⟩,   (Jᵀ r)_u = φ′(p_u) ∘ Σ_i r_ui y_i,   (Jᵀ r)_A = Sᵀ (Jᵀ r)_users.

J is never formed: a Gauss-Newton product is two passes over the ratings, one by user, one by item.

Source: the products are those of arXiv 2512.16277; side features enter by the chain rule.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.structures import _latent_kernels as kernels
from intertwine.structures.base import AbstractStructure
from intertwine.structures.fm_sweep import THREADS
from intertwine.structures.linearization import AbstractLinearization, AbstractScoreMap, StackedLayout
from intertwine.structures.mapping import AbstractMapping, Identity
from intertwine.structures.ratings import RatingTable

__all__ = ["FactorParams", "FactorScores", "LatentFactors"]

_PARTS = 32  # of about as many ratings, shared among the threads
_WORTH_THREADS = 20_000  # ratings: below, starting threads costs more than it saves

Table = NDArray[np.float64]


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
        self._user_parts, self._item_parts = _even_parts(X.user_starts), _even_parts(X.item_starts)

    def score(self, theta):
        users, items = self.totals(theta)
        scores = np.empty(self.X.n_ratings)
        arguments = (self.X.user_starts, self.X.item_of, *self._sides(users, items), scores)
        self._run(kernels.score_some, kernels.score_in_parallel, self._user_parts, *arguments)
        return scores

    def at(self, theta):
        near = self.around(theta)
        near.scores = self.score(theta)
        return near

    def around(self, theta: NDArray) -> AbstractLinearization:
        """What `at` gives, without the scores, which are as long as the ratings."""
        return _FactorLinearization(self, theta)

    def totals(self, theta: NDArray) -> tuple[Table, Table]:
        """Own coefficients plus what side features say, of users and of items."""
        own = self.layout.unravel(theta)
        users, items = own.users, own.items
        if self.X.user_features is not None:
            users = users + self.X.user_features @ own.user_weights
        if self.X.item_features is not None:
            items = items + self.X.item_features @ own.item_weights
        return users, items

    def _sides(self, users: Table, items: Table) -> tuple[Table, Table]:
        """x_u and y_i."""
        first, value = int(self.structure.biases), self.structure.mapping.value
        left, right = self._padded(value(users[:, first:])), self._padded(value(items[:, first:]))
        if first:
            k = self.structure.n_components
            left[:, k], left[:, k + 1] = users[:, 0], 1.0
            right[:, k], right[:, k + 1] = 1.0, items[:, 0]
        return left, right

    def _moves(self, slopes: tuple[Table, Table], direction: NDArray) -> tuple[Table, Table]:
        """Δx_u and Δy_i."""
        users, items = self.totals(direction)
        first, k = int(self.structure.biases), self.structure.n_components
        left, right = self._padded(slopes[0] * users[:, first:]), self._padded(slopes[1] * items[:, first:])
        if first:
            left[:, k], right[:, k + 1] = users[:, 0], items[:, 0]
        return left, right

    def _padded(self, factors: Table) -> Table:
        """Room for the biases, and zeros up to a multiple of four columns: what registers hold."""
        k = self.structure.n_components
        padded = np.zeros((len(factors), -4 * (-(k + 2 * int(self.structure.biases)) // 4)))
        padded[:, :k] = factors
        return padded

    def _back(self, users: Table, items: Table) -> NDArray[np.float64]:
        """Derivatives of the totals as a vector of derivatives of all coefficients."""
        X, none = self.X, np.zeros((0, self.structure.width))
        return _flat(
            FactorParams(
                users,
                items,
                none if X.user_features is None else X.user_features.T @ users,
                none if X.item_features is None else X.item_features.T @ items,
            )
        )

    def _run(self, some: Any, in_parallel: Any, parts: NDArray[np.int64], *arguments: Any) -> None:
        if self._parallel:
            with THREADS:
                in_parallel(parts, *arguments)
        else:
            some(0, parts[-1], *arguments)


@final
class _FactorLinearization(AbstractLinearization):
    def __init__(self, of: FactorScores, theta: NDArray) -> None:
        self._of = of
        self._first = int(of.structure.biases)
        self._totals = of.totals(theta)
        self._left, self._right = of._sides(*self._totals)
        mapping = of.structure.mapping
        users, items = (mapping.slope(table[:, self._first :]) for table in self._totals)
        self._slopes = users, items
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
        return self._of._back(
            *self._lowered(self._pull_users(r, self._right), self._pull_items(r, self._left))
        )

    def gram_product(self, w, v):
        X, of = self._of.X, self._of
        pushed, users = np.empty(X.n_ratings), np.empty_like(self._left)
        arguments = (X.user_starts, X.item_of, *self._side_by_side(v), w, pushed, users)
        of._run(kernels.push_and_pull_some, kernels.push_and_pull_in_parallel, of._user_parts, *arguments)
        return of._back(*self._lowered(users, self._pull_items(pushed, self._left)))

    def bend_product(self, r, v):
        of, k = self._of, self._of.structure.n_components
        left, right = of._moves(self._slopes, v)
        # scores are linear in the biases: the columns that would belong to them are zero in both Δ
        users, items = self._lowered(self._pull_users(r, right), self._pull_items(r, left))
        if of.degree is None:
            curvature, first = of.structure.mapping.curvature, self._first
            pulled = self._pull_users(r, self._right), self._pull_items(r, self._left)
            for out, sums, total, move in zip(
                (users, items), pulled, self._totals, of.totals(v), strict=True
            ):
                out[:, first:] += curvature(total[:, first:]) * sums[:, :k] * move[:, first:]
        return of._back(users, items)

    def gram_blocks(self, w):
        X, of = self._of.X, self._of
        blocks = []
        for starts, other_of, place, parts, others, slopes, features in (
            (X.user_starts, X.item_of, X.place[:0], of._user_parts, self._right, self._slopes[0], X.user_features),
            (X.item_starts, X.user_of, X.place, of._item_parts, self._left, self._slopes[1], X.item_features),
        ):  # fmt: skip
            k = of.structure.n_components
            table = others[:, :k]
            if self._first:
                table = np.hstack([np.ones((len(table), 1)), table])
                slopes = np.hstack([np.ones((len(slopes), 1)), slopes])
            d = table.shape[1]
            gram = np.empty((len(slopes), d, d))
            arguments = (starts, other_of, place, w, np.ascontiguousarray(table), gram)
            of._run(kernels.gram_some, kernels.gram_in_parallel, parts, *arguments)
            if of.degree is None:
                gram *= slopes[:, :, None] * slopes[:, None, :]
            # a rating has one user: no two users' coefficients meet in a block of a feature of users
            of_features = (
                np.zeros((0, d, d))
                if features is None
                else (features.power(2).T @ gram.reshape(-1, d * d)).reshape(-1, d, d)
            )
            blocks += [gram, of_features]
        return [blocks[0], blocks[2], blocks[1], blocks[3]]

    def _side_by_side(self, v: NDArray) -> tuple[Table, Table]:
        """[Δx, x] and [y, Δy]: one inner product gives J v."""
        left, right = self._of._moves(self._slopes, v)
        return np.hstack([left, self._left]), np.hstack([self._right, right])

    def _pull_users(self, r: NDArray, right: Table) -> Table:
        X, of, out = self._of.X, self._of, np.empty_like(self._left)
        arguments = (X.user_starts, X.item_of, r, right, out)
        of._run(kernels.pull_users_some, kernels.pull_users_in_parallel, of._user_parts, *arguments)
        return out

    def _pull_items(self, r: NDArray, left: Table) -> Table:
        X, of, out = self._of.X, self._of, np.empty_like(self._right)
        arguments = (X.item_starts, X.user_of, X.place, r, left, out)
        of._run(kernels.pull_items_some, kernels.pull_items_in_parallel, of._item_parts, *arguments)
        return out

    def _lowered(self, users: Table, items: Table) -> tuple[Table, Table]:
        """Sums Σ r y_i and Σ r x_u as derivatives of the totals."""
        k, first = self._of.structure.n_components, self._first
        width = self._of.structure.width
        lowered = np.empty((len(users), width)), np.empty((len(items), width))
        for out, sums, slopes in zip(lowered, (users, items), self._slopes, strict=True):
            np.multiply(slopes, sums[:, :k], out=out[:, first:])
        if first:  # y_i has the 1 of b_u in column k, x_u that of c_i in the next
            lowered[0][:, 0], lowered[1][:, 0] = users[:, k], items[:, k + 1]
        return lowered


def _flat(params: FactorParams) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(part) for part in params])


def _n_features(X: RatingTable) -> tuple[int, int]:
    return (
        0 if X.user_features is None else X.user_features.shape[1],
        0 if X.item_features is None else X.item_features.shape[1],
    )


def _even_parts(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bounds of runs of ids with about as many ratings each."""
    inner = np.searchsorted(starts, np.linspace(0, starts[-1], _PARTS + 1)[1:-1])
    return np.unique(np.concatenate([[0], inner, [len(starts) - 1]])).astype(np.int64)
