"""Latent factors on MovieLens 1M, rank 20: held-out error, seconds, memory and passes, beside the libraries people use.

    python -m benchmarks.latent_factors [--quick] [--again] [--only ours|peers] [--methods NAME …] [--seeds 3]

Ratings are split at random, 90/10 and 80/20, once for each seed. Peers choose their strengths, rates and epochs on a
tenth of the training part (the grids are in baselines/factor_libraries.py) and are refitted on all of it; ours are not
tuned. Methods take turns, a process each, one thread each. The time of a fit is the last fit's, the tuning's is told
apart; both include turning arrays of user, item and rating into what the library reads.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import sys

import numpy as np
from _factor_methods import METHODS
from _harness import in_words, interleave, peers_python
from _results import Results, all_rows, markdown, named, with_error, write_table
from litlvm_speed import as_row

NAME = "latent_factors"
KEY = ("method", "split", "seed")
SPLITS = {"90/10": 0.1, "80/20": 0.2}
REFERENCE = "myFM, Gibbs, 100 sweeps"
_TIMES = ("fit_seconds", "fit_cpu_seconds", "n_tried", "passes")


def ratings_of(split: str, seed: int) -> dict[str, np.ndarray]:
    """Codes from zero; of the training part a tenth, fold 0, is for tuning.

    Raises
    ------
    FileNotFoundError
        When the data are absent.
    """
    from intertwine.datasets import fetch_movielens_1m

    ids, stars = fetch_movielens_1m(return_X_y=True, download_if_missing=False)
    codes = np.column_stack([np.unique(column, return_inverse=True)[1] for column in ids.T])
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(stars))
    n_test = round(SPLITS[split] * len(stars))
    train, test = order[n_test:], order[:n_test]
    return {
        "X": codes[train],
        "y": stars[train],
        "folds": (rng.random(len(train)) >= 0.1).astype(int),
        "X_test": codes[test],
        "y_test": stars[test],
    }


def measure(
    name: str,
    halves: list[str],
    methods: list[str],
    splits: list[str],
    seeds: range,
    limit_s: float,
    again: bool,
) -> None:
    """Measure what is wanted and not there yet, method by method within a seed."""
    for seed in seeds:
        for split in splits:
            wanted = [
                label
                for label in methods
                if (half := _half(label)) in halves
                and (again or not Results(name, half, KEY).has(method=label, split=split, seed=seed))
            ]
            arrays = ratings_of(split, seed) if wanted else {}
            for label in wanted:
                interpreter = peers_python() if METHODS[label].from_registry else sys.executable
                [summary] = interleave({label: interpreter}, arrays, repeats=1, limit_s=limit_s)
                row = {"split": split, "seed": seed, **as_row(summary), "added_mb": summary.added_mb}
                if summary.failure:
                    row["added_mb"] = None
                    print(f"{label}: {summary.failure}", file=sys.stderr)
                else:
                    print(f"{split} seed {seed} {label}: {row['rmse']:.4f}", flush=True)
                Results(name, _half(label), KEY).add(row)


def _half(label: str) -> str:
    return "peers" if METHODS[label].from_registry else "ours"


def table(name: str) -> None:
    """A line for each method: error by split; time, passes and memory of 90/10."""
    rows = [row for row in all_rows(name) if not row["failure"]]
    timed = {
        label: [row for row in rows if (row["method"], row["split"]) == (label, "90/10")] for label in METHODS
    }
    body = [_line(label, rows, timed) for label in METHODS if timed[label]]
    failed = {row["method"]: row["failure"] for row in all_rows(name) if row["failure"]}
    text = (
        "MovieLens 1M, rank 20: RMSE of the test part (mean ± standard error over seeds), predictions kept within one "
        "to five stars. Seconds, passes and memory: medians at 90/10, one thread. A pass is an epoch or a sweep as the "
        "library counts them; ours count everything that reads all ratings.\n\n"
    )
    header = ["method", "RMSE 90/10", "RMSE 80/20", "fit, clock", "fit, processor", f"processor / {REFERENCE}",
              "passes", "with tuning", "peak memory", "of it the fit's", "chosen (first seed)"]  # fmt: skip
    text += markdown(header, body)
    for label, reason in failed.items():
        text += f"\n{label}: {reason}.\n"
    write_table(name, text)


def _line(label: str, rows: list[dict], timed: dict[str, list[dict]]) -> list[str]:
    here = timed[label]

    def median(value: str, of: list[dict] = here) -> float:
        return float(np.median([row["chosen"].get(value, np.nan) for row in of]))

    errors = []
    for split in SPLITS:
        found = [row["rmse"] for row in rows if (row["method"], row["split"]) == (label, split)]
        errors.append(with_error(found, 4) if found else "–")
    ratio = (
        median("fit_cpu_seconds") / median("fit_cpu_seconds", timed[REFERENCE])
        if timed[REFERENCE]
        else np.nan
    )
    tuned = median("n_tried") > 1
    chosen = {key: value for key, value in here[0]["chosen"].items() if key not in _TIMES}
    return [
        label,
        *errors,
        in_words(median("fit_seconds")),
        in_words(median("fit_cpu_seconds")),
        "–" if np.isnan(ratio) else f"{ratio:.2g} ×",
        f"{median('passes'):.0f}",
        in_words(float(np.median([row["seconds"] for row in here]))) if tuned else "–",
        f"{np.median([row['peak_mb'] for row in here]):.0f} MB",
        f"{np.median([row['added_mb'] for row in here]):.0f} MB",
        ", ".join(f"{key} {value:g}" for key, value in chosen.items()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, 90/10 alone")
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    parser.add_argument(
        "--limit", type=float, default=600.0, help="processor seconds that a fit with its tuning may take"
    )
    arguments = parser.parse_args()
    halves = [arguments.only] if arguments.only else ["ours", "peers"]
    name = named(NAME, arguments.quick)
    splits = ["90/10"] if arguments.quick else list(SPLITS)
    seeds = range(1 if arguments.quick else arguments.seeds)
    measure(name, halves, arguments.methods, splits, seeds, arguments.limit, arguments.again)
    table(name)


if __name__ == "__main__":
    main()
