"""Latent factors in the libraries that people use: Surprise, cmfrec, cornac, LIBMF and myFM; each with one thread.

Predictions come from the tables that a library has fitted, where its own loop over pairs is slow or (LIBMF's wrapper)
wrong; ids without ratings get the mean.
"""

from __future__ import annotations

import numpy as np
from baselines.factor_peer import N_COMPONENTS, FactorPeer, scores
from baselines.rating_peer import product


class Surprise(FactorPeer):
    """SVD with its defaults but for the rank."""

    grid = product(n_epochs=(20,), lr_all=(0.005,), reg_all=(0.02,))
    tuning = "none: defaults"

    def run(self, X, y, **setting):
        import pandas as pd
        from surprise import SVD, Dataset, Reader

        frame = pd.DataFrame({"user": X[:, 0], "item": X[:, 1], "rating": y})
        ratings = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
        self._model = SVD(n_factors=N_COMPONENTS, random_state=self.seed, **setting).fit(ratings)

    def score(self, X):
        model, known = self._model, self._model.trainset
        sides = (
            (known.n_users, known.to_raw_uid, model.bu, model.pu),
            (known.n_items, known.to_raw_iid, model.bi, model.qi),
        )
        columns = []
        for codes, (size, raw, bias, factors) in zip(X.T, sides, strict=True):
            place = np.full(codes.max() + 1, size)  # the row of zeros, for ids without ratings
            inner = np.array([(raw(row), row) for row in range(size)])
            inner = inner[inner[:, 0] < len(place)]
            place[inner[:, 0]] = inner[:, 1]
            columns.append((place[codes], np.append(bias, 0.0), np.vstack([factors, np.zeros(N_COMPONENTS)])))
        (users, user_bias, p), (items, item_bias, q) = columns
        return scores(np.column_stack([users, items]), p, q, user_bias, item_bias, known.global_mean)


class SurpriseTuned(Surprise):
    """The same, with rate, strength and epochs chosen."""

    grid = product(n_epochs=(50,), lr_all=(0.01,), reg_all=(0.06, 0.08))
    tuning = "strength"


class Cmfrec(FactorPeer):
    """CMF by alternating least squares with conjugate gradients; strengths count times the number of ratings."""

    grid = product(n_epochs=(15, 30), lambda_=(0.05, 0.07, 0.09))
    tuning = "strength, sweeps"
    implicit_features = False

    def run(self, X, y, n_epochs, **setting):
        import cmfrec
        from scipy.sparse import coo_matrix

        shape = tuple(X.max(axis=0) + 1)
        model = cmfrec.CMF(
            k=N_COMPONENTS,
            method="als",
            use_cg=True,
            scale_lam=True,
            niter=n_epochs,
            add_implicit_features=self.implicit_features,
            random_state=self.seed,
            nthreads=1,
            verbose=False,
            **setting,
        )
        self._model = model.fit(coo_matrix((y, X.T), shape=shape))

    def score(self, X):
        known = np.array([self._model.A_.shape[0], self._model.B_.shape[0]])
        found = np.full(len(X), self._model.glob_mean_)
        inside = np.all(known > X, axis=1)
        found[inside] = self._model.predict(*X[inside].T)
        return np.where(np.isfinite(found), found, self._model.glob_mean_)


class CmfrecImplicit(Cmfrec):
    """The same, with who rated what as further matrices."""

    implicit_features = True
    grid = product(n_epochs=(15,), lambda_=(0.06, 0.08), w_implicit=(0.5, 1.5))
    tuning = "both strengths"


class Cornac(FactorPeer):
    """MF with biases by stochastic gradients."""

    grid = product(n_epochs=(40, 80), learning_rate=(0.005,), lambda_reg=(0.02, 0.03, 0.04))
    tuning = "strength, epochs"

    def run(self, X, y, n_epochs, **setting):
        from cornac.data import Dataset
        from cornac.models import MF

        sizes = X.max(axis=0) + 1
        maps = ({code: code for code in range(size)} for size in sizes)
        rows = (X[:, 0].astype(np.int32), X[:, 1].astype(np.int32), y.astype(np.float32))
        ratings = Dataset(*(int(size) for size in sizes), *maps, rows)
        model = MF(k=N_COMPONENTS, backend="cpu", max_iter=n_epochs, early_stop=False, num_threads=1, seed=self.seed,
                   verbose=False, **setting)  # fmt: skip
        self._model = model.fit(ratings)

    def score(self, X):
        model = self._model
        p, q = (np.asarray(factors) for factors in (model.u_factors, model.i_factors))
        inside = np.minimum(X, [len(p) - 1, len(q) - 1])
        return scores(inside, p, q, np.asarray(model.u_biases), np.asarray(model.i_biases), model.global_mean)


class Libmf(FactorPeer):
    """LIBMF through its Python wrapper: stochastic gradients in blocks, no biases."""

    grid = product(n_epochs=(40, 80), eta=(0.1,), strength=(0.05, 0.06, 0.07))
    tuning = "strength, epochs"

    def run(self, X, y, n_epochs, eta, strength):
        from libmf import mf

        model = mf.MF(
            k=N_COMPONENTS, nr_threads=1, nr_iters=n_epochs, eta=eta, lambda_p2=strength, lambda_q2=strength,
            lambda_p1=0.0, lambda_q1=0.0, quiet=True,
        )  # fmt: skip
        model.fit(np.column_stack([X, y]))
        self._tables = model.p_factors(), model.q_factors()
        self._mean = float(y.mean())

    def score(self, X):
        p, q = self._tables
        inside = np.minimum(X, [len(p) - 1, len(q) - 1])
        found = scores(inside, p, q)
        return np.where(np.isfinite(found), found, self._mean)


class MyFM(FactorPeer):
    """Gibbs sampling with libFM's hyperpriors: nothing to tune."""

    grid = product(n_epochs=(100,))
    tuning = "none: hyperpriors"

    def run(self, X, y, n_epochs):
        import myfm

        self._sizes = X.max(axis=0) + 1
        model = myfm.MyFMRegressor(rank=N_COMPONENTS, random_seed=self.seed)
        self._model = model.fit(
            self._one_hot(X),
            y,
            n_iter=n_epochs,
            n_kept_samples=n_epochs * 4 // 5,
            group_shapes=list(self._sizes),
        )

    def score(self, X):
        return self._model.predict(self._one_hot(X))

    def _one_hot(self, X):
        from scipy.sparse import csr_matrix

        columns = X + np.array([0, self._sizes[0]])
        known = self._sizes > X
        ends = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        return csr_matrix(
            (np.ones(known.sum()), columns[known], ends), shape=(len(X), int(self._sizes.sum()))
        )
