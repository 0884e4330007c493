"""Designs with a known truth: interactions tied to a few latent coordinates of each feature."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state

from intertwine.resources import require_memory

__all__ = ["simulate_latent_distance", "simulate_low_rank", "simulate_survival"]

Array = NDArray[np.float64]
Latent = Literal["low_rank", "distance"]
Task = Literal["classification", "regression"]


def simulate_low_rank(
    n: int,
    p: int,
    *,
    d: int = 2,
    sigma2: float = 0.1,
    noise: float = 0.001**0.5,
    task: Task = "regression",
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw the paper's simulation: interactions θ_jk = z_jᵀz_k + N(0, σ²), everything else standard normal.

    Parameters
    ----------
    n, p : int
        Rows and features.
    d : int, default=2
        Latent coordinates of each feature.
    sigma2 : float, default=0.1
        Variance of the deviation of each interaction from its latent target.
    noise : float, default=sqrt(0.001)
        Standard deviation of the noise of a regression target.
    task : {"regression", "classification"}, default="regression"
        The target is score + noise, or a class drawn with probability 1/(1 + exp(−score)).
    random_state : int, RandomState or None, default=None

    Returns
    -------
    sklearn.utils.Bunch
        ``data`` (n, p), ``target`` (n,), ``feature_names`` (p,), and the truth: ``score`` (n,), ``coef``
        (p,), ``interactions`` (p, p; symmetric, zero diagonal), ``latent`` (p, d).

    Raises
    ------
    MemoryError
        When the p × p interactions would not fit.

    Notes
    -----
    Source: arXiv 2506.15492, simulation study.

    Examples
    --------
    >>> truth = simulate_low_rank(100, 5, random_state=0)
    >>> truth.data.shape, truth.latent.shape
    ((100, 5), (5, 2))
    >>> bool(np.std(truth.target - truth.score) < 0.05)
    True
    """
    rng = check_random_state(random_state)
    X, coef, Z, deviation = _standard_normal(rng, n, p, d, sigma2)
    theta = _hollow(Z @ Z.T) + deviation
    return _with_target(rng, X, coef, theta, Z, noise, task)


