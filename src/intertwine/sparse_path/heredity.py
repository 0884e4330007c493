r"""Heredity: a pair only together with its main effects (the principle of marginality).

Under *strong* heredity a pair is a candidate when both of its main effects are in the model, under *weak* heredity
when one is. Both make the set of models non-convex, so the solution is defined by a procedure, in the manner of
RAMP: at given strengths,

1. solve with no pairs; the main effects that are not zero are *in*;
2. solve with the candidate pairs of those that are in; parents of pairs that are not zero are exempt from L1, so that
   they stay, and main effects that come in stay candidates' parents;
3. repeat 2 until neither the main effects that are in nor the exempt ones grow: at most 2p rounds, usually two to four.

The outcome is a function of data and strengths alone: where a path starts from does not matter. It satisfies
heredity exactly; a pair whose parent is zero all the same (a constant column) is struck out.

Source: Hao, Feng & Zhang (2018), Model selection for high-dimensional quadratic regression via regularization,
J. Amer. Statist. Assoc. 113; there the sets are carried along the path, here they grow at each strength.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from intertwine.minimize import Callback
from intertwine.sparse_path.problem import SparsePairProblem
from intertwine.sparse_path.solution import SparseSolution

__all__ = ["AbstractHeredity", "StrongHeredity", "WeakHeredity", "solve_with_heredity"]


class AbstractHeredity(ABC):
    """Which pairs may be in a model with given main effects."""

    @abstractmethod
    def candidates(self, mains: NDArray) -> NDArray:
        """Return the mask (p, p) of pairs that the mask ``mains`` (p,) of main effects admits."""

    @final
    def admits(self, mains: NDArray, rows: NDArray, cols: NDArray) -> NDArray:
        """Tell for each of some pairs whether main effects ``mains`` admit it."""
        return self.candidates(mains)[rows, cols]


@final
class WeakHeredity(AbstractHeredity):
    """A pair needs one of its main effects.

    Examples
    --------
    >>> import numpy as np
    >>> WeakHeredity().candidates(np.array([True, False, False])).astype(int)
    array([[1, 1, 1],
           [1, 0, 0],
           [1, 0, 0]])
    """

    def candidates(self, mains: NDArray) -> NDArray:
        """Return the pairs with at least one main effect."""
        return mains[:, None] | mains[None, :]


@final
class StrongHeredity(AbstractHeredity):
    """A pair needs both of its main effects.

    Examples
    --------
    >>> import numpy as np
    >>> StrongHeredity().candidates(np.array([True, False, True])).astype(int)
    array([[1, 0, 1],
           [0, 0, 0],
           [1, 0, 1]])
    """

    def candidates(self, mains: NDArray) -> NDArray:
        """Return the pairs with both main effects."""
        return mains[:, None] & mains[None, :]


def solve_with_heredity(
    problem: SparsePairProblem,
    heredity: AbstractHeredity,
    main_effects: ArrayLike,
    shift: NDArray | None = None,
    start: SparseSolution | None = None,
    tol: float = 1e-8,
    callbacks: Iterable[Callback] = (),
) -> SparseSolution:
    """Solve a problem under heredity.

    Parameters
    ----------
    problem : SparsePairProblem
        The problem without heredity; pairs that it does not allow stay out.
    heredity : AbstractHeredity
        `WeakHeredity()` or `StrongHeredity()`.
    main_effects : array-like of int, shape (p,)
        Column of the linear block that is the main effect of each feature.
    shift, start, tol, callbacks
        See `SparsePairProblem.solve`.

    Returns
    -------
    SparseSolution
        Of the last round: value and certificate are those of the problem with its candidates and exemptions.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.losses.squared import SquaredLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 8))
    >>> loss = SquaredLoss(X[:, 0] + X[:, 1] + X[:, 0] * X[:, 1] + X[:, 5] * X[:, 6])
    >>> linear, l1 = np.column_stack([np.ones(300), X]), np.r_[0.0, np.full(8, 0.2)]
    >>> problem = SparsePairProblem(loss, linear, l1, 0 * l1, X, pairs_l1=0.2, pairs_l2=0.0)
    >>> solution = solve_with_heredity(problem, StrongHeredity(), np.arange(1, 9))
    >>> [(int(j), int(k)) for j, k in zip(solution.rows, solution.cols)]
    [(0, 1)]
    """
    columns = np.asarray(main_effects)
    penalty = problem.penalty
    inside = np.zeros(len(columns), dtype=bool)
    exempt = inside.copy()
    allowed = (
        np.ones((len(columns), len(columns)), dtype=bool) if penalty.allowed is None else penalty.allowed
    )
    while True:
        linear_l1 = penalty.linear_l1.copy()
        linear_l1[columns[exempt]] = 0.0
        current = problem.with_penalties(linear_l1, penalty.linear_l2, penalty.pairs_l1, penalty.pairs_l2)
        start = current.with_allowed(allowed & heredity.candidates(inside)).solve(
            shift, start, tol, callbacks=callbacks
        )
        present = start.linear[columns] != 0.0
        orphans = ~heredity.admits(present, start.rows, start.cols)
        parents = np.zeros_like(exempt)
        parents[start.rows] = True
        parents[start.cols] = True
        grown, exempt_now = inside | present, exempt | (parents & (inside | present))
        if np.array_equal(grown, inside) and np.array_equal(exempt_now, exempt):
            if not orphans.any():
                return start
            # a parent without L1 is zero only when its column is: the pair can never be admitted
            allowed = allowed.copy()
            allowed[start.rows[orphans], start.cols[orphans]] = False
            allowed[start.cols[orphans], start.rows[orphans]] = False
        inside, exempt = grown, exempt_now
