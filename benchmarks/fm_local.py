"""Local factorization machines on the paper's Banana and IJCNN1 splits, tuned by cross-validation of the training part.

    python benchmarks/fm_local.py [--data banana ijcnn1] [--methods DO …] [--seeds 5] [--quick]

Every candidate's cross-validated loss is kept beside the results, so that a reader can see what was tried; test rows
are seen once, by the chosen candidate. Times are those of the processor, one thread.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from _results import Results, all_rows, markdown, named, with_error, write_table
from sklearn.metrics import log_loss
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold

from intertwine import LocalFMClassifier, datasets
from intertwine.resources import thread_limit

NAME = "fm_local"
KEY = ("data", "method", "stage", "settings", "seed")
# logloss, accuracy %: the paper (Table 2), a reproduction of it with its own settings, and what a user would pick
PUBLISHED = {
    "banana": {"FM": (0.6763, 53.77), "DO": (0.2364, 89.87), "APL": (0.2283, 89.96), "JO": (0.2170, 90.44)},
    "ijcnn1": {"FM": (0.0927, 96.97), "DO": (0.0708, 97.72), "APL": (0.0525, 98.26), "JO": (0.0404, 98.73)},
}


@dataclass(frozen=True)
class Split:
    """Training and test rows."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray


def load(data: str) -> Split:
    """The split of the paper: the authors' of Banana, the challenge's of IJCNN1."""
    if data == "banana":
        table = datasets.fetch_banana(split="llfm", download_if_missing=False)
    else:
        table = datasets.fetch_ijcnn1(download_if_missing=False)
    parts = table.train, table.test
    return Split(*(array[rows] for rows in parts for array in (table.data, table.target)))


NAMES = tuple(PUBLISHED)
_TURNS = 7  # of predicting, a local machine and a plain one
# IJCNN1 is one recording, and its test rows are later than its training rows: folds are stretches of it, since rows
# drawn at random have their neighbours in time among those that are learnt from, and flatter what learns by heart
FOLDS = {"banana": StratifiedKFold(5, shuffle=True, random_state=0), "ijcnn1": KFold(3)}


