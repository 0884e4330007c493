"""SAITS of PyPOTS on padded series, as its users run it, in a process of its own.

    python pypots_saits.py IN.npz OUT.npz

IN: ``train`` (stays, hours, p) and ``asked`` (questions, stays, hours, p), NaN where nothing is known, and
``settings``: epochs, seed. OUT: ``found``, of the shape of ``asked``, and ``seconds`` of the fit. A tenth of the stays
stops the fit.
The sizes are those that its paper has for PhysioNet, halved.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from pypots.imputation import SAITS

SIZES = {"n_layers": 2, "d_model": 128, "n_heads": 4, "d_k": 32, "d_v": 32, "d_ffn": 128, "dropout": 0.1}
PATIENCE = 8


def main() -> None:
    with np.load(sys.argv[1]) as stored:
        train, asked, settings = (stored[name] for name in ("train", "asked", "settings"))
    epochs, seed = (int(value) for value in settings)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(train))
    judges, learnt = np.split(order, [len(order) // 10])
    hidden = rng.random(train[judges].shape) < 0.1
    model = SAITS(
        n_steps=train.shape[1],
        n_features=train.shape[2],
        batch_size=64,
        epochs=epochs,
        patience=min(PATIENCE, epochs),
        device="cpu",
        verbose=False,
        **SIZES,
    )
    began = time.perf_counter()
    model.fit({"X": train[learnt]}, {"X": np.where(hidden, np.nan, train[judges]), "X_ori": train[judges]})
    seconds = time.perf_counter() - began
    found = np.stack([model.predict({"X": question})["imputation"] for question in asked])
    np.savez(sys.argv[2], found=found.reshape(asked.shape), seconds=seconds)


if __name__ == "__main__":
    main()
