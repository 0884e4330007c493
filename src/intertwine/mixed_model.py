"""The exact engine: a loss over fixed effects plus a Gaussian field, with the field integrated out.

    f = offset + C γ + g,   g ~ N(0, s² K),          minimise  L(f) + ½ gᵀ K⁻¹ g

By the representer theorem g = K α, and at the optimum α = −∂L/∂f and Cᵀα = 0, whatever the loss. With curvature
W = ∂²L/∂f² and working response q = f − offset − W⁻¹ ∂L/∂f, everything Gaussian follows from one matrix,

    P = H⁻¹ − H⁻¹C (CᵀH⁻¹C)⁻¹ CᵀH⁻¹,   H = K + W⁻¹,   α = P q:

* a coefficient θ with prior variance v and design column a has posterior mean v aᵀα and variance s²(v − v² aᵀP a);
* the residual of rows S when they are left out is P_SS⁻¹ α_S (exact for squared loss, one Newton step otherwise);
* −2 log evidence = (Σ residual log terms) + log|I + W K| + log|CᵀH⁻¹C| (Laplace's, exact for squared loss).

Source: Rasmussen & Williams (2006), sections 3.4 and 5.4; Wahba (1990), chapter 4 for the leaving-out identities.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from scipy import linalg

from intertwine.covariance import AbstractCovariance
from intertwine.newton_system import AbstractNewtonSystem, DampedCurvature, factorize
from intertwine.projection import AbstractProjection

__all__ = ["GaussianField", "Mode", "Posterior"]


class Mode(NamedTuple):
    """The minimiser over field and fixed effects at one offset."""

    alpha: np.ndarray
    gamma: np.ndarray
    field: np.ndarray
    whitened: np.ndarray  # coefficients of unit prior variance behind the field; empty without a factor
    scores: np.ndarray
    value: float


class Posterior(NamedTuple):
    """Second-order facts at a mode; variances are conditional on everything but the field and the fixed effects.

    ``freedom`` are the degrees of freedom that the dispersion was estimated with, infinite where it is known.
    """

    P: AbstractProjection
    fixed_covariance: np.ndarray
    alpha: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    scale: float
    dispersion: float
    log_evidence: float
    freedom: float

    def variance(self, design, prior_variance):
        """Posterior variance of coefficients with design columns (n, m) and the given prior variance (of K)."""
        explained = prior_variance * self.P.quadratic(design)
        return self.scale * prior_variance * np.maximum(1.0 - explained, 0.0)

    def leave_one_out_scores(self):
        """Score of every row when that row is left out."""
        P = self.P.diagonal()
        # rows that only fit themselves have ±∞
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self.scores - self.alpha * (self.weights - P) / (self.weights * P)

    def widened(self, design) -> Posterior:
        """With further Gaussian effects of unit prior variance (of K), fitted already, whose columns are ``design``.

        This is how the freedom of parameters that were searched enters leave-one-out errors and evidence: their
        design is the derivative of the scores, scaled by a prior deviation.
        """
        P, log_determinant = self.P.widened(design)
        return self._replace(P=P, log_evidence=self.log_evidence - 0.5 * log_determinant)

    def held_out_scores(self, folds):
        """Scores of each fold's rows when the whole fold is left out; ``folds`` is a list of index arrays."""
        out = self.scores + self.alpha / self.weights
        for rows in folds:
            out[rows] -= linalg.solve(self.P.block(rows), self.alpha[rows], assume_a="pos")
        return out


