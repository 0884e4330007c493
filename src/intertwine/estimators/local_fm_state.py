"""A fitted local factorization machine as nested dicts of arrays and numbers, and back."""

from __future__ import annotations

import numpy as np

from intertwine.fitting.local_fm import LocalFMFit
from intertwine.minimize import Iteration
from intertwine.structures.coding import AdaptiveCoding, GaussianCoding
from intertwine.structures.local_fm import LocalFM, LocalFMParams

__all__ = ["fit_from_state", "fit_to_state"]

_CODINGS = {"gaussian": GaussianCoding, "adaptive": AdaptiveCoding}
_NAMES = {coding: name for name, coding in _CODINGS.items()}


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
    coding = _CODINGS[state["coding"]](state["n_neighbors"])
    history = [
        Iteration(int(number), *map(float, rest))
        for number, *rest in zip(*(state["history"][name] for name in Iteration._fields), strict=True)
    ]
    machine = LocalFM(p, width - 1, m, coding, state["columns"])
    return LocalFMFit(machine, params, state["offset"], history, state["converged"])
