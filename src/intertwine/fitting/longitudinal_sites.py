"""What an encoder says of all visits, and a decoder of their latents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.architectures.base import AbstractArchitecture
from intertwine.fitting.longitudinal_steps import decoded, encoded_sites
from intertwine.fitting.vae_compile import own_compilation_cache
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.networks import Autoencoder

__all__ = ["all_sites", "decoded_outputs", "decoder_slopes"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_PIECE = 1024  # visits at a time
_SLOPE_VISITS = 512  # at which a decoder's slopes are measured


def _in_pieces(function: Any, *columns: Any) -> Any:
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
    mean, variance = _in_pieces(lambda x: encoded_sites(params, x, likelihood, architecture=architecture), X)
    variance[np.flatnonzero(np.isnan(X).all(axis=1))] = np.inf
    return mean, variance


def decoded_outputs(architecture: AbstractArchitecture, params: Autoencoder, latents: Array) -> Single:
    """Outputs (n, p) of latents (n, K)."""
    return _in_pieces(lambda z: decoded(params, z, architecture=architecture), latents.astype(np.float32))


def decoder_slopes(architecture: AbstractArchitecture, params: Autoencoder, mean: Array) -> Array:
    """Mean slopes of the decoder's outputs in each latent, (p, K), by central differences of a tenth of its spread."""
    some = mean[:: max(1, len(mean) // _SLOPE_VISITS)]
    spread = np.maximum(some.std(axis=0), 1e-6)
    slopes = []
    for step in 0.1 * np.diag(spread):
        ends = (decoded_outputs(architecture, params, some + sign * step) for sign in (1.0, -1.0))
        slopes.append(np.subtract(*ends).mean(axis=0, dtype=np.float64) / (2.0 * step.sum()))
    return np.column_stack(slopes)
