"""Seconds of one iteration of factorization machines, beside myFM, and how they grow.

    python -m benchmarks.fm_speed [--quick] [--part iteration growth] [--repeats 5]

*iteration*: MovieLens 100K `ua`, ids only, k = 10; methods take turns, one process each, with one thread and with two.
An iteration is the difference of two fits of different length on the clock, so that reading, compiling and starting
are left out. Run it on an idle machine: the clock counts what others do, too.

*growth*: synthetic ratings; rows, entries of a row, factors and (of local machines) anchors grow one at a time; seconds
an iteration in one thread and the peak memory of the process.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings

import _figures
import numpy as np
from _harness import peers_python
from _ratings import split_ua
from _results import Results, all_rows, markdown, named, write_table
from scipy import sparse

NAME = "fm_speed"
KEY = ("part", "method", "threads", "rows", "entries", "factors", "anchors")
FEWER, MORE = 3, 23
OURS = {"Gibbs": "gibbs", "ALS": "als", "AdaGrad": "adagrad"}
DEFAULTS = {"rows": 100_000, "entries": 2, "factors": 10, "anchors": 0}
GROWTH = {
    "rows": (10_000, 100_000, 1_000_000, 10_000_000),
    "entries": (2, 4, 8, 16, 32),
    "factors": (5, 10, 20, 40, 80),
}
ANCHORS = (5, 10, 20, 50, 100)


def one_hot(ids: np.ndarray, sizes: list[int], index=np.int32):
    """Categories as indicator columns."""
    n, width = ids.shape
    columns = (ids + np.concatenate([[0], np.cumsum(sizes)[:-1]])).astype(index).ravel()
    ends = np.arange(0, n * width + 1, width, dtype=index)
    return sparse.csr_array((np.ones(n * width), columns, ends), shape=(n, sum(sizes)))


def synthetic(rows: int, entries: int):
    """Ratings by ``entries`` categories whose levels are as popular as words are."""
    rng = np.random.default_rng(0)
    sizes = [max(100, rows // 100), *[max(50, rows // 500)] * (entries - 1)]
    ids = np.column_stack([(size * rng.random(rows) ** 2).astype(np.int64) for size in sizes])
    return one_hot(ids, sizes), rng.standard_normal(rows)


def fitted(task: dict, X, y, n_iter: int):
    """A fit of so many iterations."""
    method, factors = task["method"], task["factors"]
    if method.startswith("myFM"):
        import myfm

        X, shapes = sparse.csr_matrix(X), [943, 1682]
        if "variational" in method:
            return myfm.VariationalFMRegressor(rank=factors).fit(X, y, n_iter=n_iter, group_shapes=shapes)
        model = myfm.MyFMRegressor(rank=factors)
        return model.fit(X, y, n_iter=n_iter, n_kept_samples=1, group_shapes=shapes)
    from intertwine import FMRegressor, LocalFMRegressor

    common = {"n_components": factors, "max_iter": n_iter, "random_state": 0, "tol": 0.0}
    if method == "local":
        local = LocalFMRegressor(n_anchors=task["anchors"], solver="adam", n_epochs=n_iter, **common)
        return local.fit(X, y)
    solver = OURS[method.removeprefix("intertwine, ")]
    return FMRegressor(solver=solver, n_samples=1, n_jobs=task["threads"], **common).fit(X, y)


def work(task: dict) -> None:
    """One measurement, in a process of its own; prints a line of JSON."""
    warnings.simplefilter("ignore")
    if task["part"] == "iteration":
        arrays = split_ua(0)
        X, y = one_hot(arrays["X"], [943, 1682]), arrays["y"]
    elif task["method"] == "local":
        rng = np.random.default_rng(0)
        X = rng.standard_normal((task["rows"], 10))
        y = X[:, 0] * X[:, 1] + rng.standard_normal(task["rows"])
    else:
        X, y = synthetic(task["rows"], task["entries"])
    fitted(task, X[:2000], y[:2000], 2)
    took = []
    for n_iter in (FEWER, MORE) if task["rows"] < 5_000_000 else (1, 4):
        began = time.perf_counter(), time.process_time()
        fitted(task, X, y, n_iter)
        took.append((n_iter, time.perf_counter() - began[0], time.process_time() - began[1]))
    (few, wall_few, cpu_few), (many, wall_many, cpu_many) = took
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        json.dumps(
            {
                "seconds": (wall_many - wall_few) / (many - few),
                "cpu_seconds": (cpu_many - cpu_few) / (many - few),
                "peak_mb": peak,
            }
        )
    )


def measured(task: dict) -> dict:
    """Run one task."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment[name] = str(task["threads"])
    interpreter = peers_python() if task["method"].startswith("myFM") else sys.executable
    command = [interpreter, __file__, "--task", json.dumps(task)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def iterations(name: str, repeats: int) -> None:
    """Our solvers and myFM, in turn."""
    base = {"part": "iteration", **DEFAULTS, "rows": 90_570}
    tasks = [
        {**base, "method": f"intertwine, {solver}", "threads": threads}
        for solver in ("Gibbs", "ALS")
        for threads in (1, 2)
    ]
    tasks += [{**base, "method": "intertwine, AdaGrad", "threads": 1}]
    tasks += [{**base, "method": method, "threads": 1} for method in ("myFM, Gibbs", "myFM, variational")]
    found: list[list[dict]] = [[] for _ in tasks]
    for _ in range(repeats):
        for runs, task in zip(found, tasks, strict=True):
            runs.append(measured(task))
            print(task["method"], task["threads"], f"{1000 * runs[-1]['seconds']:.1f} ms", flush=True)
    for runs, task in zip(found, tasks, strict=True):
        half = "peers" if task["method"].startswith("myFM") else "ours"
        medians = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        Results(name, half, KEY).add({**task, **medians, "runs": len(runs)})


def growth(name: str, quick: bool) -> None:
    """One size at a time, all others at their defaults."""
    results = Results(name, "ours", KEY)
    base = {"part": "growth", **DEFAULTS, "threads": 1}
    tasks = [
        {**base, "method": f"intertwine, {solver}", axis: size}
        for axis, sizes in GROWTH.items()
        for size in (sizes[:2] if quick else sizes)
        for solver in OURS
    ]
    tasks += [
        {**base, "rows": 10_000, "method": "local", "anchors": m} for m in ANCHORS[: 2 if quick else None]
    ]
    for task in tasks:
        if not results.has(**task):
            results.add({**task, **measured(task), "runs": 1})
            print(task, flush=True)


def table(name: str) -> None:
    """Two tables, and a picture of the growth."""
    rows = all_rows(name)
    beside = [row for row in rows if row["part"] == "iteration"]
    peers = {row["method"]: row["seconds"] for row in beside if row["method"].startswith("myFM")}
    nearest = {"intertwine, Gibbs": "myFM, Gibbs", "intertwine, ALS": "myFM, variational"}
    body = []
    for row in beside:
        rival = nearest.get(row["method"])
        ratio = f"{peers[rival] / row['seconds']:.1f} × {rival}" if rival in peers else "–"
        body.append([row["method"], row["threads"], f"{1000 * row['seconds']:.1f} ms", ratio])
    text = "An iteration over 90,570 ratings, k = 10 (clock, medians of interleaved runs).\n\n"
    text += markdown(["method", "threads", "an iteration", "their time over ours"], body)
    grown = [row for row in rows if row["part"] == "growth"]
    body = [
        [
            *(row[key] for key in ("method", "rows", "entries", "factors")),
            row["anchors"] or "–",
            f"{row['cpu_seconds']:.3g} s",
            f"{row['peak_mb']:.0f} MB",
        ]
        for row in grown
    ]
    header = ["method", "rows", "entries a row", "factors", "anchors", "an iteration", "peak memory"]
    write_table(name, text + "\n\nGrowth, one thread (processor time).\n\n" + markdown(header, body))
    if grown:
        picture(name, grown)


def picture(name: str, rows: list[dict]) -> None:
    """An iteration against each size, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator

    axes_names = {"rows": "rows", "entries": "entries of a row", "factors": "factors k", "anchors": "anchors"}
    figure, panels = plt.subplots(1, 4, figsize=(13, 3.4), sharey=True)
    for panel, (axis, label) in zip(panels, axes_names.items(), strict=True):
        others = {key: value for key, value in DEFAULTS.items() if key != axis}
        if axis == "anchors":
            here = [row for row in rows if row["method"] == "local"]
        else:
            here = [row for row in rows if all(row[key] == value for key, value in others.items())]
            here = [row for row in here if row["method"] != "local"]
        if here:
            _figures.draw_curves(_figures.curves(here, axis, "cpu_seconds", "method"), panel)
        panel.set(xscale="log", yscale="log", xlabel=label)
        sizes = sorted({row[axis] for row in here})
        panel.set_xticks(
            sizes, [f"{size:,}" if size < 1000 else f"{size:.0e}" for size in sizes], minor=False
        )
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_ylim(5e-4, 10)
    panels[0].set_ylabel("seconds an iteration")
    panels[0].legend(fontsize=7)
    _figures.save(figure, f"{name}_growth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repeat, the smallest sizes")
    parser.add_argument("--part", nargs="+", choices=["iteration", "growth"], default=["iteration", "growth"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        work(json.loads(arguments.task))
        return
    name = named(NAME, arguments.quick)
    if "iteration" in arguments.part:
        iterations(name, 1 if arguments.quick else arguments.repeats)
    if "growth" in arguments.part:
        growth(name, arguments.quick)
    table(name)


if __name__ == "__main__":
    main()
