"""Latent models of real rows: each is fitted to training rows and sees what is not hidden of the test rows."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from intertwine.datasets.row_splits import held_out_rows

TORCH_PYTHON = "INTERTWINE_TORCH_PYTHON"
TORCH_SCRIPT = Path(__file__).parent / "baselines" / "torch_vae.py"
EPOCHS, BATCH = 40, 500  # of the networks in PyTorch

Predicted = tuple[np.ndarray, dict[str, Any]]
Candidates = Mapping[str, tuple]  # effects by name
INNER = 0.2  # of the training rows or levels, held out to choose effects by


def principal_components(rows: Bunch, effects: Candidates, d: int, seed: int) -> Predicted:
    """Principal components; what is missing is the mean."""
    from sklearn.decomposition import PCA

    filled = np.where(np.isnan(rows.data), np.nanmean(rows.data[rows.train], axis=0), rows.data)
    pca = PCA(d, random_state=seed).fit(filled[rows.train])
    return pca.inverse_transform(pca.transform(filled[rows.test])), {}


def one_hot_components(rows: Bunch, effects: Candidates, d: int, seed: int) -> Predicted:
    """Principal components of features and indicators, all standardised; what is missing is the mean."""
    from scipy import sparse
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    filled = np.where(np.isnan(rows.data), np.nanmean(rows.data[rows.train], axis=0), rows.data)
    labels = np.column_stack([column.astype(str) for column in rows.groups.values()])
    encoder = OneHotEncoder(handle_unknown="ignore").fit(labels[rows.train])
    indicators = StandardScaler(with_mean=False).fit(encoder.transform(labels[rows.train]))
    table = sparse.hstack([sparse.csr_array(filled), indicators.transform(encoder.transform(labels))]).tocsr()
    pca = PCA(d, svd_solver="arpack", random_state=seed).fit(table[rows.train])
    p = filled.shape[1]
    return pca.transform(table[rows.test]) @ pca.components_[:, :p] + pca.mean_[:p], {}


def _ours(make: Callable[..., Any], ignore: bool = False) -> Callable[..., Predicted]:
    def fitted(rows: Bunch, effects: Candidates, d: int, seed: int) -> Predicted:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unseen levels: they are the point of a split
            name, chosen = ("", ()) if ignore else chosen_effects(rows, effects, d, seed)
            model = _fit(make, rows, rows.train, chosen, d, seed)
            at = _where(rows, rows.test, chosen)
            asked = rows.data[rows.test]
            found = np.where(np.isnan(asked), model.impute(asked, **at), model.reconstruct(asked, **at))
            facts = {
                "epochs": int(model.n_iter_),
                "log_density": float(model.score(rows.data[rows.test], **at)),
                "shapes": model.shapes_,
                "effects": name,
            }
        return found, facts

    return fitted


def chosen_effects(rows: Bunch, effects: Candidates, d: int, seed: int) -> tuple[str, tuple]:
    """Those under which training rows that are held out as the test rows are have the largest density (linear)."""
    if len(effects) == 1:
        return next(iter(effects.items()))
    first = next(iter(rows.groups.values()))[rows.train]
    out = held_out_rows(
        rows.split,
        np.random.default_rng(seed),
        INNER,
        first,
        rows.time[rows.train] if "time" in rows else None,
    )
    train, test = rows.train[~out], rows.train[out]

    def density(candidate: tuple) -> float:
        model = _fit(_pca, rows, train, candidate, d, seed)
        return float(model.score(rows.data[test], **_where(rows, test, candidate)))

    scores = {name: density(candidate) for name, candidate in effects.items()}
    best = max(scores, key=scores.__getitem__)
    return best, effects[best]


def _fit(make: Callable[..., Any], rows: Bunch, at: np.ndarray, effects: tuple, d: int, seed: int) -> Any:
    model = make()(n_components=d, effects=list(effects), random_state=seed)
    return model.fit(rows.data[at], **_where(rows, at, effects))


def _where(rows: Bunch, at: np.ndarray, effects: tuple) -> dict[str, Any]:
    needed = {need for effect in effects for need in effect.needs}
    given: dict[str, Any] = {}
    if "groups" in needed:
        given["groups"] = {name: labels[at] for name, labels in rows.groups.items()}
    for name in ("time", "coords"):
        if name in needed:
            given[name] = rows[name][at]
    return given


def torch_python() -> str:
    """The interpreter that has PyTorch; empty where the variable is not set."""
    return os.environ.get(TORCH_PYTHON, "")


def in_torch(
    data: np.ndarray, groups: np.ndarray, side: np.ndarray, train: np.ndarray, test: np.ndarray, d: int, seed: int,
    epochs: int = EPOCHS,
) -> Predicted:  # fmt: skip
    """Fit the network of ``baselines/torch_vae.py``, one thread."""
    with tempfile.TemporaryDirectory() as folder:
        given, said = (os.path.join(folder, name) for name in ("in.npz", "out.npz"))
        settings = np.array([d, epochs, BATCH, seed])
        np.savez(given, X=data, groups=groups, side=side, train=train, test=test, settings=settings)
        subprocess.run([torch_python(), str(TORCH_SCRIPT), given, said], check=True)
        with np.load(said) as answer:
            return answer["found"], {"seconds_an_epoch": float(np.median(answer["seconds"]))}


def embeddings(rows: Bunch, effects: Candidates, d: int, seed: int) -> Predicted:
    """A VAE in PyTorch whose networks also see embeddings of the groups, time and place."""
    codes = np.column_stack(
        [np.unique(column.astype(str), return_inverse=True)[1] for column in rows.groups.values()]
    )
    needed = {need for candidate in effects.values() for effect in candidate for need in effect.needs}
    side = np.column_stack(
        [np.zeros((len(codes), 0)), *(rows[name] for name in ("time", "coords") if name in needed)]
    )
    if side.shape[1]:
        side = (side - side[rows.train].mean(axis=0)) / side[rows.train].std(axis=0)
    return in_torch(rows.data, codes, side, rows.train, rows.test, d, seed)


def _vae():
    from intertwine import RandomEffectsVAE

    return RandomEffectsVAE


def _pca():
    from intertwine import RandomEffectsPCA

    return RandomEffectsPCA


IGNORED, LINEAR, NONLINEAR = "VAE, effects ignored", "RandomEffectsPCA", "RandomEffectsVAE"
METHODS: Mapping[str, Callable[..., Predicted]] = {
    "PCA": principal_components,
    "PCA, one-hot groups": one_hot_components,
    "probabilistic PCA": _ours(_pca, ignore=True),
    IGNORED: _ours(_vae, ignore=True),
    "VAE, embeddings (PyTorch)": embeddings,
    LINEAR: _ours(_pca),
    NONLINEAR: _ours(_vae),
}


def measured(method: str, rows: Bunch, effects: Candidates, d: int, seed: int) -> dict[str, Any]:
    """Mean squared errors of what is seen and of what is hidden of the test rows, both in units of the features."""
    began = time.perf_counter()
    found, facts = METHODS[method](rows, effects, d, seed)
    seconds = time.perf_counter() - began
    error = (rows.whole[rows.test] - found) ** 2
    hidden = rows.hidden[rows.test]
    return {
        "mse": float(np.mean(error[np.isfinite(error) & ~hidden])),
        "hidden_mse": float(np.mean(error[hidden])),
        "seconds": seconds,
        **facts,
    }
