"""Choice of every hyperparameter by cross-validation, in stages that each keep what the last one found.

1. preparation: basis, scaling and relevance; strengths by the closed-form criterion, the choice by held-out loss (more
   knots of the same basis only where they gain a standard error)
2. refinements of the best preparation: other relevance (by evidence only where it gains a standard error), own
   squares, third order
3. the latent target: strengths of every structure by the closed-form criterion; where that is the evidence, another
   strength of the tie if its held-out loss is lower by a standard error; accepted only when that is lower than without
   a target by as much
4. L1: the sparse path at the best preparation, with and without its relevance weights

Everything that looks at the outcome (relevance weights, coefficients, targets) is refitted inside every fold. The score
is the held-out loss per row: squared error, log loss, or partial likelihood.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple, final

import numpy as np

from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.fitting.interactions.fit_exact import exact_problem
from intertwine.fitting.interactions.l1_search import choose_l1
from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.fitting.interactions.prepare_rows import fit_preparation
from intertwine.fitting.interactions.settings import ModelSettings, PreparationSettings
from intertwine.fitting.interactions.strength_search import search_strengths
from intertwine.fitting.interactions.tie_search import search_tie, settle_tie
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.objective import Strengths

__all__ = ["Candidate", "SearchSpace", "Selection", "mean_and_error", "select"]

_WIDE = 20_000  # columns beyond which only the plain preparation is tried
_SEARCH_TOL = 1e-6  # held-out losses need no more


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


def mean_and_error(values, weights) -> tuple[float, float]:
    """Weighted mean of rows and its standard error, for weights on any scale."""
    total = np.sum(weights)
    mean = float(weights @ values / total)
    n_effective = total**2 / np.sum(weights**2)
    return mean, float(np.sqrt(weights @ (values - mean) ** 2 / total / max(n_effective - 1.0, 1.0)))


class Candidate(NamedTuple):
    """One tried setting.

    Attributes
    ----------
    stage : str
    settings : ModelSettings
    losses : ndarray (n,) or None
        Held-out loss by row; None where the closed-form criterion was enough.
    weights : ndarray (n,)
        Weights of the rows.
    criterion : float
        Leave-one-out loss in closed form (minus the log evidence per row for Cox); NaN in the sparse path.
    """

    stage: str
    settings: ModelSettings
    losses: np.ndarray | None
    weights: np.ndarray
    criterion: float

    @property
    def mean(self) -> float:
        return float("nan") if self.losses is None else mean_and_error(self.losses, self.weights)[0]

    @property
    def std_error(self) -> float:
        return float("nan") if self.losses is None else mean_and_error(self.losses, self.weights)[1]

    def describe(self) -> str:
        """One line of what was tried and how good it is."""
        s, preparation = self.settings, self.settings.preparation
        relevance = "evidence" if preparation.relevance is None else preparation.relevance
        latent = (
            "no target" if s.latent is None else f"{s.latent.name}({s.latent.n_components}), tie {s.tie:.2g}"
        )
        loss = "" if self.losses is None else f"held-out loss {self.mean:.4f} ± {self.std_error:.4f}, "
        return (
            f"{self.stage}: knots {preparation.spline_knots}, relevance {relevance}, "
            f"quantile {preparation.quantile}, squares {preparation.squares}, order {s.order}, {latent}, "
            f"l1_ratio {s.l1_ratio}: {loss}screening loss {self.criterion:.4f}"
        )


class Selection(NamedTuple):
    """The chosen candidate, and everything that was tried, in order."""

    best: Candidate
    tried: list[Candidate]


class _Fold(NamedTuple):
    """All rows prepared as the training rows say, for every class contrast, and which rows are which."""

    problems: list[ExactProblem]
    train: np.ndarray
    test: np.ndarray


@final
class _Search:
    """State of one selection: rows, folds, and the record of candidates."""

    def __init__(self, losses, X, folds, space: SearchSpace, rng, watch: Watch):
        self.contrasts, self.X, self.folds, self.space = losses, X, folds, space
        self.weights = losses[0].sample_weight
        self.rng = rng
        self.watch = watch
        self.tried: list[Candidate] = []

    def record(self, stage, settings, losses, criterion) -> Candidate:
        candidate = Candidate(stage, settings, losses, self.weights, criterion)
        self.tried.append(candidate)
        self.watch.progress.candidate(candidate)
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

    def held_out(self, folds, strengths: ExactStrengths, latent=None, near=None) -> np.ndarray:
        """Held-out loss by row, the mean over contrasts; ``near`` are the solutions on all rows, to start from."""
        losses = np.zeros(len(self.X))
        if latent is None:
            left_out = self._left_out(folds, strengths)
            if left_out is not None:
                return left_out
        for i, (problems, train, test) in enumerate(folds):

            def compute(i=i, problems=problems, train=train, test=test):
                return {"losses": self._fold_losses(i, problems, train, test, strengths, latent, near)}

            losses[test] = self.watch.journal.step(f"fold {i + 1}", compute)["losses"]
        return losses

    def _left_out(self, folds, strengths: ExactStrengths) -> np.ndarray | None:
        """The same without a target, in closed form from all rows; None where there is none.

        It asks for a quadratic loss, and folds that leave out just the rows they test and share their columns.
        """
        whole, n = folds[0].problems, len(self.X)
        parted = all(
            fold.problems is whole
            and len(fold.train) + len(fold.test) == n == len(np.union1d(fold.train, fold.test))
            for fold in folds
        )
        if not parted or not all(problem.loss.is_quadratic for problem in whole):
            return None
        tests = [fold.test for fold in folds]
        tested = np.concatenate(tests)
        losses = np.zeros(n)
        for problem in whole:
            scores = problem.left_out_scores(strengths, tests)
            if scores is None:
                return None
            losses[tested] += problem.loss.unit_losses(scores)[tested] / len(whole)
        return losses

    def _fold_losses(self, i, problems, train, test, strengths, latent, near) -> np.ndarray:
        losses = np.zeros(len(test))
        # a mean loss over less weight weighs its penalty more
        scaled = _scaled(strengths, self.weights.sum() / self.weights[train].sum())
        for c, problem in enumerate(problems):
            start = None if near is None else near[c]._replace(alpha=near[c].alpha[train])
            fit = problem.take(train).fit(
                scaled, latent, np.random.default_rng(i), self.watch.unseen, near=start
            )
            scores = problem.held_out_scores(fit, test, train)
            losses += problem.loss.take(test).unit_losses(scores) / len(problems)
        return losses

    def plain(self, stage, preparation: PreparationSettings, order: int) -> Candidate | None:
        """Tune the strengths of a preparation, then score it; None where it cannot be fitted."""
        settings = ModelSettings(
            preparation, 1.0, 1.0, 0.0, 0.0, None, order=order, unpenalized=self.space.unpenalized
        )

        def compute():
            whole = self.problems(settings)
            strengths, criterion, modes = search_strengths(whole)
            return {
                "main": float(strengths.main),
                "pairs": float(strengths.pairs.ridge),
                "criterion": float(criterion) / len(whole),
                "losses": self.held_out(self.fold_problems(settings, whole), strengths, near=modes)
                if np.isfinite(criterion)
                else None,
            }

        tuned = self.watch.journal.step(f"{stage}: {tuple(preparation)}, order {order}", compute)
        if tuned["losses"] is None:
            return None
        settings = settings._replace(alpha=tuned["main"], alpha_pairs=tuned["pairs"])
        return self.record(stage, settings, tuned["losses"], tuned["criterion"])


def _scaled(strengths: ExactStrengths, factor: float) -> ExactStrengths:
    pairs = strengths.pairs
    return ExactStrengths(strengths.main * factor, Strengths(pairs.ridge * factor, pairs.tie * factor))


def select(losses, X, folds, space: SearchSpace, rng, watch: Watch = UNWATCHED) -> Selection:
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
    watch : Watch

    Raises
    ------
    ValueError
        If nothing in the space can be fitted.
    """
    search = _Search(losses, X, folds, space, rng, watch)
    best = _choose_preparation(search)
    best = _refine(search, best)
    best = _choose_target(search, best)
    if X.shape[1] <= _WIDE // 10:
        best = choose_l1(search, best)
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
    return _fewest_knots(usable, min(usable, key=lambda candidate: candidate.mean))


