"""How many latent dimensions: the paper's sweep on one real table, where two do as well as more."""

from __future__ import annotations

from functools import partial
from typing import Any, final

from intertwine import InteractionClassifier
from intertwine.datasets import fetch_fri_c4
from intertwine.reproduce.claims import reaches
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.litlvm.models import held_out_auc
from intertwine.reproduce.litlvm.published import DIMENSIONS
from intertwine.reproduce.litlvm.real_tables import paper_split
from intertwine.reproduce.measurements import Measurements, with_error

__all__ = ["LatentDimension"]

_METHOD, _TABLE = "intertwine", "fri_c4_1000_100"
#: Best of 27 with two dimensions, on held-out parts of the rows to fit of a split that is not judged (seed 7).
_STRENGTHS: dict[str, Any] = {"alpha": 0.1, "alpha_pairs": 10.0, "tie": 10.0}


def _measure(d: int, seed: int) -> tuple[float, dict[str, Any]]:
    X, y = fetch_fri_c4(return_X_y=True)
    train, test = paper_split(len(y), seed)
    model = InteractionClassifier(
        latent="low_rank", n_components=d, **_STRENGTHS, n_init=1, max_iter=100, random_state=0
    )
    return held_out_auc(model.fit(X[train], y[train]), X[test], y[test]), {}


@final
class LatentDimension(AbstractDesign):
    """Test AUC against the number of latent dimensions, at strengths that stay the same."""

    name = "latent dimension"

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self._dimensions = (2, 10, 50) if quick else tuple(DIMENSIONS)
        self._seeds = 3 if quick else 5
        self._absent = ""

    def jobs(self) -> list[Job]:
        try:
            fetch_fri_c4(download_if_missing=not self.quick)
        except FileNotFoundError as absent:
            self._absent = str(absent)
            return []
        return [
            Job(f"d = {d}", _METHOD, seed, partial(_measure, d, seed), seconds=3.0)
            for d in self._dimensions
            for seed in range(self._seeds)
        ]

    def read(self, measurements: Measurements) -> Reproduced:
        cells = {d: measurements.values(self.name, f"d = {d}", _METHOD) for d in self._dimensions}
        gains = [max(more) - two for two, *more in zip(*cells.values(), strict=True)]
        printed = max(DIMENSIONS.values()) - DIMENSIONS[2]
        strengths = ", ".join(f"{name} {value:g}" for name, value in _STRENGTHS.items())
        return Reproduced(
            title="The number of latent dimensions",
            about=f"{_TABLE}, half of the rows to fit and 49% to judge on; strengths stay the same ({strengths}).",
            header=("AUC", *(f"d = {d}" for d in self._dimensions)),
            published=[("paper: LIT-LVM", *(f"{DIMENSIONS[d]:.3f}" for d in self._dimensions))],
            ours=[]
            if self._absent
            else [("ours", *(with_error(values, 3, self._seeds) for values in cells.values()))],
            claims=[
                reaches(
                    f"On {_TABLE} more than two latent dimensions gain no more than this in AUC, at their best",
                    printed,
                    gains,
                    lower_is_better=True,
                    places=3,
                    absent=f"{_TABLE} is absent" if self._absent else "",
                )
            ],
            findings=[],
            absent=[f"{_TABLE} is absent: {self._absent}"] if self._absent else [],
        )
