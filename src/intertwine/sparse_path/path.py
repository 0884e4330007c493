"""Paths over decreasing strengths, and many of them at once: the grid times the folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from intertwine.sparse_path.problem import SparsePairProblem
from intertwine.sparse_path.solution import SparseSolution

__all__ = ["geometric_factors", "iterate_path", "solve_path", "solve_paths"]


def geometric_factors(largest: float, n_factors: int = 32, ratio: float = 0.01) -> NDArray:
    """Return ``n_factors`` factors from ``largest`` down to ``ratio * largest``, evenly spaced in their logarithm.

    Examples
    --------
    >>> geometric_factors(2.0, n_factors=3, ratio=0.01)
    array([2.  , 0.2 , 0.02])
    """
    return largest * np.geomspace(1.0, ratio, n_factors)


def solve_path(
    problem: SparsePairProblem,
    factors: Sequence[float] | NDArray,
    shift: NDArray | None = None,
    tol: float = 1e-8,
) -> list[SparseSolution]:
    """Solve a problem at several strengths, each solution the start of the next.

    Parameters
    ----------
    problem : SparsePairProblem
        Strengths at factor 1.
    factors : sequence of float
        What to multiply all strengths by, best in decreasing order; see `SparsePairProblem.critical_factor` for the
        one at which the path begins.
    shift : ndarray of shape (p, p), optional
        See `SparsePairProblem.solve`.
    tol : float, default=1e-8
        See `SparsePairProblem.solve`.

    Returns
    -------
    list of SparseSolution
        One for each factor. Each is certified on its own: the path changes the time, not the result.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.losses.squared import SquaredLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 6))
    >>> loss = SquaredLoss(X[:, 0] * X[:, 1] + 0.1 * rng.standard_normal(100))
    >>> problem = SparsePairProblem(loss, np.ones((100, 1)), [0.0], [0.0], X, pairs_l1=1.0, pairs_l2=0.0)
    >>> path = solve_path(problem, geometric_factors(problem.critical_factor(), 4, 0.1))
    >>> [len(solution.values) for solution in path]
    [0, 1, 1, 1]
    """
    return list(iterate_path(problem, factors, shift, tol))


def iterate_path(
    problem: SparsePairProblem,
    factors: Sequence[float] | NDArray,
    shift: NDArray | None = None,
    tol: float = 1e-8,
) -> Iterator[SparseSolution]:
    """Solve as `solve_path` does, one solution at a time: for paths that may end early."""
    solution = None
    for factor in factors:
        solution = problem.scaled(float(factor)).solve(shift, solution, tol)
        yield solution


def solve_paths(
    problems: Sequence[SparsePairProblem],
    factors: Sequence[float] | NDArray,
    tol: float = 1e-8,
    n_jobs: int | None = None,
) -> list[list[SparseSolution]]:
    """Solve the paths of several problems in threads: folds from `SparsePairProblem.take`, or other penalties.

    Parameters
    ----------
    problems : sequence of SparsePairProblem
        Problems that do not share memory: each is `taken` or constructed on its own, not `scaled` from another.
    factors : sequence of float
        See `solve_path`.
    tol : float, default=1e-8
        See `SparsePairProblem.solve`.
    n_jobs : int, optional
        Threads; 1 by default, −1 for all processors. With more than one, matrix products in each are held to one
        thread: two levels of threads would fight for the processors.

    Returns
    -------
    list of list of SparseSolution
        One path for each problem, in order; the same for every ``n_jobs``.
    """
    n_threads = min(_n_threads(n_jobs), max(len(problems), 1))

    def path(problem: SparsePairProblem) -> list[SparseSolution]:
        return solve_path(problem, factors, tol=tol)

    if n_threads == 1:
        return [path(problem) for problem in problems]
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(n_threads) as threads:
        return list(threads.map(path, problems))


def _n_threads(n_jobs: int | None) -> int:
    if n_jobs is None:
        return 1
    return n_jobs if n_jobs > 0 else max(1, (cpu_count() or 1) + 1 + n_jobs)
