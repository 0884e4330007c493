"""The paper's simulation: x ~ N(0, I), β ~ N(0, 1), θ = ZZᵀ + N(0, .1), d = 2; 2000 rows to fit, 1000 to judge on."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np

from intertwine.datasets import simulate_low_rank
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.litlvm.models import (
    FACTS,
    factorization_machine,
    held_out_auc,
    held_out_rmse,
    pair_model,
)
from intertwine.reproduce.litlvm.published import CLASSIFICATION, REGRESSION
from intertwine.reproduce.measurements import Measurements, mean_and_error, verdict, with_error

__all__ = ["SimulatedClassification", "SimulatedRegression", "halves"]

_SIGMA2 = 0.1
_OURS, _MACHINE = "intertwine", "factorization machine"


def halves(task: str, p: int, seed: int, n_train: int = 2000, n_test: int = 1000) -> tuple[np.ndarray, ...]:
    """One draw of the design: X and y to fit, X and y to judge on."""
    truth = simulate_low_rank(n_train + n_test, p, sigma2=_SIGMA2, task=task, random_state=seed)  # type: ignore[arg-type]
    X, y = truth.data, truth.target
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def _measure(
    task: str, method: str, p: int, seed: int, rows: tuple[int, int]
) -> tuple[float, dict[str, Any]]:
    X, y, X_test, y_test = halves(task, p, seed, *rows)
    model = pair_model(task, tie=True) if method == _OURS else factorization_machine(task)
    model.fit(X, y)
    facts = {name: model.best_params_[name] for name in FACTS if name in model.best_params_}
    return (held_out_rmse if task == "regression" else held_out_auc)(model, X_test, y_test), facts


class _Simulated(AbstractDesign):
    """What the two outcomes share."""

    task: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    published: dict[str, dict[int, float]]
    digits = 3
    rows = (2000, 1000)

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self.quick_sizes if self.quick else self.sizes

    @property
    def _seeds(self) -> int:
        return 2 if self.quick else 5

    def jobs(self) -> list[Job]:
        return [
            Job(f"p = {p}", method, seed, partial(_measure, self.task, method, p, seed, self.rows))
            for p in self._sizes
            for method in (_MACHINE, _OURS)
            for seed in range(self._seeds)
        ]

    def _table(self, measurements: Measurements) -> dict[str, Any]:
        cases = [f"p = {p}" for p in self._sizes]
        published = [
            (f"paper: {method}", *(f"{figures[p]:g}" if p in figures else "–" for p in self._sizes))
            for method, figures in self.published.items()
        ]
        ours = [
            (
                f"ours: {method}",
                *(
                    with_error(measurements.values(self.name, case, method), self.digits, self._seeds)
                    for case in cases
                ),
            )
            for method in (_OURS, _MACHINE)
        ]
        return {"published": published, "ours": ours}

    def _beside_paper(self, measurements: Measurements) -> str:
        words: dict[str, list[str]] = {}
        for p in self._sizes:
            values = measurements.values(self.name, f"p = {p}", _OURS)
            if len(values) and p in self.published["LIT-LVM"]:
                word = verdict(
                    values, self.published["LIT-LVM"][p], lower_is_better=self.task == "regression"
                )
                words.setdefault(word, []).append(str(p))
        parts = [f"{word} at p = {', '.join(sizes)}" for word, sizes in words.items()]
        return f"Beside the paper's LIT-LVM, ours is {'; '.join(parts)}." if parts else ""

    def _beside_machine(self, measurements: Measurements) -> list[str]:
        """Whether the model beats an FM, draw by draw."""
        sign = -1.0 if self.task == "regression" else 1.0
        wins: list[str] = []
        others: list[str] = []
        for p in self._sizes:
            mean, error = mean_and_error(
                sign * measurements.differences(self.name, f"p = {p}", _OURS, _MACHINE)
            )
            if np.isnan(mean):
                continue
            clear = mean > 0 if np.isnan(error) else mean > 2 * error
            (wins if clear else others).append(str(p))
        said = []
        if wins:
            said.append(
                f"The claim that the tied model beats a factorization machine holds at p = {', '.join(wins)}."
            )
        if others:
            said.append(
                f"It does not hold at p = {', '.join(others)}: no difference beyond two standard errors."
            )
        return said


@final
class SimulatedRegression(_Simulated):
    """RMSE of a numerical outcome."""

    name = "simulated regression"
    task = "regression"
    sizes = (40, 50, 60, 70, 100, 200)
    quick_sizes = (40, 60)
    published = REGRESSION

    def read(self, measurements: Measurements) -> Reproduced:
        findings = [self._beside_paper(measurements), *self._beside_machine(measurements)]
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
            findings=[text for text in findings if text],
            **self._table(measurements),
        )


@final
class SimulatedClassification(_Simulated):
    """AUC of a binary outcome."""

    name = "simulated classification"
    task = "classification"
    sizes = (100, 200, 500)
    quick_sizes = ()
    published = CLASSIFICATION

    def read(self, measurements: Measurements) -> Reproduced:
        table = self._table(measurements)
        findings = [self._beside_paper(measurements), *self._beside_machine(measurements)]
        return Reproduced(
            title="Simulation, classification: AUC",
            about="The same draws, the outcome a class with probability 1/(1 + exp(−score)).",
            header=("AUC", *(f"p = {p}" for p in self._sizes)),
            findings=[text for text in findings if text],
            absent=["Left out of the quick run: a search at p = 100 alone takes minutes."]
            if self.quick
            else [],
            published=table["published"] if self._sizes else [],
            ours=table["ours"] if self._sizes else [],
        )
