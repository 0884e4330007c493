"""What an encoder says of all visits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.architectures.base import AbstractArchitecture
from intertwine.fitting.longitudinal_steps import encoded_sites
from intertwine.fitting.vae_compile import own_compilation_cache
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.networks import Autoencoder

__all__ = ["all_sites", "in_pieces"]

Single = NDArray[np.float32]

_PIECE = 1024  # visits at a time


def in_pieces(function: Any, *columns: Any) -> Any:
    """A compiled function of rows, called with one shape only, and its result (an array, or a tuple of such)."""
    n = len(columns[0])
    size, parts = min(_PIECE, n), []
    for first in range(0, n, size):
        rows = np.minimum(np.arange(first, first + size), n - 1)
        with own_compilation_cache():
            found = function(*(column[rows] for column in columns))
        one = not isinstance(found, tuple)
        parts.append([np.asarray(part)[: n - first] for part in ((found,) if one else found)])
    whole = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
    return whole[0] if one else whole


def all_sites(
    architecture: AbstractArchitecture, likelihood: ColumnLikelihood, params: Autoencoder, X: Single
) -> tuple[Single, Single]:
    """Means and variances (n, K) of the sites of visits (n, p); infinite variances where nothing was observed."""
    mean, variance = in_pieces(lambda x: encoded_sites(params, x, likelihood, architecture=architecture), X)
    variance[np.flatnonzero(np.isnan(X).all(axis=1))] = np.inf
    return mean, variance
