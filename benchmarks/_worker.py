"""One measured fit in a process of its own; started by ``_harness``, prints one line of JSON.

python _worker.py METHOD DATA.npz LIMIT_GB LIMIT_SECONDS
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import _factor_methods
import _methods
import _mixed_methods
import _rating_methods
import numpy as np

SHORT = 0.1  # seconds of a fit that is done once
ENOUGH = 0.5  # seconds of fits that are done again, together


def peak_mb() -> float:
    """Largest resident memory of this process so far.

    Where the system tells it of this program alone, that is taken: ``getrusage`` counts what the process held before
    it became this program, which is a copy of the benchmark and its arrays.
    """
    try:
        with open("/proc/self/status") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def allow_processor(seconds: float) -> None:
    """End this process (and, each on its own, those that it starts) after so many more seconds of the processor."""
    ceiling = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (ceiling, ceiling))


def timed(fit: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a fit gives, and the seconds of the clock and of the processor that it takes.

    One that is over before clocks can tell is done again and again, and the mean is taken.
    """
    n_fits, began, busy = 0, time.perf_counter(), time.process_time()
    while True:
        fitted = fit()
        n_fits += 1
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - busy
        if seconds > SHORT * n_fits or seconds > ENOUGH:
            return fitted, seconds / n_fits, cpu_seconds / n_fits


def main() -> None:
    method_name, path, limit_gb, limit_s = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    ceiling = int(limit_gb * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    warnings.simplefilter("ignore")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in ("X", "y", "folds")}
    registries = (_methods, _rating_methods, _factor_methods, _mixed_methods)
    method = next(found.METHODS[method_name] for found in registries if method_name in found.METHODS)
    method.warm_up(arrays)
    start = peak_mb()
    allow_processor(limit_s)
    model, seconds, cpu_seconds = timed(
        lambda: method.make(arrays).fit(arrays["X"], arrays["y"], arrays["folds"])
    )
    chosen = dict(model.chosen())
    peak = max(peak_mb(), chosen.pop("peak_mb_in_r", 0.0))
    with np.load(path) as stored:  # only now: the rows to judge by are no part of a fit's memory
        judged = method.judge(model, {name: stored[name] for name in ("X_test", "y_test")})
    said = {
        "seconds": chosen.pop("seconds_in_r", seconds),
        "cpu_seconds": chosen.pop("cpu_seconds_in_r", cpu_seconds),
        "peak_mb": peak,
        "start_mb": start,
        "outcome": {**judged, "chosen": chosen},
    }
    sys.stdout.flush()
    print("\n" + json.dumps(said, default=float))


if __name__ == "__main__":
    main()
