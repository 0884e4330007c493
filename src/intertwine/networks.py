"""Encoder and decoder of the variational autoencoders: layers of numbers, and what they compute.

    encoder   x ↦ mean and log standard deviation of q(u | x)
    decoder   u ↦ f(u)

The parameters are nested tuples of arrays (a JAX pytree that a file can hold as well), drawn by numpy: eager random
numbers of JAX cost seconds before the first step.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "Autoencoder",
    "Layer",
    "applied",
    "bounded_log_scale",
    "decode",
    "drawn_autoencoder",
    "drawn_layers",
    "encode",
    "n_latents",
]

_LARGEST_LOG_SCALE = 3.0  # of a latent whose prior has scale one; beyond, exp() would only overflow
_SMALLEST_LOG_SCALE = -9.0


class Layer(NamedTuple):
    """An affine map: inputs (n, i) to outputs (n, o)."""

    weight: Any  # (i, o)
    bias: Any  # (o,)


class Autoencoder(NamedTuple):
    """Parameters of the two networks; the first layer of the encoder is 2p wide where it is told what is missing."""

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]

    def to_state(self) -> dict[str, Any]:
        """What a model file holds of them."""
        return {name: [layer._asdict() for layer in layers] for name, layers in self._asdict().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Autoencoder:
        """The networks that gave this state."""
        return cls(**{name: tuple(Layer(**layer) for layer in layers) for name, layers in state.items()})


def drawn_autoencoder(
    rng: np.random.Generator, n_features: int, hidden: Sequence[int], n_components: int, *, masked: bool
) -> Autoencoder:
    """Networks at their start.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_features : int
    hidden : sequence of int
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    n_components : int
    masked : bool
        Whether the encoder is told which entries are missing.

    Returns
    -------
    Autoencoder
        Weights N(0, 1/i), biases zero; the last layers a tenth of that, so that f begins near zero and q near the
        prior's mean with standard deviation e⁻¹.
    """
    inputs = n_features * (2 if masked else 1)
    encoder = drawn_layers(rng, [inputs, *hidden, 2 * n_components])
    encoder[-1].bias[n_components:] = -1.0
    decoder = drawn_layers(rng, [n_components, *reversed(hidden), n_features])
    return Autoencoder(tuple(encoder), tuple(decoder))


def drawn_layers(rng: np.random.Generator, widths: Sequence[int]) -> list[Layer]:
    """Layers of these widths at their start, as of `drawn_autoencoder`: the last one small."""
    layers = []
    for depth, (i, o) in enumerate(itertools.pairwise(widths), start=2):
        size = (0.1 if depth == len(widths) else 1.0) / np.sqrt(i)
        layers.append(Layer((size * rng.standard_normal((i, o))).astype(np.float32), np.zeros(o, np.float32)))
    return layers


def n_latents(params: Autoencoder) -> int:
    """d, from the shapes."""
    return params.decoder[0].weight.shape[0]


def encode(params: Autoencoder, x: Any, observed: Any) -> tuple[Any, Any]:
    """Mean and log standard deviation of q(u | x), (n, d) each.

    ``x`` (n, p) without the random effects; what stands at entries that are not ``observed`` (n, p) is not read.
    """
    x = jnp.where(observed > 0, x, 0.0)
    if params.encoder[0].weight.shape[0] == 2 * x.shape[1]:
        x = jnp.concatenate([x, observed.astype(x.dtype)], axis=1)
    mean, log_scale = jnp.split(applied(params.encoder, x), 2, axis=1)
    return mean, bounded_log_scale(log_scale)


def bounded_log_scale(log_scale: Any) -> Any:
    """Within what a standard deviation can be beside a prior of scale one."""
    return jnp.clip(log_scale, _SMALLEST_LOG_SCALE, _LARGEST_LOG_SCALE)


def decode(params: Autoencoder, u: Any) -> Any:
    """f(u), (n, p), of latents (n, d)."""
    return applied(params.decoder, u)


def applied(layers: tuple[Layer, ...], x: Any) -> Any:
    """What layers compute of rows (n, i): silu between them, nothing after the last."""
    for layer in layers[:-1]:
        x = jax.nn.silu(x @ layer.weight + layer.bias)
    return x @ layers[-1].weight + layers[-1].bias
