"""The paper's Adam + threshold against the library on one objective: seconds until both are as low.

    python -m benchmarks.litlvm_optimiser [--quick] [--again] [--seeds 3] [--sizes 20 50 100 200]

The same columns, strengths and objective for both, on standardised features, one start each; the value of the
library's solution is recomputed by the baseline's own code. Adam is run at four learning rates of the paper's range and
keeps the fastest; it may take 5000 epochs, 60 times as long as the library, or ``--longest`` seconds. Its clock counts
the steps alone, the library's the whole fit, by its default solver: the exact path without L1, the sparse path with.
All times are the processor's, runs are interleaved.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import time
from dataclasses import dataclass

import numpy as np
from _harness import in_words
from _results import Results, all_rows, markdown, named, write_table
from baselines import adam_litlvm
from baselines._losses import BaselineLoss, CoxLoss, LogisticLoss, SquaredLoss
from threadpoolctl import threadpool_limits

NAME = "litlvm_optimiser"
KEY = ("outcome", "l1_ratio", "latent", "p", "solver", "seed")
LEARNING_RATES = (0.005, 0.01, 0.05, 0.1)
PATIENCE = 60.0  # times our seconds after which Adam is called slower
GAPS = (0.01, 0.0001, 0.000001)


@dataclass(frozen=True)
class Case:
    """One problem of the race."""

    outcome: str
    n_features: int
    l1_ratio: float
    latent: str
    solver: str
    n_rows: int = 2000
    alpha: float = 0.01
    alpha_pairs: float = 0.01
    tie: float = 0.1

    def draw(self, seed: int) -> tuple[np.ndarray, object, BaselineLoss]:
        """Standardised X, the outcome as the library takes it, the baseline's loss."""
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((self.n_rows, self.n_features))
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        latent = rng.standard_normal((self.n_features, 2))
        rows, columns = np.triu_indices(self.n_features, k=1)
        pairs = (latent @ latent.T)[rows, columns] + np.sqrt(0.1) * rng.standard_normal(len(rows))
        signal = X @ rng.standard_normal(self.n_features) + adam_litlvm.pair_columns(X) @ pairs
        signal /= signal.std()
        if self.outcome == "regression":
            y = signal + 0.1 * rng.standard_normal(self.n_rows)
            return X, y, SquaredLoss(y)
        if self.outcome == "classification":
            labels = (rng.random(self.n_rows) < 1 / (1 + np.exp(-3 * signal))).astype(int)
            return X, labels, LogisticLoss(2.0 * labels - 1)
        from intertwine import survival_target

        waiting = rng.exponential(np.exp(-signal))
        event = rng.random(self.n_rows) < 0.7
        return X, survival_target(waiting, event), CoxLoss(waiting, event)

    def problem(self, X: np.ndarray, loss: BaselineLoss) -> adam_litlvm.Problem:
        target = {"low_rank": adam_litlvm.LowRankTarget, "distance": adam_litlvm.DistanceTarget}[self.latent]
        return adam_litlvm.Problem(
            X=X,
            pair_columns=adam_litlvm.pair_columns(X),
            loss=loss,
            target=target(self.n_features),
            alpha=self.alpha,
            alpha_pairs=self.alpha_pairs,
            l1_ratio=self.l1_ratio,
            tie=self.tie,
        )

    def estimator(self) -> object:
        import intertwine

        names = {
            "regression": "InteractionRegressor",
            "classification": "InteractionClassifier",
            "survival": "InteractionCoxPH",
        }
        return getattr(intertwine, names[self.outcome])(
            alpha=self.alpha,
            alpha_pairs=self.alpha_pairs,
            l1_ratio=self.l1_ratio,
            latent=self.latent,
            n_components=2,
            tie=self.tie,
            scaling=None,
            solver=self.solver,
            n_init=1,
            max_iter=1000,
            random_state=0,
        )


def objective_of(model: object, problem: adam_litlvm.Problem) -> float:
    """The library's solution, valued by the baseline's own code."""
    target = problem.target
    pairs = np.asarray(model.interaction_matrix())[target.rows, target.columns]
    latent = np.asarray(model.latent_)
    none = np.zeros(1)
    # The best offset of a distance target given Z is a mean; a low-rank target ignores it.
    offset = np.array([np.mean(pairs - target.value(latent, none))])
    intercept = np.atleast_1d(np.asarray(getattr(model, "intercept_", 0.0), dtype=float))
    found = adam_litlvm.Parameters(intercept, np.asarray(model.coef_).ravel(), pairs, latent, offset)
    return problem.smooth_value_and_gradient(found)[0] + problem.l1_value(found)


