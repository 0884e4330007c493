"""How latent factors grow: seconds of a pass and memory with 10⁶ to 10⁸ ratings, and the best items of everybody.

    python -m benchmarks.latent_scale [--quick] [--part fit top] [--shapes grown even] [--sizes 1e6 1e7 1e8]
                                      [--solvers als …] [--again]

*fit*: simulated ratings, rank 20, one thread, each size in a process of its own. Users and items are as many as in
MovieLens 1M, MovieLens 10M and Netflix ("grown"), or as many at every size ("even"), so that only the ratings grow. A
pass is the difference of two fits of different length, in seconds over passes and ratings, so reading and sorting are
left out; the memory is the largest that the process held beyond what it held before it read the ratings, in multiples
of their own twelve bytes each (int32 user, int32 item, float32 stars), the input itself included. "solver" is handed a
sorted table, "estimator" everything.

*top*: the ten best of 10⁵ items for 10⁵ users, rank 20, two threads; beside it implicit's top-k on tables of that size.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import _figures
import numpy as np
from _harness import in_words, peers_python
from _results import Results, all_rows, markdown, named, write_table
from _worker import peak_mb

NAME = "latent_scale"
KEY = ("part", "method", "ratings", "users", "items", "threads")
SOLVERS = ("gauss_newton", "als", "variational", "gibbs", "sgd")
SIZES = (10**6, 10**7, 10**8)
#: Users and items at these sizes.
SHAPES = {
    "grown": dict(zip(SIZES, ((6_040, 3_706), (69_878, 10_677), (480_189, 17_770)), strict=True)),
    "even": dict.fromkeys(SIZES, (50_000, 20_000)),
}
WORDS = {
    "grown": "Users and items as in MovieLens 1M, MovieLens 10M and Netflix:",
    "even": "50,000 users and 20,000 items at every size. At the smallest, with 14 ratings each, their tables cost "
    "much of a pass; what each further rating costs, from size to size, leaves them out:",
}
WAYS = ("solver", "estimator")
FEWER, MORE = 1, 4  # iterations
N_COMPONENTS = 20
BYTES = 12  # of a rating
TOP = (10, 100_000, 100_000, 2_000_000)  # how many, users, items, ratings of the fit


def draw(folder: Path, n_users: int, n_items: int, n_ratings: int) -> None:
    """Write ratings of that many, for any number of processes to read."""
    from intertwine.datasets import simulate_many_ratings

    drawn = simulate_many_ratings(n_users, n_items, n_ratings, d=5, random_state=0)
    np.save(folder / "pairs.npy", np.column_stack([drawn.user, drawn.item]))
    np.save(folder / "stars.npy", drawn.target)


def settings(solver: str, n_iter: int) -> dict:
    """A fit of so many iterations, nothing held out, no stopping before."""
    given = {
        "solver": solver,
        "n_components": N_COMPONENTS,
        "max_iter": n_iter,
        "tol": 0.0,
        "random_state": 0,
    }
    if solver in ("gauss_newton", "sgd"):
        given["validation_fraction"] = 0.0
    return given | ({"n_burn_in": 0, "n_samples": 1} if solver == "gibbs" else {})


def fit(task: dict) -> dict:
    """Two fits of different length; the memory is that of the longer."""
    from intertwine import LatentFactorModel

    few, many = FEWER, MORE
    rng = np.random.default_rng(0)
    tiny = np.column_stack([np.repeat(np.arange(40), 10), np.tile(np.arange(20), 20)]).astype(np.int32)
    LatentFactorModel(**settings(task["solver"], few)).fit(
        tiny, rng.standard_normal(len(tiny)).astype(np.float32)
    )
    start = peak_mb()
    X, y = (np.load(Path(task["folder"]) / f"{name}.npy") for name in ("pairs", "stars"))
    run = through_estimator if task["way"] == "estimator" else through_solver
    (short, short_passes), (long, long_passes) = (run(task["solver"], X, y, n) for n in (few, many))
    return {
        "seconds": long,
        "pass_ns": 1e9 * (long - short) / (long_passes - short_passes) / len(y),
        "memory_ratio": 1e6 * (peak_mb() - start) / (BYTES * len(y)),
        "peak_mb": peak_mb(),
    }


def through_estimator(solver: str, X: np.ndarray, y: np.ndarray, n_iter: int) -> tuple[float, float]:
    """Processor seconds and passes of LatentFactorModel."""
    from intertwine import LatentFactorModel

    began = time.process_time()
    model = LatentFactorModel(**settings(solver, n_iter)).fit(X, y)
    return time.process_time() - began, float(np.asarray(model.history_["passes"])[-1])


def through_solver(solver: str, X: np.ndarray, y: np.ndarray, n_iter: int) -> tuple[float, float]:
    """Processor seconds and passes of what the estimator calls, from a table that is sorted before."""
    from intertwine import LatentFactorModel
    from intertwine.estimators.latent_factors.solvers import SOLVERS, settings_of
    from intertwine.fitting.watch import UNWATCHED
    from intertwine.structures.ratings import RatingTable

    table, order = RatingTable.build(X[:, 0], X[:, 1], *(int(codes.max()) + 1 for codes in X.T))
    target = y[order].astype(np.float64)
    del order
    target -= target.mean()
    target /= target.std()
    model = LatentFactorModel(**settings(solver, n_iter))
    rng = np.random.default_rng(0)
    began = time.process_time()
    found = SOLVERS[solver](table, target, None, settings_of(model, solver), rng, UNWATCHED, 1)
    return time.process_time() - began, float(found.history[-1, 3])


def top(task: dict) -> dict:
    """The best items of every user."""
    count, n_users, n_items, n_ratings = task["top"]
    if task["method"] == "implicit":
        from implicit.cpu.topk import topk

        rng = np.random.default_rng(0)
        users, items = (
            rng.standard_normal((n, N_COMPONENTS + 2), dtype=np.float32) for n in (n_users, n_items)
        )
        topk(items, users[:100], count, num_threads=task["threads"])
        start, began = peak_mb(), time.perf_counter()
        topk(items, users, count, num_threads=task["threads"])
    else:
        from intertwine import LatentFactorModel
        from intertwine.datasets import simulate_many_ratings

        drawn = simulate_many_ratings(n_users, n_items, n_ratings, random_state=0)
        X = np.column_stack([drawn.user, drawn.item])
        model = LatentFactorModel(**settings("als", 2), n_jobs=task["threads"]).fit(X, drawn.target)
        users = np.unique(drawn.user)
        model.recommend(users[:100], count)
        start, began = peak_mb(), time.perf_counter()
        model.recommend(users, count)
    return {"seconds": time.perf_counter() - began, "added_mb": peak_mb() - start, "peak_mb": peak_mb()}


def work(task: dict) -> None:
    """One measurement, in a process of its own; prints a line of JSON."""
    warnings.simplefilter("ignore")
    found = top(task) if task["part"] == "top" else fit(task)
    print(json.dumps(found))


def measured(task: dict, limit_s: float) -> dict:
    """Run one task."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment[name] = str(task["threads"])
    interpreter = peers_python() if task["method"] == "implicit" else sys.executable
    command = [interpreter, __file__, "--task", json.dumps(task)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=limit_s
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def fits(
    name: str, shape: str, sizes: list[int], solvers: list[str], ways: list[str], again: bool, limit_s: float
) -> None:
    """Every solver at every size, the small ones first."""
    results = Results(name, "ours", KEY)
    for n_ratings in sizes:
        n_users, n_items = SHAPES[shape][n_ratings]
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), n_users, n_items, n_ratings)
            for solver in solvers:
                for way in ways:
                    key = {
                        "part": "fit",
                        "method": f"{solver}, {way}",
                        "ratings": n_ratings,
                        "users": n_users,
                    }
                    key |= {"items": n_items, "threads": 1}
                    if not again and results.has(**key):
                        continue
                    found = measured({**key, "solver": solver, "way": way, "folder": folder}, limit_s)
                    results.add({**key, **found})
                    print(key["method"], f"{n_ratings:.0e}", f"{found['pass_ns']:.1f} ns a rating and pass,",
                          f"{found['memory_ratio']:.1f} × the ratings", flush=True)  # fmt: skip


