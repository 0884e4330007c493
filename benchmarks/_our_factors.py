"""The library's latent-factor models, behind the interface of the peers; nothing is tuned."""

from __future__ import annotations

import warnings

from baselines.factor_peer import N_COMPONENTS, FactorPeer


class OurFactors(FactorPeer):
    """LatentFactorModel with its defaults but for the rank and what ``settings`` says."""

    grid = ({},)
    tuning = "none"

    def __init__(self, **settings) -> None:
        self.settings = settings

    def run(self, X, y):
        from intertwine import LatentFactorModel

        model = LatentFactorModel(
            n_components=N_COMPONENTS, rating_scale=(1, 5), random_state=self.seed, n_jobs=1, **self.settings
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so many sweeps were asked for
            self._model = model.fit(X, y)

    def score(self, X):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ids without ratings
            return self._model.predict(X)

    def passes(self):
        return float(self._model.history_["passes"].iloc[-1])
