"""Shapes of effects (length scales, autocorrelations) for models of many features with latents."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intertwine.effects.random import AbstractBoundEffect
from intertwine.mixed_effects.base import AbstractGaussianSystem
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.shapes import cautions, fit_shapes
from intertwine.mixed_effects.variances import start_variances

__all__ = ["learnt_shapes"]

Array = NDArray[np.float64]

_OUTPUTS = 10  # features that tell the shapes of several effects, where a trial is dear


def learnt_shapes(X: Array, bound: Sequence[AbstractBoundEffect]) -> tuple[Array, ...]:
    """Shapes by the summed likelihood of the features, each with its own variances.

    To a single feature latents are noise, so that their part needs not be known. All features have the same shapes:
    where several effects make every trial dear, some of them are enough.

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
    first = tuple(effect.start_shape() for effect in bound)
    if not any(np.any(np.ptp(effect.shape_bounds(), axis=1) > 0) for effect in bound if effect.shape_names):
        return first
    observed = np.isfinite(X)
    varied = np.flatnonzero(np.nanstd(X, axis=0) > 0)
    if not varied.size:
        return first
    if len(bound) > 1 or not observed.all():
        order = varied[np.argsort(-observed[:, varied].sum(axis=0), kind="stable")]
        varied = np.sort(order[:_OUTPUTS])
    y, observed = X[:, varied], observed[:, varied]
    weights = None if observed.all() else observed.astype(np.float64)
    y = np.where(observed, y, 0.0)
    fixed = np.ones((len(y), 1))

    def system_at(shapes: tuple[Array, ...]) -> AbstractGaussianSystem:
        return system_for(bound, shapes, fixed, weights, y.shape[1], restricted=False)

    start = start_variances(bound, y, fixed, weights)
    found = fit_shapes(bound, system_at, y, start, tolerance=0.1, variance_tolerance=1e-3)
    for caution in cautions(bound, found):
        warnings.warn(caution, UserWarning, stacklevel=2)
    return found.shapes
