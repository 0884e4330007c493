"""Latent factors by damped Gauss-Newton steps, stopped where ratings held out are predicted best.

Where the descent begins and stops matters more than what it descends: the strongest patterns grow first, and a damping
that stays keeps the weaker ones, which are mostly noise, behind. Three things make the path a good one:

* Ratings are not explained about their mean, but about a level below it, which the first factor says at the start:
  users and items scale each other.
* The other factors start, small, where the pattern of *who rated what* puts each user and item.
* After the stop the ratings held out are learnt from as well, in a few more steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.fitting.early_stopping import EarlyStopping, hold_out
from intertwine.fitting.latent_factors import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.watch import Watch
from intertwine.losses import SquaredLoss
from intertwine.minimize import Result, minimize
from intertwine.penalties import ElasticNet
from intertwine.risk import PenalisedRisk, RowRisk
from intertwine.solvers.gauss_newton import GaussNewton
from intertwine.solvers.preconditioners import BlockDiagonal
from intertwine.solvers.sharpness import SHARPNESS, AbstractSharpness, Flat
from intertwine.structures.latent_factors import FactorParams, FactorScores, LatentFactors
from intertwine.structures.mapping import MAPPINGS
from intertwine.structures.ratings import RatingTable

__all__ = ["EarlyStop", "fit_gauss_newton", "solver_for"]

_LEVEL = 3.2  # standard deviations between the mean rating and the level that factors start to explain from
_SUBSPACE_ITERATIONS = 4


class EarlyStop(NamedTuple):
    """When to stop, and what to do then.

    Attributes
    ----------
    patience : int
        Iterations without a gain.
    n_least : int
        Iterations before that, at least.
    n_final : int
        Steps with all ratings after the best iteration.
    """

    patience: int = 3
    n_least: int = 12
    n_final: int = 2


def solver_for(settings: FactorSettings, n_threads: int = 1) -> GaussNewton:
    """The solver that a fit takes by default.

    Damping stays and steps are not searched for: both would leave the path along which early stopping regularises.
    """
    sharp: AbstractSharpness = Flat()
    if settings.rho > 0.0:
        sharp = SHARPNESS[settings.sharpness](settings.rho)
    return GaussNewton(
        settings.tol,
        damping=settings.damping,
        adaptive=False,
        line_search=False,
        preconditioner=BlockDiagonal(n_threads),
        cg_iter=settings.cg_iter,
        sharpness=sharp,
    )


def fit_gauss_newton(
    X: RatingTable,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    n_threads: int = 1,
    previous: FactorModel | None = None,
    solver: GaussNewton | None = None,
    stop: EarlyStop | None = None,
    start: FactorParams | None = None,
    level: float | None = None,
) -> FactorModel:
    """Descend half the sum of squared errors plus ½ Σ alpha n^power ‖·‖².

    Parameters
    ----------
    X : RatingTable
    y : ndarray of shape (n_ratings,)
        About their mean, in the order of the table.
    weight : ndarray of shape (n_ratings,) or None
    settings : FactorSettings
        Without ``validation_fraction`` the descent goes on to the optimum.
    rng : numpy.random.Generator
    watch : Watch
    n_threads : int, default=1
    previous : FactorModel, optional
        Whose tables to start from; ids it does not know start near zero.
    solver : GaussNewton, optional
        That of `solver_for` by default.
    stop : EarlyStop, optional
    start : FactorParams, optional
        Where the descent begins, if not where the pattern of who rated what puts it.
    level : float, optional
        How far below their mean ratings are explained from; 3.2 standard deviations by default.

    Returns
    -------
    FactorModel

    Raises
    ------
    FloatingPointError
        When numbers overflow.
    """
    weight = np.ones(len(y)) if weight is None else weight
    solver = solver_for(settings, n_threads) if solver is None else solver
    stop = EarlyStop() if stop is None else stop
    structure = LatentFactors(settings.n_components, settings.biases, MAPPINGS[settings.mapping])
    if level is None:
        level = _level(structure, y, weight, previous)
    fit = _Fit(structure, settings, level, n_threads)
    costs = 0.0
    if start is None:
        costs = _SUBSPACE_ITERATIONS + 0.5 if previous is None else 0.0
        start = _start(fit, X, rng, previous)
    theta = fit.scores(X).layout.ravel(start)
    try:
        if settings.validation_fraction > 0.0 and X.n_ratings > 1:
            theta, history, converged = _stopped_early(fit, X, y, weight, theta, solver, stop, rng, watch)
        else:
            passes: list[float] = []
            result = minimize(
                fit.risk(X, y, weight),
                solver,
                theta,
                max_iter=settings.max_iter,
                callbacks=[watch.progress.iteration, lambda row, state: passes.append(state.passes)],
            )
            theta, converged = result.params, result.converged
            history = _rows(result, passes, [])
    except ValueError as error:
        if "overflow" not in str(error):
            raise
        raise FloatingPointError("the loss is not finite") from error
    history[:, 3] += costs
    scores = fit.scores(X)
    own = scores.layout.unravel(theta.copy())
    priors = []
    for table, counts in ((own.users, X.user_counts), (own.items, X.item_counts)):
        # the level is part of the factors: an id without ratings is like the others, not like nobody
        mean = table[counts > 0].mean(axis=0)
        table[counts == 0] = mean
        priors.append(NewIdPrior(mean, settings.alpha * np.eye(settings.width), settings.frequency_power))
    users, items = scores.totals(scores.layout.ravel(own))
    squares = weight @ (y + level - scores.score(theta)) ** 2
    return FactorModel(
        users=users[None],
        items=items[None],
        intercepts=np.array([-level]),
        user_weights=own.user_weights,
        item_weights=own.item_weights,
        user_prior=priors[0],
        item_prior=priors[1],
        user_covariance=None,
        item_covariance=None,
        noise=float(np.sqrt(squares / weight.sum())),
        history=history,
        converged=converged,
    )


class _Fit:
    """What does not change between the two parts of a fit."""

    def __init__(
        self, structure: LatentFactors, settings: FactorSettings, level: float, n_threads: int
    ) -> None:
        self.structure, self.settings, self.level, self.n_threads = structure, settings, level, n_threads

    def scores(self, X: RatingTable) -> FactorScores:
        return FactorScores(self.structure, X, self.n_threads)

    def risk(self, X: RatingTable, y: NDArray, weight: NDArray) -> PenalisedRisk:
        scores = self.scores(X)
        strengths = scores.layout.ravel(_strengths(scores, self.settings))
        return PenalisedRisk(RowRisk(SquaredLoss(y + self.level, weight), scores), ElasticNet(l2=strengths))

    def error(self, X: RatingTable, y: NDArray, weight: NDArray) -> Callable[[NDArray], float]:
        """Parameters to the root mean squared error of some ratings."""
        scores = self.scores(X)

        def error(theta: NDArray) -> float:
            return float(np.sqrt(weight @ (y + self.level - scores.score(theta)) ** 2 / weight.sum()))

        return error


def _stopped_early(fit, X, y, weight, start, solver, stop, rng, watch) -> tuple[NDArray, NDArray, bool]:
    parts = hold_out(X, fit.settings.validation_fraction, rng)
    held = ~parts.kept
    stopping = EarlyStopping(
        fit.error(parts.held, y[held], weight[held]), stop.patience, fit.settings.tol, stop.n_least
    )
    passes: list[float] = []
    result = minimize(
        fit.risk(parts.train, y[parts.kept], weight[parts.kept]),
        solver,
        start,
        max_iter=fit.settings.max_iter,
        callbacks=[watch.progress.iteration, stopping, lambda row, state: passes.append(state.passes)],
    )
    settled = result.converged or len(result.history) <= fit.settings.max_iter
    history = _rows(result, passes, stopping.errors)
    # what the best iteration was found by costs as much as it saw, and the held out ratings were read through each time
    share = held.sum() / X.n_ratings
    history[:, 3] = history[:, 3] * (1.0 - share) + (history[:, 0] + 1.0) * share
    if not stop.n_final:
        return stopping.best, history, settled
    passes = []
    final = minimize(
        fit.risk(X, y, weight),
        solver,
        stopping.best,
        max_iter=stop.n_final,
        callbacks=[watch.progress.iteration, lambda row, state: passes.append(state.passes)],
    )
    rows = _rows(final, passes, [])
    rows[:, 0] += history[-1, 0]
    rows[:, 3] += history[-1, 3]
    return final.params, np.vstack([history, rows]), settled


def _rows(result: Result, passes: list[float], errors: list[float]) -> NDArray[np.float64]:
    """History of the steps made: iteration, objective, error of the ratings held out, passes."""
    rows = np.full((len(result.history) - 1, 4), np.nan)
    for row in result.history[1:]:
        rows[row.iteration - 1, :2] = row.iteration, row.value
    if errors:
        rows[:, 2] = errors[1:]
    rows[:, 3] = passes[1:]
    return rows


def _strengths(scores: FactorScores, settings: FactorSettings) -> FactorParams:
    X, d = scores.X, settings.width
    own = (
        np.repeat(settings.alpha * np.maximum(counts, 1.0)[:, None] ** settings.frequency_power, d, axis=1)
        for counts in (X.user_counts, X.item_counts)
    )
    shapes = scores.layout.unravel(np.zeros(scores.size))
    features = (np.full(part.shape, settings.alpha_features) for part in shapes[2:])
    return FactorParams(*own, *features)


def _start(fit: _Fit, X: RatingTable, rng: np.random.Generator, previous: FactorModel | None) -> FactorParams:
    """Factors that say the level, and near it where the pattern of who rated what puts each user and item."""
    settings, structure = fit.settings, fit.structure
    params, first = structure.init(X, rng), int(settings.biases)
    own = params.users, params.items
    for table in own:
        table[:, first:] *= settings.init_scale
    if previous is not None:
        _continue(own, params[2:], (X.user_features, X.item_features), previous)
    elif structure.degree == 2 and settings.n_components:
        pattern = rated_subspace(X, settings.n_components - 1, settings.damping, rng)
        for table, positions in zip(own, pattern, strict=True):
            table[:, first] = np.sqrt(fit.level)
            table[:, first + 1 : first + 1 + positions.shape[1]] = settings.init_scale * positions
    return params


def _continue(own, weights, features, previous: FactorModel) -> None:
    """Overwrite the tables by an earlier model's: own coefficients are what side features leave of its totals."""
    totals = previous.users[-1], previous.items[-1]
    earlier = previous.user_weights, previous.item_weights
    for table, total, fresh, old, known in zip(own, totals, weights, earlier, features, strict=True):
        table[: len(total)] = total
        if known is not None and old.shape == fresh.shape:
            fresh[:] = old
            table[: len(total)] -= (known @ old)[: len(total)]


