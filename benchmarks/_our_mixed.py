"""The library's mixed model, behind the interface of the peers; all outcomes at once."""

from __future__ import annotations

import numpy as np
from baselines.mixed_peer import MixedPeer


class OurMixedModel(MixedPeer):
    """MixedModel with its defaults."""

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> OurMixedModel:
        from intertwine import MixedModel

        fixed, codes = self.split(X)
        names = [f"g{index + 1}" for index in range(codes.shape[1])]
        self._model = MixedModel(effects=self._effects(names), n_jobs=1)
        self._model.fit(
            fixed, y[:, 0] if y.shape[1] == 1 else y, groups=dict(zip(names, codes.T, strict=True))
        )
        return self

    def _effects(self, names: list[str]) -> list:
        from intertwine.effects import Grouped

        return [Grouped(name, slopes=(0,) if self.structure.slope else ()) for name in names]

    def chosen(self) -> dict:
        table = self._model.variance_components_
        value = np.asarray(table["variance"], dtype=float)
        noise = np.asarray(table["component"]) == "noise"
        n_outputs = int(noise.sum())
        return {
            "log_likelihood": np.atleast_1d(self._model.log_likelihood_).tolist(),
            "noise": value[noise].tolist(),
            "variances": value[~noise].reshape(-1, n_outputs).T.tolist(),
        }


class OurSpatialModel(MixedPeer):
    """MixedModel with a field over the sites that the last two columns name, a length scale learnt."""

    def __init__(self, method: str) -> None:
        super().__init__("intercepts")
        self._method = method

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> OurSpatialModel:
        from intertwine import MixedModel
        from intertwine.effects import Spatial

        self._model = MixedModel(effects=[Spatial(kernel="matern32", method=self._method)], n_jobs=1)
        self._model.fit(X[:, :-2], y[:, 0], coords=X[:, -2:])
        return self

    def chosen(self) -> dict:
        [shape] = self._model.shapes_.values()
        return {"log_likelihood": [float(self._model.log_likelihood_)], **shape}
