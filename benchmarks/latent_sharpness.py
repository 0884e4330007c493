"""What could make sharpness help: relative moves, a radius that changes with the steps, the worst of each entry.

    python -m benchmarks.latent_sharpness [--tables ML-100K ML-1M] [--arms NAME …] [--seeds 3] [--again]

Second-order latent factors, rank 20, nine of ten ratings to fit, drawn at random with each seed. Three in a hundred
of these are held out to stop by, and to choose the radius of each arm, seed by seed, no sharpness included: the test
part chooses nothing. On ML-1M it is the radius that did best on ML-100K, or none. Changes are paired with the fit
without sharpness of the same seed.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import time
from functools import partial

import numpy as np
from _results import Results, all_rows, markdown, with_error, write_table
from _sharpness_arms import Adaptive, Annealed, WorstEntries

from intertwine.fitting.latent_factors.gauss_newton import descend, solver_for
from intertwine.fitting.latent_factors.model import FactorSettings, scores_of_pairs
from intertwine.fitting.latent_factors.rating_rows import LocalRatings
from intertwine.fitting.watch import UNWATCHED
from intertwine.solvers.sharpness import Injected, Perturbed
from intertwine.structures.ratings import RatingTable

NAME = "latent_sharpness"
KEY = ("table", "arm", "rho", "seed")
SETTINGS = FactorSettings(n_components=20, cg_iter=1, validation_fraction=0.03)
PLAIN = "none"
_FADES, _RISES = 0.8, 12  # share that is left after a step; steps until all of it is there


def _fading(rho: float, step: int) -> float:
    return rho * _FADES**step


def _rising(rho: float, step: int) -> float:
    return rho * min(1.0, (step + 1) / _RISES)


#: Sharpness of a radius; radii to choose from on ML-100K; the one that was best there, which ML-1M is given.
ARMS = {
    "a round ball (mode A)": (Perturbed, (0.2, 0.5, 1.0), 0.5),
    "relative moves (adaptive)": (Adaptive, (0.1, 0.3, 1.0), 0.3),
    "injected (mode D), fading": (lambda rho: Annealed(Injected, partial(_fading, rho)), (0.5, 2.0), 2.0),
    "injected (mode D), rising": (
        lambda rho: Annealed(Injected, partial(_rising, rho)),
        (0.2, 0.5, 1.0),
        0.5,
    ),
    "the worst of each entry": (None, (0.01, 0.03, 0.1), 0.01),
}


def radii_of(table: str, arm: str) -> tuple[float, ...]:
    """What is tried."""
    if arm == PLAIN:
        return (0.0,)
    _, several, best = ARMS[arm]
    return several if table == "ML-100K" else (best,)


def ratings_of(table: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes and stars."""
    from intertwine.datasets import fetch_movielens_1m, fetch_movielens_100k

    if table == "ML-1M":
        ids, stars = fetch_movielens_1m(return_X_y=True, download_if_missing=False)
    else:
        ids, stars = fetch_movielens_100k(return_X_y=True, download_if_missing=False)
    codes = [np.unique(column, return_inverse=True)[1] for column in np.asarray(ids).T[:2]]
    return np.column_stack(codes), np.asarray(stars, dtype=float)


