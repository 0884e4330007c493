"""Two fits in one process that take turns, epoch by epoch: whatever else the machine does meets both alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

__all__ = ["epochs_by_turns"]


class _Turns:
    """Whose turn it is; who has ended is passed over."""

    def __init__(self, names: list[str]) -> None:
        self._names, self._changed = list(names), threading.Condition()
        self._turn = names[0]

    def wait(self, name: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turn == name)

    def hand_on(self, name: str, *, ended: bool = False) -> None:
        with self._changed:
            place = self._names.index(name)
            self._turn = self._names[(place + 1) % len(self._names)]
            if ended:
                self._names.remove(name)
            self._changed.notify_all()


def epochs_by_turns(
    runners: dict[str, type], fits: dict[str, Callable[[], Any]]
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Processor seconds of the epochs of each fit, and what the fits returned.

    Parameters
    ----------
    runners : dict
        By name, the class whose method ``epoch`` is one of the fit's.
    fits : dict
        By the same names, what runs the whole fit.
    """
    turns, seconds = _Turns(list(fits)), {name: list[float]() for name in fits}

    def run(name: str) -> Any:
        turns.wait(name)
        try:
            return fits[name]()
        finally:
            turns.hand_on(name, ended=True)

    with ExitStack() as stack, ThreadPoolExecutor(len(fits)) as pool:
        for name, runner in runners.items():
            stack.enter_context(_timed(runner, name, turns, seconds[name]))
        jobs = {name: pool.submit(run, name) for name in fits}
        return seconds, {name: job.result() for name, job in jobs.items()}


@contextmanager
def _timed(runner: type, name: str, turns: _Turns, seconds: list[float]) -> Iterator[None]:
    epoch: Callable[..., Any] = runner.epoch  # type: ignore[attr-defined]

    def timed(*arguments: Any) -> Any:
        turns.hand_on(name)
        turns.wait(name)
        began = time.process_time()
        found = epoch(*arguments)
        seconds.append(time.process_time() - began)
        return found

    with patch.object(runner, "epoch", timed):
        yield
