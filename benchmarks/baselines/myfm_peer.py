"""myFM: Gibbs sampling of factorization machines, with the hyperpriors of libFM."""

from __future__ import annotations

import numpy as np
from baselines.rating_peer import N_COMPONENTS, N_ITEMS, N_USERS, RatingPeer, product
from scipy.sparse import csr_matrix


class MyFM(RatingPeer):
    """Ten factors, a prior for users and one for items; nothing to tune."""

    grid = product(n_epochs=(500,))
    tuning = "none: hyperpriors"

    def run(self, X, y, n_epochs):
        import myfm

        model = myfm.MyFMRegressor(rank=N_COMPONENTS, random_seed=self.seed)
        self._model = model.fit(
            _one_hot(X),
            y,
            n_iter=n_epochs,
            n_kept_samples=max(1, n_epochs * 4 // 5),
            group_shapes=[N_USERS, N_ITEMS],
        )

    def score(self, X):
        return self._model.predict(_one_hot(X))


def _one_hot(X: np.ndarray) -> csr_matrix:
    columns = (X + np.array([0, N_USERS])).ravel()
    ends = np.arange(0, 2 * len(X) + 1, 2)
    return csr_matrix((np.ones(2 * len(X)), columns, ends), shape=(len(X), N_USERS + N_ITEMS))