def fit(X: np.ndarray, y: np.ndarray, seed: int, arm: str, rho: float) -> dict:
    """Test error, error of the ratings held out and passes of one fit."""
    order = np.random.default_rng(seed).permutation(len(y))
    test, train = np.split(order, [len(y) // 10])
    center, spread = y[train].mean(), y[train].std()
    sizes = X.max(axis=0) + 1
    table, places = RatingTable.build(X[train, 0], X[train, 1], int(sizes[0]), int(sizes[1]))
    rows = LocalRatings(table, ((y[train] - center) / spread)[places], None)
    solver = solver_for(SETTINGS)
    if arm != PLAIN:
        make = ARMS[arm][0]
        if make is None:
            rows = WorstEntries(rows, rho)
        else:
            solver.sharpness = make(rho)
    began = time.process_time()
    model = descend(rows, SETTINGS, np.random.default_rng(seed), UNWATCHED, solver)
    seconds = time.process_time() - began
    scores = model.intercepts[0] + scores_of_pairs(model.users[0], model.items[0], *X[test].T, SETTINGS)
    error = np.clip(center + spread * scores, 1.0, 5.0) - y[test]
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "held_out": float(spread * np.nanmin(model.history[:, 2])),
        "steps": len(model.history),
        "passes": float(model.history[-1, 3]),
        "cpu_seconds": seconds,
    }


def measure(tables: list[str], arms: list[str], seeds: int, again: bool) -> None:
    """What is wanted and not there yet."""
    results = Results(NAME, "ours", KEY)
    for table in tables:
        X, y = ratings_of(table)
        for seed in range(seeds):
            for arm in (PLAIN, *arms):
                for rho in radii_of(table, arm):
                    key = {"table": table, "arm": arm, "rho": rho, "seed": seed}
                    if again or not results.has(**key):
                        found = fit(X, y, seed, arm, rho)
                        results.add({**key, **found})
                        print(key, {name: round(value, 4) for name, value in found.items()}, flush=True)


def table() -> None:
    """For each table of ratings and each arm, what the radius chosen by the ratings held out changes."""
    rows = all_rows(NAME)
    body = []
    for ratings in dict.fromkeys(row["table"] for row in rows):
        here = [row for row in rows if row["table"] == ratings]
        plain = {row["seed"]: row for row in here if row["arm"] == PLAIN}
        body.append([ratings, PLAIN, with_error([row["rmse"] for row in plain.values()], 4), "–", "–", "–",
                     f"{np.mean([row['passes'] for row in plain.values()]):.0f}"])  # fmt: skip
        for arm in dict.fromkeys(row["arm"] for row in here if row["arm"] != PLAIN):
            body.append([ratings, arm, *_line([row for row in here if row["arm"] == arm], plain)])
    text = (
        "Second-order latent factors, rank 20, 90/10: test RMSE, mean ± standard error over three seeds, and what "
        "sharpness changes, paired by seed (below zero: it helps). Chosen: the radius of the smallest error of the "
        "ratings held out, none included (ML-1M: one radius or none); next to it the best fixed radius in hindsight, "
        "which the test part of ML-100K chose.\n\n"
    )
    header = ["ratings", "sharpness", "RMSE, radius chosen", "change", "radii chosen",
              "change at the best radius in hindsight", "passes"]  # fmt: skip
    write_table(NAME, text + markdown(header, body))


def _line(rows: list[dict], plain: dict[int, dict]) -> list[str]:
    chosen = []
    for seed, without in plain.items():
        own = [without, *(row for row in rows if row["seed"] == seed)]
        chosen.append(min(own, key=lambda row: row["held_out"]))
    changes = [row["rmse"] - plain[row["seed"]]["rmse"] for row in chosen]
    by_radius = {
        rho: [row["rmse"] - plain[row["seed"]]["rmse"] for row in rows if row["rho"] == rho]
        for rho in dict.fromkeys(row["rho"] for row in rows)
    }
    best = min(by_radius, key=lambda rho: np.mean(by_radius[rho]))
    return [
        with_error([row["rmse"] for row in chosen], 4),
        with_error(changes, 4),
        ", ".join(f"{row['rho']:g}" for row in chosen),
        f"{with_error(by_radius[best], 4)} (ρ = {best:g})",
        f"{np.mean([row['passes'] for row in rows if row['rho'] == best]):.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=["ML-100K", "ML-1M"], default=["ML-100K", "ML-1M"])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    arguments = parser.parse_args()
    measure(arguments.tables, arguments.arms, arguments.seeds, arguments.again)
    table()


if __name__ == "__main__":
    main()
