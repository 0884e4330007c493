"""Test AUC against the strength of the tie: the best one should lie between none and a factorization machine."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np

from intertwine.reproduce.claims import Claim, exceeds
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.litlvm.models import held_out_auc, tied_at
from intertwine.reproduce.litlvm.published import TIE
from intertwine.reproduce.litlvm.simulation import halves
from intertwine.reproduce.measurements import Measurements, mean_and_error, with_error

__all__ = ["TieStrength"]

_METHOD = "intertwine"


def _case(tie: float) -> str:
    return "none" if tie == 0 else "∞ (FM)" if np.isinf(tie) else f"{tie:g}"


def _measure(tie: float, p: int, rows: tuple[int, int], seed: int) -> tuple[float, dict[str, Any]]:
    X, y, X_test, y_test = halves("classification", p, seed, *rows)
    model = tied_at("classification", tie).fit(X, y)
    return held_out_auc(model, X_test, y_test), dict(model.best_params_)


@final
class TieStrength(AbstractDesign):
    """The paper's sweep over λ_l, with no tie and an infinite one at its ends."""

    name = "strength of the tie"
    ties = (0.0, 1e-3, 1e-2, 1e-1, 1.0, 10.0, np.inf)
    quick_ties = (0.0, 1e-2, 1e-1, 1.0, np.inf)

    #: Features, rows to fit and to judge on, seeds.
    size = (100, (2000, 1000), 3)
    quick_size = (40, (400, 1000), 4)

    @property
    def _size(self) -> tuple[int, tuple[int, int], int]:
        return self.quick_size if self.quick else self.size

    @property
    def _ties(self) -> tuple[float, ...]:
        return self.quick_ties if self.quick else self.ties

    def jobs(self) -> list[Job]:
        p, rows, seeds = self._size
        return [
            Job(
                f"{_case(tie)}, p = {p}",
                _METHOD,
                seed,
                partial(_measure, tie, p, rows, seed),
                seconds=2.0 if self.quick else 60.0,
            )
            for tie in self._ties
            for seed in range(seeds)
        ]

    def read(self, measurements: Measurements) -> Reproduced:
        p, rows, seeds = self._size
        cells = [measurements.values(self.name, f"{_case(tie)}, p = {p}", _METHOD) for tie in self._ties]
        # The paper penalises λ_l(θ − t)², we ½·tie·(θ − t)².
        printed = {2 * strength: auc for strength, auc in TIE.items()}
        header = ("AUC by strength of the tie", *(_case(tie) for tie in self._ties))
        display = None
        if all(len(cell) for cell in cells):
            display = _TieCurve(
                self._ties, [mean_and_error(cell) for cell in cells], {} if self.quick else printed
            )
        size = f"p = {p}, {rows[0]} rows to fit"
        return Reproduced(
            title="Between no tie and a factorization machine",
            about=f"The classification design at {size}. The strength is that of ½·tie·(θ − zᵀz)², twice the paper's "
            "λ_l; the other strengths are chosen on a third of the rows. The paper prints, at p = 100, "
            + ", ".join(f"{auc:.3f} at λ_l = {strength:g}" for strength, auc in TIE.items())
            + ".",
            header=header,
            published=[],
            ours=[("ours", *(with_error(cell, 3, seeds) for cell in cells))],
            claims=self._claims(cells),
            findings=self._findings(cells),
            absent=["The quick run has a smaller p and fewer rows than the paper."] if self.quick else [],
            display=display,
            alt="Test AUC against the strength of the tie, from none to infinite.",
            caption="Means ± standard errors of test AUC."
            + ("" if self.quick else " Squares: as published."),
        )

    def _claims(self, cells: list[np.ndarray]) -> list[Claim]:
        """An optimum in between, with the strength of each draw chosen on the other draws, lest it flatters."""
        ends = {"no tie": 0, "an infinite tie": len(cells) - 1}
        measured = min(map(len, cells)) if len({len(cell) for cell in cells}) == 1 else 0
        found = []
        for (name, end), strength in zip(ends.items(), (min(TIE), max(TIE)), strict=True):
            gains = []
            for seed in range(measured if measured > 1 else 0):
                others = [np.delete(cell, seed).mean() for cell in cells]
                chosen = 1 + int(np.argmax(others[1:-1]))
                gains.append(cells[chosen][seed] - cells[end][seed])
            found.append(
                exceeds(
                    f"AUC is best at a strength in between: above {name} (the paper: above λ = {strength:g})",
                    gains,
                    published=max(TIE.values()) - TIE[strength],
                    places=3,
                    comparable=False,
                )
            )
        return found

    def _findings(self, cells: list[np.ndarray]) -> list[str]:
        if not all(len(cell) for cell in cells):
            return []
        best = int(np.argmax([cell.mean() for cell in cells]))
        return [
            f"On average {_case(self._ties[best])} does best (of several: a little flattered). For the claims the "
            "strength of each draw was chosen on the other draws."
        ]


class _TieCurve:
    """AUC against strength, the two ends on decades of their own."""

    figsize = (6.4, 3.6)

    def __init__(
        self, ties: tuple[float, ...], cells: list[tuple[float, float]], printed: dict[float, float]
    ) -> None:
        self._ties, self._cells, self._printed = ties, cells, printed

    def plot(self, axes: Any, *, palette: Any) -> None:
        inner = [tie for tie in self._ties if 0 < tie < np.inf] + list(self._printed)
        places = {0.0: min(inner) / 10, np.inf: max(inner) * 10}
        at = [places.get(tie, tie) for tie in self._ties]
        means, errors = (np.array(column) for column in zip(*self._cells, strict=True))
        axes.errorbar(at, means, np.nan_to_num(errors), color=palette.series[0], marker="o", capsize=2)
        if self._printed:
            axes.plot(
                *zip(*self._printed.items(), strict=True), color=palette.series[1], marker="s", linestyle="--"
            )
        axes.set_xscale("log")
        axes.set_xticks(at, [_case(tie) for tie in self._ties])
        axes.minorticks_off()
        axes.set_xlabel("strength of the tie")
        axes.set_ylabel("test AUC")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
