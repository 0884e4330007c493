"""Choice of every hyperparameter by cross-validation, in stages that each keep what the last one found.

1. preparation: basis, scaling and relevance; strengths by the closed-form criterion, the choice by held-out loss
2. refinements of the best preparation: other relevance, own squares, third order
3. the latent target: structure, dimension, tie; accepted only when its held-out loss is lower by a standard error
4. L1: the sparse path at the best preparation

Everything that looks at the outcome (relevance weights, coefficients, targets) is refitted inside every fold. The score
is the held-out loss per row: squared error, log loss, or partial likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from intertwine.fitting.exact import ExactProblem, ExactStrengths
from intertwine.fitting.fit_exact import exact_problem
from intertwine.fitting.fit_sparse import sparse_problem
from intertwine.fitting.latent_search import LatentFit, LatentSettings
from intertwine.fitting.prepare_rows import fit_preparation
from intertwine.fitting.settings import ModelSettings, PreparationSettings
from intertwine.fitting.strength_search import search_strengths
from intertwine.objective import Strengths
from intertwine.sparse_path import geometric_factors, solve_path

__all__ = ["Candidate", "SearchSpace", "Selection", "select"]

_WIDE = 20_000  # columns beyond which only the plain preparation is tried
_PATH_LENGTH = 24


class SearchSpace(NamedTuple):
    """What may be chosen."""

    preparations: tuple[PreparationSettings, ...]
    relevances: tuple[float | None, ...]
    squares: tuple[bool, ...]
    orders: tuple[int, ...]
    latents: tuple[str, ...]
    n_components: tuple[int, ...]
    l1_ratios: tuple[float, ...]
    unpenalized: np.ndarray
    max_iter: int
    tol: float


class Candidate(NamedTuple):
    """One tried setting and its held-out loss by row."""

    stage: str
    settings: ModelSettings
    losses: np.ndarray

    @property
    def mean(self) -> float:
        return float(np.mean(self.losses))

    @property
    def std_error(self) -> float:
        return float(np.std(self.losses, ddof=1) / np.sqrt(len(self.losses)))


class Selection(NamedTuple):
    """The chosen candidate, and everything that was tried, in order."""

    best: Candidate
    tried: list[Candidate]


class _Fold(NamedTuple):
    """All rows prepared as the training rows say, for every class contrast, and which rows are which."""

    problems: list[ExactProblem]
    train: np.ndarray
    test: np.ndarray


class _Search:
    """State of one selection: rows, folds, and the record of candidates."""

    def __init__(self, losses, X, folds, space: SearchSpace, report: Callable[[Candidate], None], rng):
        self.contrasts, self.X, self.folds, self.space = losses, X, folds, space
        self.report = report
        self.rng = rng
        self.tried: list[Candidate] = []

    def record(self, stage, settings, losses) -> Candidate:
        candidate = Candidate(stage, settings, losses)
        self.tried.append(candidate)
        self.report(candidate)
        return candidate

    def problems(self, settings: ModelSettings, rows=None) -> list[ExactProblem]:
        """All rows under the preparation that ``rows`` (default: all) say, for every contrast."""
        rows = np.arange(len(self.X)) if rows is None else rows
        out: list[ExactProblem] = []
        for loss in self.contrasts:
            if out and settings.preparation.relevance == 0.0:
                out.append(out[0].with_loss(loss))
                continue
            preparation = fit_preparation(
                self.X[rows], loss.take(rows), settings.preparation, settings.unpenalized
            )
            out.append(exact_problem(loss, preparation, self.X, settings))
        return out

    def fold_problems(self, settings, whole: list[ExactProblem]) -> list[_Fold]:
        """One preparation a fold; one that does not see the outcome is shared between them."""
        if settings.preparation.relevance == 0.0:
            return [_Fold(whole, train, test) for train, test in self.folds]
        return [_Fold(self.problems(settings, train), train, test) for train, test in self.folds]

    def held_out(self, folds, strengths: ExactStrengths, latent=None, starts=None):
        """Held-out loss by row (mean over contrasts), and the latent fits by fold and contrast."""
        losses, fits = np.zeros(len(self.X)), []
        for i, (problems, train, test) in enumerate(folds):
            # a mean loss over fewer rows weighs its penalty more
            scaled = _scaled(strengths, len(self.X) / len(train))
            own = []
            for c, problem in enumerate(problems):
                start = None if starts is None else starts[i][c]
                fit = problem.take(train).fit(scaled, latent, np.random.default_rng(i), start=start)
                scores = problem.held_out_scores(fit, test, train)
                losses[test] += problem.loss.take(test).unit_losses(scores) / len(problems)
                own.append(fit.latent)
            fits.append(own)
        return losses, fits

    def plain(self, stage, preparation: PreparationSettings, order: int) -> Candidate | None:
        """Tune the strengths of a preparation, then score it; None where it cannot be fitted."""
        settings = ModelSettings(
            preparation, 1.0, 1.0, 0.0, 0.0, None, order=order, unpenalized=self.space.unpenalized
        )
        whole = self.problems(settings)
        strengths, criterion = search_strengths(whole)
        if not np.isfinite(criterion):
            return None
        losses, _ = self.held_out(self.fold_problems(settings, whole), strengths)
        settings = settings._replace(alpha=strengths.main, alpha_pairs=strengths.pairs.ridge)
        return self.record(stage, settings, losses)


def _scaled(strengths: ExactStrengths, factor: float) -> ExactStrengths:
    pairs = strengths.pairs
    return ExactStrengths(strengths.main * factor, Strengths(pairs.ridge * factor, pairs.tie * factor))


def select(losses, X, folds, space: SearchSpace, rng, report=lambda candidate: None) -> Selection:
    """Choose among the settings of a search space.

    Parameters
    ----------
    losses : list of AbstractLoss
        One, or one for every class contrast: they share all hyperparameters.
    X : ndarray (n, p)
    folds : list of (train, test) index arrays
        Every row is tested once.
    space : SearchSpace
    rng : numpy.random.Generator
    report : callable
        Given every candidate as it is scored.

    Raises
    ------
    ValueError
        If nothing in the space can be fitted.
    """
    search = _Search(losses, X, folds, space, report, rng)
    best = _choose_preparation(search)
    best = _refine(search, best)
    best = _choose_target(search, best)
    best = _choose_l1(search, best)
    return Selection(best, search.tried)


def _choose_preparation(search):
    space = search.space
    extremes = sorted({r for r in space.relevances if r is not None})
    first = extremes[:1] + ([extremes[len(extremes) // 2]] if len(extremes) > 1 else [])
    candidates = []
    for preparation in space.preparations:
        for relevance in first or [None]:
            if search.X.shape[1] > _WIDE and (preparation != space.preparations[0] or relevance):
                continue
            setting = preparation._replace(relevance=relevance, squares=space.squares[0])
            candidates.append(search.plain("preparation", setting, space.orders[0]))
    usable = [candidate for candidate in candidates if candidate is not None]
    if not usable:
        raise ValueError("no preparation could be fitted: check for constant or duplicate columns")
    return min(usable, key=lambda candidate: candidate.mean)


def _refine(search, best):
    if search.X.shape[1] > _WIDE:
        return best
    space, tried = search.space, {(c.settings.preparation, c.settings.order) for c in search.tried}
    for field, values in (
        ("relevance", space.relevances),
        ("squares", space.squares),
        ("order", space.orders),
    ):
        for value in values:
            preparation, order = best.settings.preparation, best.settings.order
            if field == "order":
                order = value
            else:
                preparation = preparation._replace(**{field: value})
            if (preparation, order) in tried:
                continue
            tried.add((preparation, order))
            candidate = search.plain("refinement", preparation, order)
            if candidate is not None and candidate.mean < best.mean:
                best = candidate
    return best


def _choose_target(search, best):
    """Walk over (deviation, ridge share) for every structure, each fold's search starting from its last optimum."""
    space, plain = search.space, best
    if not space.latents:
        return best
    settings = plain.settings
    whole = search.problems(settings)
    folds = search.fold_problems(settings, whole)
    for name in space.latents:
        for n_components in space.n_components:
            latent = LatentSettings(name, n_components, 1, space.max_iter, space.tol)
            found = _walk(search, folds, plain, latent)
            if found is not None and found.mean < best.mean:
                best = found
    if best is plain:
        return plain
    gain = plain.losses - best.losses
    return best if np.mean(gain) > np.std(gain, ddof=1) / np.sqrt(len(gain)) else plain