def grid(**choices) -> list[dict]:
    """Every combination."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def candidates(data: str) -> dict[str, list[dict]]:
    """What is tried for each method."""
    if data == "banana":
        common = {"n_components": [2], "alpha": [1e-5, 1e-4]}
        gaussian = {"n_anchors": [20, 50], "gamma": [2.0, 4.0], "n_neighbors": [5, 10]}
        adaptive = {"n_anchors": [20, 50], "gamma": [0.5, 1.0, 2.0], "alpha_anchors": [0.0, 0.01]}
    else:
        common = {
            "n_components": [10],
            "alpha": [1e-6, 1e-5, 2e-5],
            "scaling": [None],
            "learning_rate": [0.03],
        }
        common |= {"solver": ["adam"], "n_epochs": [15]}
        gaussian = {"n_anchors": [200], "gamma": [4.0, 8.0], "n_neighbors": [5]}
        adaptive = {"n_anchors": [200], "gamma": [0.6, 1.2]}
    fixed, learned, k_star = {"anchors": ["fixed"]}, {"anchors": ["learned"]}, {"coding": ["adaptive"]}
    return {
        "FM": grid(**common, n_anchors=[1]),
        "DO": grid(**common, **gaussian, **fixed),
        "APL": grid(**common, **gaussian, **learned),
        "JO": grid(**common, **adaptive, **learned, **k_star),
    }


# with the settings chosen for one machine
ENSEMBLES = {
    "banana": {"APL × 5": ("APL", 5), "JO × 5": ("JO", 5)},
    "ijcnn1": {"APL × 3": ("APL", 3), "JO × 3": ("JO", 3)},
}


def loss_of(model, X, y) -> float:
    """Mean logistic loss."""
    return float(log_loss(y, model.predict_proba(X), labels=model.classes_))


def cross_validated(split: Split, settings: dict, folds: BaseCrossValidator) -> list[float]:
    """Loss on each held-out fold of the training rows."""
    return [
        loss_of(
            LocalFMClassifier(**settings, tol=1e-5, random_state=0).fit(split.X[train], split.y[train]),
            split.X[test], split.y[test],
        )
        for train, test in folds.split(split.X, split.y)
    ]  # fmt: skip


def measure(split: Split, settings: dict, seed: int, plain: LocalFMClassifier) -> dict:
    """Fit on all training rows, judge on the test rows; predictions in turns with those of one plain machine."""
    began = time.process_time()
    model = LocalFMClassifier(**settings, tol=1e-5, random_state=seed).fit(split.X, split.y)
    fitted = time.process_time()
    probability = model.predict_proba(split.X_test)
    seconds = np.array([[timed(one, split.X_test) for one in (model, plain)] for _ in range(_TURNS)])
    return {
        "logloss": float(log_loss(split.y_test, probability, labels=model.classes_)),
        "accuracy": 100 * float(np.mean(model.classes_[probability.argmax(axis=1)] == split.y_test)),
        "train_logloss": loss_of(model, split.X, split.y),
        "fit_seconds": fitted - began,
        "predict_seconds": float(np.median(seconds[:, 0])),
        "predict_ratio": float(np.median(seconds[:, 0] / seconds[:, 1])),
        "neighbors": float(np.mean(np.diff(model.codes(split.X_test).indptr))),
    }


def timed(model: LocalFMClassifier, X) -> float:
    """Seconds of the processor that a prediction takes."""
    began = time.process_time()
    model.predict_proba(X)
    return time.process_time() - began


def tune(results: Results, data: str, method: str, split: Split, quick: bool) -> dict:
    """The candidate with the smallest cross-validated loss; those measured before are not measured again."""
    tried = {}
    for settings in candidates(data)[method][: 2 if quick else None]:
        key = {"data": data, "method": method, "stage": "cv", "settings": json.dumps(settings), "seed": 0}
        if not results.has(**key):
            losses = cross_validated(split, settings, FOLDS[data])
            results.add({**key, "losses": losses})
            print(f"{data} {method} {settings}: {np.mean(losses):.4f}", flush=True)
        row = next(row for row in results.rows if all(row[name] == value for name, value in key.items()))
        tried[key["settings"]] = float(np.mean(row["losses"]))
    return json.loads(min(tried, key=tried.__getitem__))


def run(names: list[str], methods: list[str] | None, seeds: int, quick: bool) -> None:
    """Tune and measure; rows that are in the file already are kept."""
    results = Results(named(NAME, quick), "ours", KEY)
    for data in names:
        try:
            split = load(data)
        except FileNotFoundError as absent:
            print(f"{data}: absent. {absent}")
            continue
        # compile before anything is timed
        LocalFMClassifier(n_anchors=3, coding="adaptive", solver="adam", n_epochs=1).fit(
            split.X[:300], split.y[:300]
        )
        plain = LocalFMClassifier(**{**candidates(data)["FM"][0], "n_epochs": 1}, random_state=0)
        plain.fit(split.X, split.y)
        for method in [*candidates(data), *ENSEMBLES[data]]:
            if methods and method not in methods:
                continue
            base, members = ENSEMBLES[data].get(method, (method, 1))
            settings = {**tune(results, data, base, split, quick), "n_estimators": members}
            for seed in range(seeds):
                key = {
                    "data": data,
                    "method": method,
                    "stage": "test",
                    "settings": json.dumps(settings),
                    "seed": seed,
                }
                if not results.has(**key):
                    row = measure(split, settings, seed, plain)
                    results.add({**key, **row})
                    print(
                        f"{data} {method} seed {seed}: {row['logloss']:.4f} {row['accuracy']:.2f}%",
                        flush=True,
                    )


def table(quick: bool) -> None:
    """Loss, accuracy and times, mean ± standard error over seeds, beside what was published."""
    rows = [row for row in all_rows(named(NAME, quick)) if row["stage"] == "test"]
    header = ["data", "method", "logloss, paper", "logloss", "accuracy %, paper", "accuracy %"]
    header += ["train logloss", "neighbors", "fit, s", "predict, × FM"]
    body = []
    for data in NAMES:
        for method in dict.fromkeys(row["method"] for row in rows if row["data"] == data):
            own = [row for row in rows if (row["data"], row["method"]) == (data, method)]
            values = {name: [row[name] for row in own] for name in own[0] if isinstance(own[0][name], float)}
            published = PUBLISHED[data].get(method)
            body.append(
                [
                    data, method,
                    f"{published[0]:.4f}" if published else "–", with_error(values["logloss"], 4),
                    f"{published[1]:.2f}" if published else "–", with_error(values["accuracy"], 2),
                    f"{np.mean(values['train_logloss']):.4f}", f"{np.mean(values['neighbors']):.1f}",
                    f"{np.median(values['fit_seconds']):.1f}",
                    f"{np.median(values['predict_ratio']):.1f}" if "predict_ratio" in values else "–",
                ]
            )  # fmt: skip
    write_table(named(NAME, quick), markdown(header, body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two candidates, one seed, Banana only")
    arguments = parser.parse_args()
    with thread_limit(1):
        if arguments.quick:
            run(["banana"], arguments.methods, 1, True)
        else:
            run(arguments.data, arguments.methods, arguments.seeds, False)
    table(arguments.quick)


if __name__ == "__main__":
    main()
