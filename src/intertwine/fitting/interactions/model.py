"""A fitted interaction model: the preparation, the coefficients, and how they were found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intertwine.coefficients import AbstractCoefficients
from intertwine.preparation import Preparation

__all__ = ["Diagnostics", "InteractionModel"]

_CHUNK_ENTRIES = 1 << 24


class Diagnostics(NamedTuple):
    """How a fit ended.

    Attributes
    ----------
    solver : str
        "exact" or "sparse".
    value, optimality : float
        Objective, and the largest violation of its first-order conditions, relative.
    converged : bool
    history : list of SearchIteration
        Of every start of the latent search; start 0 is the sparse path's solution without a target.
    spread : list of float
        Objective at the optimum of every start of the latent search.
    dispersion : float
        Residual variance; 1 for likelihoods on their own scale.
    log_evidence : float
        Laplace approximation, given the target; NaN in the sparse path.
    """

    solver: str
    value: float
    optimality: float
    converged: bool
    history: list
    spread: list
    dispersion: float
    log_evidence: float

    @property
    def best_start(self) -> int:
        """Number of the start whose optimum was taken; 0 where no target was searched."""
        return int(np.argmin(self.spread)) + 1 if self.spread else 0

    @property
    def n_iter(self) -> int:
        """Its iterations; 1 where the problem was solved directly."""
        return max([1, *(row.iteration for row in self.history if row.start == self.best_start)])


class InteractionModel(NamedTuple):
    """Everything a prediction needs, in terms of columns.

    ``main`` and ``squares`` are coefficients of scaled, weighted columns; ``coordinates`` (q, d) are the latent
    positions of the columns, or None.
    """

    preparation: Preparation
    intercept: float
    main: np.ndarray
    main_variance: np.ndarray
    squares: np.ndarray
    pairs: AbstractCoefficients
    coordinates: np.ndarray | None
    diagnostics: Diagnostics

    def scores(self, X) -> np.ndarray:
        """Scores of rows (n, p) of features, in chunks of rows."""
        rows = max(1, _CHUNK_ENTRIES // max(self.pairs.n_columns, 1))
        parts = [self._chunk(X[start : start + rows]) for start in range(0, len(X), rows)]
        return np.concatenate(parts)

    def _chunk(self, X):
        columns = self.preparation.columns(X)
        f = self.intercept + columns @ self.main + self.pairs.scores(columns)
        if len(self.squares):
            f += self.preparation.squares(columns) @ self.squares
        return f
