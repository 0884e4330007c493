"""Choice of an L1 penalty by cross-validation: for every share of L1 a path of strengths, fold by fold.

Relevance weights do part of what L1 does, and marginal ones cost it pairs of features without effects of their own: the
paths of weighted features are followed without weights, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from intertwine.fitting.interactions.fit_sparse import linear_block, sparse_problem, sparse_strengths
from intertwine.fitting.interactions.prepare_rows import fit_preparation
from intertwine.fitting.interactions.settings import ModelSettings
from intertwine.losses.base import AbstractLoss
from intertwine.pair_problem import PairDesign
from intertwine.sparse_path import SparsePairProblem, geometric_factors, iterate_blocks

__all__ = ["choose_l1"]

_PATH_LENGTH = 24
_LEAST_STRENGTH = 0.003  # of the one that leaves nothing
_PATIENCE = 5  # strengths for which a fold's held-out loss may stay well above its lowest
_WELL_ABOVE = 1.05
_EXPLAINED = 0.99  # share of the fitted rows' loss at which a path ends unless a fold still gains
_WORTHWHILE = 1e-3  # relative gain of one more strength
# held-out losses need no more: shares of the strength that leaves nothing, and of a point's own
_TOL, _OWN_TOL = 1e-4, 0.02


@final
class _Path:
    """What the folds so far say of one share of L1: strengths from the first, how far any of them went, losses."""

    def __init__(self, settings: ModelSettings, n_rows: int) -> None:
        self.settings = settings
        self.factors = np.zeros(0)
        self.reached = _PATH_LENGTH
        self.losses = np.zeros((_PATH_LENGTH, n_rows))

    def take(self, found: dict, test: np.ndarray) -> None:
        """The outcome of one more fold."""
        self.factors, self.reached, self.losses[:, test] = found["factors"], found["reached"], found["losses"]

    def best(self, weights: np.ndarray) -> tuple[ModelSettings, np.ndarray]:
        """The strength of the lowest loss, and its losses by row."""
        chosen = int(np.argmin((self.losses @ weights)[: self.reached]))
        factor = float(self.factors[chosen])
        return self.settings._replace(alpha=factor, alpha_pairs=factor), self.losses[chosen]


class _Contrast(NamedTuple):
    """One class contrast of a fold: what is fitted, and the rows that are left out."""

    preparation: object
    problem: SparsePairProblem
    left_out: AbstractLoss
    design: PairDesign

    def with_strengths(self, settings: ModelSettings) -> SparsePairProblem:
        own = self.problem
        return own.with_penalties(
            *sparse_strengths(own.loss, self.preparation, settings, own.design.n_linear)
        )

    def path(self, settings: ModelSettings, factors: np.ndarray) -> Iterator[np.ndarray]:
        """Held-out losses by row, a point of the path at a time, until weaker strengths have nothing to offer."""
        problem = self.with_strengths(settings)
        weights = self.left_out.sample_weight / self.left_out.total_weight
        tol = np.maximum(_TOL, _OWN_TOL * factors / max(factors[0], np.finfo(float).tiny))
        means: list[float] = []
        null_loss = np.inf
        for block in iterate_blocks(problem, factors, tol):
            scores = self.design.columns(block.coordinates).scores(block.coefficients)
            for own_scores, loss in zip(scores, block.losses, strict=True):
                by_row = self.left_out.unit_losses(own_scores)
                null_loss = null_loss if means else loss
                means.append(float(weights @ by_row))
                yield by_row
                if _has_ended(means, 1.0 - loss / null_loss if len(means) > 1 else 0.0):
                    return


@final
class _Fold:
    """The rows of a fold, prepared once for all shares of L1: its Gram matrix serves every path."""

    def __init__(self, search, settings: ModelSettings, train: np.ndarray, test: np.ndarray) -> None:
        self._search, self._settings, self._train, self._test = search, settings, train, test

    @cached_property
    def contrasts(self) -> list[_Contrast]:
        """One for every class contrast; only made where a path is not in the journal."""
        return [self._contrast(whole) for whole in self._search.contrasts]

    def _contrast(self, whole: AbstractLoss) -> _Contrast:
        X, settings = self._search.X, self._settings
        loss, left_out = whole.take(self._train), whole.take(self._test)
        preparation = fit_preparation(X[self._train], loss, settings.preparation, settings.unpenalized)
        problem = sparse_problem(loss, preparation, X[self._train], settings)
        columns = preparation.columns(X[self._test])
        linear = linear_block(left_out, preparation, columns, settings)
        return _Contrast(
            preparation, problem, left_out, PairDesign.of(linear, columns, problem.design.scaling)
        )

    def losses(self, settings: ModelSettings, factors: np.ndarray, reached: int) -> dict:
        """Held-out losses (points of the path, rows), and how far it went; the first fold sets the factors."""
        losses = np.zeros((_PATH_LENGTH, len(self._test)))
        for contrast in self.contrasts:
            if not len(factors):
                critical = contrast.with_strengths(settings).critical_factor()
                factors = geometric_factors(critical, _PATH_LENGTH, _LEAST_STRENGTH)
            # what no fold wants any more is not solved in the others: weak strengths are the dear ones
            by_point = list(contrast.path(settings, factors[:reached]))
            reached = len(by_point)
            losses[:reached] += np.array(by_point) / len(self.contrasts)
        return {"factors": factors, "reached": reached, "losses": losses}


def choose_l1(search, best):
    """Return the best strength of every share of L1, or ``best`` where none is better.

    Parameters
    ----------
    search : _Search
        Of `intertwine.fitting.interactions.selection`: rows, folds, and the record of candidates.
    best : Candidate
        Its preparation is kept, but for the relevance weights.
    """
    plain = best.settings._replace(alpha=1.0, alpha_pairs=1.0, tie=0.0, latent=None, order=2)
    equal = plain._replace(preparation=plain.preparation._replace(relevance=0.0))
    for settings in [plain] if plain == equal else [plain, equal]:
        for path in _followed(search, settings):
            candidate = search.record("sparse path", *path.best(search.weights), float("nan"))
            if candidate.mean < best.mean:
                best = candidate
    return best


def _followed(search, settings: ModelSettings) -> list[_Path]:
    """The paths of all shares of L1 under one preparation, through all folds."""
    ratios = [ratio for ratio in search.space.l1_ratios if ratio > 0.0]
    paths = [_Path(settings._replace(l1_ratio=ratio), len(search.X)) for ratio in ratios]
    for number, (train, test) in enumerate(search.folds, 1):
        fold = _Fold(search, settings, train, test)
        for path in paths:

            def compute(fold=fold, path=path):
                return fold.losses(path.settings, path.factors, path.reached)

            name = f"{tuple(settings.preparation)}, l1_ratio {path.settings.l1_ratio}, fold {number}"
            path.take(search.watch.journal.step(name, compute), test)
    return paths


def _has_ended(losses: list[float], explained: float) -> bool:
    """Whether weaker strengths have nothing to offer: well above the lowest for a while, or nothing left to explain."""
    if min(losses[-_PATIENCE:]) > _WELL_ABOVE * min(losses):
        return True
    return explained > _EXPLAINED and losses[-1] > (1.0 - _WORTHWHILE) * min(losses[:-1])
