"""R's glmnet, through files of plain doubles: cv.glmnet on main effects, or on every product from model.matrix."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from baselines._peer import Peer
from baselines.adam_litlvm import pair_columns

SCRIPT = Path(__file__).with_name("glmnet_cv.R")


class Glmnet(Peer):
    """Elastic net of R's glmnet: its own path of λ, by the shared folds, for each of a few mixing weights.

    Parameters
    ----------
    family : {"gaussian", "binomial", "cox"}
    pairs : bool
        Add the product of every two features.
    mixing : tuple of float
        glmnet's alpha: 1 the lasso, 0 ridge.
    path_length, min_ratio : int, float
        Number of λ, and the smallest relative to the largest; glmnet ends a path early once nothing is left to explain.
    """

    def __init__(
        self,
        family: str,
        pairs: bool,
        mixing: tuple[float, ...] = (0.1, 0.5, 1.0),
        path_length: int = 100,
        min_ratio: float = 1e-3,
    ) -> None:
        if shutil.which("Rscript") is None:
            raise ImportError("Rscript is not on the path")
        self.tuning = f"λ path of {path_length} × {len(mixing)} mixing weights"
        self._path_length, self._min_ratio = path_length, min_ratio
        self._family, self._pairs, self._mixing = family, pairs, mixing

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Glmnet:
        self._centre, scale = X.mean(axis=0), X.std(axis=0)
        self._scale = np.where(scale > 0, scale, 1.0)
        columns = self._standardized(X)
        measure = {"gaussian": "mse", "binomial": "auc", "cox": "C"}[self._family]
        with tempfile.TemporaryDirectory() as folder:
            np.array(columns.shape, dtype=float).tofile(os.path.join(folder, "shape.bin"))
            columns.T.astype(float).tofile(os.path.join(folder, "x.bin"))
            np.asarray(y, dtype=float).tofile(os.path.join(folder, "y.bin"))
            np.asarray(folds, dtype=float).tofile(os.path.join(folder, "folds.bin"))
            mixing = ",".join(str(value) for value in self._mixing)
            which = "pairs" if self._pairs else "main"
            path = [str(self._path_length), str(self._min_ratio)]
            command = [
                "Rscript",
                "--vanilla",
                str(SCRIPT),
                folder,
                self._family,
                mixing,
                measure,
                which,
                *path,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"glmnet failed: {done.stderr[-2000:]}")
            self._weights = np.fromfile(os.path.join(folder, "coef.bin"))
            peak, seconds, cpu_seconds, alpha, strength = np.fromfile(os.path.join(folder, "facts.bin"))
        self._chosen = {
            "alpha": float(alpha),
            "lambda": float(strength),
            "peak_mb_in_r": float(peak),
            "seconds_in_r": float(seconds),
            "cpu_seconds_in_r": float(cpu_seconds),
        }
        return self

    def _standardized(self, X: np.ndarray) -> np.ndarray:
        return (X - self._centre) / self._scale

    def score(self, X: np.ndarray) -> np.ndarray:
        columns = self._standardized(X)
        n_features = columns.shape[1]
        main = self._weights[0] + columns @ self._weights[1 : 1 + n_features]
        if not self._pairs:
            return main
        kept = self._weights[1 + n_features :]  # model.matrix orders the pairs as numpy.triu_indices does
        return main + pair_columns(columns) @ kept

    def chosen(self) -> dict:
        return self._chosen
