"""Shapes of an encoder and a decoder: objects without data or parameters, static under ``jit``."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np

from intertwine.networks import Autoencoder

__all__ = ["AbstractArchitecture"]


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

        Outputs begin near zero, and log standard deviations at −1.
        """

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
