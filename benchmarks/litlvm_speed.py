"""Time to a fitted, cross-validated all-pairs model, against the peers of requirements.txt.

    python -m benchmarks.litlvm_speed [--quick] [--only ours|peers] [--seeds 3] [--rows 500] [--limit 300]

Two truths, so that no method is judged on its own ground alone: *sparse* (ten main effects, ten pairs) suits the L1
peers; *latent* (θ = ZZᵀ + noise over all pairs) is the paper's. Every run is a process of its own, interleaved, one
thread, and is ended at a limit of time and memory. The held-out error stands beside the time: fast and wrong is slow.
Elastic nets search one and the same grid: 24 strengths down to .003 of the largest × l1_ratio .5 and 1, 5 folds.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import sys

import numpy as np
from _harness import Summary, in_words, interleave, peers_python
from _methods import METHODS, OF_SCALE, OURS
from _results import Results, all_rows, markdown, named, write_table
from _splits import plain_folds

NAME = "litlvm_speed"
KEY = ("truth", "p", "method")
REFERENCE = "intertwine, elastic net"


def draw(truth: str, n_rows: int, n_features: int, seed: int) -> dict[str, np.ndarray]:
    """Training rows, 2000 test rows and five folds; noise is a tenth of the signal's variance."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows + 2000, n_features))
    rows, columns = np.triu_indices(n_features, k=1)
    main = np.zeros(n_features)
    theta = np.zeros((n_features, n_features))
    if truth == "sparse":
        main[:10] = rng.choice([-1.0, 1.0], 10)
        chosen = rng.choice(len(rows), 10, replace=False)
        theta[rows[chosen], columns[chosen]] = rng.choice([-1.0, 1.0], 10)
    else:
        main = rng.standard_normal(n_features)
        latent = rng.standard_normal((n_features, 2))
        theta[rows, columns] = (latent @ latent.T)[rows, columns] + np.sqrt(0.1) * rng.standard_normal(
            len(rows)
        )
    signal = X @ main + np.einsum("ij,ij->i", X @ theta, X)
    y = signal + np.sqrt(0.1) * signal.std() * rng.standard_normal(len(X))
    return {
        "X": X[:n_rows],
        "y": y[:n_rows],
        "X_test": X[n_rows:],
        "y_test": y[n_rows:],
        "folds": plain_folds(n_rows, 5, seed),
    }


def run(
    truth: str,
    n_features: int,
    n_rows: int,
    halves: list[str],
    repeats: int,
    limit_s: float,
    spent: set[tuple[str, str]],
    name: str,
    only: list[str] | None = None,
) -> None:
    """Measure every method of the wanted halves on one problem; a method that ran out is left out of larger ones."""
    wanted = {
        label: peers_python() if method.from_registry else sys.executable
        for label, method in METHODS.items()
        if ("ours" if label in OURS else "peers") in halves
        and label not in OF_SCALE
        and (truth, label) not in spent
        and (only is None or label in only)
    }
    print(f"{truth}, p = {n_features}, n = {n_rows}")
    for summary in interleave(
        wanted, draw(truth, n_rows, n_features, seed=0), repeats=repeats, limit_s=limit_s
    ):
        half = "ours" if summary.method in OURS else "peers"
        Results(name, half, KEY).add({"truth": truth, "p": n_features, "n": n_rows, **as_row(summary)})
        if summary.failure:
            spent.add((truth, summary.method))


def as_row(summary: Summary) -> dict:
    """A summary as a row of the results; times that do not exist are null."""
    finite = np.isfinite(summary.seconds)
    return {
        "method": summary.method,
        "seconds": summary.seconds if finite else None,
        "fastest": summary.fastest if finite else None,
        "slowest": summary.slowest if finite else None,
        "cpu_seconds": summary.cpu_seconds if finite else None,
        "peak_mb": summary.peak_mb if finite else None,
        "runs": summary.n_runs,
        "failure": summary.failure,
        **summary.outcome,
    }


def cell(row: dict) -> str:
    """Median time of the clock and of the processor, held-out error, peak memory; or why there is none."""
    if row["seconds"] is None:
        return row["failure"].split(":")[0]
    note = f" ({row['failure']})" if row["failure"] else ""
    times = f"{in_words(row['seconds'])} / {in_words(row['cpu_seconds'])}{note}"
    return f"{times}; {row['relative_mse']:.3f}; {row['peak_mb']:.0f} MB"


def ratio(row: dict, ours: dict) -> str:
    """How many times our processor time the peer took, and its error minus ours; a limit where it did not end."""
    if ours["cpu_seconds"] is None:
        return "–"
    if row["seconds"] is None:
        return row["failure"].split(":")[0]
    at_least = "≥ " if row["failure"] else ""
    times = f"{at_least}{row['cpu_seconds'] / ours['cpu_seconds']:.2g} ×"
    return f"{times}; {row['relative_mse'] - ours['relative_mse']:+.3f}"


def absent(by_size: dict[int, dict], n_features: int) -> str:
    """What stands where a method was not measured: the size at which it was ended, beyond which it is not tried."""
    ended = [size for size, row in by_size.items() if size < n_features and row["failure"]]
    return f"ended at p = {min(ended)}" if ended else "–"


def table(name: str) -> None:
    """For each truth: methods by p, then the ratios to our elastic net."""
    rows = all_rows(name)
    text = "Whole tuned fit: median seconds of the clock / of the processor; held-out MSE / variance (.09 is noise); "
    text += "peak memory.\n"
    for truth in ("sparse", "latent"):
        here = [row for row in rows if row["truth"] == truth]
        sizes = sorted({row["p"] for row in here})
        body = []
        for method in (name for name in METHODS if name not in OF_SCALE):
            by_size = {row["p"]: row for row in here if row["method"] == method}
            body.append([method, *(cell(by_size[p]) if p in by_size else absent(by_size, p) for p in sizes)])
        n_rows = sorted({row["n"] for row in here})
        text += f"\n### {truth} truth, n = {', '.join(map(str, n_rows))}\n\n"
        text += markdown(["method", *(f"p = {p}" for p in sizes)], body)
        ours = {row["p"]: row for row in here if row["method"] == REFERENCE}
        compared = []
        for method in (label for label in METHODS if label not in (*OF_SCALE, REFERENCE)):
            by_size = {row["p"]: row for row in here if row["method"] == method}
            compared.append(
                [
                    method,
                    *(
                        ratio(by_size[p], ours[p]) if p in by_size and p in ours else absent(by_size, p)
                        for p in sizes
                    ),
                ]
            )
        text += f"\nProcessor time in units of {REFERENCE}; error minus its error:\n\n"
        text += markdown(["method", *(f"p = {p}" for p in sizes)], compared)
    write_table(name, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=3, help="interleaved repeats of every run")
    parser.add_argument("--quick", action="store_true", help="p = 20 and 50, one repeat, 60 s at most a run")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100, 200, 500, 1000])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), help="only these methods")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds a run may take")
    arguments = parser.parse_args()
    halves = [arguments.only] if arguments.only else ["ours", "peers"]
    sizes = [20, 50] if arguments.quick else arguments.sizes
    repeats, limit = (1, 60.0) if arguments.quick else (arguments.seeds, arguments.limit)
    name = named(NAME, arguments.quick)
    spent: set[tuple[str, str]] = set()
    for n_features in sizes:
        for truth in ("sparse", "latent"):
            run(truth, n_features, arguments.rows, halves, repeats, limit, spent, name, arguments.methods)
    table(name)


if __name__ == "__main__":
    main()