def _level(structure: LatentFactors, y: NDArray, weight: NDArray, previous: FactorModel | None) -> float:
    """Score that the start explains: ratings are seen as y + level."""
    if previous is not None:
        return -float(previous.intercepts[-1])
    if structure.degree is None:  # mapped factors say something at zero already
        return structure.n_components * float(structure.mapping.value(np.zeros(1))[0]) ** 2
    return _LEVEL * float(np.sqrt(weight @ y**2 / weight.sum())) if structure.n_components else 0.0


def rated_subspace(
    X: RatingTable, n_components: int, damping: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leading directions of the pattern of who rated what, of users and items, each of mean square one.

    Of the matrix 1[u rated i] / √((n_u + damping)(n_i + damping)), by a few subspace iterations from a random start:
    ids of few ratings lie near zero.

    Parameters
    ----------
    X : RatingTable
    n_components : int
    damping : float
    rng : numpy.random.Generator

    Returns
    -------
    users, items : ndarray of shape (n_users, n_components) and (n_items, n_components)
    """
    n_components = min(n_components, X.n_items, X.n_users)
    ones = np.ones(X.n_ratings)
    rated = sparse.csr_array((ones, X.item_of, X.user_starts), shape=(X.n_users, X.n_items))
    user_scale, item_scale = ((counts + damping) ** -0.5 for counts in (X.user_counts, X.item_counts))
    items = rng.standard_normal((X.n_items, n_components))
    for _ in range(_SUBSPACE_ITERATIONS):
        users = user_scale[:, None] * (rated @ (item_scale[:, None] * items))
        items = np.linalg.qr(item_scale[:, None] * (rated.T @ (user_scale[:, None] * users)))[0]
    users = user_scale[:, None] * (rated @ (item_scale[:, None] * items))
    return users / np.sqrt(np.mean(users**2, axis=0)), items / np.sqrt(np.mean(items**2, axis=0))