def _walk(search, folds, plain: Candidate, latent: LatentSettings) -> Candidate | None:
    base = plain.settings
    memo: dict[tuple[float, float], tuple[Candidate | None, list[LatentFit] | None]] = {}

    def evaluate(point, starts):
        if point not in memo:
            memo[point] = _try_tie(search, folds, base, latent, point, starts)
        return memo[point]

    here = (1.0, -2.0)  # deviations ten times as strong as all pairs were, the target a hundred times weaker
    best, starts = evaluate(here, None)
    if best is None:
        return None
    gain = plain.losses - best.losses
    if np.mean(gain) < -2.0 * np.std(gain, ddof=1) / np.sqrt(len(gain)) - 0.02 * plain.mean:
        return best  # hopeless from the middle of the range
    for step in (1.0, 0.5):
        improved = True
        while improved:
            improved = False
            for move in ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)):
                point = (here[0] + move[0], here[1] + move[1])
                if not (-1.0 <= point[0] <= 4.0 and -5.0 <= point[1] <= -0.2):
                    continue
                candidate, fits = evaluate(point, starts)
                if candidate is not None and candidate.mean < best.mean * (1 - 1e-4):
                    best, here, starts, improved = candidate, point, fits, True
    machine, _ = _try_tie(search, folds, base, latent, (np.inf, here[0] + here[1]), starts)
    return machine if machine is not None and machine.mean < best.mean else best


