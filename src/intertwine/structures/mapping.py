"""Maps of raw factors: none, or one that keeps them positive or bounded.

Each is known by its value and two derivatives, entry by entry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["MAPPINGS", "AbstractMapping", "Identity", "Sigmoid", "Softplus"]


class AbstractMapping(ABC):
    """φ, applied to every entry of an array."""

    @abstractmethod
    def value(self, raw: NDArray[Any]) -> NDArray[Any]:
        """φ, shaped as ``raw``."""

    @abstractmethod
    def slope(self, raw: NDArray[Any]) -> NDArray[Any]:
        """φ′, shaped as ``raw``."""

    @abstractmethod
    def curvature(self, raw: NDArray[Any]) -> NDArray[Any]:
        """φ″, shaped as ``raw``."""


@final
class Identity(AbstractMapping):
    """φ(a) = a."""

    def value(self, raw):
        return raw

    def slope(self, raw):
        return np.ones_like(raw)

    def curvature(self, raw):
        return np.zeros_like(raw)


@final
class Sigmoid(AbstractMapping):
    """φ(a) = 1 / (1 + e⁻ᵃ): factors between zero and one."""

    def value(self, raw):
        return expit(raw)

    def slope(self, raw):
        share = expit(raw)
        return share * (1.0 - share)

    def curvature(self, raw):
        share = expit(raw)
        return share * (1.0 - share) * (1.0 - 2.0 * share)


@final
class Softplus(AbstractMapping):
    """φ(a) = log(1 + eᵃ): positive factors."""

    def value(self, raw):
        return np.logaddexp(0.0, raw)

    def slope(self, raw):
        return expit(raw)

    def curvature(self, raw):
        share = expit(raw)
        return share * (1.0 - share)


MAPPINGS: dict[str, AbstractMapping] = {
    "identity": Identity(),
    "sigmoid": Sigmoid(),
    "softplus": Softplus(),
}
