"""Which lines of the formulas each test executes, and how long it takes: for a formula, the tests that can notice."""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import coverage
import pytest

# Seconds of processor time of one test and of a file. Fits of networks take long because their steps are traced anew;
# kernels that are interpreted may take hours, and have quick tests of their own.
LIMITS = {False: (20.0, 300.0), True: (3.0, 60.0)}


class Test(NamedTuple):
    """What is known about a test that passes while no formula is broken.

    Attributes
    ----------
    seconds : float
        Of processor time, with the fixtures it needs.
    lines : dict
        Numbers of the lines it executes, for each module.
    """

    seconds: float
    lines: dict[str, list[int]]


def digest(*texts: bytes) -> str:
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def _digest_of(package: Path, modules: list[str], file: Path) -> str:
    return digest(file.read_bytes(), *((package / module).read_bytes() for module in modules))


def statement_at(source: bytes, line: int) -> range:
    """Lines of the statement a line is in; of one that has a body, those of its head."""
    lines = range(0)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = max(body[0].lineno - 1, node.lineno) if body else node.end_lineno or node.lineno
            if node.lineno <= line <= end and (not lines or len(lines) >= end - node.lineno + 1):
                lines = range(node.lineno, end + 1)
    return lines


def _limits() -> tuple[float, float]:
    return LIMITS["NUMBA_DISABLE_JIT" in os.environ]


def read(path: Path, package: Path, file: Path) -> dict[str, Test] | None:
    """What was measured of a test file, while it and the modules that it executes are the same.

    Tests that had been left out as too slow are measured again once they are given longer.
    """
    if not path.exists():
        return None
    known = json.loads(path.read_text())
    there = all((package / module).exists() for module in known["modules"])
    if not there or known["digest"] != _digest_of(package, known["modules"], file):
        return None
    if known["left_out"] and known.get("limits") != list(_limits()):
        return None
    tests = {name: Test(*test) for name, test in known["tests"].items()}
    return {name: test for name, test in tests.items() if test.seconds <= _limits()[0]}


def measure(items: list[pytest.Item], path: Path, package: Path, modules: set[str]) -> None:
    """Run the tests of a file, each with its lines and its time, and write what was found."""
    watch = _Watch(package)
    items[0].session.config.pluginmanager.register(watch)
    with watch.coverage.collect():
        for item, following in zip(items, [*items[1:], None], strict=True):
            if time.process_time() < _limits()[1]:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    tests = {item.nodeid: watch.test(item, modules) for item in items if item.nodeid in watch.passed}
    executed = sorted({module for test in tests.values() for module in test.lines})
    left_out = [item.nodeid for item in items if item.nodeid not in tests]
    known = {
        "digest": _digest_of(package, executed, items[0].path),
        "modules": executed,
        "tests": tests,
        "left_out": left_out,
        "limits": _limits(),
    }
    path.write_text(json.dumps(known))


class _Watch:
    """Plugin of pytest: the context of the lines is the test, or the fixture that several tests share."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{package}/*"], messages=False
        )
        self.coverage.set_option("run:disable_warnings", ["no-data-collected", "module-not-imported"])
        self._caches = [
            found
            for found in gc.get_objects()
            if type(found) is functools._lru_cache_wrapper and self._is_ours(found.__module__)
        ]
        self._shared: dict[str, list[float]] = defaultdict(list)
        self._seconds: dict[str, float] = defaultdict(float)
        self._contexts = [""]
        self._since = time.process_time()
        self.passed: set[str] = set()
        self._lines: dict[str, dict[str, list[int]]] | None = None

    def _is_ours(self, module: str) -> bool:
        file = getattr(sys.modules.get(module), "__file__", None) or "/"
        return Path(file).is_relative_to(self._package.parents[1])

    @contextmanager
    def _context(self, name: str) -> Iterator[None]:
        self._switch([*self._contexts, name])
        try:
            yield
        finally:
            self._switch(self._contexts[:-1])

    def _switch(self, contexts: list[str]) -> None:
        now = time.process_time()
        self._seconds[self._contexts[-1]] += now - self._since
        self._since, self._contexts = now, contexts
        self.coverage.switch_context(contexts[-1])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        # what an earlier test left there is executed by this one, too, when it runs alone
        for cache in self._caches:
            cache.cache_clear()
        if "jax" in sys.modules:  # steps are traced anew; what they compile to is kept on disk
            sys.modules["jax"].clear_caches()
        signal.signal(signal.SIGPROF, _too_slow)
        signal.setitimer(signal.ITIMER_PROF, _limits()[0])
        try:
            with self._context(item.nodeid):
                return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        before = self._seconds[fixturedef.argname]
        with self._context(fixturedef.argname):
            value = yield
        self._shared[fixturedef.argname].append(self._seconds[fixturedef.argname] - before)
        return value

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)
        elif report.failed:
            self.passed.discard(report.nodeid)

    def test(self, item: Any, modules: set[str]) -> Test:
        """What was measured of a test, with the fixtures that it shares."""
        if self._lines is None:
            self._lines = self._by_context(modules)
        shared = [name for name in item.fixturenames if name in self._shared]
        lines: dict[str, set[int]] = defaultdict(set)
        for context in (item.nodeid, *shared):
            for module, numbers in self._lines[context].items():
                lines[module].update(numbers)
        seconds = self._seconds[item.nodeid] + sum(max(self._shared[name]) for name in shared)
        return Test(round(seconds, 3), {module: sorted(numbers) for module, numbers in lines.items()})

    def _by_context(self, modules: set[str]) -> dict[str, dict[str, list[int]]]:
        found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        data = self.coverage.get_data()
        for module in modules:
            for line, contexts in data.contexts_by_lineno(str(self._package / module)).items():
                for context in contexts:
                    found[context][module].append(line)
        return found


def _too_slow(_: int, frame: FrameType | None) -> None:
    inside = frame is not None and Path(frame.f_code.co_filename).is_relative_to(
        Path(coverage.__file__).parent
    )
    if inside:  # where it holds a lock; a moment later it does not
        signal.setitimer(signal.ITIMER_PROF, 0.01)
        return
    raise TimeoutError(f"takes more than {_limits()[0]:g} s")
