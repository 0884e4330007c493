"""SAITS of PyPOTS for stays by the hour: series padded to 48 rows, in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from intertwine.reproduce.lmm_vae.simple import AbstractMethod
from intertwine.reproduce.lmm_vae.visits import Task, Visits

PYPOTS_PYTHON = "INTERTWINE_PYPOTS_PYTHON"
SCRIPT = Path(__file__).parent / "baselines" / "pypots_saits.py"
HOURS = 48


def pypots_python() -> str:
    """The interpreter that has PyPOTS; empty where the variable is not set."""
    return os.environ.get(PYPOTS_PYTHON, "")


class SAITS(AbstractMethod):
    """All questions are asked with the fit: the peer's model lives in its process."""

    def __init__(self, epochs: int = 60) -> None:
        self._epochs = epochs

    def fit(self, task: Task, seed: int) -> None:
        self._asked = [question.given for question in task.questions.values()]
        train = _padded(task.train, np.unique(task.train.subject))
        self._stays = np.unique(np.concatenate([given.subject for given in self._asked]))
        asked = np.stack([_padded(given, self._stays) for given in self._asked])
        with tempfile.TemporaryDirectory() as folder:
            given, said = (os.path.join(folder, name) for name in ("in.npz", "out.npz"))
            np.savez(given, train=train, asked=asked, settings=np.array([self._epochs, seed]))
            subprocess.run(
                [pypots_python(), str(SCRIPT), given, said], check=True, capture_output=True, cwd=folder
            )
            with np.load(said) as answer:
                self._found, self._seconds = answer["found"], float(answer["seconds"])

    def gaps(self, given: Visits | None) -> np.ndarray | None:
        return None if given is None else self._at(given, given)

    def wanted(self, given: Visits | None, wanted: Visits) -> np.ndarray | None:
        return None if given is None else self._at(given, wanted)

    def _at(self, given: Visits, rows: Visits) -> np.ndarray:
        question = next(place for place, asked in enumerate(self._asked) if asked is given)
        return self._found[question, np.searchsorted(self._stays, rows.subject), rows.time.astype(int)]

    def facts(self) -> dict:
        return {"fit_seconds": self._seconds}


def _padded(visits: Visits, stays: np.ndarray) -> np.ndarray:
    series = np.full((len(stays), HOURS, visits.X.shape[1]), np.nan, dtype=np.float32)
    series[np.searchsorted(stays, visits.subject), visits.time.astype(int)] = visits.X
    return series
