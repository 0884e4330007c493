"""The paper's simulation: x ~ N(0, I), β ~ N(0, 1), θ = ZZᵀ + N(0, .1), d = 2; 2000 rows to fit, 1000 to judge on."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np

from intertwine.datasets import simulate_low_rank
from intertwine.reproduce.claims import Claim, exceeds, reaches
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.litlvm.models import (
    FACTS,
    factorization_machine,
    held_out_auc,
    held_out_rmse,
    pair_model,
)
from intertwine.reproduce.litlvm.published import CLASSIFICATION, REGRESSION
from intertwine.reproduce.measurements import Measurements, mean_and_error, with_error

__all__ = ["SimulatedClassification", "SimulatedRegression", "halves"]

_SIGMA2 = 0.1
_OURS, _MACHINE, _PLAIN = "intertwine", "factorization machine", "all pairs, no tie"
_QUICK = "not in the quick run"


def halves(task: str, p: int, seed: int, n_train: int = 2000, n_test: int = 1000) -> tuple[np.ndarray, ...]:
    """One draw of the design: X and y to fit, X and y to judge on."""
    truth = simulate_low_rank(n_train + n_test, p, sigma2=_SIGMA2, task=task, random_state=seed)  # type: ignore[arg-type]
    X, y = truth.data, truth.target
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def _measure(
    task: str, method: str, p: int, seed: int, rows: tuple[int, int]
) -> tuple[float, dict[str, Any]]:
    X, y, X_test, y_test = halves(task, p, seed, *rows)
    model = factorization_machine(task) if method == _MACHINE else pair_model(task, tie=method == _OURS)
    model.fit(X, y)
    facts = {name: model.best_params_[name] for name in FACTS if name in model.best_params_}
    return (held_out_rmse if task == "regression" else held_out_auc)(model, X_test, y_test), facts


class _Simulated(AbstractDesign):
    """What the two outcomes share."""

    task: str
    measure_of_error: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    published: dict[str, dict[int, float]]
    rival: str
    rival_printed = ""
    rows = (2000, 1000)
    quick_seeds = 2

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self.quick_sizes if self.quick else self.sizes

    @property
    def _seeds(self) -> int:
        return self.quick_seeds if self.quick else 5

    def jobs(self) -> list[Job]:
        return [
            Job(
                f"p = {p}",
                method,
                seed,
                partial(_measure, self.task, method, p, seed, self.rows),
                self._seconds(method, p),
            )
            for p in self._sizes
            for method in (self.rival, _OURS)
            for seed in range(self._seeds)
        ]

    @staticmethod
    def _seconds(method: str, p: int) -> float:
        return (3.0 if method == _MACHINE else 25.0) * (p / 50.0)

    def _table(self, measurements: Measurements) -> dict[str, Any]:
        cases = [f"p = {p}" for p in self._sizes]
        published = [
            (f"paper: {method}", *(f"{figures[p]:g}" if p in figures else "–" for p in self._sizes))
            for method, figures in self.published.items()
        ]
        ours = [
            (
                f"ours: {method}",
                *(with_error(measurements.values(self.name, case, method), 3, self._seeds) for case in cases),
            )
            for method in (_OURS, self.rival)
        ]
        return {"published": published, "ours": ours}

    def _claims(self, measurements: Measurements) -> list[Claim]:
        """The figure of each size, and the rival that is beaten there."""
        figures, lower = self.published["LIT-LVM"], self.task == "regression"
        beaten = self.published.get(self.rival_printed, {})
        found = []
        for p in self.sizes:
            case, absent = f"p = {p}", "" if p in self._sizes else _QUICK
            found.append(
                reaches(
                    f"{self.measure_of_error} of LIT-LVM with {p} features",
                    figures[p],
                    measurements.values(self.name, case, _OURS),
                    lower_is_better=lower,
                    places=_decimals(figures[p]),
                    absent=absent,
                )
            )
            gains = measurements.differences(self.name, case, _OURS, self.rival)
            found.append(
                exceeds(
                    f"LIT-LVM beats {'a ' * (self.rival == _MACHINE)}{_NAMES[self.rival]} with {p} features",
                    -gains if lower else gains,
                    published=figures[p] - beaten[p] if p in beaten else None,
                    places=3,
                    absent=absent,
                )
            )
        return found


_NAMES = {_MACHINE: "factorization machine", _PLAIN: "the elastic net with all pairs"}


def _decimals(figure: float) -> int:
    return len(f"{figure:g}".partition(".")[2])


@final
class SimulatedRegression(_Simulated):
    """RMSE of a numerical outcome."""

    name = "simulated regression"
    task = "regression"
    measure_of_error = "RMSE"
    rival = _MACHINE
    sizes = (40, 50, 60, 70, 100, 200)
    quick_sizes = (40, 60)
    published = REGRESSION

    def read(self, measurements: Measurements) -> Reproduced:
        findings = []
        for p in self._sizes:
            machine, _ = mean_and_error(measurements.values(self.name, f"p = {p}", _MACHINE))
            mine, _ = mean_and_error(measurements.values(self.name, f"p = {p}", _OURS))
            paper = self.published["LIT-LVM"].get(p, np.nan)
            if machine < paper:
                findings.append(
                    f"As published, the claim fails at p = {p}: LIT-LVM is printed with {paper:g}, and a correct "
                    f"factorization machine reaches {machine:.3g}; minimised in earnest, the tied model has {mine:.3g}."
                )
        return Reproduced(
            title="Simulation, regression: RMSE",
            about="x ~ N(0, I), θ = ZZᵀ + N(0, .1), two latent dimensions, noise variance .001; 2000 rows to tune and "
            "fit on, 1000 to judge on. From p = 63 the parameters 1 + p + p(p − 1)/2 outnumber the rows. The "
            "factorization machine counts each pair once and has no squares, unlike the paper's baseline.",
            header=("RMSE", *(f"p = {p}" for p in self._sizes)),
            claims=self._claims(measurements),
            findings=findings,
            **self._table(measurements),
        )


@final
class SimulatedClassification(_Simulated):
    """AUC of a binary outcome."""

    name = "simulated classification"
    task = "classification"
    measure_of_error = "AUC"
    rival = _PLAIN
    rival_printed = "elastic net, all pairs"
    sizes = (100, 200, 500)
    quick_sizes = ()
    published = CLASSIFICATION

    def read(self, measurements: Measurements) -> Reproduced:
        table = self._table(measurements)
        return Reproduced(
            title="Simulation, classification: AUC",
            about="The same draws, the outcome a class with probability 1/(1 + exp(−score)).",
            header=("AUC", *(f"p = {p}" for p in self._sizes)),
            claims=self._claims(measurements),
            findings=[],
            absent=["Left out of the quick run: a search at p = 100 alone takes minutes."]
            if self.quick
            else [],
            published=table["published"] if self._sizes else [],
            ours=table["ours"] if self._sizes else [],
        )
