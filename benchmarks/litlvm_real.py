"""Real tables of the LIT-LVM paper: its 50/1/49 splits, everything tuned inside the training half; AUC.

    python benchmarks/litlvm_real.py [--only ours|peers] [--seeds 5] [--quick] [--data clean1 …]

Peers and library share the outer splits and the inner folds. clean2 is also split by molecule, since rows of one
molecule recur and a split of rows leaks. The ablation gives every line of it the same number of candidates.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import time
from collections.abc import Callable

import _data
import _ours
import numpy as np
from _results import Results, all_rows, markdown, with_error, write_table
from _splits import Split, grouped_split, paper_split
from baselines import sklearn_peers
from baselines.glmnet_r import Glmnet
from sklearn.metrics import roc_auc_score

NAME = "litlvm_real"
KEY = ("data", "split", "method", "seed")
PUBLISHED = {
    "clean1": 0.947,
    "clean2": 0.985,
    "tecator": 0.974,
    "hill_valley": 0.734,
    "fri_c4_1000_100": 0.689,
}
WANTED = {"clean1": 0.958, "clean2": 0.997, "tecator": 0.980, "hill_valley": 0.960, "fri_c4_1000_100": 0.970}


def peers(n_features: int) -> dict[str, Callable]:
    """Makers of every opponent."""
    return {
        **sklearn_peers.classifiers(n_features),
        "glmnet, main effects": lambda: Glmnet("binomial", pairs=False),
        "glmnet, all pairs": lambda: Glmnet("binomial", pairs=True, mixing=(0.1, 1.0)),
    }


def splits(table: _data.Table, seeds: int) -> list[tuple[str, int, Split]]:
    """Every outer split of a table: of rows, and of groups where it has them."""
    made = [("rows", seed, paper_split(table.y, seed)) for seed in range(seeds)]
    if table.groups is not None:
        made += [("groups", seed, grouped_split(table.y, table.groups, seed)) for seed in range(seeds)]
    return made


def measure(make: Callable, table: _data.Table, split: Split) -> dict:
    """Tune and fit on the training rows, AUC on the test rows."""
    began = time.perf_counter()
    model = make().fit(table.X[split.train], table.y[split.train], split.folds)
    seconds = time.perf_counter() - began
    auc = roc_auc_score(table.y[split.test], model.score(table.X[split.test]))
    return {"auc": float(auc), "seconds": round(seconds, 2), "chosen": model.chosen()}


def run(half: str, names: list[str], seeds: int, methods: list[str] | None, quick: bool) -> None:
    """Measure one half; rows that are in the file already are kept."""
    results = Results(NAME, half, KEY)
    for name in names:
        try:
            table = _data.load(name)
        except FileNotFoundError as absent:
            print(f"{name}: absent. {absent}")
            continue
        n_features = table.X.shape[1]
        makers = peers(n_features) if half == "peers" else _ours.classifiers(quick=quick)
        for kind, seed, split in splits(table, seeds):
            for method, make in makers.items():
                key = {"data": name, "split": kind, "method": method, "seed": seed}
                if (methods and method not in methods) or results.has(**key):
                    continue
                row = measure(make, table, split)
                results.add({**key, **row})
                print(
                    f"{name} {kind} {seed} {method}: AUC {row['auc']:.4f} in {row['seconds']:.1f} s",
                    flush=True,
                )


def table() -> None:
    """Mean AUC ± standard error over the seeds, methods by data, with the published figure."""
    rows = all_rows(NAME)
    columns = list([(n, "rows") for n in _data.NAMES] + [("clean2", "groups")])
    methods = list(dict.fromkeys(row["method"] for row in rows))
    body = [["LIT-LVM as published"] + [PUBLISHED[n] if kind == "rows" else "–" for n, kind in columns]]
    body += [["wanted here"] + [WANTED[n] if kind == "rows" else "–" for n, kind in columns]]
    for method in methods:
        line: list[object] = [method]
        for name, kind in columns:
            values = [r["auc"] for r in rows if (r["method"], r["data"], r["split"]) == (method, name, kind)]
            line.append(
                f"{with_error(values)}{'' if len(values) >= 5 else f' ({len(values)})'}" if values else "–"
            )
        body.append(line)
    header = ["AUC, mean ± s.e. over splits"] + [
        n if kind == "rows" else f"{n}, by molecule" for n, kind in columns
    ]
    write_table(NAME, markdown(header, body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one seed, small searches, the three small tables"
    )
    parser.add_argument("--data", nargs="+", choices=_data.NAMES)
    parser.add_argument("--methods", nargs="+")
    arguments = parser.parse_args()
    small = [name for name in _data.NAMES if name != "clean2"]
    names = arguments.data or (small if arguments.quick else list(_data.NAMES))
    for half in ("peers", "ours"):
        if arguments.only in (None, half):
            run(half, names, 1 if arguments.quick else arguments.seeds, arguments.methods, arguments.quick)
    table()


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
