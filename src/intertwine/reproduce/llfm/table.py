"""What the three data sets share: jobs, the table, and which of the paper's claims hold."""

from __future__ import annotations

import abc
from functools import partial
from typing import Any

import numpy as np

from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.llfm.models import Effort, Task, measure_machine
from intertwine.reproduce.llfm.published import LOCAL, METHODS, TABLE_2, TEST_TIME
from intertwine.reproduce.measurements import Measurements, mean_and_error, verdict, with_error

__all__ = ["AbstractTable"]

#: What the paper says of its own machines: (the better, the worse, in words).
_CLAIMS = (
    ("DO", "FM", "local machines beat a single one"),
    ("APL", "DO", "learnt anchors beat fixed ones"),
    ("JO", "APL", "choosing the neighbours of every row beats a fixed number"),
)
_PLACES = 4  # digits of a loss, as the paper prints it


class AbstractTable(AbstractDesign, abc.ABC):
    """Rows FM, DO, APL, JO of one data set."""

    title: str
    about: str
    loss_name: str
    methods: tuple[str, ...] = METHODS
    effort: Effort
    quick_effort: Effort

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
            Job(self._case, method, seed, partial(self._measure, not self.quick, method, self._effort, seed))
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
            findings=[] if self._absent else self._findings(measurements, found),
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

    def _findings(self, measurements: Measurements, found: dict[str, list]) -> list[str]:
        said = self._beside_paper(found)
        said += [text for claim in _CLAIMS if (text := self._of_a_claim(measurements, *claim))]
        times = [
            float(np.median([row.facts["times_fm"] for row in found[one]])) for one in LOCAL if found[one]
        ]
        if times:
            said.append(
                f"A prediction takes {min(times):.1f} to {max(times):.1f} times that of a plain machine with as many "
                f"factors; the paper reports {TEST_TIME[0]} to {TEST_TIME[1]}."
            )
        return said

    def _beside_paper(self, found: dict[str, list]) -> list[str]:
        if self._effort.seeds < 2:
            return ["One seed of a shortened fit is not set beside the paper's figures; a full run is."]
        losses, shares = {}, {}
        for method in METHODS:
            printed, rows = TABLE_2[self.name][method], found[method]
            if rows:
                values = np.array([row.value for row in rows])
                losses[method] = verdict(values, printed.loss, lower_is_better=True)
            if rows and printed.accuracy is not None:
                values = np.array([row.facts["accuracy"] for row in rows])
                shares[method] = verdict(values, printed.accuracy, lower_is_better=False)
        both = ((self.loss_name, losses), ("Accuracy", shares))
        run = " of this shortened run" if self.quick else ""
        return [f"{name}{run} beside the paper's: {_grouped(words)}." for name, words in both if words]

    def _of_a_claim(self, measurements: Measurements, better: str, worse: str, words: str) -> str:
        gain, error = mean_and_error(measurements.differences(self.name, self._case, worse, better))
        if np.isnan(gain):
            return ""
        change = f"the loss {'falls' if gain > 0 else 'rises'} by {abs(gain):.{_PLACES}f}"
        if np.isnan(error):
            return f"Whether {words} ({better} against {worse}) one seed cannot tell: {change}."
        holds = "holds" if gain > 2 * error else "does not hold"
        return (
            f"The claim that {words} ({better} against {worse}) {holds} here: {change} ± {error:.{_PLACES}f}."
        )


def _size(effort: Effort) -> str:
    epochs = "" if effort.n_epochs is None else f", {effort.n_epochs} epochs"
    return f"{effort.n_anchors} anchors{epochs}"


def _grouped(words: dict[str, str]) -> str:
    """'better: DO, APL; the same: FM'."""
    groups: dict[str, list[str]] = {}
    for method, word in words.items():
        groups.setdefault(word, []).append(method)
    return "; ".join(f"{word}: {', '.join(methods)}" for word, methods in groups.items())
