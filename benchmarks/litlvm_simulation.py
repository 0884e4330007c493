"""The paper's simulation: x ~ N(0, I), θ = ZZᵀ + N(0, .1), 2000 rows to fit and tune in, 1000 to judge on.

    python benchmarks/litlvm_simulation.py [--only ours|peers] [--seeds 5] [--quick] [--part regression …]

Parts: ``regression`` (RMSE by p), ``classification`` (AUC by p), ``tie`` (AUC against the strength of the latent tie,
all else tuned), ``transition`` (RMSE through p ≈ 63, where the parameters 1 + p + p(p−1)/2 come to outnumber the 2000
rows). The last two are drawn into ``results/``. Peers and library see the same draws and the same folds.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import _figures
import _ours
import numpy as np
from _results import Results, all_rows, markdown, with_error, write_table
from _splits import plain_folds, stratified_folds
from baselines import sklearn_peers
from baselines._peer import Peer
from baselines.glmnet_r import Glmnet
from sklearn.metrics import roc_auc_score

from intertwine.datasets import simulate_low_rank

NAME = "litlvm_simulation"
KEY = ("part", "p", "method", "seed")
N_TRAIN, N_TEST, SIGMA2 = 2000, 1000, 0.1
#: The authors' LIT-LVM, an exact solver measured for the reference, and a correct FM, by p.
PUBLISHED = {
    "regression": {
        "LIT-LVM as published": {40: 0.041, 50: 0.067, 60: 1.51, 70: 11.5, 100: 65.2, 200: 217.6},
        "wanted here, at most": {40: 0.043, 50: 0.054, 60: 0.119, 70: 7.0, 100: 17.8, 200: 52.0},
    },
    "classification": {
        "LIT-LVM as published": {100: 0.965, 200: 0.805, 500: 0.534},
        "elastic net as published": {100: 0.700, 200: 0.607, 500: 0.527},
    },
}
TIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Draw:
    """One simulated data set, cut."""

    X: np.ndarray
    y: np.ndarray
    folds: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def error(self, model: Peer) -> float:
        return float(np.sqrt(np.mean((model.score(self.X_test) - self.y_test) ** 2)))

    def auc(self, model: Peer) -> float:
        return float(roc_auc_score(self.y_test, model.score(self.X_test)))


def draw(task: str, n_features: int, seed: int) -> Draw:
    """2000 + 1000 rows of the paper's design, five inner folds."""
    truth = simulate_low_rank(N_TRAIN + N_TEST, n_features, sigma2=SIGMA2, task=task, random_state=seed)
    X, y = truth.data, truth.target
    if task == "classification":
        folds = stratified_folds(y[:N_TRAIN], 5, np.random.default_rng(seed))
    else:
        folds = plain_folds(N_TRAIN, 5, seed)
    return Draw(X[:N_TRAIN], y[:N_TRAIN], folds, X[N_TRAIN:], y[N_TRAIN:])


def makers(part: str, half: str, n_features: int) -> dict[str, Callable[[], Peer]]:
    """The methods of one half of one part."""
    task = "classification" if part in ("classification", "tie") else "regression"
    if half == "ours":
        if part == "tie":
            return {
                f"tie = {tie:g}": lambda tie=tie: _ours.FixedTie("classification", tie)
                for tie in (0.0, *TIES, np.inf)
            }
        if part == "transition":
            return {
                "intertwine": _ours.TiedRegressor,
                "all pairs, no tie": lambda: _ours.FixedTie("regression", 0.0),
            }
        return {"intertwine": _ours.TiedRegressor if task == "regression" else _ours.TiedClassifier}
    if task == "regression":
        peers = sklearn_peers.regressors()
        chosen = {
            name: peers[name]
            for name in ("factorization machine, rank 2", "factorization machine, rank tuned")
        }
        chosen["kernel ridge, degree 2"] = peers["kernel ridge, degree 2"]
        if (
            part == "regression" and n_features <= 100
        ):  # beyond, hours for a method that is far behind by then
            chosen["elastic net, all pairs (glmnet)"] = lambda: Glmnet(
                "gaussian", pairs=True, mixing=(0.5, 1.0)
            )
        return chosen
    if part == "tie":
        return {}
    peers = sklearn_peers.classifiers(n_features)
    chosen = {name: peers[name] for name in ("factorization machine", "degree-2 SVM", "RBF-SVM")}
    if n_features <= 100:
        chosen["elastic net, all pairs (glmnet)"] = lambda: Glmnet("binomial", pairs=True, mixing=(0.1, 1.0))
    return chosen


