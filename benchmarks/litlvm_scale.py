"""How far the library goes on one machine, and how its cost grows with rows and features.

    python -m benchmarks.litlvm_scale [--quick] [--again] [--only ours|peers] [--seeds 3]

Each line is a process of its own under one thread: seconds of the fit, peak memory, memory that the fit added. Beside
it the size of the explicit columns that a method over PolynomialFeatures would need before its first step. The peers'
half measures the recipe that everybody has (PolynomialFeatures + ElasticNetCV), as far as time and memory allow.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import sys
from dataclasses import dataclass

import _figures
import numpy as np
from _harness import in_words, interleave
from _results import Results, all_rows, markdown, named, write_table
from _splits import plain_folds
from litlvm_speed import as_row

NAME = "litlvm_scale"
KEY = ("curve", "n", "p", "method")
MEASURES = {"relative_mse": "MSE / variance", "auc": "AUC", "concordance": "concordance"}
PEER = "PolynomialFeatures + ElasticNetCV"


@dataclass(frozen=True)
class Case:
    """One size: which curve it belongs to, the method, rows, features, and the limit on seconds."""

    curve: str
    method: str
    n_rows: int
    n_features: int
    limit_s: float = 600.0

    @property
    def size(self) -> int:
        return self.n_rows if self.curve.startswith("rows") else self.n_features


def draw(n_rows: int, n_features: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A sparse truth among the first features (ten main effects, ten pairs), a tenth of noise, 500 test rows."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows + 500, n_features))
    signal = X[:, :10] @ rng.choice([-1.0, 1.0], 10)
    for _ in range(10):
        j, k = rng.choice(min(n_features, 20), 2, replace=False)
        signal += rng.choice([-1.0, 1.0]) * X[:, j] * X[:, k]
    y = signal + np.sqrt(0.1) * signal.std() * rng.standard_normal(len(X))
    return {
        "X": X[:n_rows],
        "y": y[:n_rows],
        "X_test": X[n_rows:],
        "y_test": y[n_rows:],
        "folds": plain_folds(n_rows, 5, seed),
    }


def cases(half: str, quick: bool) -> list[Case]:
    """The three sizes that the project promises, then the curves."""
    if half == "peers":
        made = [Case("features, n = 200", PEER, 200, p, 300.0) for p in (30, 100, 300)]
        return (
            made[:1]
            if quick
            else made + [Case("rows, p = 50", PEER, n, 50, 300.0) for n in (300, 1000, 3000, 10_000)]
        )
    if quick:
        return [
            Case("features, n = 200", "intertwine, ridge pairs", 200, 1000),
            Case("rows, p = 50", "intertwine, sparse fit", 1000, 50),
        ]
    exact, sparse = "intertwine, ridge pairs", "intertwine, sparse fit"
    promised = [
        Case("promised", f"intertwine, {task} CV", 200, 100_000)
        for task in ("regression", "classification", "Cox")
    ]
    promised += [
        Case("promised", method, n, p)
        for n, p in ((10_000, 300), (100_000, 100))
        for method in (sparse, "intertwine, elastic net")
    ]
    features = [Case("features, n = 200", exact, 200, p) for p in (30, 100, 300, 1000, 10_000, 100_000)]
    features += [Case("features, n = 200", sparse, 200, p) for p in (30, 100, 300, 1000, 2000)]
    rows = [Case("rows, p = 50", exact, n, 50) for n in (300, 1000, 2000, 4000, 10_000, 100_000)]
    rows += [Case("rows, p = 50", sparse, n, 50) for n in (300, 1000, 3000, 10_000, 30_000, 100_000)]
    return promised + features + rows


def explicit_gigabytes(n_rows: int, n_features: int) -> float:
    """Float64 columns of all pairs."""
    return n_rows * n_features * (n_features - 1) / 2 * 8 / 1e9


def run(half: str, quick: bool, repeats: int, again: bool) -> None:
    """Measure one half; what was measured already only if it is wanted again."""
    results = Results(named(NAME, quick), half, KEY)
    for case in cases(half, quick):
        key = {"curve": case.curve, "n": case.n_rows, "p": case.n_features, "method": case.method}
        if results.has(**key) and not again:
            continue
        print(f"n = {case.n_rows}, p = {case.n_features}")
        arrays = draw(case.n_rows, case.n_features)
        measured = interleave({case.method: sys.executable}, arrays, repeats=repeats, limit_s=case.limit_s)[0]
        results.add({**key, "size": case.size, "added_mb": measured.added_mb, **as_row(measured)})


def table(name: str) -> None:
    """Sizes, seconds, memory; then the growth picture."""
    rows = all_rows(name)
    body = []
    for row in rows:
        time = row["failure"].split(":")[0]
        if row["seconds"] is not None:
            time = f"{in_words(row['seconds'])} / {in_words(row['cpu_seconds'])}"
        memory = f"{row['peak_mb']:.0f} / {row['added_mb']:.0f} MB" if row["seconds"] is not None else "–"
        error = next((f"{word} {row[key]:.3f}" for key, word in MEASURES.items() if key in row), "–")
        pairs = row["p"] * (row["p"] - 1) // 2
        sizes = [f"{value:,}" for value in (row["n"], row["p"], pairs)]
        explicit = f"{explicit_gigabytes(row['n'], row['p']):.3g} GB"
        body.append([row["method"], *sizes, time, memory, error, explicit])
    header = [
        "method",
        "rows",
        "features",
        "pairs",
        "fit, clock / processor",
        "peak / added",
        "held out",
        "explicit pairs would take",
    ]
    write_table(name, markdown(header, body))
    grown = [row for row in rows if row["curve"] != "promised" and row["seconds"] is not None]
    _figures.growth(grown, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=3, help="repeats of every run")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure also what the results hold already")
    arguments = parser.parse_args()
    for half in ("peers", "ours"):
        if arguments.only in (None, half):
            run(half, arguments.quick, 1 if arguments.quick else arguments.seeds, arguments.again)
    table(named(NAME, arguments.quick))


if __name__ == "__main__":
    main()
