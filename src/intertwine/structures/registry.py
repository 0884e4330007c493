"""Latent structures by name: the one place to add a line when a structure is added."""

from __future__ import annotations

import numpy as np

from intertwine.structures.latent import AbstractLatentTarget, Distance, LowRank, TwoFactor
from intertwine.structures.third_order import SymmetricCP

__all__ = ["LATENT_NAMES", "candidates", "rebuild"]

_BUILDERS = {
    "low_rank": LowRank,
    "two_factor": TwoFactor,
    "distance": Distance,
    "cp": SymmetricCP,
}

LATENT_NAMES = ("low_rank", "signed", "two_factor", "distance")


def candidates(name: str, n_features: int, n_components: int, eigenvalues) -> list[AbstractLatentTarget]:
    """Structures to search for one public name; ``signed`` proposes sign patterns and lets the objective choose.

    The patterns are the one that the leading interaction directions ask for, and the two next to it that turn
    the sign of the weakest components.
    """
    if name != "signed":
        return [_BUILDERS[name](n_features, n_components)]
    signs = np.sign(eigenvalues[:n_components])
    signs = np.append(signs, np.ones(n_components - len(signs)))
    signs[signs == 0] = 1.0
    patterns = [signs]
    for weakest in range(1, min(n_components, 2) + 1):
        flipped = signs.copy()
        flipped[-weakest] *= -1.0
        patterns.append(flipped)
    unique = {tuple(np.sort(pattern)[::-1]) for pattern in patterns}
    return [LowRank(n_features, n_components, pattern) for pattern in sorted(unique, reverse=True)]


def rebuild(signature: dict, n_features: int):
    """Structure from the ``signature`` that a model file holds."""
    settings = {key: value for key, value in signature.items() if key != "name"}
    return _BUILDERS[signature["name"]](n_features, **settings)
