"""MovieLens 100K: ids and ratings of its split ``ua``, read from the folder that INTERTWINE_DATA names."""

from __future__ import annotations

import numpy as np

N_HELD_OUT = 10  # of every user, as in the split itself


def split_ua(seed: int) -> dict[str, np.ndarray]:
    """Training and test part, ids from zero; of the training part, fold 0 is held out for tuning.

    Raises
    ------
    FileNotFoundError
        When the data are absent.
    """
    from intertwine.datasets import fetch_movielens_100k

    ratings = fetch_movielens_100k(split="ua", download_if_missing=False)
    ids, stars = np.asarray(ratings.data, dtype=np.int64), np.asarray(ratings.target, dtype=float)
    return {
        "X": ids[ratings.train] - 1,
        "y": stars[ratings.train],
        "folds": tuning_folds(ids[ratings.train, 0], seed),
        "X_test": ids[ratings.test] - 1,
        "y_test": stars[ratings.test],
    }


def tuning_folds(users: np.ndarray, seed: int) -> np.ndarray:
    """0 for ten random rows of every user (at most half of the user's), 1 for the others."""
    order = np.random.default_rng(seed).permutation(len(users))
    by_user = order[np.argsort(users[order], kind="stable")]
    counts = np.bincount(users)
    place = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    folds = np.ones(len(users), dtype=int)
    folds[by_user[place < np.minimum(N_HELD_OUT, counts[users[by_user]] // 2)]] = 0
    return folds
