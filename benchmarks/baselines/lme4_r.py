"""R's lme4, through files of plain doubles; its clock starts at lmer, when the data frame is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from baselines.mixed_peer import MixedPeer

SCRIPT = Path(__file__).with_name("lme4_fit.R")


class Lme4(MixedPeer):
    """lmer, outcome by outcome.

    Parameters
    ----------
    structure : str
    check : bool
        Take the derivatives at the end that lmer warns of bad convergence by, as its defaults do.
    """

    def __init__(self, structure: str, check: bool = True) -> None:
        if shutil.which("Rscript") is None:
            raise ImportError("Rscript is not on the path")
        super().__init__(structure)
        self._control = "default" if check else "plain"

    def fit(self, X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Lme4:
        y = y.reshape(len(X), -1)
        with tempfile.TemporaryDirectory() as folder:
            np.array([*X.shape, y.shape[1]], dtype=float).tofile(os.path.join(folder, "shape.bin"))
            X.T.astype(float).tofile(os.path.join(folder, "x.bin"))
            y.T.astype(float).tofile(os.path.join(folder, "y.bin"))
            shape = self.structure
            command = [
                "Rscript",
                "--vanilla",
                str(SCRIPT),
                folder,
                shape.formula,
                str(shape.n_groupings),
                self._control,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"lme4 failed: {done.stderr.strip()[-500:]}")
            said = np.fromfile(os.path.join(folder, "said.bin")).reshape(y.shape[1], -1)
            peak, seconds, cpu_seconds = np.fromfile(os.path.join(folder, "facts.bin"))
        self._chosen = {
            "log_likelihood": said[:, 0].tolist(),
            "noise": said[:, 1].tolist(),
            "variances": said[:, 2:].tolist(),
            "peak_mb_in_r": float(peak),
            "seconds_in_r": float(seconds),
            "cpu_seconds_in_r": float(cpu_seconds),
        }
        return self

    def chosen(self) -> dict:
        return self._chosen
