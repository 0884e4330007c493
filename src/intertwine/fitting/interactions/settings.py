"""What to fit, in the terms of the objective: no estimator and no public name below this layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.objective import Strengths
from intertwine.sparse_path.heredity import AbstractHeredity

__all__ = ["ModelSettings", "PreparationSettings"]


class PreparationSettings(NamedTuple):
    """How features become columns; ``relevance`` is a power of the marginal R², or None to learn it by evidence."""

    spline_knots: int = 0
    standardize: bool = True
    quantile: bool = False
    squares: bool = False
    relevance: float | None = 0.0


class ModelSettings(NamedTuple):
    """One point of the hyperparameter space.

    Attributes
    ----------
    preparation : PreparationSettings
    alpha : float
        Strength on main effects.
    alpha_pairs : float
        Strength on squares, pairs and triples.
    l1_ratio : float
    tie : float
    latent : LatentSettings or None
    order : {2, 3}
    scaled_products : bool
        Standardise the products themselves (sparse path).
    unpenalized : ndarray of int
        Features whose main effect is not penalised.
    heredity : AbstractHeredity or None
        Which pairs may stand beside given main effects (sparse path, without a tie).
    """

    preparation: PreparationSettings
    alpha: float
    alpha_pairs: float
    l1_ratio: float
    tie: float
    latent: LatentSettings | None
    order: int = 2
    scaled_products: bool = False
    unpenalized: np.ndarray = np.zeros(0, int)
    heredity: AbstractHeredity | None = None

    @property
    def pair_strengths(self) -> Strengths:
        """Ridge and tie of the pairs."""
        tie = 0.0 if self.latent is None else self.tie
        return Strengths(self.alpha_pairs * (1.0 - self.l1_ratio), tie)
