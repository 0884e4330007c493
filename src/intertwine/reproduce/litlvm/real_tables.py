"""Real tables of the paper that are public: its 50/1/49 splits, everything tuned inside the first half; AUC."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np

from intertwine import InteractionClassifierCV, datasets
from intertwine.reproduce.claims import Claim, exceeds, reaches, unmeasured
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.litlvm.models import FACTS, factorization_machine, held_out_auc, pair_model
from intertwine.reproduce.litlvm.published import ELSEWHERE, REAL
from intertwine.reproduce.measurements import Measurements, with_error

__all__ = ["RealTables", "paper_split"]

_LOADERS = {
    "clean1": datasets.fetch_clean1,
    "clean2": datasets.fetch_clean2,
    "tecator": datasets.fetch_tecator,
    "hill_valley": datasets.fetch_hill_valley,
    "fri_c4_1000_100": datasets.fetch_fri_c4,
}
_PLAIN, _TIED, _ALL = "all pairs, no tie", "all pairs, tie if CV prefers it", "everything chosen by CV"
_MACHINE = "factorization machine"

_LARGE = "clean2"  # for a quick run
_SECONDS = {_MACHINE: 3.0, _PLAIN: 3.0, _TIED: 15.0, _ALL: 200.0}


def paper_split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit and to judge on: 50% and 49%. The paper's 1% to validate on stays unused."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 + round(0.01 * n) :])


def _model(method: str) -> Any:
    if method == _ALL:
        return InteractionClassifierCV(orders=(2, 3), random_state=0)
    if method == _MACHINE:
        return factorization_machine("classification")
    return pair_model("classification", tie=method == _TIED, max_tune_rows=1000)


def _measure(name: str, method: str, seed: int) -> tuple[float, dict[str, Any]]:
    X, y = _LOADERS[name](return_X_y=True)
    train, test = paper_split(len(y), seed)
    model = _model(method).fit(X[train], y[train])
    facts = {key: model.best_params_[key] for key in FACTS if key in model.best_params_}
    return held_out_auc(model, X[test], y[test]), facts


@final
class RealTables(AbstractDesign):
    """AUC on the tables that can be had."""

    name = "real tables"

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self._names = tuple(name for name in _LOADERS if not (quick and name == _LARGE))
        self._methods = (_MACHINE, _PLAIN, _TIED) if quick else (_MACHINE, _PLAIN, _TIED, _ALL)
        self._seeds = 3 if quick else 5
        self._absent: dict[str, str] = {}

    def jobs(self) -> list[Job]:
        present = []
        for name in self._names:
            try:
                _LOADERS[name](download_if_missing=not self.quick)
                present.append(name)
            except FileNotFoundError as absent:
                self._absent[name] = str(absent)
        return [
            Job(name, method, seed, partial(_measure, name, method, seed), _SECONDS[method])
            for name in present
            for seed in range(self._seeds)
            for method in self._methods
        ]

    def read(self, measurements: Measurements) -> Reproduced:
        published = [
            (f"paper: {method}", *(f"{figures[name]:.3f}" for name in self._names))
            for method, figures in REAL.items()
        ]
        ours = [
            (
                f"ours: {method}",
                *(
                    "absent"
                    if name in self._absent
                    else with_error(measurements.values(self.name, name, method), 3, self._seeds)
                    for name in self._names
                ),
            )
            for method in self._methods
        ]
        present = [name for name in self._names if name not in self._absent]
        return Reproduced(
            title="Real tables: AUC",
            about="Half of the rows to tune and fit on, 49% to judge on. Rows of one molecule recur in clean1 and "
            "clean2, so these splits flatter every method there.",
            header=("AUC", *self._names),
            published=published,
            ours=ours,
            claims=[
                *(claim for name in _LOADERS for claim in self._claims(measurements, name)),
                unmeasured(
                    f"AUC of LIT-LVM on {len(ELSEWHERE)} more tables, from {min(ELSEWHERE.values()):.3f} to "
                    f"{max(ELSEWHERE.values()):.3f}: {', '.join(ELSEWHERE)}",
                    "tables that intertwine.datasets does not have",
                ),
            ],
            findings=[text for name in present for text in self._of_the_tie(measurements, name)],
            absent=[f"{name} is absent: {text}" for name, text in self._absent.items()],
        )

    def _claims(self, measurements: Measurements, name: str) -> list[Claim]:
        printed = {method: figures[name] for method, figures in REAL.items()}
        absent = f"{name} is absent" if name in self._absent else "not in the quick run"
        return [
            reaches(
                f"AUC of LIT-LVM on {name}",
                printed["LIT-LVM"],
                measurements.values(self.name, name, _TIED),
                lower_is_better=False,
                places=3,
                absent=absent,
            ),
            *(
                exceeds(
                    f"On {name} LIT-LVM beats {words}",
                    measurements.differences(self.name, name, _TIED, method),
                    published=printed["LIT-LVM"] - printed[rival],
                    places=3,
                    absent=absent,
                )
                for method, rival, words in (
                    (_PLAIN, "elastic net, all pairs", "all pairs without a tie"),
                    (_MACHINE, _MACHINE, "a factorization machine"),
                )
            ),
        ]

    def _of_the_tie(self, measurements: Measurements, name: str) -> list[str]:
        rows = measurements.select(self.name, name, _TIED)
        taken = sum(row.facts.get("latent") is not None for row in rows)
        return [f"{name}: cross-validation took the tie in {taken} of {len(rows)} splits."] if rows else []
