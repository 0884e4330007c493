"""Convolutional networks for images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from intertwine.architectures.base import AbstractArchitecture, between, enlarged
from intertwine.networks import Autoencoder, Layer, applied, bounded_log_scale, drawn_layers

__all__ = ["Convolutional"]

_KERNEL = 3


@final
@dataclass(frozen=True)
class Convolutional(AbstractArchitecture):
    """Two convolutions, each halving the image, then dense layers; the decoder mirrored; silu between layers.

        (h, w, 2c) ─ conv 3×3 ─ pool 2 ─ conv 3×3 ─ pool 2 ─ dense … ─ mean, log scale
        latents ─ dense … ─ conv 3×3 ─ spread 2 ─ conv 3×3 ─ spread 2 ─ (h, w, c)

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
    def _quarter(self) -> tuple[int, int]:
        """Height and width of a quarter of the image, rounded up: what is beyond the image counts as missing."""
        h, w, _ = self._image
        return -(-h // 4), -(-w // 4)

    def draw(self, rng: np.random.Generator) -> Autoencoder:
        c, (first, second) = self._image[2], self.channels
        flat = math.prod(self._quarter) * second
        encoder = drawn_layers(rng, [flat, *self.hidden, 2 * self.n_components])
        encoder[-1].bias[self.n_components :] = -1.0
        down = _drawn_kernel(rng, 2 * c, first, 1.0), _drawn_kernel(rng, first, second, 1.0)
        # one width more than there is: its layer is inner, so that only the last kernel is small
        decoder = drawn_layers(rng, [self.n_components, *reversed(self.hidden), flat, 1])[:-1]
        up = _drawn_kernel(rng, second, 4 * first, 1.0), _drawn_kernel(rng, first, 4 * c, 0.1)
        return enlarged(Autoencoder((*down, *encoder), (*decoder, *up)), self.n_components)

    def weight_shapes(self):
        c, (first, second) = self._image[2], self.channels
        flat, kernel = math.prod(self._quarter) * second, (_KERNEL, _KERNEL)
        down, up = [(2 * c, first), (first, second)], [(second, 4 * first), (first, 4 * c)]
        encoder = between([flat, *self.hidden, 2 * self.n_components])
        decoder = between([self.n_components, *reversed(self.hidden), flat])
        return [*((*kernel, *s) for s in down), *encoder], [*decoder, *((*kernel, *s) for s in up)]

    def encode(self, params, x, observed):
        h, w, c = self._image
        there = (observed > 0).astype(x.dtype).reshape(-1, h, w, c)
        image = jnp.where(there > 0, x.reshape(-1, h, w, c), 0.0)
        image = jnp.pad(jnp.concatenate([image, there], axis=-1), ((0, 0), (0, -h % 4), (0, -w % 4), (0, 0)))
        for layer in params.encoder[:2]:
            image = jax.nn.silu(_halved(image, layer))
        found = applied(params.encoder[2:], image.reshape(len(image), -1))
        mean, log_scale = jnp.split(found, 2, axis=1)
        return mean, bounded_log_scale(log_scale)

    def decode(self, params, z):
        h, w, _ = self._image
        *dense, up, last = params.decoder
        image = jax.nn.silu(applied(tuple(dense), z)).reshape(len(z), *self._quarter, self.channels[1])
        image = _doubled(jax.nn.silu(_doubled(image, up)), last)
        return image[:, :h, :w].reshape(len(z), -1)


def _drawn_kernel(rng: np.random.Generator, i: int, o: int, size: float) -> Layer:
    scale = size / np.sqrt(_KERNEL * _KERNEL * i)
    weight = scale * rng.standard_normal((_KERNEL, _KERNEL, i, o))
    return Layer(weight.astype(np.float32), np.zeros(o, np.float32))


def _halved(image: Any, layer: Layer) -> Any:
    """Convolution 3 × 3, zeros around the image, and the largest of 2 × 2 pixels: (n, 2h, 2w, i) to (n, h, w, o).

    The pixels of a window are outputs side by side of a convolution 2 × 2 over blocks of 2 × 2 pixels, which is a
    matrix product: on a CPU its gradient takes half the time of a convolution's, and a window's.
    """
    n, height, width, i = image.shape
    h, w, o = height // 2, width // 2, layer.weight.shape[-1]
    image = jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    blocks = (
        image.reshape(n, h + 1, 2, w + 1, 2, i).transpose(0, 1, 3, 2, 4, 5).reshape(n, h + 1, w + 1, 4 * i)
    )
    patches = jnp.concatenate([blocks[:, a : a + h, b : b + w] for a in (0, 1) for b in (0, 1)], axis=-1)
    shifts = [jnp.pad(layer.weight, ((a, 1 - a), (b, 1 - b), (0, 0), (0, 0))) for a in (0, 1) for b in (0, 1)]
    # (4, 4) pixels as they are in patches: block, then pixel in the block
    kernel = jnp.concatenate(shifts, axis=-1).reshape(2, 2, 2, 2, i, 4 * o).transpose(0, 2, 1, 3, 4, 5)
    pixels = patches.reshape(-1, 16 * i) @ kernel.reshape(16 * i, 4 * o)
    return pixels.reshape(n, h, w, 4, o).max(axis=3) + layer.bias


def _doubled(image: Any, layer: Layer) -> Any:
    """Convolution 3 × 3, zeros around the image; four channels to 2 × 2 pixels: (n, h, w, i) to (n, 2h, 2w, o / 4)."""
    n, h, w, _ = image.shape
    form = ("NHWC", "HWIO", "NHWC")
    found = jax.lax.conv_general_dilated(image, layer.weight, (1, 1), "SAME", dimension_numbers=form)
    pixels = (found + layer.bias).reshape(n, h, w, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)
    return pixels.reshape(n, 2 * h, 2 * w, -1)
