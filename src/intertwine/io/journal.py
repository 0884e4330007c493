"""Journals of long work: results of finished steps on the disk, so that an interrupted run goes on where it was.

Work that is cut into named, deterministic steps asks a journal for each of them. A journal that has the result hands
it out; otherwise the step is computed and put on record. A run with the same inputs asks for the same steps in the
same order, so a resumed run is the interrupted one to the bit:

* steps may hold steps: once the outer one is finished, its result takes the place of those inside;
* the step that is being computed may keep how far it has come, and asks for it when it begins again;
* what a step drew from a random generator is on record as the generator's state after it.

The file is written at most every so many seconds and when the run ends early, whatever ends it; a run that is killed
outright loses only what came after the last writing. It is removed when the run succeeds. Like a model file it holds
arrays and JSON, nothing that could be executed.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import numpy as np

from intertwine.io.model_file import load_state, save_state

__all__ = ["AbstractJournal", "Journal", "NoJournal"]

State = dict[str, Any]

_KIND = "Checkpoint"
_WRITING_SHARE = 20  # an hour of work spends at most three minutes on writing


class AbstractJournal(abc.ABC):
    """What work that is cut into steps asks for."""

    @abc.abstractmethod
    def step(self, name: str, compute: Callable[[], State], rng: np.random.Generator | None = None) -> State:
        """Return the result of a step, from the record or computed now.

        Parameters
        ----------
        name : str
            For people, and to notice a record of something else; it need not be unique.
        compute : callable
            Gives the result as a state (see `intertwine.io.save_state`): Python's numbers, which come back the same
            to the bit and of the same type, and arrays, which nobody changes afterwards.
        rng : numpy.random.Generator, optional
            What ``compute`` draws from: it is left as ``compute`` leaves it.
        """

    @abc.abstractmethod
    def begun(self) -> State | None:
        """Return what the step that is being computed kept last, when an earlier run was interrupted in it."""

    @abc.abstractmethod
    def keep(self, snapshot: Callable[[], State]) -> None:
        """Keep how far the step that is being computed has come.

        Parameters
        ----------
        snapshot : callable
            Gives the state, now or later: what it reads must not change. Called only when the file is written.
        """


@final
class NoJournal(AbstractJournal):
    """Computes every step and remembers nothing.

    Examples
    --------
    >>> NoJournal().step("sum", lambda: {"value": 3})
    {'value': 3}
    """

    def step(self, name, compute, rng=None):
        return compute()

    def begun(self):
        return None

    def keep(self, snapshot):
        pass


@final
class Journal(AbstractJournal):
    """A journal in a file; a context manager around the work.

    Parameters
    ----------
    path : str or path-like
    fingerprint : mapping of str to str
        What the work depends on, by kind ("data", "parameters", …): a file with another is refused.
    every_seconds : float, default=20
        Least time between two writings; longer where writing itself takes long.

    Raises
    ------
    ValueError
        On entering: the file is no journal, is damaged, or belongs to other work.
    FileNotFoundError, PermissionError
        On entering: nothing can be written at this path.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> def work():
    ...     with Journal(f"{folder.name}/work", {"data": "a"}) as journal:
    ...         first = journal.step("first", lambda: print("computing") or {"value": 1})
    ...         if not resumed:
    ...             raise KeyboardInterrupt
    ...         return first["value"]
    >>> for resumed in (False, True):
    ...     try:
    ...         print("done:", work())
    ...     except KeyboardInterrupt:
    ...         print("interrupted")
    computing
    interrupted
    done: 1
    >>> Path(f"{folder.name}/work").exists()
    False
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fingerprint: Mapping[str, str],
        every_seconds: float = 20.0,
    ) -> None:
        self._path = Path(path)
        self._fingerprint = dict(fingerprint)
        self._every_seconds = every_seconds
        self._record: list[State] = []  # finished steps, in order
        self._position = 0  # of the next step in the record
        self._running: list[str] = []  # names of the steps that are being computed, outermost first
        self._begun: State | None = None  # what an earlier run kept of the step at the end of its record
        self._snapshot: Callable[[], State] | None = None
        self._changed = False
        self._written = time.monotonic()
        self._pause = every_seconds

    def __enter__(self) -> Self:
        if self._path.exists():
            self._record, self._begun = _read(self._path, self._fingerprint)
        _require_writable(self._path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            with _remarks("removed"):
                self._path.unlink(missing_ok=True)
        elif self._changed:
            with _remarks("written"):
                self._write()

    def step(self, name, compute, rng=None):
        path = "/".join([*self._running, name])
        if self._position < len(self._record):
            found = self._record[self._position]
            if found["step"] == path:
                self._position += 1
                if rng is not None:
                    rng.bit_generator.state = found["random"]
                return found["result"]
            if not found["step"].startswith(path + "/"):
                raise ValueError(
                    f"{self._path} holds {found['step']!r} where {path!r} is due: remove it to start anew"
                )
        return self._computed(name, path, compute, rng)

    def _computed(self, name, path, compute, rng) -> State:
        first = self._position
        self._running.append(name)
        try:
            result = compute()
        finally:
            self._running.pop()
        random = None if rng is None else rng.bit_generator.state
        # in one statement, so that an interrupt finds the inner steps or the outer one, never both
        self._record[first:] = [{"step": path, "result": result, "random": random}]
        self._position = first + 1
        self._begun = self._snapshot = None
        self._note()
        return result

    def begun(self):
        path = "/".join(self._running)
        kept = self._begun
        here = {"step": path, "after": len(self._record)}
        if kept is None or self._position < len(self._record) or {name: kept[name] for name in here} != here:
            return None
        return kept["state"]

    def keep(self, snapshot):
        # names repeat: what a step kept must not be taken for another's, should it outlive its step
        here = {"step": "/".join(self._running), "after": len(self._record)}
        self._snapshot = lambda: here | {"state": snapshot()}
        self._note()

    def _note(self) -> None:
        self._changed = True
        if time.monotonic() - self._written >= self._pause:
            with _remarks("written"):
                self._write()

    def _write(self) -> None:
        began = time.monotonic()
        begun = self._begun if self._snapshot is None else self._snapshot()
        state = {"class": _KIND, "fingerprint": self._fingerprint, "record": self._record, "begun": begun}
        save_state(self._path, state, finite=False)
        self._written, self._changed = time.monotonic(), False
        self._pause = max(self._every_seconds, _WRITING_SHARE * (self._written - began))


@contextlib.contextmanager
def _remarks(done: str) -> Iterator[None]:
    """Let the work go on where only its safety net is torn: a full disk, a folder taken away."""
    try:
        yield
    except OSError as error:
        warnings.warn(f"the checkpoint cannot be {done}: {error}", UserWarning, stacklevel=4)


def _read(path: Path, fingerprint: dict[str, str]) -> tuple[list[State], State | None]:
    try:
        state = load_state(path, finite=False)
    except ValueError as error:
        raise ValueError(f"checkpoint: {error}; remove the file or pass another path") from None
    if state.get("class") != _KIND:
        raise ValueError(f"checkpoint: {path} holds a model, which would be lost; pass another path")
    if state["fingerprint"] != fingerprint:
        other = [kind for kind, value in fingerprint.items() if state["fingerprint"].get(kind) != value]
        raise ValueError(
            f"checkpoint: {path} was begun with other {' and '.join(other)}; pass another path to keep it, "
            "or remove the file to start anew"
        )
    return state["record"], state["begun"]


def _require_writable(path: Path) -> None:
    """Fail before the work, not after it."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of the checkpoint does not exist", str(folder))
    for place in (folder, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
