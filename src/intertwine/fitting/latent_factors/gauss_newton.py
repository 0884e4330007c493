"""Latent factors by damped Gauss-Newton steps, stopped where ratings held out are predicted best.

Where the descent begins and stops matters more than what it descends: the strongest patterns grow first, and a damping
that stays keeps the weaker ones, which are mostly noise, behind. Three things make the path a good one:

* Ratings are not explained about their mean, but about a level below it, which the first factor says at the start:
  users and items scale each other.
* The other factors start, small, where the pattern of *who rated what* puts each user and item.
* After the stop the ratings held out are learnt from as well, in a few more steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from intertwine.fitting.latent_factors.early_stopping import EarlyStopping
from intertwine.fitting.latent_factors.model import FactorModel, FactorSettings, NewIdPrior
from intertwine.fitting.latent_factors.rating_rows import AbstractRatingRows, LocalRatings
from intertwine.fitting.resumable import Descended, descended
from intertwine.fitting.watch import Watch
from intertwine.losses import LossOverflowError
from intertwine.penalties import ElasticNet
from intertwine.risk import PenalisedRisk
from intertwine.solvers.gauss_newton import GaussNewton, GaussNewtonState
from intertwine.solvers.preconditioners import BlockDiagonal
from intertwine.solvers.sharpness import SHARPNESS, AbstractSharpness, Flat
from intertwine.structures.latent_factors import FactorParams, LatentFactors
from intertwine.structures.mapping import MAPPINGS
from intertwine.structures.ratings import RatingTable

__all__ = ["EarlyStop", "descend", "fit_gauss_newton", "solver_for"]

_LEVEL = 3.2  # standard deviations between the mean rating and the level that factors start to explain from
_SUBSPACE_ITERATIONS = 4
_STEPS_PER_FINAL = 6  # steps to the best iteration, at least, for each one after it


class EarlyStop(NamedTuple):
    """When to stop, and what to do then.

    Attributes
    ----------
    patience : int
        Iterations without a gain.
    n_least : int
        Iterations before that, at least.
    n_final : int
        Steps with all ratings after the best iteration; fewer where that came early.
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
    solver: GaussNewton | None = None,
    stop: EarlyStop | None = None,
    start: FactorParams | None = None,
    level: float | None = None,
) -> FactorModel:
    """Descend half the sum of squared errors plus ½ Σ alpha n^power ‖·‖², of side features with Σ x² for n.

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
    ratings = LocalRatings(X, y, weight, n_threads)
    solver = solver_for(settings, n_threads) if solver is None else solver
    return descend(ratings, settings, rng, watch, solver, stop, start, level)


def descend(
    ratings: AbstractRatingRows,
    settings: FactorSettings,
    rng: np.random.Generator,
    watch: Watch,
    solver: GaussNewton,
    stop: EarlyStop | None = None,
    start: FactorParams | None = None,
    level: float | None = None,
) -> FactorModel:
    """The same for ratings wherever they lie, see `fit_gauss_newton`."""
    stop = EarlyStop() if stop is None else stop
    structure = LatentFactors(settings.n_components, settings.biases, MAPPINGS[settings.mapping])
    if level is None:
        level = _level(structure, ratings)
    fit = _Fit(structure, settings, level)
    costs, began = 0.0, time.perf_counter()
    if start is None:
        costs = _SUBSPACE_ITERATIONS + 0.5
        start = _start(fit, ratings, rng)
    layout = ratings.layout(structure)
    theta = layout.ravel(start)
    seconds = time.perf_counter() - began
    try:
        parts = None
        if settings.validation_fraction > 0.0 and ratings.n_ratings > 1:
            parts = ratings.hold_out(settings.validation_fraction, rng)
        if parts is not None and parts[1].total_weight > 0.0:
            theta, history, converged = _stopped_early(fit, ratings, parts, theta, solver, stop, watch)
        else:
            risk, n_steps = fit.risk(ratings), settings.max_iter
            found = descended("descent", risk, solver, theta, n_steps, watch, tell=_passes)
            theta, history, converged = found.params, _rows(found), found.settled
    except LossOverflowError as error:
        raise FloatingPointError("the loss is not finite") from error
    history[:, 3] += costs
    history[:, 4] += seconds
    own = layout.unravel(theta.copy())
    noise = float(np.sqrt(ratings.squares(structure, level)(theta) / ratings.total_weight))
    stopped_early = bool(np.isfinite(history[:, 2]).any())
    priors = []
    for table, counts in ((own.users, ratings.user_counts), (own.items, ratings.item_counts)):
        # the level is part of the factors: an id without ratings is like the others, not like nobody
        prior = NewIdPrior.of_population(table[counts > 0], noise)
        table[counts == 0] = prior.mean[0]
        if not stopped_early:
            ridge = settings.alpha * np.eye(settings.width)
            prior = prior._replace(precision=ridge, power=settings.frequency_power)
        priors.append(prior)
    return FactorModel(
        users=_total(own.users, own.user_weights, ratings.user_features)[None],
        items=_total(own.items, own.item_weights, ratings.item_features)[None],
        intercepts=np.array([-level]),
        user_weights=own.user_weights[None],
        item_weights=own.item_weights[None],
        user_prior=priors[0],
        item_prior=priors[1],
        user_covariance=None,
        item_covariance=None,
        noise=noise,
        history=history,
        converged=converged,
    )


@final
class _Fit:
    """What does not change between the two parts of a fit."""

    def __init__(self, structure: LatentFactors, settings: FactorSettings, level: float) -> None:
        self.structure, self.settings, self.level = structure, settings, level

    def risk(self, ratings: AbstractRatingRows) -> PenalisedRisk:
        layout = ratings.layout(self.structure)
        strengths = layout.ravel(_strengths(ratings, self.settings))
        return PenalisedRisk(ratings.risk(self.structure, self.level), ElasticNet(l2=strengths))

    def error(self, ratings: AbstractRatingRows) -> Callable[[NDArray], float]:
        """Parameters to the root mean squared error of some ratings."""
        squares = ratings.squares(self.structure, self.level)
        return lambda theta: float(np.sqrt(squares(theta) / ratings.total_weight))


def _stopped_early(fit, ratings, parts, start, solver, stop, watch) -> tuple[NDArray, NDArray, bool]:
    train, held = parts
    stopping = EarlyStopping(fit.error(held), stop.patience, fit.settings.tol, stop.n_least)
    risk, n_steps = fit.risk(train), fit.settings.max_iter
    found = descended("descent", risk, solver, start, n_steps, watch, stopping=stopping, tell=_passes)
    history = _rows(found)
    # what the best iteration was found by costs as much as it saw, and the held out ratings were read through each time
    share = held.n_ratings / ratings.n_ratings
    history[:, 3] = history[:, 3] * (1.0 - share) + (history[:, 0] + 1.0) * share
    # they add to the steps of the best iteration: where these were few, two more go far beyond it
    n_final = min(stop.n_final, (int(np.argmin(found.errors)) + 1) // _STEPS_PER_FINAL)
    if not n_final:
        return found.params, history, found.settled
    final = descended("last steps", fit.risk(ratings), solver, found.params, n_final, watch, tell=_passes)
    rows = _rows(final)
    rows[:, 0] += history[-1, 0]
    rows[:, 3:] += history[-1, 3:]
    return final.params, np.vstack([history, rows]), found.settled


def _passes(state: GaussNewtonState) -> float:
    return state.passes


def _rows(found: Descended) -> NDArray[np.float64]:
    """History of the steps made: iteration, objective, error of the ratings held out, passes, seconds."""
    errors = found.errors or [np.nan] * len(found.history)
    return np.array(
        [
            (row.iteration, row.value, error, passes, row.seconds)
            for row, error, passes in zip(found.history, errors, found.told, strict=True)
        ]
    ).reshape(-1, 5)


def _total(own: NDArray, weights: NDArray, features: Any) -> NDArray[np.float64]:
    return own if features is None else own + features @ weights


def _strengths(ratings: AbstractRatingRows, settings: FactorSettings) -> FactorParams:
    """Ridge strengths: alpha times Σ x² over the ratings to a power; of an id that sum is their number."""
    d, power = settings.width, settings.frequency_power

    def rows(alpha: float, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(alpha * np.maximum(squares, 1.0)[:, None] ** power, d, axis=1)

    counts = ratings.user_counts, ratings.item_counts
    features = ratings.user_features, ratings.item_features
    # What holds a feature back must grow with its many ratings: it would be at its end before ids have moved.
    told = (np.zeros(0) if x is None else x.power(2).T @ n for x, n in zip(features, counts, strict=True))
    return FactorParams(
        *(rows(settings.alpha, n) for n in counts),
        *(rows(settings.alpha_features, squares) for squares in told),
    )


def _start(fit: _Fit, ratings: AbstractRatingRows, rng: np.random.Generator) -> FactorParams:
    """Factors that say the level, and near it where the pattern of who rated what puts each user and item."""
    settings, structure = fit.settings, fit.structure
    params, first = structure.init(ratings, rng), int(settings.biases)
    own = params.users, params.items
    for table in own:
        table[:, first:] *= settings.init_scale
    if structure.degree == 2 and settings.n_components:
        pattern = rated_subspace(ratings, settings.n_components - 1, settings.damping, rng)
        for table, positions in zip(own, pattern, strict=True):
            table[:, first] = np.sqrt(fit.level)
            table[:, first + 1 : first + 1 + positions.shape[1]] = settings.init_scale * positions
    return params


def _level(structure: LatentFactors, ratings: AbstractRatingRows) -> float:
    """Score that the start explains: ratings are seen as y + level."""
    if structure.degree is None:  # mapped factors say something at zero already
        return structure.n_components * float(structure.mapping.value(np.zeros(1))[0]) ** 2
    return _LEVEL * float(np.sqrt(ratings.square / ratings.total_weight)) if structure.n_components else 0.0


def rated_subspace(
    ratings: AbstractRatingRows, n_components: int, damping: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leading directions of the pattern of who rated what, of users and items, each of mean square one.

    Of the matrix 1[u rated i] / √((n_u + damping)(n_i + damping)), by a few subspace iterations from a random start:
    ids of few ratings lie near zero.

    Parameters
    ----------
    ratings : AbstractRatingRows
    n_components : int
    damping : float
    rng : numpy.random.Generator

    Returns
    -------
    users, items : ndarray of shape (n_users, n_components) and (n_items, n_components)
    """
    n_components = min(n_components, ratings.n_items, ratings.n_users)
    user_scale, item_scale = (
        ((counts + damping) ** -0.5)[:, None] for counts in (ratings.user_counts, ratings.item_counts)
    )
    items = rng.standard_normal((ratings.n_items, n_components))
    for _ in range(_SUBSPACE_ITERATIONS):
        users = user_scale * ratings.by_user(item_scale * items)
        items = np.linalg.qr(item_scale * ratings.by_item(user_scale * users))[0]
    users = user_scale * ratings.by_user(item_scale * items)
    return users / np.sqrt(np.mean(users**2, axis=0)), items / np.sqrt(np.mean(items**2, axis=0))
