"""Hyperparameters of the estimators of interactions: refused at fit, never in the constructor."""

from __future__ import annotations

from typing import Any

import numpy as np

from bad_inputs.cases import Case, with_params

_REFUSED: dict[str, list[Any]] = {
    "alpha": [-1, np.nan, "1", np.inf, None],
    "alpha_pairs": [-1, np.nan, "1"],
    "l1_ratio": [-0.1, 1.1, np.nan],
    "latent": ["pca", 2],
    "n_components": [0, 2.5, np.nan, "2"],
    "tie": [-1, np.nan, "0"],
    "order": [1, 4, 2.0],
    "squares": ["yes", 2],
    "relevance": [-1, np.nan, "auto"],
    "basis": ["fourier"],
    "n_knots": [1, 2.5],
    "scaling": ["max", True],
    "unpenalized": ["age", 3],
    "heredity": ["both"],
    "solver": ["lbfgs", None],
    "n_init": [0, 1.5],
    "max_iter": [0, 10.0],
    "tol": [-1e-3, np.nan],
    "random_state": ["a", -1],
    "n_jobs": [1.5, "all"],
    "verbose": [-1, "yes"],
    "checkpoint": [3, True],
}


def _refused(name: str, value: Any, family: str = "any") -> Case:
    return with_params(f"{name}={value!r}", {name: value}, f"The '{name}' parameter of .* must be", family)


HYPERPARAMETERS = [
    *(_refused(name, value) for name, values in _REFUSED.items() for value in values),
    _refused("ties", "exact", "survival"),
    with_params(
        "unknown",
        {"aplha": 1},
        r"(?s)Invalid parameter 'aplha'.*Valid parameters are: \[",
        expected=ValueError,
    ),
]
