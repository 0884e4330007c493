"""Networks of dense layers, and those without any layer in between: lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import jax.numpy as jnp
import numpy as np

from intertwine.architectures.base import AbstractArchitecture, between, enlarged
from intertwine.networks import (
    Autoencoder,
    applied,
    bounded_log_scale,
    decode,
    drawn_autoencoder,
    drawn_layers,
    encode,
)

__all__ = ["Linear", "Perceptron"]

_MASK = 0.3  # size of a mask's input beside standardised values: nearly constant, it would outweigh them


@final
@dataclass(frozen=True)
class Perceptron(AbstractArchitecture):
    """Dense layers with silu units; the encoder reads values and mask.

    Parameters
    ----------
    n_features, n_components : int
    hidden : tuple of int, default=(512, 256)
        Widths of the encoder's layers; the decoder has them in reverse.
    """

    n_features: int
    n_components: int
    hidden: tuple[int, ...] = (512, 256)

    name: ClassVar[str] = "mlp"

    def draw(self, rng: np.random.Generator) -> Autoencoder:
        drawn = drawn_autoencoder(rng, self.n_features, self.hidden, self.n_components, masked=True)
        return enlarged(drawn, self.n_components)

    def weight_shapes(self):
        p, K = self.n_features, self.n_components
        return between([2 * p, *self.hidden, 2 * K]), between([K, *reversed(self.hidden), p])

    def encode(self, params, x, observed):
        return encode(params, x, _MASK * observed)

    def decode(self, params, z):
        return decode(params, z)


@final
@dataclass(frozen=True)
class Linear(AbstractArchitecture):
    """A linear decoder: with Gaussian columns the model is a linear mixed model of the table, or probabilistic PCA.

    The means are linear in values and mask. How sure a row is depends on the mask alone, as in these models.
    """

    n_features: int
    n_components: int

    name: ClassVar[str] = "linear"

    def draw(self, rng: np.random.Generator) -> Autoencoder:
        p, K = self.n_features, self.n_components
        (mean,), (scale,) = drawn_layers(rng, [2 * p, K]), drawn_layers(rng, [p, K])
        scale = scale._replace(bias=np.full(K, -1.0, np.float32))
        return Autoencoder((mean, scale), tuple(drawn_layers(rng, [K, p])))

    def weight_shapes(self):
        p, K = self.n_features, self.n_components
        return [(2 * p, K), (p, K)], [(K, p)]

    def encode(self, params, x, observed):
        mean, scale = params.encoder
        there = (observed > 0).astype(x.dtype)
        values = jnp.concatenate([jnp.where(observed > 0, x, 0.0), there], axis=1)
        # the share of a row that is missing: nothing missing leaves the bias
        return applied((mean,), values), bounded_log_scale(applied((scale,), 1.0 - there))

    def decode(self, params, z):
        return applied(params.decoder, z)
