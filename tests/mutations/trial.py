"""Tests run on a copy of the package in which formulas are broken, so that the checkout may change meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .session import Result, Session, Trial
from .signs import Mutant


class Laboratory:
    """A copy of the checkout's package and tests.

    Parameters
    ----------
    checkout : path
    folder : path
        Where the copy goes; kernels that were compiled there stay while no source of a kernel changes.
    """

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "src" / "intertwine"
        if _kernels(checkout) != _kernels(folder):
            shutil.rmtree(folder / "src", ignore_errors=True)
        for part in ("src", "tests"):
            _copy_changed(checkout / part, folder / part)
        shutil.copy(checkout / "pyproject.toml", folder)

    def judge(self, trials: Sequence[Trial], interpreted: bool, end: float) -> Iterator[tuple[Trial, Result]]:
        """Run tests on each mutant, up to the first failure, until ``end``.

        Parameters
        ----------
        trials : sequence of Trial
        interpreted : bool
            Compiled kernels are interpreted: nothing is compiled for a mutant, and the lines they execute are seen.
        end : float
            By `time.monotonic`.
        """
        yield from self._session([trial for trial in trials if not trial.mutant.at_import], interpreted, end)
        for trial in [trial for trial in trials if trial.mutant.at_import]:
            with self._broken(trial.mutant):
                yield from self._session([trial], interpreted, end)

    def _session(
        self, trials: Sequence[Trial], interpreted: bool, end: float
    ) -> Iterator[tuple[Trial, Result]]:
        if not trials or time.monotonic() > end:
            return
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            os.close(read)

            def send(position: int, result: Result) -> None:
                os.write(write, (json.dumps((position, result)) + "\n").encode())

            files = sorted({file for trial in trials for file in trial.files})
            _become_tests(self.folder, files, interpreted, lambda: Session(self.folder, trials, send, end))
        os.close(write)
        with os.fdopen(read) as pipe:
            for line in pipe:
                position, result = json.loads(line)
                yield trials[position], Result(*result)
        os.waitpid(child, 0)

    @contextmanager
    def _broken(self, mutant: Mutant) -> Iterator[None]:
        """Write a module with a formula broken; what was compiled of it is older, and not read."""
        file = self.package / mutant.path
        stamp, original = file.stat(), file.read_bytes()
        try:
            file.write_bytes(mutant.apply(original))
            yield
        finally:
            file.write_bytes(original)
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def _kernels(checkout: Path) -> dict[Path, bytes]:
    """Sources of all modules with compiled functions."""
    files = (checkout / "src").rglob("*.py")
    sources = {file.relative_to(checkout): file.read_bytes() for file in files}
    return {file: source for file, source in sources.items() if b"njit" in source}


def _copy_changed(source: Path, target: Path) -> None:
    """Make ``target`` the folder ``source`` without touching files that are the same, nor what was compiled of them.

    Into a new one compiled kernels are copied as well; they are valid for files of the same age.
    """
    made = {".hypothesis"} if not target.exists() else {"__pycache__", ".hypothesis"}
    wanted = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    wanted = {path for path in wanted if not made & set(path.parts)}
    for path in target.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(target) not in wanted:
            path.unlink()
    for path in wanted:
        to = target / path
        if not to.exists() or to.read_bytes() != (source / path).read_bytes():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / path, to)


def _become_tests(
    folder: Path, tests: Sequence[str], interpreted: bool, session: Callable[[], Session]
) -> None:
    """Turn this process, a fork, into a run of tests; it never returns."""
    try:
        output = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        source = str(folder / "src")
        # the editable install of the checkout and its tests must not be found
        checkout = {str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")}
        sys.path[:] = [source, *(entry for entry in sys.path if entry not in checkout)]
        sys.dont_write_bytecode = True
        os.environ |= {
            "PYTHONPATH": source,
            "PYTHONDONTWRITEBYTECODE": "1",
            # most of what JAX compiles is the same for every mutant
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        if interpreted:
            os.environ["NUMBA_DISABLE_JIT"] = "1"

        import numba
        import pytest

        numba.config.reload_config()  # type: ignore[attr-defined]
        import intertwine

        assert Path(intertwine.__file__).is_relative_to(folder), intertwine.__file__
        options = ["-q", "-x", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
        if interpreted:  # whole numbers of compiled kernels wrap silently
            options += ["-W", "ignore:overflow encountered:RuntimeWarning"]
        pytest.main([*options, *(f"tests/{test}" for test in tests)], plugins=[session()])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
