"""The exact path: main effects, squares, pairs and triples integrated out; only the latent target is searched.

One `ExactProblem` is one set of rows with its columns; its Gaussian effects are those of `fields.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from typing import NamedTuple, final

import numpy as np
from scipy import linalg

from intertwine.fitting.interactions.fields import (
    AbstractFields,
    EffectColumns,
    ExactStrengths,
    factorization_operations,
    smaller_form,
)
from intertwine.fitting.interactions.joint_search import JointObjective, descend_jointly, pays
from intertwine.fitting.interactions.latent_search import (
    LatentFit,
    LatentSettings,
    TargetPoint,
    search_target,
)
from intertwine.fitting.interactions.written_search import WrittenObjective
from intertwine.fitting.watch import UNWATCHED, Watch
from intertwine.mixed_model import GaussianField, Mode, Posterior
from intertwine.objective import Beginning, IntegratedObjective, SumOfTargets
from intertwine.structures.latent import LowRank
from intertwine.structures.third_order import SymmetricCP

__all__ = ["ExactFit", "ExactProblem"]

_DIRECTIONS = 1e-8  # tolerance of a solution without a target, which says in which directions to search
_FINER = 1e-3  # a joint descent's tolerance, relative to that of the search it stands for


class ExactFit(NamedTuple):
    """Optimum of the exact path on one set of rows."""

    mode: Mode
    offset: np.ndarray
    latent: LatentFit | None
    strengths: ExactStrengths
    model: GaussianField


@final
class ExactProblem:
    """Rows, columns and loss, ready to be fitted at any strengths.

    Parameters
    ----------
    loss : AbstractLoss
    columns : ndarray (n, q)
        Scaled, weighted columns; their products are the interactions.
    squares : ndarray (n, s)
        Own squares, possibly none.
    penalized : ndarray of bool (q,)
        Columns whose main effect carries a penalty; the others are fixed effects.
    order : {2, 3}
    make_fields : callable, default=smaller_form
        Form in which the Gaussian effects are held.
    """

    def __init__(
        self,
        loss,
        columns,
        squares,
        penalized,
        order=2,
        make_fields: Callable[[EffectColumns], AbstractFields] = smaller_form,
    ):
        self.loss = loss
        self.columns = columns
        self.rows = np.arange(len(columns))  # those of ``columns`` that the loss sees
        self.squares = squares
        self.penalized = penalized
        self.order = order
        self.fixed = self.fixed_design(columns)
        self.fields = make_fields(self._effect_columns(columns, squares))

    def fixed_design(self, columns):
        """Intercept (where the loss has one) and unpenalised main effects."""
        ones = np.ones((len(columns), int(self.loss.has_intercept)))
        return np.hstack([ones, columns[:, ~self.penalized]])

    def _effect_columns(self, columns, squares) -> EffectColumns:
        main = columns if self.penalized.all() else columns[:, self.penalized]
        return EffectColumns(main, squares, columns, self.order)

    def model(self, strengths: ExactStrengths) -> GaussianField:
        """The Gaussian model at these strengths, without a target."""
        return GaussianField(self.loss, self.fields.covariance(strengths), self.fixed)

    def take(self, rows) -> ExactProblem:
        """The same problem on some of its rows, prepared alike.

        The columns are shared, not copied: the target is evaluated on all rows and read at these, so that folds of a
        wide table cost no memory of their own.
        """
        part = object.__new__(ExactProblem)
        part.loss = self.loss.take(rows)
        part.columns, part.rows = self.columns, self.rows[rows]
        part.squares, part.fixed, part.fields = self.squares[rows], self.fixed[rows], self.fields.take(rows)
        part.penalized, part.order = self.penalized, self.order
        return part

    def with_loss(self, loss) -> ExactProblem:
        """The same rows and effects under another loss."""
        other = copy(self)
        other.loss = loss
        return other

    def held_out_scores(self, fit: ExactFit, rows, others) -> np.ndarray:
        """Scores of ``rows`` under a fit of ``take(others)``."""
        field = self.fields.between(fit.strengths, rows, others, fit.mode)
        f = self.fixed[rows] @ fit.mode.gamma + field
        return f if fit.latent is None else f + _target_scores(fit.latent, fit.strengths, self.columns)[rows]

    def left_out_scores(self, strengths: ExactStrengths, parts: list[np.ndarray]) -> np.ndarray | None:
        """Scores of each part of the rows when the whole part is left out, for a quadratic loss without a target.

        Parameters
        ----------
        strengths : ExactStrengths
        parts : list of ndarray of int
            Rows, every one in one part.

        Returns
        -------
        ndarray (n,) or None
            None where the penalty is too weak for digits to be left.
        """
        model = self.model(strengths)
        mode = model.mode(np.zeros(len(self.rows)))
        with warnings.catch_warnings():
            warnings.simplefilter("error", linalg.LinAlgWarning)
            try:
                scores = model.posterior(mode).held_out_scores(parts)
            except (np.linalg.LinAlgError, linalg.LinAlgWarning):
                return None
        return scores if np.isfinite(scores).all() else None

    def fit(
        self,
        strengths: ExactStrengths,
        settings: LatentSettings | None = None,
        rng=None,
        watch: Watch = UNWATCHED,
        start: TargetPoint | None = None,
        near: Mode | None = None,
    ) -> ExactFit:
        """Minimise the objective; without latent settings or tie the problem is convex and solved directly.

        ``start`` is a target found earlier to go on from, ``near`` a solution without a target of a similar
        problem on the same rows.
        """
        model = self.model(strengths)
        nothing = np.zeros(len(self.rows))
        if settings is None or strengths.pairs.tie == 0:
            mode = model.mode(nothing, None if near is None else model.at(near.alpha, near.gamma))
            return ExactFit(mode, nothing, None, strengths, model)
        curvature = None
        if self._descends_jointly():
            alpha, approach = self._joint_approach(model, strengths, settings, near)
        else:
            first = None if near is None else model.at(near.alpha, near.gamma)
            plain = model.mode(nothing, first)
            alpha, approach = plain.alpha, None
            curvature = self._pair_curvature(model, plain)
        searched: list[IntegratedObjective | WrittenObjective] = []

        def objective(target):
            searched.append(make(target))
            return searched[-1]

        def make(target):
            if curvature is not None:
                return WrittenObjective(model, target, self.columns[self.rows], strengths.pairs, curvature)
            own = None if isinstance(target, SumOfTargets) else approach
            return IntegratedObjective(model, target, self.columns, strengths.pairs, self.rows, own)

        dual = np.zeros(len(self.columns))
        dual[self.rows] = alpha
        latent = search_target(objective, self.columns, dual, settings, rng, watch, start)
        if self.order == 3 and not isinstance(latent.target, SumOfTargets):
            latent = self._add_triples(objective, latent, settings, rng, watch)
        offset = _target_scores(latent, strengths, self.columns)[self.rows]
        # from where the search of this target ended, which is near
        last = next(one for one in searched if one.target is latent.target)
        return ExactFit(last.mode(latent.params), offset, latent, strengths, model)

    def _pair_curvature(self, model: GaussianField, mode: Mode) -> np.ndarray | None:
        """DᵀPD of the pairs where a search can do with that: a quadratic loss, pairs alone, fewer columns than rows."""
        if not self.loss.is_quadratic or self.order != 2 or self.columns.shape[1] < 2:
            return None
        places = self.fields.pair_places()
        return None if places is None else model.own_quadratic(mode, places)

    def _descends_jointly(self) -> bool:
        """Whether a search may begin with a descent over everything at once."""
        n, q = len(self.rows), self.columns.shape[1]
        return (
            self.order == 2
            and not self.loss.is_quadratic  # there one factorization serves the whole search
            and pays(n, q, factorization_operations(n, q, self.squares.shape[1], self.order))
        )

    def _joint_approach(self, model: GaussianField, strengths: ExactStrengths, settings, near: Mode | None):
        """α without a target, and the way to near an optimum with one."""
        columns = self._effect_columns(self.columns[self.rows], self.squares)

        def joint(target):
            return JointObjective(self.loss, columns, self.fixed, strengths, target)

        no_target = LowRank(self.columns.shape[1], 0)
        gamma = np.zeros(self.fixed.shape[1]) if near is None else near.gamma
        plain = descend_jointly(joint(no_target), gamma, [np.zeros(0)], _DIRECTIONS)

        def approach(target, trials, follow):
            tol = _FINER * settings.tol
            found = descend_jointly(joint(target), plain.gamma, trials, tol, settings.max_iter, [follow])
            mode = model.near(found.gamma, found.whitened, found.field, found.scores)
            return Beginning(found.params, found.optimality), mode

        return -self.loss.gradient(plain.scores), approach

    def _add_triples(self, objective, latent, settings, rng, watch):
        """Continue the pair target's optimum with a CP tensor of triples beside it."""
        triples = SymmetricCP(self.columns.shape[1], settings.n_components)
        both = SumOfTargets([latent.target, triples])
        first = np.concatenate([latent.params, 0.3 * triples.init(self.columns, rng)])
        start = latent._replace(target=both, params=first)
        joint = search_target(objective, self.columns, None, settings, rng, watch, start)
        return joint if joint.value < latent.value else latent

    def posterior(self, fit: ExactFit) -> Posterior:
        """Second-order facts at the optimum, conditional on the target."""
        return fit.model.posterior(fit.mode)

    def criterion(self, fit: ExactFit) -> float:
        """`GaussianField.criterion` of a fit, the freedom of its target counted.

        The target's parameters enter by the derivative of their scores, as Gaussian effects around the optimum. Their
        prior is isotropic, with the curvature that the target's ridge has along the target itself: that of ½‖T‖² for
        a T of degree two is 8 · ½‖T‖² / ‖z‖². Directions that the data say much about do not feel it.
        """
        latent = fit.latent
        if latent is None:
            # nothing was searched, but the criterion must be the one that searched targets get
            return fit.model.criterion(fit.mode, np.zeros((len(self.rows), 1)))
        target, params = latent.target, latent.params
        norm = target.half_norm(params)[0]
        precision = 8.0 * fit.strengths.pairs.target_ridge * norm / max(params @ params, 1e-300)
        jacobian = target.jacobian(params, self.columns[self.rows])
        scale = fit.strengths.pairs.shrinkage / np.sqrt(max(precision, 1e-12))
        return fit.model.criterion(fit.mode, scale * jacobian, fit.strengths.pairs.target_ridge * norm)

    def scores(self, fit: ExactFit, columns, squares) -> np.ndarray:
        """Scores of new rows."""
        new = self._effect_columns(columns, squares)
        f = self.fixed_design(columns) @ fit.mode.gamma
        f += self.fields.elsewhere(fit.strengths, new, fit.mode)
        return f if fit.latent is None else f + _target_scores(fit.latent, fit.strengths, columns)


def _target_scores(latent: LatentFit, strengths: ExactStrengths, columns):
    """The target's part of the scores."""
    return strengths.pairs.shrinkage * latent.target.score(latent.params, columns)
