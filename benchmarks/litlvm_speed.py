"""Time to a fitted, cross-validated all-pairs model, against the peers of requirements.txt.

    python benchmarks/litlvm_speed.py [--quick] [--only ours|peers] [--seeds 3] [--rows 500]

Two truths, so that no method is judged on its own ground alone: *sparse* (ten main effects, ten pairs) suits the L1
peers; *latent* (θ = ZZᵀ + noise over all pairs) is the paper's. Every run is a process of its own, interleaved, one
thread, and is ended at a limit of time and memory. The held-out error stands beside the time: fast and wrong is slow.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import sys

import numpy as np
from _harness import Summary, in_words, interleave, peers_python
from _methods import METHODS, OURS, SINGLE_FITS
from _results import Results, all_rows, markdown, write_table
from _splits import plain_folds

NAME = "litlvm_speed"
KEY = ("truth", "p", "method")


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
) -> None:
    """Measure every method of the wanted halves on one problem; a method that ran out is left out of larger ones."""
    wanted = {
        name: peers_python() if method.from_registry else sys.executable
        for name, method in METHODS.items()
        if ("ours" if name in OURS else "peers") in halves
        and name not in SINGLE_FITS
        and (truth, name) not in spent
    }
    print(f"{truth}, p = {n_features}, n = {n_rows}")
    for summary in interleave(
        wanted, draw(truth, n_rows, n_features, seed=0), repeats=repeats, limit_s=limit_s
    ):
        half = "ours" if summary.method in OURS else "peers"
        Results(NAME, half, KEY).add({"truth": truth, "p": n_features, "n": n_rows, **as_row(summary)})
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
        "peak_mb": summary.peak_mb if finite else None,
        "runs": summary.n_runs,
        "failure": summary.failure,
        **summary.outcome,
    }


def cell(row: dict) -> str:
    """Median time (range), held-out error, peak memory; or why there is none."""
    if row["seconds"] is None:
        return row["failure"].split(":")[0]
    spread = f"{in_words(row['fastest'])}–{in_words(row['slowest'])}"
    note = f" ({row['failure']})" if row["failure"] else ""
    return f"{in_words(row['seconds'])}{note} [{spread}]; {row['relative_mse']:.3f}; {row['peak_mb']:.0f} MB"


def table() -> None:
    """One table for each truth: methods by p."""
    rows = all_rows(NAME)
    text = "Median seconds [range] of the whole tuned fit; held-out MSE / variance (noise alone .09); peak memory.\n"
    for truth in ("sparse", "latent"):
        here = [row for row in rows if row["truth"] == truth]
        sizes = sorted({row["p"] for row in here})
        body = []
        for method in (name for name in METHODS if name not in SINGLE_FITS):
            by_size = {row["p"]: row for row in here if row["method"] == method}
            body.append([method, *(cell(by_size[p]) if p in by_size else "–" for p in sizes)])
        n_rows = sorted({row["n"] for row in here})
        text += f"\n### {truth} truth, n = {', '.join(map(str, n_rows))}\n\n"
        text += markdown(["method", *(f"p = {p}" for p in sizes)], body)
    write_table(NAME, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=3, help="interleaved repeats of every run")
    parser.add_argument("--quick", action="store_true", help="p = 20 and 50, one repeat, 60 s at most a run")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100, 200, 500, 1000])
    parser.add_argument("--limit", type=float, default=300.0, help="seconds a run may take")
    arguments = parser.parse_args()
    halves = [arguments.only] if arguments.only else ["ours", "peers"]
    sizes = [20, 50] if arguments.quick else arguments.sizes
    repeats, limit = (1, 60.0) if arguments.quick else (arguments.seeds, arguments.limit)
    spent: set[tuple[str, str]] = set()
    for n_features in sizes:
        for truth in ("sparse", "latent"):
            run(truth, n_features, arguments.rows, halves, repeats, limit, spent)
    table()


if __name__ == "__main__":
    main()
