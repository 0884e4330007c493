"""The paper's optimiser of LIT-LVM: joint Adam on every parameter, then a soft threshold for the L1 part.

Written from its description (arXiv 2506.15492), not from its code. What is kept on purpose, because it decides how
the comparison comes out: all pairs as explicit columns; full batch; at most 5000 epochs; learning rate .05; main
effects and latent vectors start from N(0, 1); the loss is the *sum* for regression, the mean for logistic, divided by
the events for Cox; and the threshold follows the Adam step with the bare learning rate, although Adam has rescaled the
gradient by then, so that its fixed points are not those of the objective.

The objective itself is the library's, so that both can be read on one axis:

    J = mean loss + alpha (l1_ratio |β|₁ + ½(1 − l1_ratio) ‖β‖²) + alpha_pairs (… the same over θ) + ½ tie Σ (θ − g(Z))²
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from baselines._losses import BaselineLoss


class Parameters(NamedTuple):
    """Everything that is descended on: b, β (p,), θ over j < k (q,), Z (p, d), the distance's offset."""

    intercept: np.ndarray
    main: np.ndarray
    pairs: np.ndarray
    latent: np.ndarray
    offset: np.ndarray


class LatentTarget(ABC):
    """g(z_j, z_k) over the pairs j < k."""

    def __init__(self, n_features: int) -> None:
        self.rows, self.columns = np.triu_indices(n_features, k=1)
        self._n_features = n_features

    def symmetric(self, pairs: np.ndarray) -> np.ndarray:
        """(p, p) matrix with zero diagonal of a vector over the pairs."""
        full = np.zeros((self._n_features, self._n_features), dtype=pairs.dtype)
        full[self.rows, self.columns] = pairs
        return full + full.T

    @abstractmethod
    def value(self, latent: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """The target of every pair (q,)."""

    @abstractmethod
    def pullback(self, latent: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients with respect to Z and the offset of Σ cotangent · g."""


class LowRankTarget(LatentTarget):
    """z_jᵀ z_k."""

    def value(self, latent: np.ndarray, offset: np.ndarray) -> np.ndarray:
        return (latent @ latent.T)[self.rows, self.columns]

    def pullback(self, latent: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.symmetric(cotangent) @ latent, np.zeros(1, dtype=latent.dtype)


class DistanceTarget(LatentTarget):
    """α₀ − ‖z_j − z_k‖²."""

    def value(self, latent: np.ndarray, offset: np.ndarray) -> np.ndarray:
        squared = np.einsum("jr,jr->j", latent, latent)
        distance = squared[:, None] + squared[None, :] - 2 * latent @ latent.T
        return offset[0] - distance[self.rows, self.columns]

    def pullback(self, latent: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        matrix = self.symmetric(cotangent)
        to_latent = -2 * (matrix.sum(axis=1)[:, None] * latent - matrix @ latent)
        return to_latent, np.array([cotangent.sum()], dtype=latent.dtype)


@dataclass(frozen=True)
class Problem:
    """One penalised fit: explicit main and pair columns, a loss of the score, a latent target, strengths."""

    X: np.ndarray
    pair_columns: np.ndarray
    loss: BaselineLoss
    target: LatentTarget
    alpha: float = 0.1
    alpha_pairs: float = 0.1
    l1_ratio: float = 0.0
    tie: float = 0.1

    def score(self, parameters: Parameters) -> np.ndarray:
        linear = self.X @ parameters.main + self.pair_columns @ parameters.pairs
        return linear + parameters.intercept[0]

    def smooth_value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """J without its L1 part, and the gradient of that."""
        ridge, ridge_pairs = self.alpha * (1 - self.l1_ratio), self.alpha_pairs * (1 - self.l1_ratio)
        loss, slope = self.loss.value_and_gradient(self.score(parameters))
        deviation = parameters.pairs - self.target.value(parameters.latent, parameters.offset)
        value = loss + 0.5 * self.tie * float(deviation @ deviation)
        value += 0.5 * ridge * float(parameters.main @ parameters.main)
        value += 0.5 * ridge_pairs * float(parameters.pairs @ parameters.pairs)
        to_latent, to_offset = self.target.pullback(parameters.latent, -self.tie * deviation)
        gradient = Parameters(
            intercept=np.array([slope.sum()], dtype=slope.dtype),
            main=self.X.T @ slope + ridge * parameters.main,
            pairs=self.pair_columns.T @ slope + ridge_pairs * parameters.pairs + self.tie * deviation,
            latent=to_latent,
            offset=to_offset,
        )
        return value, gradient

    def l1_value(self, parameters: Parameters) -> float:
        main = self.alpha * float(np.abs(parameters.main).sum())
        return self.l1_ratio * (main + self.alpha_pairs * float(np.abs(parameters.pairs).sum()))


@dataclass
class Trajectory:
    """The objective after each epoch against the processor's seconds spent on the steps alone."""

    seconds: list[float] = field(default_factory=list)
    objective: list[float] = field(default_factory=list)

    def seconds_to(self, level: float) -> float:
        """Seconds until the objective first was at or below ``level``; infinity when it never was."""
        reached = np.flatnonzero(np.asarray(self.objective) <= level)
        return float(self.seconds[reached[0]]) if reached.size else float("inf")


def pair_columns(X: np.ndarray) -> np.ndarray:
    """(n, p(p−1)/2) products of the columns of X, in the order of ``numpy.triu_indices``."""
    rows, columns = np.triu_indices(X.shape[1], k=1)
    return X[:, rows] * X[:, columns]


def standardized_columns(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features, and products of the *raw* features standardised on their own, as in the paper's code."""
    products = pair_columns(X)
    scale = products.std(axis=0)
    main = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    return main, (products - products.mean(axis=0)) / np.where(scale > 0, scale, 1.0)


def initial_parameters(n_features: int, n_components: int, seed: int, dtype: type = np.float64) -> Parameters:
    """β and Z from N(0, 1); the pairs from zero, which favours this baseline when most are small."""
    rng = np.random.default_rng(seed)
    return Parameters(
        intercept=np.zeros(1, dtype=dtype),
        main=rng.standard_normal(n_features).astype(dtype),
        pairs=np.zeros(n_features * (n_features - 1) // 2, dtype=dtype),
        latent=rng.standard_normal((n_features, n_components)).astype(dtype),
        offset=np.zeros(1, dtype=dtype),
    )


def _soft_threshold(values: np.ndarray, threshold: float) -> np.ndarray:
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0.0)


def minimize_adam(
    problem: Problem,
    start: Parameters,
    *,
    learning_rate: float = 0.05,
    max_epochs: int = 5000,
    seconds_limit: float = float("inf"),
    stop_below: float = -float("inf"),
) -> tuple[Parameters, Trajectory]:
    """Run Adam (.9, .999, 1e-8) with the threshold after each step; return the last parameters and the path.

    The objective of an epoch falls out of the forward pass of its gradient, so that recording it costs the baseline
    nothing but its L1 sum. Seconds are those of the processor. The run also ends at ``stop_below``.
    """
    scale = problem.loss.descent_scale
    parameters, trajectory = start, Trajectory()
    first = [np.zeros_like(part) for part in start]
    second = [np.zeros_like(part) for part in start]
    shrink = learning_rate * scale * problem.l1_ratio
    elapsed, began = 0.0, time.process_time()
    for epoch in range(1, max_epochs + 1):
        value, gradient = problem.smooth_value_and_gradient(parameters)
        elapsed_here = time.process_time() - began
        trajectory.seconds.append(elapsed + elapsed_here)
        trajectory.objective.append(value + problem.l1_value(parameters))
        elapsed, began = elapsed + elapsed_here, time.process_time()
        moved = []
        for i, (part, slope) in enumerate(zip(parameters, gradient, strict=True)):
            first[i] = 0.9 * first[i] + 0.1 * scale * slope
            second[i] = 0.999 * second[i] + 0.001 * (scale * slope) ** 2
            corrected = np.sqrt(second[i] / (1 - 0.999**epoch)) + 1e-8
            moved.append(part - learning_rate * (first[i] / (1 - 0.9**epoch)) / corrected)
        parameters = Parameters(*moved)
        if shrink > 0:
            parameters = parameters._replace(
                main=_soft_threshold(parameters.main, shrink * problem.alpha),
                pairs=_soft_threshold(parameters.pairs, shrink * problem.alpha_pairs),
            )
        if elapsed > seconds_limit or trajectory.objective[-1] <= stop_below:
            break
    return parameters, trajectory
