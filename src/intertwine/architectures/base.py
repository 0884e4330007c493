"""Shapes of an encoder and a decoder: objects without data or parameters, static under ``jit``."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from intertwine.networks import Autoencoder

__all__ = ["AbstractArchitecture", "between", "enlarged"]

_GAIN, _LAST_ENCODER, _LAST_DECODER = 1.3, 10.0, 3.0


class AbstractArchitecture(abc.ABC):
    """Two networks: a frozen dataclass of numbers, so that compiled functions may be specialised to it.

    Attributes
    ----------
    n_features : int
        p: columns of the table.
    n_components : int
        K: axes of the latents.
    """

    name: ClassVar[str]
    n_features: int
    n_components: int

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator) -> Autoencoder:
        """Parameters at their start, arrays of float32.

        Outputs begin smaller than what they stand for, which has variance one, and log standard deviations near −1.
        """

    @abc.abstractmethod
    def weight_shapes(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Shapes of the weights of the layers that `draw` gives, of the encoder and of the decoder."""

    @abc.abstractmethod
    def encode(self, params: Autoencoder, x: Any, observed: Any) -> tuple[Any, Any]:
        """Means and log standard deviations of what rows say of their latents, (n, K) each.

        Parameters
        ----------
        params : Autoencoder
        x : (n, p)
            As `ColumnLikelihood.encoded` gives it; not read where not observed.
        observed : (n, p)
            One, and zero where not observed; it is an input of the network as well.
        """

    @abc.abstractmethod
    def decode(self, params: Autoencoder, z: Any) -> Any:
        """Outputs (n, p) of latents (n, K): one for every column, in the units of its likelihood."""


def between(widths: Sequence[int]) -> list[tuple[int, ...]]:
    """Shapes of dense layers between widths."""
    return list(itertools.pairwise(widths))


def enlarged(drawn: Autoencoder, n_components: int) -> Autoencoder:
    """Networks whose latents and outputs begin with the size of what they stand for, in place.

    With last layers as small as `drawn_layers` makes them, latents that a prior holds down are silent for epochs.
    """
    for layers, last in ((drawn.encoder, _LAST_ENCODER), (drawn.decoder, _LAST_DECODER)):
        for layer in layers[:-1]:
            layer.weight[:] *= _GAIN
        layers[-1].weight[:] *= last
    drawn.encoder[-1].weight[:, n_components:] *= (
        1.0 / _LAST_ENCODER
    )  # log standard deviations stay near their bias
    return drawn