SIZES = {
    "regression": (40, 50, 60, 70, 100, 200),
    "classification": (100, 200, 500),
    "tie": (100,),
    "transition": (40, 45, 50, 55, 58, 60, 62, 64, 66, 68, 70, 75, 80),
}


def run(part: str, half: str, sizes: tuple[int, ...], seeds: int, methods: list[str] | None) -> None:
    """Measure one half of one part; what is in the results already is kept."""
    results = Results(NAME, half, KEY)
    task = "classification" if part in ("classification", "tie") else "regression"
    for n_features in sizes:
        for seed in range(seeds):
            data = None
            for method, make in makers(part, half, n_features).items():
                key = {"part": part, "p": n_features, "method": method, "seed": seed}
                if (methods and method not in methods) or results.has(**key):
                    continue
                data = data or draw(task, n_features, seed)
                began = time.perf_counter()
                model = make().fit(data.X, data.y, data.folds)
                seconds = time.perf_counter() - began
                value = data.auc(model) if task == "classification" else data.error(model)
                spread = {} if task == "classification" else {"sd_y": float(data.y.std())}
                results.add({**key, "value": value, **spread, "seconds": seconds, "chosen": model.chosen()})
                print(
                    f"{part} p={n_features} seed={seed} {method}: {value:.4g} in {seconds:.1f} s", flush=True
                )


def table() -> None:
    """Mean ± standard error by p for the first two parts, and the pictures of the others."""
    rows = all_rows(NAME)
    text = ""
    for part, measure, digits in (("regression", "RMSE", 3), ("classification", "AUC", 3)):
        sizes = SIZES[part]
        body = [[name, *(figures.get(p, "–") for p in sizes)] for name, figures in PUBLISHED[part].items()]
        here = [row for row in rows if row["part"] == part]
        for method in dict.fromkeys(row["method"] for row in here):
            line: list[object] = [method]
            for p in sizes:
                values = [row["value"] for row in here if (row["method"], row["p"]) == (method, p)]
                line.append(
                    with_error(values, digits) + (f" ({len(values)})" if len(values) < 5 else "")
                    if values
                    else "–"
                )
            body.append(line)
        text += f"\n### {part}: {measure}, mean ± s.e. over draws (fewer than five in brackets)\n\n"
        text += markdown(["method", *(f"p = {p}" for p in sizes)], body)
    write_table(NAME, text)
    _figures.tie_curve([row for row in rows if row["part"] == "tie"], NAME)
    _figures.transition([row for row in rows if row["part"] == "transition"], N_TRAIN, NAME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one draw of the smallest size of each part")
    parser.add_argument("--part", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--methods", nargs="+", help="only these methods")
    parser.add_argument("--sizes", type=int, nargs="+", help="only these numbers of features")
    arguments = parser.parse_args()
    for part in arguments.part:
        sizes = SIZES[part][:1] if arguments.quick else SIZES[part]
        if arguments.sizes:
            sizes = tuple(p for p in sizes if p in arguments.sizes)
        for half in ("peers", "ours"):
            if arguments.only in (None, half):
                run(part, half, sizes, 1 if arguments.quick else arguments.seeds, arguments.methods)
    table()


if __name__ == "__main__":
    main()
