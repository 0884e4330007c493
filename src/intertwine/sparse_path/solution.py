"""What a sparse problem returns: coefficients of the linear block and of the pairs that are not zero."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SparseSolution"]


class SparseSolution(NamedTuple):
    """Solution of a `SparsePairProblem`, with its certificate.

    Attributes
    ----------
    linear : ndarray of shape (m,)
        Coefficients a of the linear block.
    rows, cols : ndarray of int64, shape (s,)
        Pairs j < k with θ_jk ≠ 0, in the order of the upper half of Θ.
    values : ndarray of shape (s,)
        Their θ_jk.
    scores : ndarray of shape (n,)
        Scores f of the rows.
    value : float
        Objective, shifts included.
    violation : float
        Largest distance of a coordinate's derivative from the set that optimality asks for, over the whole linear
        block and all pairs; in units of the gradient.
    optimality : float
        ``violation`` divided by the largest gradient of the model without penalised terms: this is what ``tol`` is
        compared with.
    n_iter : int
        Steps of the solver.
    converged : bool
        Whether ``optimality`` met the tolerance.
    method : str
        "all coordinates", "working set" or "proximal".
    """

    linear: NDArray
    rows: NDArray
    cols: NDArray
    values: NDArray
    scores: NDArray
    value: float
    violation: float
    optimality: float
    n_iter: int
    converged: bool
    method: str

    def interactions(self, n_features: int) -> NDArray:
        """Return the symmetric Θ of shape (p, p).

        Examples
        --------
        >>> import numpy as np
        >>> none = np.zeros(0)
        >>> solution = SparseSolution(none, np.array([0]), np.array([2]), np.array([1.5]), none, 0, 0, 0, 1, True, "")
        >>> solution.interactions(3)
        array([[0. , 0. , 1.5],
               [0. , 0. , 0. ],
               [1.5, 0. , 0. ]])
        """
        out = np.zeros((n_features, n_features))
        out[self.rows, self.cols] = self.values
        out[self.cols, self.rows] = self.values
        return out
