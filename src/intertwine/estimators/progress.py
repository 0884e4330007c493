"""What a user sees of a long fit, and what they are told when it did not converge.

Silent unless asked. With ``verbose`` a fit of more than two seconds shows one live line in a terminal (where rich is
installed); elsewhere, notebooks and log files included, plain lines on standard error:

=========  ======================================  ===========================================================
verbose    terminal                                elsewhere
=========  ======================================  ===========================================================
False, 0   nothing                                 nothing
True, 1    the live line                           every candidate scored on held-out rows, at most one line of
                                                   iterations every two seconds
2          and every candidate scored              and every candidate that was only screened
3          and every iteration                     and every iteration
=========  ======================================  ===========================================================
"""

from __future__ import annotations

import abc
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from sklearn.exceptions import ConvergenceWarning

from intertwine.fitting.watch import AbstractProgress, Silence
from intertwine.validation.caller import depth_of_caller
from intertwine.validation.wording import counted

__all__ = ["progress", "warn_if_unconverged"]

_PATIENCE = 2.0  # seconds of silence that need no explanation


@contextmanager
def progress(verbose: int, title: str) -> Iterator[AbstractProgress]:
    """Progress of one fit, shown as far as ``verbose`` says and the terminal allows."""
    if not verbose:
        yield Silence()
    elif (display := _live_display()) is None:
        yield _Lines(title, int(verbose))
    else:
        yield from _shown(display, title, int(verbose))


def _live_display() -> Any:
    """rich's, where it is installed and standard error is a terminal that can redraw a line; else None."""
    if not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return None
    try:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    return Progress(*columns, console=Console(stderr=True, highlight=False, markup=False), transient=True)


def _shown(display, title, verbose) -> Iterator[AbstractProgress]:
    # from a thread of its own, because nothing may be reported for a long time
    timer = threading.Timer(_PATIENCE, display.start)
    timer.daemon = True
    timer.start()
    try:
        yield _LiveLine(title, verbose, display)
    finally:
        timer.cancel()
        timer.join()
        display.stop()


class _Narration(AbstractProgress):
    """Puts what happens into words; subclasses show them."""

    def __init__(self, title: str, verbose: int) -> None:
        self._title = title
        self._verbose = verbose
        self._section = self._part = ""
        self._tried = 0
        self._best: Any = None

    @abc.abstractmethod
    def _show(self, text: str) -> None:
        """Show what is being done now."""

    @abc.abstractmethod
    def _say(self, text: str, verbose: int) -> None:
        """Show something that should stay, from a level of ``verbose`` on in a log file."""

    def section(self, text):
        self._section, self._part = text, ""
        self._show(self._where())

    def part(self, what, number, total):
        self._part = f"{what} {number} of {total}"
        self._show(self._where())

    def iteration(self, row, state):
        numbers = f"objective {row.value:.6g}, optimality {row.optimality:.1e}"
        text = self._where(f"iteration {row.iteration}", numbers)
        self._show(text)
        self._say(text, 3)

    def candidate(self, candidate):
        self._tried += 1
        scored = candidate.losses is not None
        if scored and (self._best is None or candidate.mean < self._best.mean):
            self._best = candidate
        best = "" if self._best is None else f"best held-out loss {self._best.mean:.4g}"
        self._show(self._where(f"{candidate.stage}, candidate {self._tried}", best))
        self._say(f"{self._tried}. {candidate.describe()}", 1 if scored else 2)

    def _where(self, *more: str) -> str:
        return ", ".join(text for text in (self._section, self._part, *more) if text)


@final
class _Lines(_Narration):
    """Plain lines on standard error, with the seconds since the fit began."""

    def __init__(self, title, verbose):
        super().__init__(title, verbose)
        self._began = self._printed = time.perf_counter()

    def _show(self, text):
        if time.perf_counter() - self._printed >= _PATIENCE:
            self._print(text)

    def _say(self, text, verbose):
        if self._verbose >= verbose:
            self._print(text)

    def _print(self, text):
        self._printed = time.perf_counter()
        print(f"{self._title} [{self._printed - self._began:.1f} s] {text}", file=sys.stderr, flush=True)


@final
class _LiveLine(_Narration):
    """One line that is drawn anew, with lines that stay above it."""

    def __init__(self, title, verbose, display):
        super().__init__(title, verbose)
        self._display = display
        self._task = display.add_task(title)

    def _show(self, text):
        self._display.update(self._task, description=text or self._title)

    def _say(self, text, verbose):
        if self._verbose > min(verbose, 2):
            self._display.console.print(text)


def warn_if_unconverged(models, max_iter: int) -> None:
    """One ConvergenceWarning that says how far the fit is from its optimum and what to do."""
    worst = max((m.diagnostics for m in models if not m.diagnostics.converged), default=None, key=_optimality)
    if worst is None:
        return
    n_iter = worst.n_iter
    remedy = f"raise max_iter above {n_iter}, or tol" if n_iter >= max_iter else "no more digits: raise tol"
    warnings.warn(
        f"stopped after {counted(n_iter, 'iteration', 'iterations')} with optimality {worst.optimality:.1e}; "
        f"{remedy}, or the strengths "
        "alpha and alpha_pairs",
        ConvergenceWarning,
        stacklevel=depth_of_caller(),
    )


def _optimality(diagnostics):
    return diagnostics.optimality
