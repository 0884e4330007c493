"""Convolutional networks for images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from intertwine.architectures.base import AbstractArchitecture
from intertwine.networks import Autoencoder, Layer, applied, bounded_log_scale, drawn_layers

__all__ = ["Convolutional"]

_KERNEL = 3


@final
@dataclass(frozen=True)
class Convolutional(AbstractArchitecture):
    """Two convolutions, each halving the image, then dense layers; the decoder mirrored.

        (h, w, 2c) ─ conv 3×3 ─ pool 2 ─ silu ─ conv 3×3 ─ pool 2 ─ silu ─ dense … ─ mean, log scale
        latents ─ dense … ─ silu ─ conv 3×3 ─ spread 2 ─ silu ─ conv 3×3 ─ spread 2 ─ (h, w, c)

    The encoder's channels are the image's, and as many of its mask. A step up is a convolution with four times the
    channels, which are then spread over 2 × 2 pixels: a transposed convolution of stride 2, without its zeros.

    Parameters
    ----------
    image_shape : tuple of int
        (h, w) or (h, w, channels), of any size. A row of the table is an image in C order.
    n_components : int
    hidden : tuple of int, default=(300, 30)
        Widths of the dense layers of the encoder; the decoder has them in reverse.
    channels : tuple of int, default=(16, 32)

    References
    ----------
    Ramchandran et al., Longitudinal variational autoencoder (2021), for the sizes; Shi et al., Real-time single image
    and video super-resolution (2016), for the step up.
    """

    image_shape: tuple[int, ...]
    n_components: int
    hidden: tuple[int, ...] = (300, 30)
    channels: tuple[int, int] = (16, 32)

    name: ClassVar[str] = "conv"

    @property
    def n_features(self) -> int:  # type: ignore[override]
        return math.prod(self.image_shape)

    @property
    def _image(self) -> tuple[int, int, int]:
        h, w, *c = self.image_shape
        return h, w, (c[0] if c else 1)

    @property
    def _sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the image, of half of it, and of a quarter; halves are rounded up."""
        h, w, _ = self._image
        half = (h + 1) // 2, (w + 1) // 2
        return (h, w), half, ((half[0] + 1) // 2, (half[1] + 1) // 2)

    def draw(self, rng: np.random.Generator) -> Autoencoder:
        c, (first, second) = self._image[2], self.channels
        flat = math.prod(self._sizes[2]) * second
        encoder = drawn_layers(rng, [flat, *self.hidden, 2 * self.n_components])
        encoder[-1].bias[self.n_components :] = -1.0
        down = _drawn_kernel(rng, 2 * c, first, 1.0), _drawn_kernel(rng, first, second, 1.0)
        # one width more than there is: its layer is inner, so that only the last kernel is small
        decoder = drawn_layers(rng, [self.n_components, *reversed(self.hidden), flat, 1])[:-1]
        up = _drawn_kernel(rng, second, 4 * first, 1.0), _drawn_kernel(rng, first, 4 * c, 0.1)
        return Autoencoder((*down, *encoder), (*decoder, *up))

    def encode(self, params, x, observed):
        h, w, c = self._image
        there = (observed > 0).astype(x.dtype).reshape(-1, h, w, c)
        image = jnp.where(there > 0, x.reshape(-1, h, w, c), 0.0)
        image = jnp.concatenate([image, there], axis=-1)
        for layer in params.encoder[:2]:
            image = jax.nn.silu(_pooled(_convolved(image, layer)))
        found = applied(params.encoder[2:], image.reshape(len(image), -1))
        mean, log_scale = jnp.split(found, 2, axis=1)
        return mean, bounded_log_scale(log_scale)

    def decode(self, params, z):
        *dense, up, last = params.decoder
        size, half, quarter = self._sizes
        image = jax.nn.silu(applied(tuple(dense), z)).reshape(len(z), *quarter, self.channels[1])
        image = jax.nn.silu(_spread(_convolved(image, up))[:, : half[0], : half[1]])
        image = _spread(_convolved(image, last))[:, : size[0], : size[1]]
        return image.reshape(len(z), -1)


def _drawn_kernel(rng: np.random.Generator, i: int, o: int, size: float) -> Layer:
    scale = size / np.sqrt(_KERNEL * _KERNEL * i)
    weight = scale * rng.standard_normal((_KERNEL, _KERNEL, i, o))
    return Layer(weight.astype(np.float32), np.zeros(o, np.float32))


def _convolved(image: Any, layer: Layer) -> Any:
    """Images (n, h, w, i) to (n, h, w, o); zeros around them."""
    form = ("NHWC", "HWIO", "NHWC")
    return (
        jax.lax.conv_general_dilated(image, layer.weight, (1, 1), "SAME", dimension_numbers=form) + layer.bias
    )


def _pooled(image: Any) -> Any:
    """The largest of 2 × 2 pixels; at odd ends, of those that are there."""
    _, h, w, _ = image.shape
    image = jnp.pad(image, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    # four slices: the gradient of a window's maximum is slow on a CPU
    top = jnp.maximum(image[:, ::2, ::2], image[:, ::2, 1::2])
    return jnp.maximum(top, jnp.maximum(image[:, 1::2, ::2], image[:, 1::2, 1::2]))


def _spread(image: Any) -> Any:
    """Four channels to 2 × 2 pixels of one: (n, h, w, 4c) to (n, 2h, 2w, c)."""
    n, h, w, c = image.shape
    pixels = image.reshape(n, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return pixels.reshape(n, 2 * h, 2 * w, c // 4)
