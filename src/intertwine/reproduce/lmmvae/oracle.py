"""What could be known of simulated rows by somebody who knows how they were made.

Exact best linear unbiased predictions with the true variances, from algebra of their own: nothing here is shared with
the estimators that are held against them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.utils import Bunch

from intertwine.datasets.simulate_random_effects import field_root

__all__ = ["exact_effects", "oracle", "refitted_oracle", "two_stages"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-9
_GRID = {1: np.linspace(-5.0, 5.0, 501), 2: np.linspace(-4.0, 4.0, 65)}  # of a latent coordinate
_CHUNK = 2000


def oracle(truth: Bunch) -> Array:
    """Predict test rows by their true signal, and effects from the training rows given the true signal."""
    residual = truth.data[truth.train] - truth.mean - truth.signal[truth.train]
    effects = exact_effects(truth, residual, truth.noise_variance)
    return truth.mean + truth.signal[truth.test] + effects[truth.test]


def refitted_oracle(truth: Bunch) -> Array:
    """Predict as the oracle does, but with latents that are found from each test row: E[f(u) | row], on a grid.

    It fits some of a row's noise, as every encoder does, and so it is the floor of a reconstruction.

    Raises
    ------
    KeyError
        With more than two latent coordinates.
    """
    residual = truth.data[truth.train] - truth.mean - truth.signal[truth.train]
    effects = exact_effects(truth, residual, truth.noise_variance)[truth.test]
    seen = truth.data[truth.test] - truth.mean - effects
    d = truth.latent.shape[1]
    grid = np.stack(np.meshgrid(*[_GRID[d]] * d), axis=-1).reshape(-1, d)
    product = grid[:, None, :] * truth.loadings
    signal = (product * np.cos(product)).sum(axis=2)
    weighted = signal / truth.noise_variance
    constant = -0.5 * ((weighted * signal).sum(axis=1) + (grid**2).sum(axis=1))
    found = np.empty_like(seen)
    for start in range(0, len(seen), _CHUNK):
        rows = slice(start, start + _CHUNK)
        log_weight = seen[rows] @ weighted.T + constant
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        found[rows] = (weight @ signal) / weight.sum(axis=1, keepdims=True)
    return truth.mean + found + effects


def two_stages(truth: Bunch, n_components: int) -> Array:
    """Predict effects as if there were no signal, with the true variances, and then take principal components.

    The signal counts as noise of the first stage.
    """
    train, test = truth.train, truth.test
    mean = truth.data[train].mean(axis=0)
    noise = truth.noise_variance + truth.signal.var(axis=0)
    effects = exact_effects(truth, truth.data[train] - mean, noise)
    left = truth.data - effects
    pca = PCA(n_components, random_state=0).fit(left[train])
    return pca.inverse_transform(pca.transform(left[test])) + effects[test]


def exact_effects(truth: Bunch, residual: Array, noise: Array) -> Array:
    """Σ Z E[B | residuals of the training rows] at all rows.

    Parameters
    ----------
    truth : Bunch
        As simulated.
    residual : ndarray of shape (n_train, p)
    noise : ndarray of shape (p,)
        Its variance beside the effects.

    Returns
    -------
    ndarray of shape (n, p)
    """
    if "coords" in truth:
        return _field(truth, residual, noise)
    return _trends(truth, residual, noise) if "time" in truth else _groupings(truth, residual, noise)


def _field(truth: Bunch, residual: Array, noise: Array) -> Array:
    """One eigendecomposition serves all features: B = R c with independent coefficients c."""
    root = field_root(truth.sites, truth.kernel)
    count = np.bincount(truth.groups[truth.train], minlength=len(root)).astype(float)
    values, vectors = np.linalg.eigh(root.T @ (count[:, None] * root))
    sums = _summed(truth.groups[truth.train], len(root)) @ residual
    ratio = truth.effect_variances[0][:, 0, 0] / noise
    shrunk = ratio / (1.0 + ratio * np.maximum(values, 0.0)[:, None])
    return (root @ (vectors @ (shrunk * (vectors.T @ (root.T @ sums)))))[truth.groups]


def _trends(truth: Bunch, residual: Array, noise: Array) -> Array:
    """Subjects are independent: a system of their few coefficients each, feature by feature."""
    n_subjects, order, p = truth.effects[0].shape
    basis = truth.time[:, None] ** np.arange(order)
    of_subject = _summed(truth.groups[truth.train], n_subjects)
    moments = basis[truth.train, :, None] * basis[truth.train, None, :]
    gram = (of_subject @ moments.reshape(-1, order**2)).reshape(n_subjects, order, order)
    right = np.stack([of_subject @ (basis[truth.train, [r], None] * residual) for r in range(order)], axis=1)
    found = np.empty((n_subjects, order, p))
    for m in range(p):
        precision = gram / noise[m] + np.linalg.inv(truth.effect_variances[0][m])
        found[:, :, m] = np.linalg.solve(precision, right[:, :, m, None] / noise[m])[:, :, 0]
    parts = (basis[:, [r]] * found[truth.groups, r] for r in range(order))
    return np.sum(np.stack(list(parts)), axis=0)


def _groupings(truth: Bunch, residual: Array, noise: Array) -> Array:
    """Henderson's equations by conjugate gradients, all features side by side."""
    n_levels = [len(effect) for effect in truth.effects]
    design = sparse.hstack(
        [_summed(level, q).T for level, q in zip(truth.groups.T, n_levels, strict=True)]
    ).tocsr()
    seen = design[truth.train]
    gram = (seen.T @ seen).tocsr()
    own = np.concatenate(
        [
            np.broadcast_to(1.0 / variance[:, 0, 0], (q, len(noise)))
            for variance, q in zip(truth.effect_variances, n_levels, strict=True)
        ]
    )
    diagonal = gram.diagonal()[:, None] / noise + own
    found = np.zeros_like(own)
    left = seen.T @ residual / noise
    enough = _TOLERANCE * np.linalg.norm(left)
    step = left / diagonal
    size = np.einsum("qm,qm->m", left, step)
    while np.linalg.norm(left) > enough:
        image = gram @ step / noise + own * step
        length = size / np.einsum("qm,qm->m", step, image)
        found += length * step
        left -= length * image
        scaled = left / diagonal
        size, before = np.einsum("qm,qm->m", left, scaled), size
        step = scaled + (size / before) * step
    return np.asarray(design @ found)


def _summed(level: NDArray[np.int64], n_levels: int) -> sparse.csr_array:
    """The matrix (levels, rows) that adds up the rows of each level."""
    n = len(level)
    return sparse.csr_array((np.ones(n), (level, np.arange(n))), shape=(n_levels, n))
