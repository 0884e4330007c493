"""Mixed models by their structure, and how a problem's columns are laid out for all that fit them."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np
from baselines._peer import Peer


@dataclass(frozen=True)
class Structure:
    """Which random effects there are. The last columns of X are the groupings' codes, the others fixed effects.

    Attributes
    ----------
    formula : str
        As R writes it: x1, x2, … are fixed columns, g1, g2, … groupings.
    n_groupings : int
    slope : bool
        The first fixed column has a random slope, correlated with the intercept.
    """

    formula: str
    n_groupings: int
    slope: bool = False


STRUCTURES = {
    "intercepts": Structure("(1 | g1)", 1),
    "slopes": Structure("(1 + x1 | g1)", 1, slope=True),
    "two crossed": Structure("(1 | g1) + (1 | g2)", 2),
    "three crossed": Structure("(1 | g1) + (1 | g2) + (1 | g3)", 3),
}


class MixedPeer(Peer, abc.ABC):
    """Restricted maximum likelihood, an outcome for each column of y; entries that are NaN were not observed."""

    tuning = "none"

    def __init__(self, structure: str) -> None:
        self.structure = STRUCTURES[structure]

    @abc.abstractmethod
    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> MixedPeer:
        """Fit all outcomes; ``folds`` is not read."""

    @abc.abstractmethod
    def chosen(self) -> dict:
        """``log_likelihood`` and ``noise``, a number an outcome, and ``variances``: the lower triangles of Σ, effect by
        effect, a list an outcome.
        """

    def score(self, X: np.ndarray) -> np.ndarray:
        return np.zeros(len(X))

    def split(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fixed columns and groupings."""
        at = X.shape[1] - self.structure.n_groupings
        return X[:, :at], X[:, at:].astype(np.int64)


def tiny_problem(structure: str, n_outcomes: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows enough for a variance of each effect; with several outcomes some entries are missing."""
    rng = np.random.default_rng(0)
    shape = STRUCTURES[structure]
    codes = rng.integers(0, 12, (200, shape.n_groupings))
    X = np.column_stack([rng.standard_normal(200), codes])
    y = rng.standard_normal((200, 1)) + rng.standard_normal(12)[codes[:, 0], None]
    y += 0.5 * X[:, :1] * rng.standard_normal(12)[codes[:, 0], None]
    y = y + 0.1 * rng.standard_normal((200, n_outcomes))
    if n_outcomes > 1:
        y[::20, 0] = np.nan
    return X, y, np.zeros(200, dtype=int)
