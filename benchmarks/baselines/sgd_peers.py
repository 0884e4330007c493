"""The stochastic factorization machines of others, which read text files: xLearn's and Vowpal Wabbit's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from baselines.rating_peer import N_COMPONENTS, N_USERS, RatingPeer, product


class _FilePeer(RatingPeer):
    """Keeps its files in a folder of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()

    def _path(self, name: str) -> str:
        return str(Path(self._folder.name) / name)

    def _write(self, name: str, lines: list[str]) -> str:
        Path(self._path(name)).write_text("\n".join(lines) + "\n")
        return self._path(name)


class XLearn(_FilePeer):
    """xLearn: float32, AdaGrad, one thread; its random numbers are the same in every run."""

    grid = product(n_epochs=(10, 15, 20), rate=(0.05, 0.1, 0.2), strength=(0.002, 0.004, 0.008))

    def run(self, X, y, n_epochs, **setting):
        os.environ.setdefault("USER", "benchmark")  # xLearn ends the process where it is not set
        import xlearn

        self._machine = xlearn.create_fm()
        self._machine.setQuiet()
        self._machine.setTrain(self._rows("train", X, y))
        parameters = {"task": "reg", "opt": "adagrad", "k": N_COMPONENTS, "epoch": n_epochs, "nthread": 1}
        parameters |= {"lr": setting["rate"], "lambda": setting["strength"]}
        self._machine.fit(parameters, self._path("model"))

    def score(self, X):
        self._machine.setTest(self._rows("test", X, np.zeros(len(X))))
        self._machine.predict(self._path("model"), self._path("scores"))
        return np.loadtxt(self._path("scores"))

    def _rows(self, name, X, y):
        for old in Path(self._folder.name).glob(f"{name}*.bin"):  # it trusts its cache of an earlier file
            old.unlink()
        lines = [f"{r} {u}:1 {N_USERS + i}:1" for (u, i), r in zip(X, y, strict=True)]
        return self._write(name, lines)


class VowpalWabbit(_FilePeer):
    """Vowpal Wabbit: matrix factorization of two namespaces, with the schedule of its own documentation."""

    grid = product(n_epochs=(20,), strength=(0.0005, 0.001, 0.002))

    def run(self, X, y, n_epochs, **setting):
        if os.path.exists(self._path("cache")):
            os.remove(self._path("cache"))
        rows = self._rows("train", X, y)
        self._work(
            f"-d {rows} -k --cache_file {self._path('cache')} --passes {n_epochs} --holdout_off -q ui --rank "
            f"{N_COMPONENTS} --l2 {setting['strength']} --learning_rate 0.015 --decay_learning_rate 0.97 --power_t 0 "
            f"--random_seed {self.seed} -f {self._path('model')}"
        )

    def score(self, X):
        rows = self._rows("test", X, np.ones(len(X)))
        self._work(f"-t -i {self._path('model')} -d {rows} -p {self._path('scores')}")
        return np.loadtxt(self._path("scores"))

    def _rows(self, name, X, y):
        return self._write(name, [f"{r} |u {u} |i {i}" for (u, i), r in zip(X, y, strict=True)])

    @staticmethod
    def _work(arguments: str) -> None:
        import vowpalwabbit

        vowpalwabbit.Workspace(f"{arguments} --quiet").finish()
