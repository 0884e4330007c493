"""What an encoder says of all visits, and a decoder of their latents."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from intertwine.architectures.base import AbstractArchitecture
from intertwine.fitting.compiled_steps import own_compilation_cache
from intertwine.fitting.longitudinal.refinement import most_likely, observed_information, without_own_site
from intertwine.fitting.longitudinal.steps import decoded, encoded_sites
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.mixed_effects.subjects import Marginals, Sites
from intertwine.networks import Autoencoder

__all__ = [
    "all_sites",
    "column_moments",
    "decoded_outputs",
    "decoder_slopes",
    "log_densities",
    "precisions_at",
    "refined_latents",
    "require_finite_sites",
    "shifts_to",
]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

_PIECE = 1024  # visits at a time, or the next power of two where there are fewer: few shapes are compiled
_SLOPE_VISITS = 512  # at which a decoder's slopes are measured


def _in_pieces(function: Any, *columns: Any) -> Any:
    """A compiled function of rows, called with one shape only, and its result (an array, or a tuple of such)."""
    n = len(columns[0])
    size, parts = min(_PIECE, 1 << max(n - 1, 0).bit_length()), []
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


def require_finite_sites(mean: Single, variance: Single) -> None:
    """Refuse sites of networks whose last step went astray.

    Raises
    ------
    FloatingPointError
    """
    if not np.isfinite(mean).all() or np.isnan(variance).any() or not (variance > 0.0).all():
        raise FloatingPointError("the networks diverged; lower learning_rate")


def decoded_outputs(architecture: AbstractArchitecture, params: Autoencoder, latents: Array) -> Single:
    """Outputs (n, p) of latents (n, K)."""
    return _in_pieces(lambda z: decoded(params, z, architecture=architecture), latents.astype(np.float32))


def column_moments(likelihood: ColumnLikelihood, columns: Any, outputs: NDArray[Any], moment: str) -> Array:
    """The mean or the variance, as ``moment`` says, of all columns (n, p) given a decoder's outputs (n, p)."""

    def found(of_rows: Single) -> Any:
        return _moments(columns, likelihood, of_rows, moment=moment)

    return _in_pieces(found, outputs).astype(np.float64)


def shifts_to(likelihood: ColumnLikelihood, columns: Any, outputs: NDArray[Any], mean: Array) -> Single:
    """What to add to outputs (n, s, p) so that expected values are ``mean`` (n, p) in the mean over s, (n, p)."""
    return _in_pieces(partial(_shifts, columns, likelihood), outputs, mean.astype(np.float32))


def log_densities(likelihood: ColumnLikelihood, columns: Any, X: Array, outputs: NDArray[Any]) -> Array:
    """Σ log p(x | outputs) over the entries of each row that were observed, (n,)."""
    density = _in_pieces(partial(_log_densities, columns, likelihood), X.astype(np.float32), outputs)
    return density.sum(axis=1, dtype=np.float64)


def refined_latents(
    architecture: AbstractArchitecture,
    likelihood: ColumnLikelihood,
    decoder: Any,
    columns: Any,
    axes: Array,
    X: Array,
    known: Marginals,
    sites: Sites,
    n_steps: int,
) -> Array:
    """The most likely latents (n, K) of visits (n, p), from ``known`` on, in ``n_steps`` steps.

    Latents @ ``axes`` are those that the decoder reads.
    """
    others = without_own_site(known, sites)

    def found(*of_rows: Single) -> Any:
        return most_likely(
            decoder, columns, likelihood, axes.astype(np.float32), *of_rows, architecture=architecture, n_steps=n_steps
        )  # fmt: skip

    of_rows = (X, known.mean, np.sqrt(known.variance), others.mean, 1.0 / others.variance)
    return _in_pieces(found, *(part.astype(np.float32) for part in of_rows)).astype(np.float64)


def precisions_at(
    architecture: AbstractArchitecture,
    likelihood: ColumnLikelihood,
    decoder: Any,
    columns: Any,
    axes: Array,
    X: Array,
    latents: Array,
    known: Marginals,
    sites: Sites,
) -> Array:
    """Precisions (n, K, K) of latents given all that is known of visits; arguments are those of `refined_latents`."""

    def found(*of_rows: Single) -> Any:
        return observed_information(
            decoder, columns, likelihood, axes.astype(np.float32), *of_rows, architecture=architecture
        )

    information = _in_pieces(found, X.astype(np.float32), latents.astype(np.float32)).astype(np.float64)
    return information + (1.0 / without_own_site(known, sites).variance)[:, :, None] * np.eye(
        latents.shape[1]
    )


@partial(jax.jit, static_argnames="moment")
def _moments(columns: Any, likelihood: ColumnLikelihood, outputs: Any, *, moment: str) -> Any:
    return getattr(likelihood, moment)(columns, outputs)


@jax.jit
def _shifts(columns: Any, likelihood: ColumnLikelihood, outputs: Any, mean: Any) -> Any:
    return likelihood.shift_to(columns, outputs, mean)


@jax.jit
def _log_densities(columns: Any, likelihood: ColumnLikelihood, x: Any, outputs: Any) -> Any:
    return likelihood.log_density(columns, outputs, x)


def decoder_slopes(architecture: AbstractArchitecture, params: Autoencoder, mean: Array) -> Array:
    """Mean slopes of the decoder's outputs in each latent, (p, K), by central differences of a tenth of its spread."""
    some = mean[:: max(1, len(mean) // _SLOPE_VISITS)]
    spread = np.maximum(some.std(axis=0), 1e-6)
    slopes = []
    for step in 0.1 * np.diag(spread):
        ends = (decoded_outputs(architecture, params, some + sign * step) for sign in (1.0, -1.0))
        slopes.append(np.subtract(*ends).mean(axis=0, dtype=np.float64) / (2.0 * step.sum()))
    return np.column_stack(slopes)
