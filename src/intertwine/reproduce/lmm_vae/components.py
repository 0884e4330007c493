"""Principal components of visits with gaps, and mixed models of their scores."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.effects import BySubject
from intertwine.reproduce.lmm_vae.exact_mixed_model import ExactMixedModel
from intertwine.reproduce.lmm_vae.simple import AbstractMethod
from intertwine.reproduce.lmm_vae.visits import Task, Visits

__all__ = ["Components", "IteratedPCA", "PCAMixedModel", "iterated_components"]

Array = NDArray[Any]

_ROUNDS = 100
_AGREEMENT = 1e-4  # mean square that gaps still move, in mean variances of a feature


@final
class Components(NamedTuple):
    """Principal components of rows with gaps.

    Attributes
    ----------
    mean : ndarray of shape (p,)
    axes : ndarray of shape (rank, p)
    shrinkage : ndarray of shape (rank,)
        Of the scores, where a row is filled from them.
    """

    mean: Array
    axes: Array
    shrinkage: Array

    def scores(self, filled: Array) -> Array:
        """Of whole rows."""
        return (filled - self.mean) @ self.axes.T

    def image(self, scores: Array) -> Array:
        """Rows (n, p) of scores (n, rank)."""
        return self.mean + (scores * self.shrinkage) @ self.axes

    def fill(self, X: Array, rounds: int = 30) -> Array:
        """Rows whose gaps agree with their own projection."""
        gaps = np.isnan(X)
        filled = np.where(gaps, self.mean, X)
        for _ in range(rounds):
            filled[gaps] = self.image(self.scores(filled))[gaps]
        return filled


def iterated_components(X: Array, rank: int, shrink: bool = False) -> tuple[Components, Array]:
    """Principal components and gaps in turn, until they agree; with ``shrink`` regularised.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        NaN in gaps.
    rank : int
    shrink : bool

    Returns
    -------
    components : Components
    filled : ndarray of shape (n, p)

    Notes
    -----
    Source: Josse & Husson (2012), Journal de la Société Française de Statistique 153.
    """
    gaps = np.isnan(X)
    filled = np.where(gaps, np.nanmean(X, axis=0), X)
    for _ in range(_ROUNDS):
        mean = filled.mean(axis=0)
        inside = filled - mean
        values, vectors = np.linalg.eigh(inside.T @ inside / len(X))
        largest = values[: -rank - 1 : -1]
        noise = values[:-rank].mean() if shrink and rank < len(values) else 0.0
        axes = np.ascontiguousarray(vectors[:, : -rank - 1 : -1].T)
        components = Components(mean, axes, np.maximum(largest - noise, 0.0) / largest)
        new = components.image(components.scores(filled))[gaps]
        change = np.mean((new - filled[gaps]) ** 2) if gaps.any() else 0.0
        filled[gaps] = new
        if change < _AGREEMENT * values.mean():
            break
    return components, filled


@final
class IteratedPCA(AbstractMethod):
    """Principal components and gaps in turn, visit by visit: nothing is known of a visit that is not seen."""

    def __init__(self, rank: int, shrink: bool = False) -> None:
        self._rank, self._shrink = rank, shrink

    def fit(self, task: Task, seed: int) -> None:
        self._components, self._filled = iterated_components(task.train.X, self._rank, self._shrink)

    def gaps(self, given: Visits | None) -> Array:
        filled = self._filled if given is None else self._components.fill(given.X)
        return self._components.image(self._components.scores(filled))

    def wanted(self, given: Visits | None, wanted: Visits) -> None:
        return None

    def facts(self) -> dict[str, Any]:
        return {}


@final
class PCAMixedModel(AbstractMethod):
    """Iterated principal components, whose scores follow exact mixed models.

    Parameters
    ----------
    rank : int
    shrink : bool
    own : bool
        Whether subjects have effects of their own.
    """

    def __init__(self, rank: int, shrink: bool = False, own: bool = True) -> None:
        self._rank, self._shrink, self._own = rank, shrink, own

    def fit(self, task: Task, seed: int) -> None:
        self._components, self._filled = iterated_components(task.train.X, self._rank, self._shrink)
        effects = [effect for effect in task.effects() if self._own or not isinstance(effect, BySubject)]
        self._model = ExactMixedModel(task.train, self._components.scores(self._filled), effects, seed)

    def gaps(self, given: Visits | None) -> Array:
        filled = self._filled if given is None else self._components.fill(given.X)
        return self._components.image(self._components.scores(filled))

    def wanted(self, given: Visits | None, wanted: Visits) -> Array:
        if given is None:
            scores = self._model.known(wanted)
        else:
            scores = self._model.new(given, self._components.scores(self._components.fill(given.X)), wanted)
        return np.asarray(self._components.mean + scores @ self._components.axes)

    def facts(self) -> dict[str, Any]:
        return self._model.facts()
