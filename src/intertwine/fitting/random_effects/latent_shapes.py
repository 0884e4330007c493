"""Shapes of effects (length scales, autocorrelations) for models of many features with latents."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect, IndependentPrior
from intertwine.mixed_effects.base import AbstractGaussianSystem
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.shapes import cautions, fit_shapes
from intertwine.mixed_effects.variances import start_variances
from intertwine.validation.caller import depth_of_caller

__all__ = ["learnt_shapes"]

Array = NDArray[np.float64]

_OUTPUTS = 10  # features that tell the shapes of several effects, where a trial is dear
_FEW = 200  # levels that may stand as fixed columns
_COMPLETE = 0.5  # share of the rows that must be complete for the others to be left out


def learnt_shapes(X: Array, bound: Sequence[AbstractBoundEffect]) -> tuple[Array, ...]:
    """Shapes by the summed likelihood of the features, each with its own variances.

    To a single feature latents are noise, so that their part needs not be known. The likelihood is the restricted one.
    Where several effects make every trial dear, some features are enough, since all have the same shapes; effects of
    few levels that have no shape themselves stand as fixed columns.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN where an entry is missing.
    bound : sequence of AbstractBoundEffect

    Returns
    -------
    tuple of ndarray

    Warns
    -----
    UserWarning
        Shapes on a limit, and approximations that can be seen.
    """
    first = [effect.start_shape() for effect in bound]
    free = [t for t, effect in enumerate(bound) if np.any(np.ptp(effect.shape_bounds(), axis=1) > 0)]
    varied = np.flatnonzero(np.nanstd(X, axis=0) > 0)
    if not free or not varied.size:
        return tuple(first)
    y, weights = _telling(X, varied if len(bound) == 1 else _most_observed(X, varied))
    fixed = np.ones((len(y), 1))
    others = [effect for t, effect in enumerate(bound) if t not in free]
    searched = list(range(len(bound)))
    if len(free) == 1 and _few_levels(others):
        searched, fixed = free, _columns(fixed, others, weights)
    effects = [bound[t] for t in searched]

    def system_at(shapes: tuple[Array, ...]) -> AbstractGaussianSystem:
        return system_for(effects, shapes, fixed, weights, y.shape[1], restricted=True)

    start = start_variances(effects, y, fixed, weights)
    found = fit_shapes(effects, system_at, y, start, tolerance=0.1, variance_tolerance=1e-3)
    for caution in cautions(effects, found):
        warnings.warn(caution, UserWarning, stacklevel=depth_of_caller())
    for t, shape in zip(searched, found.shapes, strict=True):
        first[t] = shape
    return tuple(first)


def _most_observed(X: Array, among: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.isfinite(X[:, among]).sum(axis=0)
    return np.sort(among[np.argsort(-counts, kind="stable")[:_OUTPUTS]])


def _telling(X: Array, features: NDArray[np.int64]) -> tuple[Array, Array | None]:
    """Outcomes and weights; the rows that have all of them, where these are most."""
    observed = np.isfinite(X[:, features])
    if observed.all():
        return X[:, features], None
    complete = observed.all(axis=1)
    weights = complete if complete.mean() > _COMPLETE else observed
    return np.where(observed, X[:, features], 0.0), np.asarray(weights, dtype=np.float64)


def _few_levels(effects: Sequence[AbstractBoundEffect]) -> bool:
    """Whether effects without a shape may stand as fixed columns, which leaves the other alone: its modes are fast."""
    exchangeable = all(isinstance(effect.prior(effect.start_shape()), IndependentPrior) for effect in effects)
    return exchangeable and sum(effect.n_levels * effect.n_basis for effect in effects) <= _FEW


def _columns(fixed: Array, effects: Sequence[AbstractBoundEffect], weights: Array | None) -> Array:
    """An orthonormal basis of fixed columns and of those of effects, at the rows that count."""
    parts = [fixed]
    for effect in effects:
        basis = np.ones((len(fixed), 1)) if effect.basis is None else effect.basis
        indicator = np.eye(effect.n_levels)[effect.level]
        parts.append((indicator[:, :, None] * basis[:, None, :]).reshape(len(fixed), -1))
    columns = np.concatenate(parts, axis=1)
    if weights is not None:
        columns = columns * (weights if weights.ndim == 1 else weights.max(axis=1))[:, None]
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, sizes > 1e-8 * sizes[0]]
