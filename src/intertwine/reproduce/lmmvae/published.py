"""Figures as the LMMVAE paper prints them (arXiv 2412.16899): test MSE of its simulations, means of five draws."""

from __future__ import annotations

__all__ = [
    "CATEGORICAL",
    "CATEGORICAL_2",
    "LONGITUDINAL_FUTURE",
    "LONGITUDINAL_RANDOM",
    "NOT_HERE",
    "REAL",
    "SPATIAL_RANDOM",
    "SPATIAL_UNKNOWN",
]

Figures = dict[str, dict[str, float]]  # case, method


def _figures(case: str, lmmvae: float, vae: float, pca: float, oracle: float, stages: float) -> Figures:
    return {
        case: {
            "LMMVAE": lmmvae,
            "VAE, effects ignored": vae,
            "PCA, effects ignored": pca,
            "oracle": oracle,
            "two stages": stages,
        }
    }


#: By nominal variances of the three groupings, one latent coordinate.
CATEGORICAL = (
    _figures(".3, .3, .3", 1.28, 2.15, 2.31, 1.08, 1.22)
    | _figures("3, .3, .3", 1.57, 5.78, 5.95, 1.08, 1.23)
    | _figures(".3, 3, 3", 2.01, 9.24, 9.50, 1.12, 1.26)
    | _figures("3, 3, 3", 2.23, 12.68, 12.95, 1.12, 1.26)
)

#: The same with two latent coordinates; of the oracle and the two stages only ranges are known.
CATEGORICAL_2 = {".3, .3, .3": {"LMMVAE": 1.52}, "3, 3, 3": {"LMMVAE": 2.49}}

#: By variances of the coefficients of 1, t and t².
LONGITUDINAL_RANDOM = _figures(".3, .3, .3", 1.11, 1.60, 1.78, 1.02, 1.16) | _figures(
    "3, 3, 3", 1.40, 7.08, 7.22, 1.03, 1.17
)
LONGITUDINAL_FUTURE = _figures(".3, .3, .3", 1.22, 2.09, 2.26, 1.07, 1.21) | _figures(
    "3, 3, 3", 2.39, 11.38, 11.65, 1.15, 1.30
)

#: By nominal variance of the field; l² = .3.
SPATIAL_RANDOM = _figures(".3", 1.02, 1.31, 1.49, 1.00, 1.17) | _figures("3", 1.20, 1.65, 3.53, 1.00, 1.22)
SPATIAL_UNKNOWN = _figures(".3", 1.04, 1.23, 1.46, 1.00, 1.17) | _figures("3", 1.40, 1.75, 3.38, 1.00, 1.22)

#: Test MSE on real tables by the number of latent coordinates.
REAL = {
    "Income": {
        "LMMVAE": {1: 0.0077, 2: 0.0044, 5: 0.0025},
        "VAE, effects ignored": {1: 0.0184, 2: 0.0119, 5: 0.0028},
    },
    "Spotify": {
        "LMMVAE": {1: 0.575, 2: 0.482, 5: 0.200},
        "VAE, effects ignored": {1: 0.631, 2: 0.494, 5: 0.200},
    },
}

#: Tables that intertwine.datasets does not have: both methods with one, two and five coordinates.
NOT_HERE = {
    "Rossmann": ".036, .010, .005 against .437, .202, .027 (d = 1, 2, 5)",
    "News": ".746, .642, .505 against .812, .683, .538 (d = 1, 2, 5)",
    "Cars": ".0360, .0277, .0082 against .0859, .0646, .0257 (d = 1, 2, 5)",
}
