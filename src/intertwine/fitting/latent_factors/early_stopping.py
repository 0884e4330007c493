"""Stopping where ratings that were held out are predicted best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

__all__ = ["EarlyStopping"]


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
    n_least : int, default=0
        Iterations before the first that may be the last: near a saddle nothing improves for a while.

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

    def __init__(
        self, error: Callable[[Any], float], patience: int, tol: float = 1e-5, n_least: int = 0
    ) -> None:
        self._error, self.patience, self.tol, self.n_least = error, patience, tol, n_least
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
        return self._since >= self.patience and iteration >= self.n_least

    def memory(self) -> dict[str, Any]:
        """All but the best parameters, for a journal."""
        return {
            "least": self.least,
            "iteration": self.iteration,
            "errors": list(self.errors),
            "since": self._since,
        }

    def take(self, memory: dict[str, Any], best: Any) -> None:
        """Go on as if what is behind ``memory`` had been seen."""
        self.least, self.iteration = memory["least"], memory["iteration"]
        self.errors, self._since, self.best = list(memory["errors"]), memory["since"], best
