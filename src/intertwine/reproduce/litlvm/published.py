"""Figures as the LIT-LVM paper prints them (arXiv 2506.15492)."""

from __future__ import annotations

__all__ = ["CLASSIFICATION", "REAL", "REGRESSION", "TIE"]

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
