"""Machines of a local fit, one after another or in threads, on the journal in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, final

from intertwine.estimators.local_fm.state import fit_from_state, fit_to_state
from intertwine.fitting.local_fm.fit import LocalFMFit
from intertwine.fitting.watch import AbstractProgress, Watch
from intertwine.io import NoJournal
from intertwine.resources import thread_limit

__all__ = ["fits_in_order", "n_threads_for", "results_in_order"]


def n_threads_for(n_jobs: int | None, n_tasks: int) -> int:
    """Threads that so many tasks are worth; ``n_jobs=None`` is one."""
    with thread_limit(n_jobs) as threads:
        return 1 if n_jobs is None else min(threads, n_tasks)


def results_in_order(tasks: Sequence[Callable[[], Any]], n_jobs: int | None) -> list:
    """What tasks give; on any exception, Ctrl-C included, those that wait are not begun."""
    n_threads = n_threads_for(n_jobs, len(tasks))
    if n_threads == 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(lambda task: task(), tasks))


def fits_in_order(
    fits: Sequence[Callable[[Watch], LocalFMFit]], n_jobs: int | None, watch: Watch
) -> list[LocalFMFit]:
    """Fit machines, each a step of the journal.

    One after another they keep how far they have come. In threads only whole machines are kept, those before the first
    that is not finished, so that the record is the same for any number of threads.

    Parameters
    ----------
    fits : sequence of callable
        From a watch to a fitted machine.
    n_jobs : int or None
    watch : Watch
    """

    def on_record(number: int, compute: Callable[[], LocalFMFit]) -> LocalFMFit:
        return fit_from_state(watch.journal.step(f"machine {number + 1}", lambda: fit_to_state(compute())))

    n_threads = n_threads_for(n_jobs, len(fits))
    if n_threads == 1:
        return [on_record(number, partial(fit, watch)) for number, fit in enumerate(fits)]
    stop = threading.Event()
    alone = Watch(_UntilStopped(watch.progress, stop), NoJournal())
    running: dict[int, Future] = {}
    with ThreadPoolExecutor(n_threads) as pool:

        def finished(number: int) -> LocalFMFit:
            if not running:  # all before this one are on record
                running.update({later: pool.submit(fits[later], alone) for later in range(number, len(fits))})
            return running[number].result()

        try:
            return [on_record(number, partial(finished, number)) for number in range(len(fits))]
        except BaseException:
            stop.set()
            for future in running.values():
                future.cancel()
            raise


class _Stopped(Exception):
    """Ends a thread whose result nobody waits for any more."""


@final
class _UntilStopped(AbstractProgress):
    """Hands iterations on until the fit is given up."""

    def __init__(self, shown: AbstractProgress, stop: threading.Event) -> None:
        self._shown, self._stop = shown, stop

    def section(self, text):
        self._shown.section(text)

    def part(self, what, number, total):
        self._shown.part(what, number, total)

    def iteration(self, row, state):
        if self._stop.is_set():
            raise _Stopped
        self._shown.iteration(row, state)

    def candidate(self, candidate):
        self._shown.candidate(candidate)
