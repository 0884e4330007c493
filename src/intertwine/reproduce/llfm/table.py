"""What the three data sets share: jobs, the table, and which of the paper's claims hold."""

from __future__ import annotations

import abc
from functools import partial
from typing import Any

import numpy as np

from intertwine.reproduce.claims import Claim, exceeds, reaches
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.llfm.models import Effort, Task, measure_machine
from intertwine.reproduce.llfm.published import LOCAL, METHODS, TABLE_2, TEST_TIME
from intertwine.reproduce.measurements import Measurement, Measurements, with_error

__all__ = ["AbstractTable"]

#: What the paper says of its own machines: (the better, the worse, in words).
_CLAIMS = (
    ("DO", "FM", "Local machines beat a single one"),
    ("APL", "DO", "Learnt anchors beat fixed ones"),
    ("JO", "APL", "Choosing the neighbours of every row beats a fixed number"),
)
#: About the seconds of a fit, as multiples of a local machine's with fixed anchors.
_EFFORTS = {"FM": 0.3, "DO": 1.0}
_PLACES = 4  # digits of a loss, as the paper prints it


class AbstractTable(AbstractDesign, abc.ABC):
    """Rows FM, DO, APL, JO of one data set."""

    title: str
    about: str
    loss_name: str
    methods: tuple[str, ...] = METHODS
    effort: Effort
    quick_effort: Effort
    quick_is_the_papers = False  #: whether the quick machines are as large as the paper's, and fitted as long
    seconds = 5.0  #: about what a local machine takes in a quick run

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self._absent, self._note = "", ""

    @staticmethod
    @abc.abstractmethod
    def task(download: bool) -> Task:
        """Rows to fit and to judge on.

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

    def jobs(self) -> list[Job]:
        try:
            self._note = self.task(download=not self.quick).note
        except FileNotFoundError as absent:
            self._absent = str(absent)
            return []
        return [
            Job(
                self._case,
                method,
                seed,
                partial(self._measure, not self.quick, method, self._effort, seed),
                self.seconds * _EFFORTS.get(method, 2.0) * (1.0 if self.quick else 20.0),
            )
            for seed in range(self._effort.seeds)
            for method in self.methods
        ]

    @property
    def _case(self) -> str:
        return "quick" if self.quick else "full"

    @classmethod
    def _measure(cls, download: bool, method: str, effort: Effort, seed: int) -> tuple[float, dict[str, Any]]:
        return measure_machine(cls.task(download), method, effort, seed)

    def read(self, measurements: Measurements) -> Reproduced:
        found = {method: measurements.select(self.name, self._case, method) for method in self.methods}
        absent = [f"{self.name} is absent: {self._absent}"] if self._absent else []
        return Reproduced(
            title=self.title,
            about=" ".join(text for text in (self.about, self._note, self._spent()) if text),
            header=(self.name, "train loss", "test loss", "accuracy, %", "test time / FM"),
            published=[self._published_row(method) for method in METHODS],
            ours=[self._our_row(method, rows) for method, rows in found.items()],
            claims=self._claims(measurements, found),
            findings=self._spread(found),
            absent=absent,
        )

    def _spent(self) -> str:
        effort, full = self._effort, self.effort
        strengths = ", ".join(f"{alpha:g}" for alpha in effort.alphas)
        distances = ", ".join(f"{factor:.2g}" for factor in effort.gammas)
        said = f"Here: {_size(effort)}, strengths {strengths}"
        said += f", then distances × {distances}" if distances else ""
        said += ", chosen on a fifth of the rows to fit."
        if self.quick:
            said += (
                f" A full run has {_size(full)}, {len(full.alphas)} strengths, {full.seeds} seeds; this one "
            )
            said += f"{effort.seeds}" + (
                "." if effort.n_rows is None else f" and {effort.n_rows} of the rows to fit."
            )
        if effort.seeds > 1:
            said += " Errors are over starts and tuning, on the same rows to judge on."
        return said

    def _published_row(self, method: str) -> tuple[str, ...]:
        figures = TABLE_2[self.name][method]
        share = "–" if figures.accuracy is None else f"{100 * figures.accuracy:.2f}"
        times = "{}–{}".format(*TEST_TIME) if method in LOCAL else "1"
        return f"paper: {method}", "–", f"{figures.loss:.{_PLACES}f}", share, times

    def _our_row(self, method: str, rows: list) -> tuple[str, ...]:
        def cell(name: str, digits: int, scale: float = 1.0) -> str:
            values = [scale * row.facts[name] for row in rows if name in row.facts]
            return with_error(np.array(values), digits, self._effort.seeds)

        losses = with_error(np.array([row.value for row in rows]), _PLACES, self._effort.seeds)
        return (
            f"ours: {method}",
            cell("train_loss", _PLACES),
            losses,
            cell("accuracy", 2, 100.0),
            cell("times_fm", 1),
        )

    def _claims(self, measurements: Measurements, found: dict[str, list[Measurement]]) -> list[Claim]:
        absent = f"{self.name} is absent" if self._absent else ""
        smaller = "" if not self.quick or self.quick_is_the_papers else "smaller than the paper's machines"
        printed = TABLE_2[self.name]

        def figure(
            words: str, value: float, values: list[float], lower: bool, places: int = _PLACES
        ) -> Claim:
            return reaches(
                f"{words} on {self.name}",
                value,
                values,
                lower_is_better=lower,
                places=places,
                incomparable=smaller,
                absent=absent,
            )

        claims = [
            exceeds(
                f"{words} on {self.name}: {better} has a smaller {self.loss_name.lower()} than {worse}",
                measurements.differences(self.name, self._case, worse, better),
                published=printed[worse].loss - printed[better].loss,
                places=_PLACES,
                comparable=not smaller,
                absent=absent,
            )
            for better, worse, words in _CLAIMS
        ]
        for method in LOCAL:
            values = [row.value for row in found[method]]
            claims.append(figure(f"{self.loss_name} of {method}", printed[method].loss, values, True))
        best = printed[LOCAL[-1]].accuracy
        if best is not None:
            shares = [100.0 * row.facts["accuracy"] for row in found[LOCAL[-1]]]
            claims.append(figure(f"Accuracy of {LOCAL[-1]} in percent", 100.0 * best, shares, False, 2))
        return claims

    def _spread(self, found: dict[str, list[Measurement]]) -> list[str]:
        """Times are told and not judged: they are of this machine, and two processes disturb one another."""
        times = [
            float(np.median([row.facts["times_fm"] for row in found[one]])) for one in LOCAL if found[one]
        ]
        if not times:
            return []
        return [
            f"A prediction takes {min(times):.1f} to {max(times):.1f} times that of a plain machine with as many "
            f"factors; the paper reports {TEST_TIME[0]} to {TEST_TIME[1]}."
        ]


def _size(effort: Effort) -> str:
    epochs = "" if effort.n_epochs is None else f", {effort.n_epochs} epochs"
    return f"{effort.n_anchors} anchors{epochs}"
