"""What a structure is: a map from parameters to scores, known by its value and its two derivative products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AbstractStructure"]


class AbstractStructure(ABC):
    """A differentiable map params -> scores f (n,) of the rows of X.

    With J = ∂f/∂params at ``params``, *pushforward* is J v and *pullback* is Jᵀ g. From these three come gradients
    (pullback of the loss's gradient), Gauss-Newton products (pullback of curvature times pushforward) and sums over
    partitions of the rows, for every structure and loss at once. The laws to test:

    * ⟨g, pushforward(v)⟩ = ⟨pullback(g), v⟩ (adjoint),
    * pushforward is the directional derivative of score.

    A structure sees features only, never outcomes.

    Attributes
    ----------
    degree : int or None
        Largest degree of the scores as polynomials along a line θ + t v, where that is one or two. A squared loss is
        then an exact quartic in t, and Hessian products need nothing but pullbacks.
    """

    degree: int | None = None

    @abstractmethod
    def init(self, X: NDArray, rng: np.random.Generator) -> Any:
        """Return a point to start from.

        Parameters
        ----------
        X : ndarray of shape (n, p)
            Features.
        rng : numpy.random.Generator
            Source of randomness, where the start is random.
        """

    @abstractmethod
    def score(self, params: Any, X: NDArray) -> NDArray:
        """Return the scores f, shape (n,)."""

    @abstractmethod
    def pushforward(self, params: Any, X: NDArray, direction: Any) -> NDArray:
        """Return J v, shape (n,), for a ``direction`` v shaped as the parameters."""

    @abstractmethod
    def pullback(self, params: Any, X: NDArray, v: NDArray) -> Any:
        """Return Jᵀ v, shaped as the parameters, for v of shape (n,)."""
