"""The library's factorization machines on ratings, behind the interface of the peers."""

from __future__ import annotations

import warnings

import numpy as np
from baselines.rating_peer import N_COMPONENTS, N_ITEMS, N_USERS, RatingPeer, product


def one_hot(X: np.ndarray):
    """Users and items as indicator columns."""
    from scipy import sparse

    columns = (X + np.array([0, N_USERS])).astype(np.int32).ravel()
    ends = np.arange(0, 2 * len(X) + 1, 2, dtype=np.int32)
    return sparse.csr_array((np.ones(2 * len(X)), columns, ends), shape=(len(X), N_USERS + N_ITEMS))


class _OneFit(RatingPeer):
    """An FMRegressor that is fitted once, to so many sweeps."""

    solver: str

    def run(self, X, y, n_epochs, **setting):
        from intertwine import FMRegressor

        model = FMRegressor(
            solver=self.solver,
            n_components=N_COMPONENTS,
            max_iter=n_epochs,
            tol=0.0,
            random_state=self.seed,
            **setting,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it could go on: so many sweeps were asked for
            self._model = model.fit(one_hot(X), y)

    def score(self, X):
        return self._model.predict(one_hot(X))


class Gibbs(_OneFit):
    """FMRegressor(solver="gibbs"): nothing to tune."""

    solver = "gibbs"
    grid = product(n_epochs=(500,), n_samples=(400,))
    tuning = "none: hyperpriors"


class LeastSquares(_OneFit):
    """FMRegressor(solver="als")."""

    solver = "als"
    grid = product(n_epochs=(40,), alpha=(2e-5, 5e-5), alpha_factors=(8e-5, 1e-4, 1.2e-4, 1.5e-4))


class Ordinal(RatingPeer):
    """FMClassifier(ordinal=True): stars are ordered classes; their mean is the prediction."""

    grid = product(n_epochs=(500,))
    tuning = "none: hyperpriors"

    def run(self, X, y, n_epochs):
        from intertwine import FMClassifier

        model = FMClassifier(
            ordinal=True, n_components=N_COMPONENTS, max_iter=n_epochs, random_state=self.seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model = model.fit(one_hot(X), y.astype(int))

    def score(self, X):
        return self._model.expected_value(one_hot(X))


class AdaGrad(RatingPeer):
    """FMRegressor(solver="adagrad"), one thread; the epochs are tuned, so that no rows are held out at the end."""

    grid = product(
        n_epochs=(10, 20, 40), alpha=(1e-4,), alpha_factors=(5e-5, 1e-4, 1.5e-4), learning_rate=(0.05, 0.1)
    )

    def run(self, X, y, n_epochs, **setting):
        from intertwine import FMRegressor

        model = FMRegressor(
            solver="adagrad",
            n_components=N_COMPONENTS,
            max_iter=n_epochs,
            tol=0.0,
            random_state=self.seed,
            **setting,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it could go on: so many epochs were asked for
            self._model = model.fit(one_hot(X), y)

    def score(self, X):
        return self._model.predict(one_hot(X))


class Local(RatingPeer):
    """LocalFMRegressor with distances in a learnt latent space; a single anchor is a plain machine, fitted alike."""

    grid = product(n_epochs=(20,), n_anchors=(5,), alpha=(5e-5, 1e-4))

    def run(self, X, y, n_epochs, n_anchors, alpha):
        from intertwine import LocalFMRegressor

        model = LocalFMRegressor(
            space="latent",
            n_components=N_COMPONENTS,
            n_anchors=n_anchors,
            alpha=alpha,
            solver="adam",
            n_epochs=n_epochs,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model = model.fit(one_hot(X), y)

    def score(self, X):
        return self._model.predict(one_hot(X))


class OneExpert(Local):
    """The same with one expert: what being local adds is the difference."""

    grid = product(n_epochs=(20,), n_anchors=(1,), alpha=(5e-5, 1e-4))
