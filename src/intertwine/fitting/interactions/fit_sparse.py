"""Fit by the sparse path: L1 on main effects and pairs, with or without a latent target."""

from __future__ import annotations

import time
from functools import partial
from typing import final

import numpy as np

from intertwine.coefficients import ExplicitCoefficients
from intertwine.fitting.interactions.latent_search import (
    SearchIteration,
    history_rows,
    history_table,
    search_target,
)
from intertwine.fitting.interactions.model import Diagnostics, InteractionModel
from intertwine.fitting.interactions.prepare_rows import fit_preparation
from intertwine.fitting.interactions.settings import ModelSettings
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.objective import Beginning, best_size
from intertwine.resources import require_memory
from intertwine.sparse_path import SparsePairProblem, SparseSolution, solve_with_heredity
from intertwine.structures.pairwise import fit_product_scaling

__all__ = ["fit_sparse", "linear_block", "sparse_problem", "sparse_strengths"]


_ROUGH = 1e-3  # relative violation; the error of J is of the order of its square


@final
class ProfiledObjective:
    """J(z) with main effects and pairs solved out by the sparse path, each solution the start of the next.

    By the envelope theorem ∇J = tie · [∇½‖T‖² − Σ θ_jk ∇g_jk] at the solution θ.
    """

    def __init__(self, problem: SparsePairProblem, target, tie, tol, start):
        self.problem = problem
        self.target = target
        self.tie = tie
        self.tol = tol
        self.solution = start
        self._everyone = np.arange(target.n_features)

    def solve(self, params, tol=None):
        """The convex problem at this target."""
        shift = self.tie * self.target.block(params, self._everyone, self._everyone)
        self.solution = self.problem.solve(shift, self.solution, self.tol if tol is None else tol)
        return self.solution

    def choose(self, trials, follow):
        """Where to begin, of targets that differ in size."""
        return Beginning(best_size(trials, self._rough_value))

    def _rough_value(self, params):
        """J to a few digits; infinite for so large a target that the problem around it cannot be solved."""
        try:
            solution = self.solve(params, max(self.tol, _ROUGH))
        except FloatingPointError:
            return np.inf
        return solution.value + self.tie * self.target.half_norm(params)[0]

    def memory(self) -> dict:
        """What the next evaluation begins from, as a state for a checkpoint."""
        return {"solution": self.solution._asdict(), "problem": self.problem.memory()}

    def remember(self, memory: dict) -> None:
        """Go on as if the evaluations behind ``memory`` had been made."""
        self.solution = SparseSolution(**memory["solution"])
        self.problem.remember(memory["problem"])

    def value_and_gradient(self, params):
        solution = self.solve(params)
        norm, norm_gradient = self.target.half_norm(params)
        theta = solution.interactions(self.target.n_features)
        gradient = self.tie * (norm_gradient - self.target.entry_pullback(params, theta))
        return solution.value + self.tie * norm, gradient


def sparse_problem(loss, preparation, X, settings: ModelSettings) -> SparsePairProblem:
    """The problem on these rows: intercept, main effects and own squares as the linear block, and all pairs."""
    columns = preparation.columns(X)
    n, q = columns.shape
    require_memory(
        8 * (3 * n * q + (4 * q * q if settings.pair_strengths.tie or settings.scaled_products else 0)),
        f"the sparse path for {n} rows and {q} columns",
        "fewer columns, or latent=None",
    )
    linear = linear_block(loss, preparation, columns, settings)
    linear_l1, linear_l2, pairs_l1, pairs_l2 = sparse_strengths(loss, preparation, settings, linear.shape[1])
    scaling = fit_product_scaling(columns, loss.sample_weight) if settings.scaled_products else None
    return SparsePairProblem(loss, linear, linear_l1, linear_l2, columns, pairs_l1, pairs_l2, scaling)


def linear_block(loss, preparation, columns, settings: ModelSettings) -> np.ndarray:
    """Intercept (where the loss has one), main effects and own squares of prepared columns."""
    n = len(columns)
    squares = preparation.squares(columns) if settings.preparation.squares else np.zeros((n, 0))
    return np.hstack([np.ones((n, int(loss.has_intercept))), columns, squares])