def _try_tie(search, folds, base: ModelSettings, latent, point, starts):
    """``point`` is log10 of (deviation / plain ridge, target ridge / deviation); deviation inf: pairs are the target,
    and the second number is log10 of (target ridge / plain ridge).
    """
    deviation, share = point
    if np.isinf(deviation):
        pairs = Strengths(base.alpha_pairs * 10.0**share, np.inf)
    else:
        strength = base.alpha_pairs * 10.0**deviation
        pairs = Strengths(strength * 10.0**share, strength * (1.0 - 10.0**share))
    try:
        losses, fits = search.held_out(folds, ExactStrengths(base.alpha, pairs), latent, starts)
    except (FloatingPointError, np.linalg.LinAlgError, ValueError):
        return None, None
    settings = base._replace(alpha_pairs=pairs.ridge, tie=pairs.tie, latent=latent)
    return search.record("latent target", settings, losses), fits


def _choose_l1(search, best):
    if search.X.shape[1] > _WIDE // 10:
        return best
    for l1_ratio in search.space.l1_ratios:
        if l1_ratio > 0.0:
            candidate = _best_on_path(search, best, l1_ratio)
            if candidate.mean < best.mean:
                best = candidate
    return best


def _best_on_path(search, best, l1_ratio) -> Candidate:
    settings = best.settings._replace(
        alpha=1.0, alpha_pairs=1.0, l1_ratio=l1_ratio, tie=0.0, latent=None, order=2
    )
    factors, losses = None, np.zeros((_PATH_LENGTH, len(search.X)))
    for train, test in search.folds:
        for whole in search.contrasts:
            loss, left_out = whole.take(train), whole.take(test)
            preparation = fit_preparation(search.X[train], loss, settings.preparation, settings.unpenalized)
            problem = sparse_problem(loss, preparation, search.X[train], settings)
            if factors is None:
                factors = geometric_factors(problem.critical_factor(), _PATH_LENGTH, 0.003)
            columns = preparation.columns(search.X[test])
            own = preparation.squares(columns) if settings.preparation.squares else np.zeros((len(test), 0))
            linear = np.hstack([np.ones((len(test), int(loss.has_intercept))), columns, own])
            for i, solution in enumerate(solve_path(problem, factors, tol=1e-4)):
                theta = solution.interactions(columns.shape[1])
                scores = linear @ solution.linear + 0.5 * np.einsum("ij,ij->i", columns @ theta, columns)
                losses[i, test] += left_out.unit_losses(scores) / len(search.contrasts)
    chosen = int(np.argmin(losses.mean(axis=1)))
    factor = float(factors[chosen])
    return search.record("sparse path", settings._replace(alpha=factor, alpha_pairs=factor), losses[chosen])
