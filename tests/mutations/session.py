"""A run of pytest that collects its tests once; each broken formula is judged in a process forked from there."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import hypothesis
import pytest

from . import reach
from .held_by import core_modules
from .signs import Mutant

# Seconds of processor time, and how often that of the test on unbroken formulas, after which a run does not end.
_START, _SLOWER = 5.0, 10.0


class Result(NamedTuple):
    """How a run ended.

    Attributes
    ----------
    outcome : str
        ``"passed"``, ``"failed"``, ``"timeout"``; ``"missed"`` where no test executes the formula, ``"unjudged"`` where
        it could not be broken.
    test : str
        The one that failed, or what went wrong.
    seconds : float
        Of processor time.
    """

    outcome: str
    test: str
    seconds: float


class Trial(NamedTuple):
    """A mutant, and the names of the test files that hold its module."""

    mutant: Mutant
    files: tuple[str, ...]


class Session:
    """Plugin of pytest: in place of all tests, for each mutant those that execute it, the quickest first.

    Parameters
    ----------
    folder : path
        Of the laboratory.
    trials : list of Trial
    send : function
        Takes the position of a trial and its result.
    end : float
        When to stop, by `time.monotonic`.
    """

    def __init__(
        self, folder: Path, trials: Sequence[Trial], send: Callable[[int, Result], None], end: float
    ) -> None:
        self._folder, self._trials = folder, trials
        self._package = folder / "src" / "intertwine"
        self._modules = {
            str(path.relative_to(self._package)) for path in core_modules(self._package).values()
        }
        self._send, self._end = send, end
        self._interpreted = "NUMBA_DISABLE_JIT" in os.environ
        self._whole: dict[str, bool] = {}
        self._items: dict[str, pytest.Item] = {}
        self._tests: dict[str, dict[str, reach.Test]] = {}
        self._functions: dict[str, list[FunctionType]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        # the same examples each time, and no search for a small one: a failure is enough
        hypothesis.settings.register_profile(
            "mutations",
            parent=hypothesis.settings.get_profile("suite"),
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        )
        hypothesis.settings.load_profile("mutations")
        for path in {trial.mutant.path for trial in self._trials}:
            import_module(".".join(("intertwine", *Path(path).with_suffix("").parts)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        for found in gc.get_objects():
            if type(found) is FunctionType:
                self._functions.setdefault(found.__code__.co_filename, []).append(found)
        gc.freeze()  # what a forked process only reads stays shared
        for position, (mutant, files) in enumerate(self._trials):
            result = Result("missed", "", 0.0)
            for file in files:
                if result.outcome in {"missed", "passed"} and time.monotonic() < self._end:
                    tried = self._judge(mutant, file)
                    result = tried if tried.outcome != "missed" else result
            if time.monotonic() > self._end:
                break
            self._send(position, result)
        return True

    def _tests_of(self, file: str) -> dict[str, reach.Test]:
        """What the tests of a file execute, and how long they take."""
        if file not in self._tests:
            items = [item for item in self._items.values() if item.path.name == file]
            path = self._folder / "reach" / (file + (".interpreted.json" if self._interpreted else ".json"))
            known = reach.read(path, self._package, items[0].path)
            if known is None:
                path.parent.mkdir(exist_ok=True)
                path.unlink(missing_ok=True)
                in_fork(lambda: reach.measure(items, path, self._package, self._modules), 1000.0)
                known = reach.read(path, self._package, items[0].path) or {}
            self._tests[file] = known
        return self._tests[file]

    def _judge(self, mutant: Mutant, file: str) -> Result:
        """Run the tests of a file that execute the mutant."""
        source = (self._package / mutant.path).read_bytes()
        if mutant.at_import:  # the module is broken already, and nothing can be measured
            names = [name for name, item in self._items.items() if item.path.name == file]
            return in_fork(lambda: self._first_failure(dict.fromkeys(names, 30.0)), 300.0)
        lines, tests = set(reach.statement_at(source, mutant.line)), self._tests_of(file)
        chosen = sorted(tests, key=lambda name: tests[name].seconds)
        chosen = [name for name in chosen if lines & set(tests[name].lines.get(mutant.path, ()))]
        if not chosen:
            return Result("missed", "", 0.0)

        def broken() -> str | None:
            self._swap(mutant.path, mutant.apply(source))
            return self._first_failure(limits)

        limits = {name: _START + _SLOWER * tests[name].seconds for name in chosen}
        result = in_fork(broken, sum(limits.values()))
        if result.outcome == "failed" and not self._passes_whole(result.test):
            self._tests[file].pop(result.test)
            return self._judge(mutant, file)
        return result

    def _passes_whole(self, name: str) -> bool:
        """Whether a test passes by itself when no formula is broken."""
        if name in self._items and name not in self._whole:
            alone = in_fork(lambda: self._first_failure({name: 1000.0}), 1000.0)
            self._whole[name] = alone.outcome == "passed"
        return self._whole.get(name, True)

    def _first_failure(self, limits: Mapping[str, float]) -> str | None:
        """Run tests, each within its seconds of processor time, up to the first failure."""
        items = [self._items[name] for name in limits]
        for item, following in zip(items, [*items[1:], None], strict=True):
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(
                resource.RLIMIT_CPU, (min(int(time.process_time() + limits[item.nodeid]) + 1, hard), hard)
            )
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed:
                return item.nodeid
        return None

    def _swap(self, path: str, source: bytes) -> None:
        """Give the functions of a module, wherever they are used, the code of another source with the same lines."""
        file = str(self._package / path)
        codes: dict[tuple[str, int], CodeType] = {}
        found = [compile(source, file, "exec", dont_inherit=True)]
        for code in found:
            found += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
            codes[code.co_qualname, code.co_firstlineno] = code
        for function in self._functions[file]:
            function.__code__ = codes[function.__code__.co_qualname, function.__code__.co_firstlineno]


def in_fork(task: Callable[[], str | None], limit: float) -> Result:
    """Run a task, which gives the name of a test that failed, in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 10))
            os.write(write, json.dumps(task()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(write, json.dumps(f"{type(error).__name__}: {error}"[:300]).encode())
        finally:
            os._exit(1)
    os.close(write)
    status, spent = _wait(child, 6.0 * limit + 60.0)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    seconds = round(spent.ru_utime + spent.ru_stime, 3)
    if not told:
        ended = os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL}
        return Result("timeout" if ended else "failed", "", seconds)
    failed = json.loads(told)
    if failed is None:
        return Result("passed", "", seconds)
    return Result("failed" if "::" in failed else "unjudged", failed, seconds)


def _wait(child: int, wall: float) -> tuple[int, resource.struct_rusage]:
    end, pause = time.monotonic() + wall, 0.002
    while time.monotonic() < end:
        pid, status, spent = os.wait4(child, os.WNOHANG)
        if pid:
            return status, spent
        time.sleep(pause)
        pause = min(1.2 * pause, 0.05)
    os.killpg(child, signal.SIGKILL)
    _, status, spent = os.wait4(child, 0)
    return status, spent
