"""Factorization machines on MovieLens 100K, split ``ua``, user and item ids only, ten factors.

    python -m benchmarks.fm_ratings [--quick] [--again] [--only ours|peers] [--seeds 5]

Every method tunes its strengths, rates and number of epochs on ten ratings of every user that are held out of the
training part, refits on all of it and is judged on the test part. An epoch is timed in processor seconds of one
thread, as the difference between twelve epochs and two. Methods take turns, one process each; a seed draws the ratings
held out.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import sys

import numpy as np
from _harness import interleave, peers_python
from _rating_methods import METHODS
from _ratings import split_ua
from _results import Results, all_rows, markdown, mean_and_error, named, with_error, write_table
from litlvm_speed import as_row

NAME = "fm_ratings"
KEY = ("method", "seed")
REFERENCE = "intertwine, AdaGrad"


def measure(name: str, halves: list[str], seeds: range, limit_s: float, again: bool) -> None:
    """Measure what is wanted and not there yet, method by method within a seed."""
    for seed in seeds:
        arrays = split_ua(seed)
        for label, method in METHODS.items():
            half = "peers" if method.from_registry else "ours"
            results = Results(name, half, KEY)
            if half not in halves or (not again and results.has(method=label, seed=seed)):
                continue
            interpreter = peers_python() if method.from_registry else sys.executable
            [summary] = interleave({label: interpreter}, arrays, repeats=1, limit_s=limit_s)
            results.add({"seed": seed, **as_row(summary)})


def table(name: str) -> None:
    """A line for each method: held-out error, time of an epoch and its ratio to ours, what was chosen most."""
    rows = [row for row in all_rows(name) if not row["failure"]]
    epochs = {
        label: [row["chosen"]["epoch_seconds"] for row in rows if row["method"] == label] for label in METHODS
    }
    body = []
    for label in METHODS:
        here = [row for row in rows if row["method"] == label]
        if not here:
            continue
        epoch = float(np.median(epochs[label]))
        ratio = f"{epoch / np.median(epochs[REFERENCE]):.2g} ×" if epochs[REFERENCE] else "–"
        whole, _ = mean_and_error([row["cpu_seconds"] for row in here])
        chosen = {key: value for key, value in here[0]["chosen"].items() if key != "epoch_seconds"}
        body.append(
            [
                label,
                with_error([row["rmse"] for row in here], 4),
                f"{1000 * epoch:.1f} ms",
                ratio,
                f"{whole:.3g} s",
                f"{np.median([row['peak_mb'] for row in here]):.0f} MB",
                ", ".join(f"{key} {value:g}" for key, value in chosen.items()),
            ]
        )
    text = "MovieLens 100K `ua`, ids only, k = 10: RMSE (mean ± standard error over seeds); times of the processor, "
    text += "one thread.\n\n"
    header = ["method", "RMSE", "epoch", "epoch / ours", "tuned fit", "peak memory", "chosen (first seed)"]
    write_table(name, text + markdown(header, body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="processor seconds that a tuned fit may take"
    )
    arguments = parser.parse_args()
    halves = [arguments.only] if arguments.only else ["ours", "peers"]
    name = named(NAME, arguments.quick)
    measure(name, halves, range(1 if arguments.quick else arguments.seeds), arguments.limit, arguments.again)
    table(name)


if __name__ == "__main__":
    main()
