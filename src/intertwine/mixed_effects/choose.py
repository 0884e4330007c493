"""Which algebra serves which effects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intertwine.effects.random import AbstractBoundEffect, BasisPrior, CovariancePrior, IndependentPrior
from intertwine.mixed_effects.base import AbstractGaussianSystem, Array
from intertwine.resources import available_memory

__all__ = ["system_for"]

_MOST_OPERATIONS = 2e9  # of one factor: two seconds, and twice that for its inverse


def system_for(
    effects: Sequence[AbstractBoundEffect],
    shapes: Sequence[Array] | None = None,
    fixed: Array | None = None,
    weights: Array | None = None,
    n_outputs: int = 1,
    restricted: bool = True,
    seed: int = 0,
) -> AbstractGaussianSystem:
    """Set up the system of some effects.

    Parameters
    ----------
    effects : sequence of AbstractBoundEffect
        Bound to the same rows.
    shapes : sequence of arrays, optional
        Of each effect; None starts with `AbstractBoundEffect.start_shape`.
    fixed : array of shape (n, c), optional
        Columns of the fixed effects.
    weights : array of shape (n,) or (n, n_outputs), optional
        The noise of an entry has the variance σ²/w; an entry of weight zero is missing.
    n_outputs : int, default=1
    restricted : bool, default=True
        Whether fixed effects are integrated out (REML) or set to their best value (ML).
    seed : int, default=0
        Of the probes of an `IterativeSystem`.

    Returns
    -------
    AbstractGaussianSystem
        `BlockSystem` for one effect whose levels share nothing; `SpectralSystem` for one effect in space and weights
        that all outputs share, `PatternedSystem` where these differ and the modes of all patterns fit; `SparseSystem`
        for all else, up to the size where one factor would take seconds or not fit; beyond, `IterativeSystem`, whose
        log-likelihoods and second moments are stochastic.

    Raises
    ------
    ValueError
        Where fixed columns depend on each other.

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine.effects import Grouped
    >>> from intertwine.effects.random import EffectRows, GroupCodes
    >>> from intertwine.mixed_effects.base import VarianceComponents
    >>> rows = EffectRows(4, {None: GroupCodes(np.array([0, 0, 1, 1]), 2)})
    >>> system = system_for([Grouped().bind(rows)], fixed=np.ones((4, 1)))
    >>> posterior = system.posterior(np.array([[1.0], [2.0], [3.0], [4.0]]), VarianceComponents([1.0], ([[[2.0]]],)))
    >>> posterior.effects[0].ravel()
    array([-0.8,  0.8])
    """
    if shapes is None:
        shapes = [effect.start_shape() for effect in effects]
    if weights is not None and weights.ndim == 2 and np.all(weights == weights[:, :1]):
        weights = weights[:, 0]  # rows that are missing as a whole
    if len(effects) == 1:
        prior = effects[0].prior(shapes[0])
        if isinstance(prior, IndependentPrior):
            from intertwine.mixed_effects.block import BlockSystem

            return BlockSystem(effects[0], shapes[0], fixed, weights, n_outputs, restricted)
        if isinstance(prior, CovariancePrior | BasisPrior) and (weights is None or weights.ndim == 1):
            from intertwine.mixed_effects.spectral import SpectralSystem

            return SpectralSystem(effects[0], shapes[0], fixed, weights, n_outputs, restricted)
        if isinstance(prior, CovariancePrior | BasisPrior) and weights is not None:
            from intertwine.mixed_effects.patterned import PatternedSystem, weight_patterns

            if len(weight_patterns(weights)) * _spectral_bytes(effects[0], prior) < 0.5 * available_memory():
                return PatternedSystem(effects[0], shapes[0], fixed, weights, restricted)
    from intertwine.mixed_effects.sparse import SparseSystem

    try:
        system = SparseSystem(effects, shapes, fixed, weights, n_outputs, restricted)
    except MemoryError:
        system = None
    if system is not None and system.equations.pattern.operations <= _MOST_OPERATIONS:
        return system
    from intertwine.mixed_effects.iterative import IterativeSystem

    return IterativeSystem(effects, shapes, fixed, weights, n_outputs, restricted, seed=seed)


def _spectral_bytes(effect: AbstractBoundEffect, prior: CovariancePrior | BasisPrior) -> float:
    """What a spectral system keeps: modes at levels, their coefficients, and the rows with their weights."""
    q, m = (prior.covariance if isinstance(prior, CovariancePrior) else prior.loadings).shape
    return 8.0 * (q * m + m * m + 8 * len(effect.level))
