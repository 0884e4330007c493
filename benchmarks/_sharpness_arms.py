"""Forms of sharpness that the library does not offer: tried in `latent_sharpness`, told in the docs."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.rating_rows import AbstractRatingRows, LocalRatings
from intertwine.risk import AbstractExpansion, AbstractRisk
from intertwine.solvers.sharpness import AbstractRadius, AbstractSharpness, Model
from intertwine.structures.latent_factors import FactorScores
from intertwine.structures.linearization import packed_diagonal

__all__ = ["Adaptive", "Annealed", "WorstEntries"]


@final
class Adaptive(AbstractRadius):
    """Gradient and curvature at θ + ε, ε = ρ θ² g / ‖θ g‖ entry by entry: a ball of relative moves.

    Users twice as long and items half as long predict the same: this ball knows, a round one does not.

    Source: J. Kwon et al., ASAM: Adaptive Sharpness-Aware Minimization (ICML 2021).
    """

    def model(self, problem, here, exact):
        pulled = np.abs(here.theta) * here.gradient
        length = float(np.linalg.norm(pulled))
        there = here
        if length > 0.0:
            there = problem.expand(here.theta + self.rho / length * np.abs(here.theta) * pulled)
        return Model(there.gradient, there.hessian_product if exact else there.product, there.line, 1.0, 1.0)


@final
class Annealed(AbstractSharpness):
    """Another sharpness, with a radius that depends on the number of the step.

    Parameters
    ----------
    kind : type of AbstractRadius
    radius : callable
        Number of the step, from zero, to its radius.
    """

    def __init__(self, kind: type[AbstractRadius], radius: Callable[[int], float]) -> None:
        self._kind, self._radius, self._step = kind, radius, 0

    def model(self, problem, here, exact):
        radius = self._radius(self._step)
        self._step += 1
        return self._kind(radius).model(problem, here, exact)


@final
class WorstEntries(AbstractRatingRows):
    """Ratings whose loss is its worst value where the coefficients of that rating move by ρ, to first order.

    ½ (|e| + ρ s)², s = √(‖p‖² + ‖q‖² + 2) the length of the score's gradient. Errors and factors are at hand: there
    is no second pass, and the curvature is that of ½ e² plus what the change of s adds to the ridge.

    Parameters
    ----------
    ratings : LocalRatings
    rho : float
    """

    def __init__(self, ratings: LocalRatings, rho: float) -> None:
        self._inner, self._rho = ratings, rho
        for name in AbstractRatingRows.__annotations__:
            setattr(self, name, getattr(ratings, name))

    def risk(self, structure, level):
        return _WorstRisk(FactorScores(structure, self._inner.X), self._inner, level, self._rho)

    def squares(self, structure, level):
        return self._inner.squares(structure, level)

    def by_user(self, items):
        return self._inner.by_user(items)

    def by_item(self, users):
        return self._inner.by_item(users)

    def hold_out(self, fraction, rng):
        train, held = self._inner.hold_out(fraction, rng)
        return WorstEntries(train, self._rho), WorstEntries(held, self._rho)


@final
class _WorstRisk(AbstractRisk):
    def __init__(self, scores: FactorScores, ratings: LocalRatings, level: float, rho: float) -> None:
        self.scores, self.ratings, self.level, self.rho = scores, ratings, level, rho
        self.size = scores.size
        self.users = ratings.X.users

    def expand(self, theta):
        return _WorstExpansion(self, theta)


@final
class _WorstExpansion(AbstractExpansion):
    def __init__(self, of: _WorstRisk, theta: NDArray[np.float64]) -> None:
        self._of, self.theta = of, theta
        X, first = of.ratings.X, int(of.scores.structure.biases)
        self._near = of.scores.at(theta)
        tables = of.scores.totals(theta)
        squares = [(table[:, first:] ** 2).sum(axis=1) for table in tables]
        length = np.sqrt(squares[0][of.users] + squares[1][X.item_of] + 2.0 * first)
        error = self._near.scores - (of.ratings.y + of.level)
        worst = np.abs(error) + of.rho * length
        weight = of.ratings.weight
        self.value = 0.5 * float((weight * worst**2).sum())
        ridge = weight * of.rho * worst / length
        self._ridges = [
            np.bincount(codes, ridge, minlength=len(table))
            for codes, table in zip((of.users, X.item_of), tables, strict=True)
        ]
        self.gradient = self._near.pullback(weight * worst * np.sign(error)) + self._ridge(theta)

    def _ridge(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros_like(v)
        first = int(self._of.scores.structure.biases)
        layout = self._of.scores.layout
        for to, own, ridge in zip(layout.unravel(out), layout.unravel(v), self._ridges, strict=False):
            to[:, first:] = ridge[:, None] * own[:, first:]
        return out

    def product(self, v):
        return self._near.gram_product(self._of.ratings.weight, v) + self._ridge(v)

    def hessian_product(self, v):
        raise ValueError("the worst entries have no exact Hessian products here")

    def blocks(self):
        structure = self._of.scores.structure
        blocks = self._near.gram_blocks(self._of.ratings.weight)
        diagonal = packed_diagonal(structure.width)[int(structure.biases) :]
        for block, ridge in zip(blocks[:2], self._ridges, strict=True):
            block[:, diagonal] += ridge[:, None]
        return blocks

    def line(self, direction):
        raise ValueError("steps along the worst entries are not searched for")
