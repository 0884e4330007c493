"""What a fitted interaction model says, as columns of a table: main effects, and pairs of features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intertwine.coefficients import DualCoefficients
from intertwine.fitting.interactions.feature_pairs import (
    conditional_pair_errors,
    pair_errors,
    pair_estimates,
    target_shares,
    wald,
)
from intertwine.fitting.interactions.model import InteractionModel
from intertwine.latent_errors import MOST_PARAMETERS

__all__ = ["Interaction", "column_names", "main_effects", "pair_table", "pair_terms", "why_no_errors"]


class Interaction(NamedTuple):
    """One pair of features.

    Attributes
    ----------
    term : str
    estimate, std_error, z : float
        The standard error is conditional on the hyperparameters; what latent vectors leave open is in it.
    target_share : float
        Share of the estimate that comes from the latent target, between 0 and 1.
    std_error_conditional : float
        Standard error at latent vectors held fixed.
    """

    term: str
    estimate: float
    std_error: float
    z: float
    target_share: float
    std_error_conditional: float


def column_names(model: InteractionModel, features) -> list[str]:
    """Names of the columns: the features', or ``age[2]`` for the second basis column of age."""
    feature_of = model.preparation.feature_of
    if model.preparation.spline is None:
        return [str(features[j]) for j in feature_of]
    first = np.searchsorted(feature_of, feature_of)
    return [
        f"{features[j]}[{i - start + 1}]" for i, (j, start) in enumerate(zip(feature_of, first, strict=True))
    ]


def main_effects(model: InteractionModel, features) -> dict[str, np.ndarray]:
    """Main effects per standard deviation, with own squares below them where the model has any."""
    weights = model.preparation.weights
    names = column_names(model, features)
    estimate = model.main * weights
    std_error = np.sqrt(model.main_variance) * weights
    if len(model.squares):
        kept = model.preparation.square_kept
        names = names + [f"{names[j]}²" for j in kept]
        estimate = np.append(estimate, model.squares)
        std_error = np.append(std_error, np.full(len(kept), np.nan))
    return {
        "term": np.array(names, dtype=object),
        "estimate": estimate,
        "std_error": std_error,
        "z": wald(estimate, std_error),
    }


def why_no_errors(model: InteractionModel) -> str:
    """Say why pairs have no standard errors; empty where they have."""
    pairs = model.pairs
    if not isinstance(pairs, DualCoefficients):
        return "the sparse path gives no standard errors"
    if pairs.n_target_parameters > MOST_PARAMETERS:
        return (
            f"the {pairs.n_target_parameters:,} numbers of the latent vectors are too many for standard errors that "
            f"allow for them (at most {MOST_PARAMETERS:,}); std_error_conditional holds them fixed"
        )
    # the error of a surface takes the covariances of its coefficients
    enough = pairs.written is None or pairs.written.covariance is not None or model.preparation.spline is None
    return "" if pairs.has_variances and enough else "the file of this large model holds no standard errors"


def pair_terms(features, first, second) -> np.ndarray:
    """``age × dose`` for pairs of positions."""
    return np.array(
        [f"{features[a]} × {features[b]}" for a, b in zip(first, second, strict=True)], dtype=object
    )


def pair_table(model: InteractionModel, features, first, second) -> dict[str, np.ndarray]:
    """Columns for pairs of features, in the order they are given."""
    names = np.asarray(features, dtype=object)
    estimate, std_error = pair_estimates(model, first, second), pair_errors(model, first, second)
    return {
        "rank": np.arange(1, len(first) + 1),
        "term": pair_terms(features, first, second),
        "feature_1": names[first],
        "feature_2": names[second],
        "estimate": estimate,
        "std_error": std_error,
        "z": wald(estimate, std_error),
        "target_share": target_shares(model, first, second),
        "std_error_conditional": conditional_pair_errors(model, first, second),
    }
