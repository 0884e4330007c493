"""What a fitted interaction model says, as columns of a table: main effects, and pairs of features.

Without a basis a pair of features is one coefficient. With one it is a block of them, and its size is that of the
surface they draw: the root mean square over the fitted rows of f_ab(x) = Σ θ_jk x_j x_k, j in a and k in b.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intertwine.coefficients import DualCoefficients, strongest
from intertwine.fitting.model import InteractionModel

__all__ = ["Interaction", "column_names", "main_effects", "pair_rows", "ranked_pairs", "wald"]


class Interaction(NamedTuple):
    """One pair of features.

    Attributes
    ----------
    term : str
    estimate, std_error, z : float
        The standard error is conditional on the latent target and on the hyperparameters.
    target_share : float
        Share of the estimate that comes from the latent target, between 0 and 1.
    """

    term: str
    estimate: float
    std_error: float
    z: float
    target_share: float


def column_names(model: InteractionModel, features) -> list[str]:
    """Names of the columns: the features', or ``age[2]`` for the second basis column of age."""
    feature_of = model.preparation.feature_of
    if model.preparation.spline is None:
        return [str(features[j]) for j in feature_of]
    first = np.searchsorted(feature_of, feature_of)
    return [
        f"{features[j]}[{i - start + 1}]" for i, (j, start) in enumerate(zip(feature_of, first, strict=True))
    ]


def wald(estimate, std_error):
    """Estimate / std_error, NaN where there is none."""
    return np.divide(estimate, std_error, out=np.full_like(estimate, np.nan), where=std_error > 0)


def main_effects(model: InteractionModel, features) -> dict:
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
    return {"term": names, "estimate": estimate, "std_error": std_error, "z": wald(estimate, std_error)}


def ranked_pairs(model: InteractionModel, n_pairs: int, by: str):
    """Pairs of features in order of strength, as index arrays."""
    if model.preparation.spline is None:
        ranking = strongest(model.pairs, n_pairs, model.preparation.weights, by)
        return ranking.j, ranking.k
    a, b = np.triu_indices(model.preparation.feature_of[-1] + 1, 1)
    size = _surface_sizes(model, a, b)
    if by == "z":
        size = np.nan_to_num(wald(size, _surface_errors(model, a, b)))
    order = np.argsort(-size, kind="stable")[:n_pairs]
    order = order[size[order] > 0]
    return a[order], b[order]


def pair_rows(model: InteractionModel, j, k):
    """(estimate, std_error, target share) of pairs of features, index arrays of equal length."""
    j, k = np.asarray(j), np.asarray(k)
    if model.preparation.spline is None:
        weights = model.preparation.weights[j] * model.preparation.weights[k]
        estimate, target = model.pairs.entries(j, k), model.pairs.target_entries(j, k)
        return estimate * weights, np.sqrt(model.pairs.variances(j, k)) * weights, _share(target, estimate)
    estimate = _surface_sizes(model, j, k)
    return estimate, _surface_errors(model, j, k), _share(_surface_sizes(model, j, k, target=True), estimate)


def _share(target, estimate):
    """|target| against |target| + |deviation|."""
    deviation = np.abs(estimate - target)
    whole = np.abs(target) + deviation
    return np.divide(np.abs(target), whole, out=np.zeros_like(whole), where=whole > 0)


def _fitted_columns(model):
    if not isinstance(model.pairs, DualCoefficients):
        return None
    return model.pairs.columns


def _block(model, a, b, target):
    feature_of = model.preparation.feature_of
    j, k = np.flatnonzero(feature_of == a), np.flatnonzero(feature_of == b)
    if not target:
        return j, k, model.pairs.block(j, k)
    jj, kk = np.meshgrid(j, k, indexing="ij")
    return j, k, model.pairs.target_entries(jj.ravel(), kk.ravel()).reshape(jj.shape)


def _surface_sizes(model, features_a, features_b, target=False):
    columns = _fitted_columns(model)
    out = np.empty(len(features_a))
    for i, (a, b) in enumerate(zip(features_a, features_b, strict=True)):
        j, k, theta = _block(model, a, b, target)
        if columns is None:
            # columns have unit variance together: the norm of the block is the size of a typical surface
            out[i] = np.linalg.norm(theta) / np.sqrt(len(j) * len(k))
        else:
            surface = np.einsum("ij,jk,ik->i", columns[:, j], theta, columns[:, k], optimize=True)
            out[i] = np.sqrt(np.mean(surface**2))
    return out


def _surface_errors(model, features_a, features_b):
    """Root mean posterior variance of the surfaces at the fitted rows."""
    columns = _fitted_columns(model)
    out = np.full(len(features_a), np.nan)
    if columns is None or model.pairs.posterior is None or np.isinf(model.pairs.strengths.deviation):
        return out
    posterior, spread = model.pairs.posterior, 1.0 / model.pairs.strengths.deviation
    feature_of = model.preparation.feature_of
    for i, (a, b) in enumerate(zip(features_a, features_b, strict=True)):
        left, right = columns[:, feature_of == a], columns[:, feature_of == b]
        covariance = spread * (left @ left.T) * (right @ right.T)
        explained = np.einsum("ij,ij->i", covariance @ posterior.P, covariance)
        variance = posterior.scale * (np.diag(covariance) - explained)
        out[i] = np.sqrt(max(np.mean(variance), 0.0))
    return out
