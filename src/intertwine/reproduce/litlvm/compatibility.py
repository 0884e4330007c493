"""The kidney study on simulated transplants: the map of a Cox model, and which antigens fit each other."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from intertwine import InteractionCoxPH
from intertwine.datasets import simulate_compatibility
from intertwine.reproduce.claims import exceeds
from intertwine.reproduce.design import AbstractDesign, Job, Reproduced
from intertwine.reproduce.measurements import Measurements, with_error

__all__ = ["Compatibility"]

_MAP, _COMPONENTS = "map of the tied model", "principal components of the types"
_STRENGTHS: dict[str, Any] = {"alpha": 1e-3, "alpha_pairs": 1e-2, "tie": 1.0}


def _measure(method: str, n: int, seed: int) -> tuple[float, dict[str, Any]]:
    truth = simulate_compatibility(n, random_state=seed)
    if method == _MAP:
        # few coefficients, many rows: the sparse path without L1 is the same model, and much the faster
        model = InteractionCoxPH(
            latent="distance", solver="sparse", **_STRENGTHS, n_components=2, tol=1e-5, random_state=0
        )
        places = np.asarray(model.fit(truth.data, truth.target).latent_)
    else:
        places = PCA(2).fit(truth.data).components_.T
    found, true = _distances(places, truth.is_donor), _distances(truth.latent, truth.is_donor)
    return float(roc_auc_score(true < np.median(true), -found)), {}


def _distances(places: NDArray[Any], is_donor: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Squared, of every donor's antigen to every recipient's."""
    gaps = places[is_donor][:, None, :] - places[~is_donor][None, :, :]
    return np.asarray(np.sum(gaps**2, axis=2).ravel())


@final
class Compatibility(AbstractDesign):
    """AUC of telling harmful pairs of antigens from protective ones by their distance on a map."""

    name = "compatibility"

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self._n, self._seeds = (2000, 3) if quick else (4000, 5)

    @property
    def _case(self) -> str:
        return f"n = {self._n}"

    def jobs(self) -> list[Job]:
        return [
            Job(self._case, method, seed, partial(_measure, method, self._n, seed), seconds)
            for method, seconds in ((_MAP, 8.0), (_COMPONENTS, 0.3))
            for seed in range(self._seeds)
        ]

    def read(self, measurements: Measurements) -> Reproduced:
        strengths = ", ".join(f"{name} {value:g}" for name, value in _STRENGTHS.items())
        return Reproduced(
            title="Transplants: a map of antigens",
            about=f"The study's registry is restricted, so {self._n} transplants are simulated with a hidden map: a "
            "pair of antigens of donor and recipient that sit close harms the graft. A Cox model with latent distances "
            f"({strengths}); AUC of telling the harmful half of the pairs by distance.",
            header=("AUC", "harmful pairs by distance"),
            published=[],
            ours=[
                (method, with_error(measurements.values(self.name, self._case, method), 3, self._seeds))
                for method in (_MAP, _COMPONENTS)
            ],
            claims=[
                exceeds(
                    "The latent map separates compatible from incompatible pairs of antigens, and principal components "
                    "do not (on simulated transplants, AUC)",
                    measurements.differences(self.name, self._case, _MAP, _COMPONENTS),
                    places=3,
                )
            ],
            findings=[],
        )
