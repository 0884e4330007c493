"""Figures as the LIT-LVM paper prints them (arXiv 2506.15492)."""

from __future__ import annotations

__all__ = ["CLASSIFICATION", "DIMENSIONS", "ELSEWHERE", "REAL", "REGRESSION", "TIE"]

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

#: AUC of LIT-LVM on tables that intertwine.datasets does not have.
ELSEWHERE = {
    "eye_movements": 0.607,
    "fri_c4_500_100": 0.666,
    "jannis": 0.827,
    "jasmine": 0.837,
    "madeline": 0.632,
    "MiniBooNE": 0.911,
    "nomao": 0.987,
    "pol": 0.983,
    "scene": 0.967,
    "bioresponse": 0.808,
}

#: AUC of LIT-LVM on fri_c4_1000_100 by latent dimension.
DIMENSIONS = {2: 0.689, 3: 0.697, 5: 0.698, 10: 0.681, 30: 0.686, 50: 0.691}
