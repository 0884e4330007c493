"""MovieLens 100K from the folder that INTERTWINE_DATA names: ids and ratings of its split ``ua``."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np

N_HELD_OUT = 10  # of every user, as in the split itself


def split_ua(seed: int) -> dict[str, np.ndarray]:
    """Training and test part, ids from zero; of the training part, fold 0 is held out for tuning.

    Raises
    ------
    FileNotFoundError
        When the archive is absent.
    """
    archive = Path(os.environ.get("INTERTWINE_DATA", "data")) / "fm" / "ml-100k.tar.xz"
    with tarfile.open(archive) as content:
        train, test = (
            np.loadtxt(io.BytesIO(content.extractfile(f"ml-100k/ua.{part}").read()), dtype=np.int64)
            for part in ("base", "test")
        )
    return {
        "X": train[:, :2] - 1,
        "y": train[:, 2].astype(float),
        "folds": tuning_folds(train[:, 0], seed),
        "X_test": test[:, :2] - 1,
        "y_test": test[:, 2].astype(float),
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