def simulate_latent_distance(
    n: int,
    p: int,
    *,
    d: int = 2,
    offset: float | None = None,
    sigma2: float = 0.1,
    noise: float = 0.001**0.5,
    task: Task = "regression",
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw interactions θ_jk = α₀ − ‖z_j − z_k‖² + N(0, σ²): close features interact more positively.

    Parameters
    ----------
    n, p, d, sigma2, noise, task, random_state
        As in :func:`simulate_low_rank`.
    offset : float or None, default=None
        α₀. None takes 2d, which makes the interactions 0 on average.

    Returns
    -------
    sklearn.utils.Bunch
        As in :func:`simulate_low_rank`, and ``offset``.

    Notes
    -----
    Source: arXiv 2506.15492, latent distance model.

    Examples
    --------
    >>> truth = simulate_latent_distance(100, 5, sigma2=0.0, random_state=0)
    >>> gap = truth.latent[0] - truth.latent[1]
    >>> bool(np.isclose(truth.interactions[0, 1], truth.offset - gap @ gap))
    True
    """
    rng = check_random_state(random_state)
    X, coef, Z, deviation = _standard_normal(rng, n, p, d, sigma2)
    offset = 2.0 * d if offset is None else float(offset)
    theta = _hollow(offset - squared_distances(Z)) + deviation
    return _with_target(rng, X, coef, theta, Z, noise, task, offset=offset)


def simulate_survival(
    n: int,
    p: int,
    *,
    d: int = 2,
    sigma2: float = 0.1,
    latent: Latent = "low_rank",
    signal: float = 1.0,
    shape: float = 1.5,
    censoring: float = 0.3,
    resolution: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw right-censored survival times whose log hazard has main effects and latent interactions.

    Times are Weibull, T = (E exp(−score))^(1/shape) with E exponential, in units of the baseline's scale;
    censoring is exponential and independent of the features.

    Parameters
    ----------
    n, p, d, sigma2, random_state
        As in :func:`simulate_low_rank`.
    latent : {"low_rank", "distance"}, default="low_rank"
        What the interactions are tied to.
    signal : float, default=1.0
        Standard deviation of the score over the rows: all effects are scaled to it.
    shape : float, default=1.5
        Shape of the baseline hazard; 1 is constant, more is rising.
    censoring : float in [0, 1), default=0.3
        Expected share of censored rows.
    resolution : float or None, default=None
        Times are rounded up to its multiples, which makes ties. None leaves them continuous.

    Returns
    -------
    sklearn.utils.Bunch
        As in :func:`simulate_low_rank`, with ``target`` a structured array of ``time`` and ``event`` and
        ``score`` the log relative hazard; ``offset`` where `latent` is "distance".

    Raises
    ------
    ValueError
        When `censoring` is not in [0, 1) or `latent` is unknown.

    Examples
    --------
    >>> truth = simulate_survival(500, 6, random_state=0)
    >>> truth.target.dtype.names, round(float(truth.target["event"].mean()), 1)
    (('time', 'event'), 0.7)
    """
    rng = check_random_state(random_state)
    if latent == "low_rank":
        truth = simulate_low_rank(n, p, d=d, sigma2=sigma2, random_state=rng)
    elif latent == "distance":
        truth = simulate_latent_distance(n, p, d=d, sigma2=sigma2, random_state=rng)
    else:
        raise ValueError(f"latent must be 'low_rank' or 'distance', got {latent!r}")
    truth = scaled_to_signal(truth, signal)
    truth["target"] = survival_times(rng, truth.score, shape, censoring, resolution)
    return truth


def scaled_to_signal(truth: Bunch, signal: float) -> Bunch:
    """Scale all effects of a simulated truth so that its score has standard deviation `signal`.

    The latent coordinates shrink by the root of what the interactions shrink by, so the map stays the same
    map.

    Parameters
    ----------
    truth : Bunch
        With ``score``, ``coef``, ``interactions``, ``latent`` and possibly ``offset``.
    signal : float

    Returns
    -------
    Bunch
    """
    factor = signal / truth.score.std()
    scaled = {
        name: truth[name] * factor for name in ("score", "coef", "interactions", "offset") if name in truth
    }
    return Bunch(**{**truth, **scaled, "latent": truth.latent * factor**0.5})


def survival_times(
    rng: np.random.RandomState, score: Array, shape: float, censoring: float, resolution: float | None
) -> NDArray[np.void]:
    """Draw Weibull times with log relative hazard `score` and independent exponential censoring.

    Parameters
    ----------
    rng : RandomState
    score : ndarray of shape (n,)
    shape, censoring, resolution
        As in :func:`simulate_survival`.

    Returns
    -------
    structured ndarray of shape (n,)
        Fields ``time`` (float) and ``event`` (bool).
    """
    if not 0 <= censoring < 1:
        raise ValueError(f"censoring must be in [0, 1), got {censoring}")
    n = len(score)
    lifetime = (rng.exponential(size=n) * np.exp(-score)) ** (1 / shape)
    followed = np.full(n, np.inf)
    if censoring > 0:
        followed = rng.exponential(size=n) / _censoring_rate(lifetime, censoring)
    target = np.empty(n, dtype=[("time", np.float64), ("event", np.bool_)])
    target["event"] = lifetime <= followed
    target["time"] = np.minimum(lifetime, followed)
    if resolution is not None:
        target["time"] = np.ceil(target["time"] / resolution) * resolution
    return target


def squared_distances(Z: Array) -> Array:
    """Return ‖z_j − z_k‖² for all pairs of rows, shape (p, p)."""
    norms = (Z**2).sum(axis=1)
    return np.maximum(norms[:, None] + norms - 2 * Z @ Z.T, 0.0)


def linear_score(X: Array, coef: Array, theta: Array) -> Array:
    """Return Xβ + Σ_{j<k} θ_jk x_j x_k for a symmetric `theta` with zero diagonal, shape (n,)."""
    return X @ coef + 0.5 * ((X @ theta) * X).sum(axis=1)


def _standard_normal(
    rng: np.random.RandomState, n: int, p: int, d: int, sigma2: float
) -> tuple[Array, Array, Array, Array]:
    require_memory(3 * 8 * p**2, f"the truth of all pairs of {p:,} features", "a smaller p")
    X = rng.standard_normal((n, p))
    coef, Z = rng.standard_normal(p), rng.standard_normal((p, d))
    upper = np.triu(rng.standard_normal((p, p)), 1) * sigma2**0.5
    return X, coef, Z, upper + upper.T


def _hollow(theta: Array) -> Array:
    np.fill_diagonal(theta, 0.0)
    return theta


def _with_target(
    rng: np.random.RandomState,
    X: Array,
    coef: Array,
    theta: Array,
    Z: Array,
    noise: float,
    task: Task,
    **extra: float,
) -> Bunch:
    score = linear_score(X, coef, theta)
    if task == "regression":
        target = score + noise * rng.standard_normal(len(score))
    elif task == "classification":
        target = (rng.uniform(size=len(score)) < expit(score)).astype(np.int64)
    else:
        raise ValueError(f"task must be 'regression' or 'classification', got {task!r}")
    names = np.array([f"x{index}" for index in range(len(coef))], dtype=object)
    return Bunch(
        data=X,
        target=target,
        feature_names=names,
        score=score,
        coef=coef,
        interactions=theta,
        latent=Z,
        **extra,
    )


def _censoring_rate(lifetime: Array, share: float) -> float:
    """Solve mean P(censored before its lifetime) = share for the rate of the exponential censoring."""

    def excess(log_rate: float) -> float:
        return float(np.mean(-np.expm1(-np.exp(log_rate) * lifetime))) - share

    return float(np.exp(brentq(excess, -50.0, 50.0)))
