"""What a user sees of a long fit, and what they are told when it did not converge."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

__all__ = ["progress_callbacks", "warn_if_unconverged"]

_PATIENCE = 2.0  # seconds of silence that need no explanation


@contextmanager
def progress_callbacks(verbose, title: str) -> Iterator[tuple]:
    """Callbacks for the loop: with ``verbose`` a live line in a terminal, one line every two seconds elsewhere."""
    if not verbose:
        yield ()
        return
    live = sys.stderr.isatty()
    last = time.perf_counter()

    def report(row, state) -> None:
        nonlocal last
        if time.perf_counter() - last < (0.1 if live else _PATIENCE):
            return
        last = time.perf_counter()
        line = (
            f"{title}: iteration {row.iteration}, objective {row.value:.6g}, optimality {row.optimality:.1e}"
        )
        print(f"\r{line:<100}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)

    yield (report,)
    if live:
        print(file=sys.stderr)


def warn_if_unconverged(models, max_iter: int) -> None:
    """One ConvergenceWarning that says how far the fit is from its optimum and what to do."""
    worst = max((m.diagnostics for m in models if not m.diagnostics.converged), default=None, key=_optimality)
    if worst is not None:
        warnings.warn(
            f"stopped after {max_iter} iterations with optimality {worst.optimality:.1e}; raise max_iter or tol, "
            "or the strengths alpha and alpha_pairs",
            ConvergenceWarning,
            stacklevel=4,
        )


def _optimality(diagnostics):
    return diagnostics.optimality
