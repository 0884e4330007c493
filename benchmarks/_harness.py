"""Side-by-side measurement: interleaved runs, medians and ratios, peak memory, limits on processor time and memory.

Runs are interleaved (A B C A B C …) so that a slow minute of the machine falls on all. Each run is a process of its
own: no run sees another's caches, each has its own peak of memory, and a peer can live in another environment. The time
is that of the fit alone, after the imports and a warm-up on a tiny problem that pays for compilation.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORKER = Path(__file__).with_name("_worker.py")
PEERS_PYTHON = "INTERTWINE_PEERS_PYTHON"
PATIENCE = 5.0  # on a loaded machine the clock may show so many times the processor's limit
STARTING = 40.0  # seconds for imports and compilation before the clock of a fit starts


@dataclass(frozen=True)
class Run:
    """One process: seconds of the fit, those of the processor, peak and starting memory in MB, what it returned; or why
    there is none.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    start_mb: float
    outcome: dict
    failure: str = ""


@dataclass(frozen=True)
class Summary:
    """Runs of one method on one problem: medians and ranges."""

    method: str
    seconds: float
    fastest: float
    slowest: float
    cpu_seconds: float
    peak_mb: float
    added_mb: float
    n_runs: int
    outcome: dict
    failure: str

    def ratio_to(self, reference: Summary) -> float:
        """How many times the reference's median this one's is."""
        return self.seconds / reference.seconds


def peers_python() -> str:
    """The interpreter that has the peers of requirements.txt; this one when the variable is not set."""
    return os.environ.get(PEERS_PYTHON, sys.executable)


def one_thread() -> dict[str, str]:
    """This environment with every numerical library held to one thread and no pinned kernel."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment[name] = "1"
    return environment


def run_once(method: str, data: Path, *, interpreter: str, limit_s: float, limit_gb: float) -> Run:
    """Fit ``method`` (a name in ``_methods``) on the arrays of ``data`` in a fresh process."""
    command = [interpreter, str(WORKER), method, str(data), str(limit_gb), str(limit_s)]
    try:
        done = subprocess.run(
            command,
            env=one_thread(),
            capture_output=True,
            text=True,
            timeout=PATIENCE * limit_s + STARTING,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Run(np.inf, np.inf, np.nan, np.nan, {}, f"over {limit_s:.0f} s")
    last = done.stdout.strip().splitlines()[-1:] or [""]
    out_of_time = f"over {limit_s:.0f} s"
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL) or "CPU time limit" in done.stderr:
        return Run(np.inf, np.inf, np.nan, np.nan, {}, out_of_time)
    if done.returncode or not last[0].startswith("{"):
        reason = "out of memory" if "MemoryError" in done.stderr or done.returncode < 0 else "failed"
        detail = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        return Run(np.inf, np.inf, np.nan, np.nan, {}, f"{reason}: {detail[0][:120]}")
    said = json.loads(last[0])
    failure = out_of_time if said["cpu_seconds"] > limit_s else ""
    return Run(
        said["seconds"], said["cpu_seconds"], said["peak_mb"], said["start_mb"], said["outcome"], failure
    )


def interleave(
    methods: dict[str, str],
    arrays: dict[str, np.ndarray],
    *,
    repeats: int = 3,
    limit_s: float = 300.0,
    limit_gb: float = 12.0,
    report: Callable[[str], None] = print,
) -> list[Summary]:
    """Measure several methods on one problem, in turn, ``repeats`` times; a failure is not tried again.

    Parameters
    ----------
    methods : dict
        Name in ``_methods`` -> interpreter.
    arrays : dict of arrays
        What the workers get: X, y, X_test, y_test, folds, …
    """
    runs: dict[str, list[Run]] = {name: [] for name in methods}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, **arrays)
        for _ in range(repeats):
            for name, interpreter in methods.items():
                if runs[name] and runs[name][-1].failure:
                    continue
                runs[name].append(
                    run_once(name, data, interpreter=interpreter, limit_s=limit_s, limit_gb=limit_gb)
                )
                latest = runs[name][-1]
                report(f"  {name}: {latest.failure or f'{latest.seconds:.3f} s, {latest.peak_mb:.0f} MB'}")
    return [summarize(name, measured) for name, measured in runs.items()]


def summarize(method: str, runs: Sequence[Run]) -> Summary:
    """Medians and ranges of the runs of one method."""
    seconds = [run.seconds for run in runs]
    return Summary(
        method=method,
        seconds=float(np.median(seconds)),
        fastest=float(np.min(seconds)),
        slowest=float(np.max(seconds)),
        cpu_seconds=float(np.median([run.cpu_seconds for run in runs])),
        peak_mb=float(np.median([run.peak_mb for run in runs])),
        added_mb=float(np.median([run.peak_mb - run.start_mb for run in runs])),
        n_runs=len(runs),
        outcome=runs[-1].outcome,
        failure=next((run.failure for run in runs if run.failure), ""),
    )


def in_words(seconds: float) -> str:
    """Seconds with the digits that a timing deserves."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"
    return f"{seconds:.3g} s"