def _fewest_knots(candidates, best):
    """The best preparation with as few knots as do not lose a standard error: how finely curves bend has to pay.

    Whether there are curves at all, no knots or some, goes by the loss alone.
    """
    chosen = best.settings.preparation
    for candidate in sorted(candidates, key=lambda candidate: candidate.settings.preparation.spline_knots):
        preparation = candidate.settings.preparation
        finer = preparation._replace(spline_knots=chosen.spline_knots)
        if finer == chosen and 0 < preparation.spline_knots <= chosen.spline_knots:
            loss, error = mean_and_error(candidate.losses - best.losses, best.weights)
            if loss <= error:
                return candidate
    return best


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
            if candidate is None:
                continue
            # as many weights as features, all searched: that has to pay as a tie has
            learnt = preparation.relevance is None and best.settings.preparation.relevance is not None
            if _gains(candidate, best) if learnt else candidate.mean < best.mean:
                best = candidate
    return best


def _gains(candidate: Candidate, simpler: Candidate) -> bool:
    """Whether the held-out loss is lower by more than a standard error of the difference."""
    if simpler.losses is None or candidate.losses is None:
        return False
    gain, error = mean_and_error(simpler.losses - candidate.losses, simpler.weights)
    return gain > error


def _choose_target(search, plain):
    """The best tie of every structure, each judged by held-out loss with its target searched anew in every fold."""
    space, settings = search.space, plain.settings
    if not space.latents or search.X.shape[1] < 2 or search.X.shape[1] > _WIDE // 4:
        return plain
    whole = search.problems(settings)
    folds = search.fold_problems(settings, whole)
    untied = ExactStrengths(settings.alpha, settings.pair_strengths)
    tied: list[Candidate] = []
    without = sum(problem.criterion(problem.fit(untied)) for problem in whole)
    search.record("screening of ties", settings, None, without / len(whole))
    for name, n_components in product(space.latents, space.n_components):
        latent = LatentSettings(name, n_components, 1, space.max_iter, max(space.tol, _SEARCH_TOL))

        def screened(strengths, criterion, latent=latent):
            tried = _tied(settings, strengths, latent)
            search.record("screening of ties", tried, None, criterion / len(whole))

        found = search_tie(whole, untied, latent, search.rng, screened, search.watch.unseen)
        if found is None:
            continue
        strengths, criterion = found
        losses = search.held_out(folds, strengths, latent)
        found_settings = _tied(settings, strengths, latent)
        tied.append(search.record("latent target", found_settings, losses, criterion / len(whole)))
    if not tied:
        return plain
    best = min(tied, key=lambda candidate: candidate.mean)
    # leaving rows out in closed form says what folds say; and what loses clearly is not worth so much work
    if not all(problem.loss.is_quadratic for problem in whole) and not _gains(plain, best):
        best = _settle(search, folds, best)
    return best if _gains(best, plain) else plain


def _tied(settings: ModelSettings, strengths: ExactStrengths, latent: LatentSettings | None) -> ModelSettings:
    pairs = strengths.pairs
    return settings._replace(alpha=strengths.main, alpha_pairs=pairs.ridge, tie=pairs.tie, latent=latent)


def _settle(search, folds, first: Candidate) -> Candidate:
    """The same target with the strength of its tie by held-out loss, where that gains a standard error."""
    settings, candidates = first.settings, {first.settings.pair_strengths: first}

    def loss(pairs: Strengths) -> float:
        if pairs not in candidates:
            strengths = ExactStrengths(settings.alpha, pairs)
            losses = search.held_out(folds, strengths, settings.latent)
            tried = _tied(settings, strengths, settings.latent)
            candidates[pairs] = search.record("latent target", tried, losses, float("nan"))
        return candidates[pairs].mean

    settled = min(
        (candidates[pairs] for pairs in settle_tie(settings.pair_strengths, loss)), key=lambda c: c.mean
    )
    return settled if _gains(settled, first) else first
