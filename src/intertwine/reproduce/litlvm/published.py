"""Figures as the LIT-LVM paper prints them (arXiv 2506.15492), and how ours are put beside them."""

from __future__ import annotations

import numpy as np

from intertwine.reproduce.measurements import mean_and_error

__all__ = ["CLASSIFICATION", "REAL", "REGRESSION", "TIE", "verdict"]

#: RMSE by number of features, σ² = .1.
REGRESSION = {"LIT-LVM": {40: 0.041, 50: 0.067, 60: 1.51, 70: 11.5, 100: 65.2, 200: 217.6}}

#: AUC by number of features.
CLASSIFICATION = {
    "LIT-LVM": {100: 0.965, 200: 0.805, 500: 0.534},
    "elastic net, all pairs": {100: 0.700, 200: 0.607, 500: 0.527},
}

#: AUC by λ_l at 100 features.
TIE = {0.01: 0.776, 0.1: 0.939, 1.0: 0.964, 10.0: 0.695}

#: AUC on real tables.
REAL = {
    "elastic net, main effects": {
        "clean1": 0.900,
        "clean2": 0.944,
        "tecator": 0.969,
        "hill_valley": 0.711,
        "fri_c4_1000_100": 0.672,
    },
    "elastic net, all pairs": {
        "clean1": 0.922,
        "clean2": 0.943,
        "tecator": 0.959,
        "hill_valley": 0.547,
        "fri_c4_1000_100": 0.564,
    },
    "LIT-LVM": {
        "clean1": 0.947,
        "clean2": 0.985,
        "tecator": 0.974,
        "hill_valley": 0.734,
        "fri_c4_1000_100": 0.689,
    },
    "factorization machine": {
        "clean1": 0.906,
        "clean2": 0.955,
        "tecator": 0.962,
        "hill_valley": 0.705,
        "fri_c4_1000_100": 0.646,
    },
}


def verdict(values: np.ndarray, published: float, *, lower_is_better: bool) -> str:
    """Word for our mean beside a published number, which comes without an error of its own.

    Two standard errors are the yardstick; without several seeds, five percent of what is left to gain.

    Examples
    --------
    >>> verdict(np.array([0.95, 0.96, 0.97]), 0.9, lower_is_better=False)
    'better'
    >>> verdict(np.array([1.0, 1.2, 1.1]), 1.05, lower_is_better=True)
    'the same'
    >>> verdict(np.array([1.0]), 0.5, lower_is_better=True)
    'not reached'
    """
    mean, error = mean_and_error(values)
    rest = published if lower_is_better else 1.0 - published
    margin = 0.05 * rest if np.isnan(error) else 2.0 * error
    gain = published - mean if lower_is_better else mean - published
    if abs(gain) <= margin:
        return "the same"
    return "better" if gain > 0 else "not reached"
