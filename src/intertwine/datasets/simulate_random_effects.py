"""Rows that share random effects, x = μ + f(u) + Σ_t Z_t B_t + e, with all that they were made of.

The signal is nonlinear, f_j(u) = Σ_k u_k w_jk cos(u_k w_jk), with latent u ~ N(0, I_d) and loadings w ~ N(0, 1); means
are μ_j ~ U(−10, 10) and the noise is Gaussian; the functions differ in the random effects. Each returns a
:class:`sklearn.utils.Bunch` with

* ``data`` (n, p), ``feature_names`` (p,), and ``train`` and ``test``: positions of rows,
* ``groups`` (n,) or (n, k), and ``time`` (n,) or ``coords`` (n, 2) where the design has them,
* the truth: ``latent`` (n, d), ``loadings`` (p, d), ``mean`` (p,), ``signal`` (n, p), which is f(u), and
  ``random_part`` (n, p), which is Σ Z B,
* ``effects``: B of each effect, (levels, coefficients of a level, p); ``effect_variances``: its covariance for every
  feature, (p, r, r); ``noise_variance`` (p,).

Levels differ in size: rows fall on them by a multinomial law whose weights are Poisson(3) + 1.

Source: the simulation study of arXiv 2412.16899.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from intertwine.datasets.row_splits import held_out_rows
from intertwine.resources import require_memory

__all__ = [
    "field_root",
    "simulate_categorical_effects",
    "simulate_longitudinal_effects",
    "simulate_spatial_effects",
]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Seed = int | np.random.RandomState | None

_MEAN_WEIGHT = 3  # of a level, less one
_NEGLIGIBLE = 1e-10  # variance of a field that is left out, relative
_LARGEST_RANK = 1000  # of a smooth field


def simulate_categorical_effects(
    n: int = 100_000,
    p: int = 100,
    *,
    d: int = 1,
    n_levels: Sequence[int] = (1000, 3000, 5000),
    variances: Sequence[float] = (0.3, 0.3, 0.3),
    crossed: bool = False,
    noise: float = 1.0,
    split: Literal["random", "unknown"] = "random",
    test_size: float = 0.2,
    random_state: Seed = None,
) -> Bunch:
    """Draw rows of several groupings, each with an independent effect of every level on every feature.

    Parameters
    ----------
    n, p : int
        Rows and features.
    d : int, default=1
        Latent coordinates of each row.
    n_levels : sequence of int, default=(1000, 3000, 5000)
        Of each grouping.
    variances : sequence of float, default=(0.3, 0.3, 0.3)
        Nominal variance s of each grouping. Features differ: theirs are (Poisson(s) + 1)·min(s, 1), 0.39 on average
        for s = 0.3 and 4 for s = 3.
    crossed : bool, default=False
        Shuffle the levels over the rows. As they stand in the paper's code they are sorted in every grouping alike,
        so that groupings are almost nested.
    noise : float, default=1.0
        Variance σ².
    split : {"random", "unknown"}, default="random"
        Test rows are a random part, or all rows of a random part of the levels of the first grouping.
    test_size : float, default=0.2
    random_state : int, RandomState or None, default=None

    Returns
    -------
    sklearn.utils.Bunch
        See :mod:`intertwine.datasets.simulate_random_effects`; ``groups`` is (n, len(n_levels)).

    Raises
    ------
    ValueError
        When there are not as many variances as groupings, or the split is unknown.

    Examples
    --------
    >>> drawn = simulate_categorical_effects(500, 4, n_levels=(10, 30), variances=(3.0, 0.3), random_state=0)
    >>> drawn.groups.shape, [effect.shape for effect in drawn.effects], len(drawn.test)
    ((500, 2), [(10, 1, 4), (30, 1, 4)], 100)
    """
    if len(n_levels) != len(variances):
        raise ValueError(f"{len(n_levels)} groupings but {len(variances)} variances")
    rng, truth = _without_effects(random_state, n, p, d, noise)
    groups = np.empty((n, len(n_levels)), dtype=np.int64)
    for column, (n_groups, nominal) in enumerate(zip(n_levels, variances, strict=True)):
        level = _levels(rng, n, n_groups)
        groups[:, column] = rng.permutation(level) if crossed else level
        scale = _feature_variances(rng, p, nominal)
        effect = np.sqrt(scale) * rng.standard_normal((n_groups, 1, p))
        _add_effect(truth, groups[:, column], np.ones((n, 1)), effect, scale[:, None, None])
    truth["groups"] = groups
    return _split(rng, truth, split, test_size, groups[:, 0])


def simulate_longitudinal_effects(
    n: int = 100_000,
    p: int = 100,
    *,
    d: int = 1,
    n_subjects: int = 1000,
    variances: Sequence[float] = (0.3, 0.3, 0.3),
    correlation: float = 0.3,
    noise: float = 1.0,
    split: Literal["random", "unknown", "future"] = "random",
    test_size: float = 0.2,
    random_state: Seed = None,
) -> Bunch:
    """Draw visits of subjects, each with a polynomial in time of its own in every feature.

    Parameters
    ----------
    n, p, d, noise, test_size, random_state
        As in :func:`simulate_categorical_effects`.
    n_subjects : int, default=1000
    variances : sequence of float, default=(0.3, 0.3, 0.3)
        Of the coefficients of 1, t, t², …, alike for all features.
    correlation : float, default=0.3
        Between the coefficient of 1 and each of the others, which are not correlated among themselves.
    split : {"random", "unknown", "future"}, default="random"
        Test rows are a random part, all visits of a random part of the subjects, or the visits with the largest times.

    Returns
    -------
    sklearn.utils.Bunch
        See :mod:`intertwine.datasets.simulate_random_effects`; ``time`` (n,) is uniform on (0, 1).

    Raises
    ------
    ValueError
        When the split is unknown, or no covariance has such correlations.

    Examples
    --------
    >>> drawn = simulate_longitudinal_effects(500, 4, n_subjects=20, split="future", random_state=0)
    >>> bool(drawn.time[drawn.train].max() < drawn.time[drawn.test].min()), drawn.effects[0].shape
    (True, (20, 3, 4))
    """
    rng, truth = _without_effects(random_state, n, p, d, noise)
    order = len(variances)
    correlations = np.eye(order)
    correlations[0, 1:] = correlations[1:, 0] = correlation
    deviations = np.sqrt(np.asarray(variances, dtype=np.float64))
    try:
        root = deviations[:, None] * np.linalg.cholesky(correlations)
    except np.linalg.LinAlgError:
        raise ValueError(f"correlation={correlation} is too large for {order} coefficients") from None
    subject = _levels(rng, n, n_subjects)
    time = rng.uniform(size=n)
    effect = np.einsum("rs,qsm->qrm", root, rng.standard_normal((n_subjects, order, p)))
    covariance = np.broadcast_to(root @ root.T, (p, order, order)).copy()
    _add_effect(truth, subject, time[:, None] ** np.arange(order), effect, covariance)
    truth.update(groups=subject, time=time)
    return _split(rng, truth, split, test_size, subject, time)


def simulate_spatial_effects(
    n: int = 100_000,
    p: int = 100,
    *,
    d: int = 1,
    n_sites: int = 10_000,
    variance: float = 0.3,
    length_scale: float = 0.3**0.5,
    kernel: Literal["rbf", "matern12", "matern32", "matern52"] = "rbf",
    noise: float = 1.0,
    split: Literal["random", "unknown"] = "random",
    test_size: float = 0.2,
    random_state: Seed = None,
) -> Bunch:
    """Draw rows at sites of the square (−1, 1)², with a Gaussian random field for every feature.

    Parameters
    ----------
    n, p, d, noise, test_size, random_state
        As in :func:`simulate_categorical_effects`.
    n_sites : int, default=10000
    variance : float, default=0.3
        Nominal variance of the field; features differ as in :func:`simulate_categorical_effects`.
    length_scale : float, default=sqrt(0.3)
        l. The "rbf" kernel is exp(−distance² / (2 l²)); the paper gives l², 0.3 or 3.
    kernel : {"rbf", "matern12", "matern32", "matern52"}, default="rbf"
        "rbf" is the paper's.
    split : {"random", "unknown"}, default="random"
        Test rows are a random part, or all rows of a random part of the sites.

    Returns
    -------
    sklearn.utils.Bunch
        See :mod:`intertwine.datasets.simulate_random_effects`; ``coords`` (n, 2); ``sites`` (n_sites, 2), which
        ``groups`` numbers; and ``kernel``, as scikit-learn has it.

    Raises
    ------
    MemoryError
        When a rough kernel's covariance of all sites would not fit.
    ValueError
        When the split or the kernel is unknown.

    Examples
    --------
    >>> drawn = simulate_spatial_effects(500, 4, n_sites=50, split="unknown", random_state=0)
    >>> drawn.coords.shape, len(set(drawn.groups[drawn.train]) & set(drawn.groups[drawn.test]))
    ((500, 2), 0)
    """
    rng, truth = _without_effects(random_state, n, p, d, noise)
    sites = rng.uniform(-1.0, 1.0, (n_sites, 2))
    site = _levels(rng, n, n_sites)
    scale = _feature_variances(rng, p, variance)
    covariance = _kernel(kernel, length_scale)
    root = field_root(sites, covariance)
    field = np.sqrt(scale) * (root @ rng.standard_normal((root.shape[1], p)))
    _add_effect(truth, site, np.ones((n, 1)), field[:, None], scale[:, None, None])
    truth.update(groups=site, coords=sites[site], sites=sites, kernel=covariance)
    return _split(rng, truth, split, test_size, site)


def _without_effects(
    random_state: Seed, n: int, p: int, d: int, noise: float
) -> tuple[np.random.Generator, Bunch]:
    require_memory(5 * 8 * n * p, f"{n:,} rows of {p:,} features with their truth", "a smaller n")
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    latent, loadings = rng.standard_normal((n, d)), rng.standard_normal((p, d))
    mean = rng.uniform(-10.0, 10.0, p)
    signal = np.zeros((n, p))
    for u, w in zip(latent.T, loadings.T, strict=True):
        product = np.outer(u, w)
        signal += product * np.cos(product)
    return rng, Bunch(
        data=mean + signal + np.sqrt(noise) * rng.standard_normal((n, p)),
        feature_names=np.array([f"x{index}" for index in range(p)], dtype=object),
        latent=latent,
        loadings=loadings,
        mean=mean,
        signal=signal,
        random_part=np.zeros((n, p)),
        effects=(),
        effect_variances=(),
        noise_variance=np.full(p, float(noise)),
    )


def _levels(rng: np.random.Generator, n: int, n_levels: int) -> Codes:
    weights = rng.poisson(_MEAN_WEIGHT, n_levels) + 1.0
    return np.repeat(np.arange(n_levels), rng.multinomial(n, weights / weights.sum()))


def _feature_variances(rng: np.random.Generator, p: int, nominal: float) -> Array:
    return (rng.poisson(nominal, p).astype(np.float64) + 1.0) * min(nominal, 1.0)


def _add_effect(truth: Bunch, level: Codes, basis: Array, effect: Array, covariance: Array) -> None:
    for column, coefficients in zip(basis.T, effect.transpose(1, 0, 2), strict=True):
        part = coefficients[level]
        part *= column[:, None]
        truth.random_part += part
        truth.data += part
    truth["effects"] = (*truth.effects, effect)
    truth["effect_variances"] = (*truth.effect_variances, covariance)


def _kernel(name: str, length_scale: float) -> Any:
    from sklearn.gaussian_process.kernels import RBF, Matern

    smoothness = {"matern12": 0.5, "matern32": 1.5, "matern52": 2.5}
    if name == "rbf":
        return RBF(length_scale)
    if name not in smoothness:
        raise ValueError(f"kernel must be 'rbf' or one of {sorted(smoothness)}, got {name!r}")
    return Matern(length_scale, nu=smoothness[name])


def field_root(sites: Array, kernel: Any) -> Array:
    """Return R with R Rᵀ the kernel at the sites, of as few columns as that takes.

    Pivoted Cholesky: a smooth kernel at ten thousand sites has a numerical rank of a hundred or two. One that goes on
    beyond a thousand columns is factored whole.
    """
    n = len(sites)
    root = np.empty((n, min(n, _LARGEST_RANK)))
    left = kernel.diag(sites).astype(np.float64)
    for column in range(root.shape[1]):
        pivot = int(np.argmax(left))
        if left[pivot] < _NEGLIGIBLE:
            return root[:, :column]
        covariance = kernel(sites, sites[pivot : pivot + 1])[:, 0]
        root[:, column] = (covariance - root[:, :column] @ root[pivot, :column]) / np.sqrt(left[pivot])
        left -= root[:, column] ** 2
        left[pivot] = 0.0
    if root.shape[1] == n:
        return root
    require_memory(3 * 8 * n**2, f"the covariance of {n:,} sites", "fewer sites, or kernel='rbf'")
    whole: Array = np.linalg.cholesky(kernel(sites) + _NEGLIGIBLE * np.eye(n))
    return whole


def _split(
    rng: np.random.Generator,
    truth: Bunch,
    split: str,
    test_size: float,
    level: Codes,
    time: Array | None = None,
) -> Bunch:
    held_out = held_out_rows(split, rng, test_size, level, time)
    truth.update(train=np.flatnonzero(~held_out), test=np.flatnonzero(held_out))
    return truth