def race(case: Case, seed: int, max_epochs: int, longest: float) -> dict:
    """Time both on one draw: our fit again before every run of Adam."""
    X, y, loss = case.draw(seed)
    problem = case.problem(X, loss)
    reached = objective_of(case.estimator().fit(X, y), problem)  # compiles
    seconds, paths = [], {}
    for rate in LEARNING_RATES:
        began = time.process_time()
        case.estimator().fit(X, y)
        seconds.append(time.process_time() - began)
        _, paths[rate] = adam_litlvm.minimize_adam(
            problem,
            adam_litlvm.initial_parameters(case.n_features, 2, seed),
            learning_rate=rate,
            max_epochs=max_epochs,
            seconds_limit=min(PATIENCE * max(np.median(seconds), 0.02), longest),
            stop_below=reached + GAPS[-1] * abs(reached),
        )
    lowest = {rate: min(path.objective) for rate, path in paths.items()}
    best = min(lowest, key=lowest.__getitem__)
    ours = float(np.median(seconds))
    row = {
        "objective": reached,
        "seconds": ours,
        "fastest": min(seconds),
        "slowest": max(seconds),
        "adam_lowest": lowest[best],
        "adam_rate": best,
        "adam_seconds": {str(rate): path.seconds[-1] for rate, path in paths.items()},
        "adam_epochs": {str(rate): len(path.seconds) for rate, path in paths.items()},
    }
    for gap in GAPS:
        arrival = min(path.seconds_to(reached + gap * abs(reached)) for path in paths.values())
        spent = max(path.seconds[-1] for path in paths.values())
        row[f"ratio_{gap}"] = (arrival if np.isfinite(arrival) else spent) / ours
        row[f"reached_{gap}"] = bool(np.isfinite(arrival))
    return row


def cases(sizes: list[int]) -> list[Case]:
    """Outcomes × without and with L1 × sizes, and a distance target."""
    made = [
        Case(outcome, p, l1_ratio, "low_rank", solver)
        for p in sizes
        for outcome in ("regression", "classification", "survival")
        for l1_ratio, solver in ((0.0, "exact"), (0.5, "sparse"))
    ]
    return made + [
        Case(outcome, sizes[0], 0.0, "distance", "exact") for outcome in ("regression", "survival")
    ]


def table(name: str) -> None:
    """Seconds and the ratio to each gap; ≥ where Adam never came there."""
    rows = all_rows(name)
    body = []
    for identity in dict.fromkeys(tuple(row[key] for key in KEY[:-1]) for row in rows):
        here = [row for row in rows if tuple(row[key] for key in KEY[:-1]) == identity]
        middle = {
            key: float(np.median([row[key] for row in here]))
            for key in ("seconds", "objective", "adam_lowest")
        }
        ratios = []
        for gap in GAPS:
            value = float(np.median([row[f"ratio_{gap}"] for row in here]))
            reached = sum(row[f"reached_{gap}"] for row in here)
            ratios.append(
                f"{'' if reached == len(here) else '≥ '}{value:.2g} × ({reached}/{len(here)} came there)"
            )
        outcome, l1_ratio, latent, n_features, solver = identity
        excess = 100 * (middle["adam_lowest"] / middle["objective"] - 1)
        lowest = f"{middle['adam_lowest']:.5f} ({excess:+.2g} %)"
        reached = [in_words(middle["seconds"]), f"{middle['objective']:.5f}", lowest]
        body.append([outcome, latent, l1_ratio, n_features, solver, *reached, *ratios])
    header = ["outcome", "target", "l1_ratio", "p", "solver", "ours, whole fit", "our J", "Adam's lowest J"]
    header += [f"to within {gap:.2g} of our J" for gap in GAPS]
    write_table(name, markdown(header, body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="p = 20, one draw, 500 epochs")
    parser.add_argument("--again", action="store_true", help="measure also what the results hold already")
    parser.add_argument("--longest", type=float, default=300.0, help="seconds that one run of Adam may take")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--outcomes", nargs="+", default=["regression", "classification", "survival"])
    parser.add_argument("--solvers", nargs="+", default=["exact", "sparse"])
    arguments = parser.parse_args()
    name = named(NAME, arguments.quick)
    results = Results(name, "ours", KEY)
    seeds, epochs, sizes = (1, 500, [20]) if arguments.quick else (arguments.seeds, 5000, arguments.sizes)
    with threadpool_limits(1):
        wanted = [
            case
            for case in cases(sizes)
            if case.outcome in arguments.outcomes and case.solver in arguments.solvers
        ]
        for case in wanted:
            for seed in range(seeds):
                identity = (case.outcome, case.l1_ratio, case.latent, case.n_features, case.solver, seed)
                key = dict(zip(KEY, identity, strict=True))
                if not results.has(**key) or arguments.again:
                    results.add({**key, **race(case, seed, epochs, arguments.longest)})
                    print(key, flush=True)
    table(name)


if __name__ == "__main__":
    main()
