"""The library's latent-factor models, behind the interface of the peers; nothing is tuned."""

from __future__ import annotations

import warnings

import numpy as np
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


class PlainConjugateGradients(FactorPeer):
    """Second order as the authors of sharpness-aware latent factors publish it, by our own kernels.

    From U(0, .004), without levels or a preconditioner, 20 conjugate-gradient steps to a tolerance of .1, γ = 60,
    λ = .04 n, unit steps; stopped ten iterations after the best on 3 % of the training part.
    """

    grid = ({},)

    def run(self, X, y):
        from intertwine.fitting.latent_factors.gauss_newton import EarlyStop, fit_gauss_newton
        from intertwine.fitting.latent_factors.model import FactorSettings
        from intertwine.fitting.watch import UNWATCHED
        from intertwine.solvers.gauss_newton import GaussNewton
        from intertwine.solvers.preconditioners import NoPreconditioner
        from intertwine.structures.latent_factors import FactorParams
        from intertwine.structures.ratings import RatingTable

        sizes = tuple(int(codes.max()) + 1 for codes in X.T)
        table, order = RatingTable.build(X[:, 0], X[:, 1], *sizes)
        solver = GaussNewton(
            1e-5,
            damping=60.0,
            adaptive=False,
            line_search=False,
            preconditioner=NoPreconditioner(),
            cg_iter=20,
            cg_tol=0.1,
        )
        self._settings = FactorSettings(
            n_components=N_COMPONENTS, biases=False, alpha=0.04, max_iter=500, validation_fraction=0.03
        )
        rng = np.random.default_rng(self.seed)
        start = [rng.uniform(0.0, 0.004, (size, N_COMPONENTS)) for size in sizes]
        nothing = np.zeros((0, N_COMPONENTS))
        # no mean is taken off: the factors explain the ratings as they are
        self._model = fit_gauss_newton(
            table,
            y[order],
            None,
            self._settings,
            rng,
            UNWATCHED,
            solver=solver,
            stop=EarlyStop(10, 12, 0),
            start=FactorParams(*start, nothing, nothing),
            level=0.0,
        )

    def score(self, X):
        from intertwine.fitting.latent_factors.model import scores_of_pairs

        rows = self._model.users[0], self._model.items[0]
        known = ([len(table) for table in rows] > X).all(axis=1)
        scores = np.full(len(X), float(self._model.user_prior.mean[0] @ self._model.item_prior.mean[0]))
        scores[known] = scores_of_pairs(*rows, X[known, 0], X[known, 1], self._settings)
        return np.clip(scores, 1.0, 5.0)

    def passes(self):
        return float(self._model.history[-1, 3])