def tops(name: str, again: bool, quick: bool, limit_s: float) -> None:
    """Ours and implicit's."""
    for method, half in (("intertwine", "ours"), ("implicit", "peers")):
        results = Results(name, half, KEY)
        sizes = (TOP[0], *(size // 10 for size in TOP[1:])) if quick else TOP
        key = {
            "part": "top",
            "method": method,
            "ratings": sizes[3],
            "users": sizes[1],
            "items": sizes[2],
            "threads": 2,
        }
        if again or not results.has(**key):
            found = measured({**key, "top": sizes}, limit_s)
            results.add({**key, **found})
            print(method, found, flush=True)


def table(name: str) -> None:
    """A table of each shape, one of the best items, and a picture of the growth."""
    rows = all_rows(name)
    fitted = [row for row in rows if row["part"] == "fit"]
    text = (
        "Rank 20, one thread, processor time: nanoseconds of a pass for each rating; the largest memory in "
    )
    text += (
        "multiples of the ratings' own (12 bytes each): of all at each size, the tables of users and items "
    )
    text += "included, and of what the largest size has beyond the smallest.\n\n"
    text += "\n\n".join(grown(fitted, shape) for shape in SHAPES)
    best = [row for row in rows if row["part"] == "top"]
    body = [
        [
            row["method"],
            f"{row['users']:,}",
            f"{row['items']:,}",
            in_words(row["seconds"]),
            f"{row['added_mb']:.0f} MB",
        ]
        for row in best
    ]
    if best:
        text += (
            "\n\nThe ten best items of every user, two threads (clock). Ours leaves out what was rated and "
        )
        text += "returns a frame.\n\n" + markdown(
            ["method", "users", "items", "all users", "added memory"], body
        )
    write_table(name, text)
    drawn = of_shape(fitted, "grown")
    if len({row["ratings"] for row in drawn}) > 1:
        picture(name, drawn)


def of_shape(rows: list[dict], shape: str) -> list[dict]:
    """Those with so many users and items."""
    sizes = SHAPES[shape]
    return [row for row in rows if sizes[row["ratings"]] == (row["users"], row["items"])]


def grown(rows: list[dict], shape: str) -> str:
    """How time and memory grow in one shape."""
    rows = of_shape(rows, shape)
    sizes = sorted({row["ratings"] for row in rows})
    body = []
    for method in dict.fromkeys(row["method"] for row in rows):
        here = {row["ratings"]: row for row in rows if row["method"] == method}
        times = [here[size]["pass_ns"] for size in sizes if size in here]
        body.append(
            [
                method,
                *(f"{here[size]['pass_ns']:.1f} ns" if size in here else "–" for size in sizes),
                f"{max(times) / min(times):.2f}",
                ", ".join(f"{time:.1f} ns" for time in further_times(here)) or "–",
                *(f"{here[size]['memory_ratio']:.1f} ×" if size in here else "–" for size in sizes),
                f"{of_each(here):.1f} ×" if len(here) > 1 else "–",
            ]
        )
    header = ["solver", *(f"a pass, {size:.0e}" for size in sizes), "slowest / fastest"]
    header += [
        "a pass, each further rating",
        *(f"memory, {size:.0e}" for size in sizes),
        "of each further rating",
    ]
    return WORDS[shape] + "\n\n" + markdown(header, body)


def further_times(here: dict[int, dict]) -> list[float]:
    """Nanoseconds of a pass for each rating that a size has beyond the one before."""
    sizes = sorted(here)
    total = [here[size]["pass_ns"] * size for size in sizes]
    return [
        (total[place] - total[place - 1]) / (sizes[place] - sizes[place - 1])
        for place in range(1, len(sizes))
    ]


def of_each(here: dict[int, dict]) -> float:
    """Memory that grew with the ratings, from the smallest size to the largest."""
    small, large = min(here), max(here)
    held = [here[size]["memory_ratio"] * size for size in (small, large)]
    return (held[1] - held[0]) / (large - small)


def picture(name: str, rows: list[dict]) -> None:
    """A pass for each rating against their number: flat when cost is linear."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    _figures.draw_curves(_figures.curves(rows, "ratings", "pass_ns", "method"), axes)
    axes.set(xscale="log", yscale="log", xlabel="ratings", ylabel="nanoseconds a rating and pass")
    axes.legend(frameon=False, fontsize=8)
    _figures.save(figure, f"{name}_growth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a million ratings, a hundredth of the pairs")
    parser.add_argument("--part", nargs="+", choices=["fit", "top"], default=["fit", "top"])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--sizes", nargs="+", type=lambda text: int(float(text)), default=list(SIZES))
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds that a measurement may take")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        work(json.loads(arguments.task))
        return
    name = named(NAME, arguments.quick)
    if "fit" in arguments.part:
        sizes = [10**6] if arguments.quick else arguments.sizes
        for shape in arguments.shapes:
            fits(name, shape, sizes, arguments.solvers, arguments.ways, arguments.again, arguments.limit)
    if "top" in arguments.part:
        tops(name, arguments.again, arguments.quick, arguments.limit)
    table(name)


if __name__ == "__main__":
    main()
