"""A fitted local factorization machine as nested dicts of arrays and numbers, and back."""

from __future__ import annotations

import numpy as np

from intertwine.estimators.model_head import CLASSES, HEAD
from intertwine.fitting.local_fm.fit import LocalFMFit
from intertwine.io.layout import (
    choice,
    count,
    either,
    flag,
    floats,
    items,
    number,
    optional,
    positive,
    text,
    whole,
)
from intertwine.minimize import Iteration
from intertwine.structures.coding import AdaptiveCoding, GaussianCoding
from intertwine.structures.local_fm import LocalFM, LocalFMParams

__all__ = ["LOCAL_FM", "fit_from_state", "fit_to_state"]

_CODINGS = {"gaussian": GaussianCoding, "adaptive": AdaptiveCoding}
_NAMES = {coding: name for name, coding in _CODINGS.items()}
_FIT = {
    "coding": choice(*_CODINGS),
    "n_neighbors": count(least=1),
    "columns": optional(whole("q", below="p")),
    "params": {
        "intercepts": floats("m"),
        "experts": floats("m", "p", "k+1"),
        "projection": either(floats("p", 0), floats("p", "q")),
        "anchors": floats("m", "*"),
        "gamma": floats(above=0.0),
    },
    "offset": number,
    "history": {
        "iteration": whole("iterations"),
        **dict.fromkeys(("value", "optimality", "seconds"), floats("iterations")),
    },
    "converged": flag,
}
#: What the file of a fitted estimator must look like.
LOCAL_FM = HEAD | {
    "solver_": text,
    "scaling": {"center": floats("p"), "scale": floats("p")},
    "runs?": whole("p", below="p"),
    "machines": items(items(_FIT)),
    "extra": either({"center": number, "unit": positive}, {"classes": CLASSES}),
}


def fit_to_state(fit: LocalFMFit) -> dict:
    """State of one machine."""
    coding = fit.machine.coding
    return {
        "coding": _NAMES[type(coding)],
        "n_neighbors": coding.n_neighbors,
        "columns": fit.machine.columns,
        "params": fit.params._asdict(),
        "offset": fit.offset,
        "history": {
            name: np.array([getattr(row, name) for row in fit.history]) for name in Iteration._fields
        },
        "converged": fit.converged,
    }


def fit_from_state(state: dict) -> LocalFMFit:
    """The machine that `fit_to_state` wrote; it predicts the same to the bit."""
    params = LocalFMParams(**state["params"])
    m, p, width = params.experts.shape
    measured = params.projection.shape[1] or (p if state["columns"] is None else len(state["columns"]))
    if params.anchors.shape[1] != measured:
        raise ValueError(f"anchors have {params.anchors.shape[1]} coordinates, expected {measured}")
    coding = _CODINGS[state["coding"]](state["n_neighbors"])
    history = [
        Iteration(int(number), *map(float, rest))
        for number, *rest in zip(*(state["history"][name] for name in Iteration._fields), strict=True)
    ]
    machine = LocalFM(p, width - 1, m, coding, state["columns"])
    return LocalFMFit(machine, params, state["offset"], history, state["converged"])
