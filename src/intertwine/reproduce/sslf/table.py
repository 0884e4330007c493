"""What both data sets share: jobs, the table, the sweep over ρ, and the word on whether sharpness helps."""

from __future__ import annotations

import abc
import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.reproduce.claims import Claim, exceeds
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
#: About the seconds of a fit to a hundred thousand ratings.
_SECONDS = {SGD: 2.0, ADAM: 8.0}


def _sharp(mode: str, rho: float) -> str:
    return f"{mode}, ρ = {rho:g}"


class AbstractTable(AbstractDesign, abc.ABC):
    """Rows SGD, Adam, second order, and its modes by radius."""

    title: str
    about: str
    effort: Effort
    quick_effort: Effort
    size = 1.0  #: hundred thousands of ratings

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
        return self.quick_effort if self.quick else self.effort

    @property
    def _case(self) -> str:
        return "quick" if self.quick else "full"

    @property
    def _sharp_methods(self) -> dict[str, tuple[str, float]]:
        return {_sharp(mode, rho): (mode, rho) for mode in MODES for rho in self._effort.rhos}

    def jobs(self) -> list[Job]:
        try:
            self.task(download=not self.quick)
        except FileNotFoundError as absent:
            self._absent = f"{self.name} is absent: {absent}"
            return []
        return [
            Job(
                self._case,
                method,
                seed,
                partial(self._measure, not self.quick, method, self._effort, seed),
                _SECONDS.get(method, 2.0)
                * self.size
                * len(self._effort.adam_rates)
                / self._effort.one_user_of,
            )
            for seed in range(self._effort.seeds)
            for method in (SGD, ADAM, PLAIN, *self._sharp_methods)
        ]

    @classmethod
    def _measure(cls, download: bool, method: str, effort: Effort, seed: int) -> tuple[float, dict[str, Any]]:
        task = cls.task(download).some(effort.one_user_of)
        radii = {_sharp(mode, rho): (mode, rho) for mode in MODES for rho in effort.rhos}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # some items have no rating among those to fit
            if method == SGD:
                return measure_sgd(task, effort, seed)
            if method == ADAM:
                return measure_adam(task, effort, seed)
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
            claims=self._claims(found),
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
        some = "" if effort.one_user_of == 1 else f"One of {effort.one_user_of} users, all their ratings. "
        return (
            f"{some}Nine of ten ratings to fit, drawn at random with each of {effort.seeds} seeds; rank "
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

    def _claims(self, found: dict[str, list[Measurement]]) -> list[Claim]:
        absent = f"{self.name} is absent" if self._absent else ""
        claims = []
        for other in (SGD, ADAM):
            claims += [
                exceeds(
                    f"The second-order method has a smaller test error than {other} on {self.name}",
                    _differences(found[other], found[PLAIN]),
                    places=_PLACES,
                    absent=absent,
                ),
                exceeds(
                    f"The second-order method takes fewer epochs than {other} on {self.name}",
                    _differences(found[other], found[PLAIN], "epochs"),
                    places=0,
                    absent=absent,
                ),
            ]
        return claims + [
            exceeds(
                f"Sharpness (mode {mode}) lowers the test error of the second-order method on {self.name}",
                [-change for change in self._by_sharpness(found, mode)[1]],
                places=_PLACES,
                absent=absent,
            )
            for mode in MODES
        ]

    def _findings(self, found: dict[str, list[Measurement]]) -> list[str]:
        said = [self._of_first_order(found, other) for other in (SGD, ADAM)]
        for mode in MODES:
            radii, _ = self._by_sharpness(found, mode)
            names = ", ".join(f"{rho:g}" for rho in radii)
            said.append(f"Mode {mode}: ρ chosen on held-out ratings, none included, seed by seed: {names}.")
        return said

    def _of_first_order(self, found: dict[str, list[Measurement]], other: str) -> str:
        epochs, passes = (
            [np.mean([row.facts[name] for row in found[method]]) for method in (PLAIN, other)]
            for name in ("epochs", "passes")
        )
        return (
            f"Beside {other} the second-order method takes {epochs[0]:.0f} epochs against {epochs[1]:.0f}, which are "
            f"{passes[0]:.0f} passes over the ratings against {passes[1]:.0f}."
        )

    def _by_sharpness(
        self, found: dict[str, list[Measurement]], mode: str
    ) -> tuple[list[float], list[float]]:
        """Radii and changes of the test error, seed by seed.

        A radius is chosen on the ratings held out, none included: the test part chooses nothing.
        """
        candidates = [found[PLAIN], *(found[_sharp(mode, rho)] for rho in self._effort.rhos)]
        radii = (0.0, *self._effort.rhos)
        chosen, changes = [], []
        for runs in _by_seed(candidates):
            best = int(np.argmin([run.facts["validation"] for run in runs]))
            chosen.append(radii[best])
            changes.append(runs[best].value - runs[0].value)
        return chosen, changes

    def _sweep(self, found: dict[str, list[Measurement]]) -> Sweep:
        def point(method: str) -> tuple[float, float]:
            return mean_and_error(np.array([row.value for row in found[method]]))

        lines = {mode: [point(_sharp(mode, rho)) for rho in self._effort.rhos] for mode in MODES}
        return Sweep(self._effort.rhos, point(PLAIN), lines)


def _differences(
    rows: list[Measurement], others: list[Measurement], fact: str | None = None
) -> NDArray[np.float64]:
    """First minus second, seed by seed, of the values or of a fact."""

    def number(row: Measurement) -> float:
        return row.value if fact is None else float(row.facts[fact])

    return np.array([number(one) - number(other) for one, other in _by_seed([rows, others])])


def _by_seed(several: list[list[Measurement]]) -> list[tuple[Measurement, ...]]:
    """Side by side, for the seeds that all have."""
    by_seed = [{row.seed: row for row in rows} for rows in several]
    shared = set.intersection(*(set(rows) for rows in by_seed))
    return [tuple(rows[seed] for rows in by_seed) for seed in sorted(shared)]
