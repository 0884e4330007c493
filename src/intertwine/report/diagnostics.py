"""Small diagnostics behind the cautions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibration_slope", "close_pairs", "proportional_hazards_z"]

_MOST_COLUMNS = 2000
_CLOSE = 0.9


def close_pairs(X: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Find pairs of columns whose correlation exceeds 0.9 in absolute value, the closest first.

    Only the first 2,000 columns are looked at, so that the cost stays bounded.

    Examples
    --------
    >>> close_pairs(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 1.0], [3.0, 6.0, 0.0]]))
    [(0, 1, 1.0)]
    """
    X = X[:, :_MOST_COLUMNS]
    spread = X.std(axis=0)
    scaled = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    correlation = np.triu(scaled.T @ scaled / len(X), 1)
    rows, columns = np.nonzero(np.abs(correlation) > _CLOSE)
    found = [
        (int(j), int(k), round(float(correlation[j, k]), 12)) for j, k in zip(rows, columns, strict=True)
    ]
    return sorted(found, key=lambda pair: -abs(pair[2]))


def calibration_slope(y: NDArray[Any], predictions: dict[str, NDArray[Any]]) -> tuple[float, float]:
    """Slope of what was observed on held-out predictions, with its standard error; 1 is right.

    For probabilities the slope is that of a logistic regression on their logit, and with more than two
    classes the mean of one class against the rest.

    Source: Cox (1958); Van Calster et al. (2019).

    Examples
    --------
    >>> slope, error = calibration_slope(np.array([1.0, 2.0, 3.0, 4.1]), {"mean": np.array([1.0, 2.0, 3.0, 4.0])})
    >>> round(slope, 2)
    1.03
    """
    if "mean" in predictions:
        return _linear_slope(predictions["mean"], np.asarray(y, dtype=float))
    probability, classes = predictions["probability"], np.unique(y)
    columns = range(1, 2) if classes.size == 2 else range(classes.size)
    slopes = [_logistic_slope(probability[:, c], (y == classes[c]).astype(float)) for c in columns]
    return float(np.mean([slope for slope, _ in slopes])), float(
        np.sqrt(np.mean([error**2 for _, error in slopes]))
    )


def proportional_hazards_z(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    score: NDArray[np.float64],
    entry: NDArray[np.float64] | None = None,
) -> float:
    """Test whether the effect of a risk score drifts with time.

    Schoenfeld residuals of the score are correlated with the rank of the event time; positive when the effect grows.

    Source: Schoenfeld (1982); Grambsch and Therneau (1994).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> score = rng.normal(size=400)
    >>> time = rng.exponential(np.exp(-score))
    >>> abs(proportional_hazards_z(time, np.ones(400, dtype=bool), score)) < 3
    True
    """
    weight = np.exp(score - score.max())
    order = np.argsort(-time, kind="stable")
    moments = np.cumsum(np.column_stack([weight, weight * score, weight * score**2])[order], axis=0)
    # Rows at risk at t: all whose time is t or later, less those that had not entered yet.
    last = len(time) - 1 - np.searchsorted(time[order][::-1], time, side="left")
    sums = moments[last]
    if entry is not None:
        late = np.argsort(-entry, kind="stable")
        waiting = np.vstack(
            [
                np.zeros(3),
                np.cumsum(np.column_stack([weight, weight * score, weight * score**2])[late], axis=0),
            ]
        )
        sums = sums - waiting[len(time) - np.searchsorted(entry[late][::-1], time, side="left")]
    mean = sums[:, 1] / sums[:, 0]
    variance = np.maximum(sums[:, 2] / sums[:, 0] - mean**2, 0.0)
    rank = np.argsort(np.argsort(time[event], kind="stable"), kind="stable").astype(float)
    rank -= np.average(rank, weights=np.maximum(variance[event], 1e-300))
    information = float(np.sum(rank**2 * variance[event]))
    return float(np.sum(rank * (score - mean)[event]) / np.sqrt(information)) if information > 0 else 0.0


def _linear_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    x = x - x.mean()
    total = float(x @ x)
    if total == 0 or len(x) < 3:
        return 1.0, np.inf
    slope = float(x @ y) / total
    residual = y - y.mean() - slope * x
    return slope, float(np.sqrt(residual @ residual / (len(x) - 2) / total))


def _logistic_slope(probability: NDArray[np.float64], hit: NDArray[np.float64]) -> tuple[float, float]:
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    design = np.column_stack([np.ones(len(hit)), np.log(clipped / (1 - clipped))])
    coefficients = np.array([0.0, 1.0])
    information = np.eye(2)
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(design @ coefficients, -500, 500)))
        # A trace of ridge keeps perfectly separated classes finite.
        information = design.T @ (design * (fitted * (1 - fitted))[:, None]) + 1e-8 * np.eye(2)
        step = np.linalg.solve(information, design.T @ (hit - fitted))
        coefficients = coefficients + np.clip(step, -2, 2)
        if np.max(np.abs(step)) < 1e-9:
            break
    return float(coefficients[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))