@final
class GaussianField:
    """The field with prior covariance ``K`` and fixed effects ``C`` (n, q), for one loss.

    Solving at a sequence of offsets is cheap: the factored Newton system is kept while the curvature has hardly
    moved (always, for squared loss), so that one more solve costs a few products with it.
    """

    _MAX_STEPS = 100
    _DRIFT = 0.3  # relative change of the curvature at which the system is factored anew

    def __init__(self, loss, K: AbstractCovariance, C):
        self.loss = loss
        self.K = K
        self.C = C
        self._system: AbstractNewtonSystem | None = None
        self._factored_at: tuple[np.ndarray, float] | None = None  # scores and damping of the system
        self.n_factorizations = 0

    def _system_at(self, scores, drift, damping=0.0) -> AbstractNewtonSystem:
        curvature = self._curvature(scores, damping)
        if self._system is None and self._factored_at is not None:  # of an interrupted run
            self._system = factorize(self.K, self._curvature(*self._factored_at), self.C)
        if self._system is not None:
            old, new = self._system.curvature.diagonal(), curvature.diagonal()
            if np.max(np.abs(new - old)) <= drift * np.max(old):
                return self._system
        self.n_factorizations += 1
        self._system, self._factored_at = factorize(self.K, curvature, self.C), (scores, damping)
        return self._system

    def _curvature(self, scores, damping):
        curvature = self.loss.curvature(scores)
        return DampedCurvature(curvature, damping) if damping > 0 else curvature

    def memory(self, mode: Mode | None) -> dict:
        """What a solve from ``mode`` depends on, as a state for a checkpoint: the mode, where the system was factored.

        With it, further solves repeat themselves to the bit.
        """
        scores, damping = self._factored_at or (None, 0.0)
        state = None if mode is None else mode._asdict() | {"value": float(mode.value)}
        return {"mode": state, "factored_at": scores, "damping": float(damping)}

    def remember(self, memory: dict) -> Mode | None:
        """Take back what ``memory`` gave, and return the mode; the system is factored when it is asked for."""
        scores, damping = memory["factored_at"], memory["damping"]
        self._system, self._factored_at = None, None if scores is None else (scores, damping)
        return None if memory["mode"] is None else Mode(**memory["mode"])

    def mode(self, offset, start: Mode | None = None, tol: float = 1e-9) -> Mode:
        """Minimise over field and fixed effects; ``start`` is an earlier mode to begin from.

        Raises
        ------
        FloatingPointError
            If no step decreases the objective although the optimality conditions do not hold.
        """
        point = self._best_start(offset, start)
        drift, damping, previous = self._DRIFT, 0.0, np.inf
        for _ in range(self._MAX_STEPS):
            gradient = self.loss.gradient(point.scores)
            known = self.n_factorizations
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # judged by what comes out
                system = self._system_at(point.scores, drift, damping)
                target = system.target(point.scores, offset, gradient)
            exact = drift == 0 or self.n_factorizations > known
            if not all(np.isfinite(part).all() for part in target):
                # all rows are saturated, no curvature is left
                drift, damping = 0.0, self._more(damping)
                continue
            move = [new - old for new, old in zip(target, point[:4], strict=True)]
            slope = gradient @ (self.C @ move[1] + move[2])
            slope += self.K.inner((point.alpha, point.field, point.whitened), (move[0], move[2], move[3]))
            residual = np.max(np.abs(move[0])) / max(np.max(np.abs(target[0])), 1e-300)
            slow = residual > 0.5 * previous
            if damping == 0 and residual <= tol:
                break
            if exact and slow and -slope <= 1e-15 * abs(point.value):  # rounding has the last word
                break
            trial = self._search(offset, point, move, slope)
            if trial is not None:
                damping = self._less(damping)
            elif exact:
                if residual < 1e-4:  # as above
                    break
                damping = self._more(damping)
            # A stale system that has stopped helping is replaced by a fresh one.
            drift = 0.0 if trial is None or slow else self._DRIFT
            previous = residual
            point = trial or point
        return point

    @property
    def _unit_damping(self) -> float:
        """Curvature of an undecided row: the scale on which a step is cautious."""
        return float(np.max(self.loss.curvature(np.zeros(self.loss.n_rows)).diagonal()))

    def _more(self, damping: float) -> float:
        """Levenberg's remedy where all rows are saturated and Newton's step runs off."""
        unit = self._unit_damping
        if damping > 1e6 * unit:
            raise FloatingPointError("no descent in the Newton iteration; raise alpha")
        return max(10.0 * damping, 1e-3 * unit)

    def _less(self, damping: float) -> float:
        """Back to Newton's own steps, which are the fast ones."""
        return 0.1 * damping if damping > 0 and damping > 1e-3 * self._unit_damping else 0.0

    def _point(self, offset, alpha, gamma, field, whitened) -> Mode:
        scores = offset + self.C @ gamma + field
        own = (alpha, field, whitened)
        value = self.loss.value_of_trial(scores) + 0.5 * self.K.inner(own, own)
        return Mode(alpha, gamma, field, whitened, scores, value)

    def at(self, alpha, gamma) -> Mode:
        """The point with these coefficients, without offset: a start from the solution of a similar problem."""
        return self._point(np.zeros(len(alpha)), alpha, gamma, self.K.matmul(alpha), self.K.whitened(alpha))

    def near(self, gamma, whitened, field, scores) -> Mode:
        """A mode to begin from, of an approximate solution; α follows from the scores."""
        alpha = -self.loss.gradient(scores)
        if len(self.K.whitened(alpha)):
            return Mode(alpha, gamma, field, whitened, scores, np.inf)
        return Mode(alpha, gamma, self.K.matmul(alpha), np.zeros(0), scores, np.inf)

    def _best_start(self, offset, start) -> Mode:
        """The earlier mode at the new offset, or zero where that is better."""
        n, q = self.C.shape
        zero = self._point(offset, np.zeros(n), np.zeros(q), np.zeros(n), self.K.whitened(np.zeros(n)))
        if start is None:
            return zero
        warm = self._point(offset, *start[:4])
        return warm if warm.value <= zero.value else zero

    def _search(self, offset, point, move, slope) -> Mode | None:
        step = 1.0
        while step > 1e-3:
            trial = self._point(
                offset, *(old + step * change for old, change in zip(point[:4], move, strict=True))
            )
            # The slack is rounding: near the optimum a good step may not lower the value measurably.
            if trial.value <= point.value + 1e-4 * step * slope + 1e-13 * abs(point.value):
                return trial
            step *= 0.5
        return None

    def posterior(self, mode: Mode) -> Posterior:
        """Factor at the mode: P, dispersion and evidence."""
        system = self._system_at(mode.scores, 0.0)
        n, q = self.C.shape
        # At the mode J = L(f) + ½ gᵀK⁻¹g; for squared loss twice that is the misfit yᵀP y.
        total = self.loss.total_weight
        dispersion = self.loss.dispersion(2.0 * total * mode.value, n - q)
        scale = dispersion / total
        log_evidence = (
            self.loss.log_normalizer(dispersion)
            - mode.value / scale
            - 0.5 * system.log_determinant
            + 0.5 * (np.linalg.slogdet(system.fixed_covariance)[1] + q * np.log(2.0 * np.pi * scale))
        )
        return Posterior(
            system.projection,
            scale * system.fixed_covariance,
            mode.alpha,
            mode.scores,
            system.weights(),
            scale,
            dispersion,
            float(log_evidence),
            float(n - q) if self.loss.is_quadratic else np.inf,
        )

    def explained(self, mode: Mode, design) -> np.ndarray:
        """Diagonal of Dᵀ P D for few columns D (n, m), without P."""
        return self._system_at(mode.scores, 0.0).quadratic(design)

    def own_quadratic(self, mode: Mode, places: slice) -> np.ndarray | None:
        """DᵀPD of some columns D of a factored field, without their deviations; None for a dense one."""
        return self._system_at(mode.scores, 0.0).own_quadratic(places)

    def coefficient_covariance(self, mode: Mode, scale: float) -> np.ndarray | None:
        """Posterior covariance (m, m) of the coefficients of a factored field; None for a dense one."""
        covariance = self._system_at(mode.scores, 0.0).coefficient_covariance()
        return None if covariance is None else scale * covariance

    def criterion(self, mode: Mode, searched=None, penalty: float = 0.0) -> float:
        """How well this prior predicts, from one fit: smaller is better, comparable between priors.

        Mean loss with every row left out in turn, where that can be had in closed form: where rows interact (Cox) none
        can be left out alone, and where parameters were searched that can fit rows of a logistic loss perfectly, one
        Newton step away from a saturated row says nothing. There it is minus the log evidence per unit of weight.

        Parameters
        ----------
        mode : Mode
        searched : ndarray (n, m), optional
            Design of parameters behind the offset, as in `Posterior.widened`.
        penalty : float
            What these parameters add to the objective.
        """
        posterior = self.posterior(mode)
        if searched is not None:
            posterior = posterior.widened(searched)
        loss = self.loss
        if loss.is_quadratic or (searched is None and not loss.rows_interact):
            return loss.value(posterior.leave_one_out_scores())
        return penalty - posterior.log_evidence / loss.total_weight
