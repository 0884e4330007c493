"""Work that is ended where it takes too long: in the middle of a fit, and of fits in other processes."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, final

from joblib.externals.loky import get_reusable_executor
from joblib.parallel import LokyBackend, get_active_backend

__all__ = ["OutOfTime", "at_most", "processes_until"]

_AGAIN = 1.0  # seconds after which work that took no notice is told once more
_GRACE = 5.0  # seconds for fits in other processes to end by themselves


@final
class OutOfTime(BaseException):
    """The time is over; no Exception, so that nothing on the way takes it for a failure of its own."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End what runs inside, in this thread, by :class:`OutOfTime` once it has taken so long.

    The exception is raised at the next instruction of Python, as that of Ctrl-C is, on every system and in every
    thread: a single call of compiled code goes on to its end, and so does numba, which could never use again what it
    compiled by half.

    Parameters
    ----------
    seconds : float
        Infinite: no limit.

    Raises
    ------
    OutOfTime

    Examples
    --------
    >>> import time
    >>> try:
    ...     with at_most(0.02):
    ...         for _ in range(1000):
    ...             time.sleep(0.01)
    ... except OutOfTime:
    ...     print("ended")
    ended
    """
    if math.isinf(seconds):
        yield
        return
    thread, done = threading.get_ident(), threading.Event()
    aloud = sys.unraisablehook

    def end() -> None:
        wait = max(seconds, 0.0)
        while not done.wait(wait):
            wait = _AGAIN  # what is raised in a destructor is lost
            with _numba_at_rest():
                if not done.is_set():
                    sys.unraisablehook = _quietly  # what was half made cannot be unmade without a noise
                    _raise_in(thread, OutOfTime)

    clock = threading.Thread(target=end, name="time limit", daemon=True)
    clock.start()
    try:
        yield
    finally:
        # What the clock raises at the last moment arrives while it is waited for: to take it back would leave the
        # interpreter on the watch for good, and a profiler or a debugger would stand still in its next call.
        try:
            done.set()
            clock.join()
        finally:
            done.set()
            clock.join()
            sys.unraisablehook = aloud


def _numba_at_rest() -> AbstractContextManager[Any]:
    """While it is held nothing is being compiled; without numba there is nothing to hold."""
    loaded = sys.modules.get("numba.core.compiler_lock")
    return nullcontext() if loaded is None else loaded.global_compiler_lock


def _quietly(unraisable: Any) -> None:
    """Say nothing."""


def _raise_in(thread: int, kind: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


@contextmanager
def processes_until(seconds: float) -> Iterator[threading.Event]:
    """Kill joblib's processes where they still work a while after the time is over: compiled code cannot be told.

    What waits for them gets an error; where they run beside this one at all.

    Parameters
    ----------
    seconds : float
        Infinite: no limit.

    Yields
    ------
    event
        Set where they were killed.
    """
    killed = threading.Event()
    if math.isinf(seconds) or not isinstance(get_active_backend()[0], LokyBackend):
        yield killed
        return

    def kill() -> None:
        killed.set()
        get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)

    clock = threading.Timer(max(seconds, 0.0) + _GRACE, kill)
    clock.daemon = True
    clock.start()
    try:
        yield killed
    finally:
        clock.cancel()