def sparse_strengths(
    loss, preparation, settings: ModelSettings, n_linear: int
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """L1 and L2 of the linear block, L1 and L2 of the pairs."""
    penalized = ~np.isin(preparation.feature_of, settings.unpenalized)
    strength = np.full(n_linear, settings.alpha_pairs)  # what is left at the end are the squares
    n_intercept = int(loss.has_intercept)
    strength[:n_intercept] = 0.0
    strength[n_intercept : n_intercept + len(penalized)] = settings.alpha * penalized
    ratio = settings.l1_ratio
    pairs_l2 = settings.pair_strengths.deviation
    return ratio * strength, (1.0 - ratio) * strength, ratio * settings.alpha_pairs, pairs_l2


def fit_sparse(
    loss, X, settings: ModelSettings, rng, tol, max_iter, watch: Watch = UNWATCHED
) -> InteractionModel:
    """Prepare, fit and publish.

    Raises
    ------
    ValueError
        For an infinite tie: a factorization machine has no pairs of its own to put an L1 penalty on.
    MemoryError
        If the columns, or with a target the p × p target, would not fit.
    """
    tie = settings.pair_strengths.tie
    if np.isinf(tie):
        raise ValueError("tie=inf (a factorization machine) needs solver='exact' and l1_ratio=0")
    preparation = fit_preparation(X, loss, settings.preparation, settings.unpenalized)
    problem = sparse_problem(loss, preparation, X, settings)
    if settings.heredity is not None:
        if tie:
            raise ValueError("heredity admits pairs one by one, a latent target moves all: set latent=None")
        n_intercept = int(loss.has_intercept)
        mains = n_intercept + np.arange(problem.design.n_features)
        heredity = partial(solve_with_heredity, problem, settings.heredity, mains, tol=tol)
        solution, history = _solved(problem, heredity, watch)
        return _publish(problem, preparation, solution, None, 0.0, history)
    # Without a target and its ridge: what the pairs want before they are tied.
    free = problem.with_penalties(
        problem.penalty.linear_l1,
        problem.penalty.linear_l2,
        problem.penalty.pairs_l1,
        settings.pair_strengths.ridge,
    )
    solution, history = _solved(problem, partial(free.solve, tol=tol, max_iter=max_iter), watch)
    if settings.latent is None or tie == 0.0:
        return _publish(problem, preparation, solution, None, 0.0, history)
    columns = problem.design.features_t.T

    searched: list[ProfiledObjective] = []

    def objective(target):
        searched.append(ProfiledObjective(problem, target, tie, tol, solution))
        return searched[-1]

    dual = -loss.gradient(solution.scores)
    latent = search_target(objective, columns, dual, settings.latent, rng, watch)
    # from where the search of this target ended, which is near
    solution = next(one for one in searched if one.target is latent.target).solve(latent.params)
    return _publish(problem, preparation, solution, latent, tie, history)


def _solved(problem, solve, watch: Watch) -> tuple[SparseSolution, list[SearchIteration]]:
    """The solution without a target, a step of the journal, and its iterations."""
    history: list[SearchIteration] = []
    began = time.perf_counter()

    def follow(row, state):
        if row.iteration == 0:  # nothing is known there yet
            return
        # a solver that gives way to another begins to count anew
        row = row._replace(iteration=len(history) + 1, seconds=time.perf_counter() - began)
        history.append(SearchIteration(0, *row))
        watch.progress.iteration(row, state)

    def compute() -> dict:
        solution = solve(callbacks=[follow])
        return {
            "solution": solution._asdict(),
            "problem": problem.memory(),
            "history": history_table(history),
        }

    found = watch.journal.step("without a target", compute)
    problem.remember(found["problem"])
    return SparseSolution(**found["solution"]), history_rows(found["history"])


def _publish(problem, preparation, solution, latent, tie, history):
    n_intercept = int(problem.loss.has_intercept)
    q = problem.design.n_features
    j, k = solution.rows, solution.cols
    share = tie / problem.penalty.pairs_l2 if latent is not None else 0.0
    targets = share * latent.target.entries(latent.params, j, k) if latent is not None else np.zeros(len(j))
    scaling = problem.design.scaling
    center = np.zeros(len(j)) if scaling is None else scaling.center[j, k]
    scale = np.ones(len(j)) if scaling is None else scaling.scale[j, k]
    linear = solution.linear
    residual = 2.0 * problem.loss.total_weight * problem.loss.value(solution.scores)
    used = np.count_nonzero(linear) + len(j)
    return InteractionModel(
        preparation=preparation,
        intercept=float(linear[0]) if n_intercept else 0.0,
        main=linear[n_intercept : n_intercept + q],
        main_variance=np.full(q, np.nan),
        squares=linear[n_intercept + q :],
        pairs=ExplicitCoefficients(q, j, k, solution.values, targets, center, scale),
        coordinates=None if latent is None else latent.target.coordinates(latent.params),
        diagnostics=Diagnostics(
            solver="sparse",
            value=solution.value if latent is None else latent.value,
            optimality=solution.optimality if latent is None else max(solution.optimality, latent.optimality),
            converged=solution.converged and (latent is None or latent.converged),
            history=history if latent is None else history + latent.history,
            spread=[] if latent is None else latent.spread,
            dispersion=problem.loss.dispersion(residual, problem.loss.n_rows - used),
            log_evidence=float("nan"),
        ),
    )
