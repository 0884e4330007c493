"""What both data sets share: jobs, the table, the sweep over ρ, and the word on whether sharpness helps."""

from __future__ import annotations

import abc
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.measurements import Measurement, Measurements, mean_and_error, with_error
from intertwine.reproduce.sslf.models import (
    MODES,
    Effort,
    Task,
    measure_adam,
    measure_second_order,
    measure_sgd,
)
from intertwine.reproduce.sslf.sweep import Sweep

__all__ = ["AbstractTable"]

SGD, ADAM, PLAIN = "SGD", "Adam", "second order"
_PLACES = 4
_LEVEL = 0.05  # of what counts as beyond noise


def _sharp(mode: str, rho: float) -> str:
    return f"{mode}, ρ = {rho:g}"


class AbstractTable(AbstractDesign, abc.ABC):
    """Rows SGD, Adam, second order, and its modes by radius."""

    title: str
    about: str
    effort: Effort
    quick_effort: Effort | None

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self._absent = ""

    @staticmethod
    @abc.abstractmethod
    def task(download: bool) -> Task:
        """All ratings.

        Parameters
        ----------
        download : bool
            Ask the publisher for data that are not on this machine.

        Raises
        ------
        FileNotFoundError
            When the data are absent.
        """

    @property
    def _effort(self) -> Effort:
        return self.quick_effort if self.quick and self.quick_effort is not None else self.effort

    @property
    def _case(self) -> str:
        return "quick" if self.quick else "full"

    @property
    def _sharp_methods(self) -> dict[str, tuple[str, float]]:
        return {_sharp(mode, rho): (mode, rho) for mode in MODES for rho in self._effort.rhos}

    def jobs(self) -> list[Job]:
        if self.quick and self.quick_effort is None:
            self._absent = f"{self.name} is left out of the quick run."
            return []
        try:
            self.task(download=not self.quick)
        except FileNotFoundError as absent:
            self._absent = f"{self.name} is absent: {absent}"
            return []
        return [
            Job(self._case, method, seed, partial(self._measure, not self.quick, method, self._effort, seed))
            for seed in range(self._effort.seeds)
            for method in (SGD, ADAM, PLAIN, *self._sharp_methods)
        ]

    @classmethod
    def _measure(cls, download: bool, method: str, effort: Effort, seed: int) -> tuple[float, dict[str, Any]]:
        task = cls.task(download)
        if method == SGD:
            return measure_sgd(task, effort, seed)
        if method == ADAM:
            return measure_adam(task, effort, seed)
        radii = {_sharp(mode, rho): (mode, rho) for mode in MODES for rho in effort.rhos}
        mode, rho = ("A", 0.0) if method == PLAIN else radii[method]
        return measure_second_order(task, effort, seed, mode, rho)

    def read(self, measurements: Measurements) -> Reproduced:
        methods = (SGD, ADAM, PLAIN, *self._sharp_methods)
        found = {method: measurements.select(self.name, self._case, method) for method in methods}
        measured = not self._absent and all(found.values())
        return Reproduced(
            title=self.title,
            about=f"{self.about} {self._spent()}",
            header=(self.name, "test error", "change by sharpness", "epochs", "passes over the ratings"),
            published=[],
            ours=[]
            if self._absent
            else [self._row(method, rows, found[PLAIN]) for method, rows in found.items()],
            findings=self._findings(found) if measured else [],
            absent=[self._absent] if self._absent else [],
            display=self._sweep(found) if measured else None,
            caption="Means ± standard errors of the test error; left: without sharpness.",
            alt="Test error against the radius ρ, a line for each mode.",
        )

    def _spent(self) -> str:
        effort = self._effort
        rates = " and ".join(
            f"{', '.join(f'{rate:g}' for rate in rates)} ({name})"
            for name, rates in ((SGD, effort.sgd_rates), (ADAM, effort.adam_rates))
        )
        strengths = " and ".join(f"{alpha:g}" for alpha in effort.alphas)
        return (
            f"Nine of ten ratings to fit, drawn at random with each of {effort.seeds} seeds; rank "
            f"{effort.n_components}, biases. A twentieth of the ratings to fit is held out to stop by, and to choose "
            f"learning rates from {rates} and strengths from {strengths}; with sharpness the strength is that of "
            f"without. Epochs and passes are those of the chosen fit, until it stopped."
        )

    def _row(self, method: str, rows: list[Measurement], plain: list[Measurement]) -> tuple[str, ...]:
        n = self._effort.seeds

        def cell(name: str) -> str:
            return with_error(np.array([row.facts[name] for row in rows]), 0, n)

        values = np.array([row.value for row in rows])
        change = with_error(_differences(rows, plain), _PLACES, n).replace("-0.0000", "0.0000")
        if method not in self._sharp_methods:
            change = "–"
        return method, with_error(values, _PLACES, n), change, cell("epochs"), cell("passes")

    def _findings(self, found: dict[str, list[Measurement]]) -> list[str]:
        said = [self._of_first_order(found, other) for other in (SGD, ADAM)]
        verdicts = {mode: self._of_a_mode(found, mode) for mode in MODES}
        said += [text for text, _ in verdicts.values()]
        helped = [mode for mode, (_, helps) in verdicts.items() if helps]
        if self._effort.seeds < 3:
            said.append(
                "So few seeds cannot tell whether sharpness helps beyond noise; a full run has three."
            )
        elif helped:
            said.append(f"In a word: sharpness helps beyond noise in mode {' and '.join(helped)}.")
        else:
            said.append("In a word: sharpness does not help beyond noise, in none of its modes.")
        return said

    def _of_first_order(self, found: dict[str, list[Measurement]], other: str) -> str:
        gain, error = mean_and_error(_differences(found[other], found[PLAIN]))
        epochs, passes = (
            [np.mean([row.facts[name] for row in found[method]]) for method in (PLAIN, other)]
            for name in ("epochs", "passes")
        )
        word = "smaller" if gain > 0 else "larger"
        spread = "" if np.isnan(error) else f" ± {error:.{_PLACES}f}"
        return (
            f"Beside {other} the second-order method's error is {abs(gain):.{_PLACES}f}{spread} {word}, in "
            f"{epochs[0]:.0f} epochs against {epochs[1]:.0f}, which are {passes[0]:.0f} passes against {passes[1]:.0f}."
        )

    def _of_a_mode(self, found: dict[str, list[Measurement]], mode: str) -> tuple[str, bool]:
        """The radius is chosen seed by seed on the ratings held out, none included: the test part chooses nothing."""
        candidates = [found[PLAIN], *(found[_sharp(mode, rho)] for rho in self._effort.rhos)]
        radii = (0.0, *self._effort.rhos)
        chosen, changes = [], []
        for runs in zip(*candidates, strict=True):
            best = int(np.argmin([run.facts["validation"] for run in runs]))
            chosen.append(radii[best])
            changes.append(runs[best].value - runs[0].value)
        words, helps = _word_of(np.array(changes))
        names = ", ".join(f"{rho:g}" for rho in chosen)
        return f"Mode {mode}, ρ chosen on held-out ratings ({names}): the test error {words}.", helps

    def _sweep(self, found: dict[str, list[Measurement]]) -> Sweep:
        def point(method: str) -> tuple[float, float]:
            return mean_and_error(np.array([row.value for row in found[method]]))

        lines = {mode: [point(_sharp(mode, rho)) for rho in self._effort.rhos] for mode in MODES}
        return Sweep(self._effort.rhos, point(PLAIN), lines)


def _word_of(changes: np.ndarray) -> tuple[str, bool]:
    """What the test error does, and whether it falls by more than chance between seeds would have it."""
    change, error = mean_and_error(changes)
    if round(change, _PLACES) == 0.0:
        words = "stays as it is"
    else:
        words = f"{'falls' if change < 0 else 'rises'} by {abs(change):.{_PLACES}f}"
    if np.isnan(error):
        return words, False
    helps = bool(change < -stats.t.ppf(1.0 - _LEVEL / 2.0, len(changes) - 1) * error)
    beyond = ", beyond noise" if helps else ": no gain beyond noise (Student's t, 5%)"
    return f"{words} ± {error:.{_PLACES}f}{beyond}", helps


def _differences(rows: list[Measurement], others: list[Measurement]) -> np.ndarray:
    known = {row.seed: row.value for row in others}
    return np.array([row.value - known[row.seed] for row in rows if row.seed in known])
