"""Stopping where ratings that were held out are predicted best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.structures.ratings import RatingTable

__all__ = ["EarlyStopping", "HeldOut", "hold_out"]


class HeldOut(NamedTuple):
    """Ratings to learn from and ratings to stop by, both in the order of their tables.

    Attributes
    ----------
    train, held : RatingTable
    kept : ndarray of bool, shape (n_ratings,)
        Which of all ratings are learnt from.
    """

    train: RatingTable
    held: RatingTable
    kept: NDArray[np.bool_]


def hold_out(X: RatingTable, fraction: float, rng: np.random.Generator) -> HeldOut:
    """Hold out some ratings at random; an id's only rating is never held out.

    Parameters
    ----------
    X : RatingTable
    fraction : float
        Share of the ratings; at least one is held out and one kept, where there are two.
    rng : numpy.random.Generator

    Examples
    --------
    >>> import numpy as np
    >>> X, _ = RatingTable.build(np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5), 5, 4)
    >>> parts = hold_out(X, 0.1, np.random.default_rng(0))
    >>> parts.train.n_ratings, parts.held.n_ratings
    (18, 2)
    """
    chosen = rng.choice(X.n_ratings, max(1, round(fraction * X.n_ratings)), replace=False)
    users, items = X.users[chosen], X.item_of[chosen]
    # the first of those drawn stays where all of an id's ratings were drawn: nothing would be known of it
    for codes, counts in ((users, X.user_counts), (items, X.item_counts)):
        _, first = np.unique(codes, return_index=True)
        alone = first[np.bincount(codes, minlength=len(counts))[codes[first]] >= counts[codes[first]]]
        chosen[alone] = -1
    kept = np.ones(X.n_ratings, dtype=bool)
    kept[chosen[chosen >= 0]] = False
    return HeldOut(X.take(kept), X.take(~kept), kept)


@final
class EarlyStopping:
    """Keeps the parameters that predict held-out ratings best; asks to stop once they have not improved for a while.

    Parameters
    ----------
    error : callable
        Parameters to the root mean squared error of the ratings held out.
    patience : int
        Iterations without a gain before stopping.
    tol : float, default=1e-5
        Relative gain that counts as one.

    Attributes
    ----------
    best : Any
        Parameters with the smallest error; None before the first.
    least : float
        That error.
    iteration : int
        Where it was seen.
    errors : list of float
        At every iteration.

    Examples
    --------
    >>> stopping = EarlyStopping(lambda params: abs(params - 3.0), patience=2)
    >>> [stopping.see(step, float(step)) for step in range(6)]
    [False, False, False, False, False, True]
    >>> stopping.best, stopping.iteration
    (3.0, 3)
    """

    def __init__(self, error: Callable[[Any], float], patience: int, tol: float = 1e-5) -> None:
        self._error, self.patience, self.tol = error, patience, tol
        self.best: Any = None
        self.least, self.iteration = float("inf"), 0
        self.errors: list[float] = []
        self._since = 0

    def see(self, iteration: int, params: Any) -> bool:
        """Take note of parameters; tell whether to stop."""
        error = float(self._error(params))
        self.errors.append(error)
        self._since = 0 if error < self.least * (1.0 - self.tol) or self.best is None else self._since + 1
        if error < self.least or self.best is None:
            self.best, self.least, self.iteration = params, error, iteration
        return self._since >= self.patience

    def __call__(self, row: Any, state: Any) -> bool:
        """As a `intertwine.minimize.Callback`."""
        return self.see(row.iteration, state.params)
