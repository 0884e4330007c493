"""Passes of stochastic AdaGrad over the rows of a factorization machine.

A row of data touches the coefficients of the features it has, and of these only. Each feature has up to three blocks of
coefficients θ (its linear weight, its factors of pairs, its factors of triples) and each block one step size. With g
the gradient of the row's loss,

    G ← G + ‖g‖² / size of the block,   θ ← (θ √G − r g) / (√G + r λ),

which is AdaGrad's step followed by the proximal map of ½λ‖θ‖² (Duchi, Hazan & Singer 2011, section 5). One step size
for a block, instead of one for every factor, leaves the factors free to rotate, halves the memory and saves most square
roots. The proximal form cannot overshoot zero however large r λ gets, as it does for rare features: λ is divided by the
share of rows that have the feature, so that an epoch sees the whole penalty once.

Coefficients keep their units. No unit of the loss changes r g / √G, so it is enough that r has the unit of θ.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"reassoc", "contract"}
# What is done for every row is inlined by numba itself: handing over so many arrays would take 40 % of a pass.


class Rows(NamedTuple):
    """Labelled rows in CSR form; ``indptr`` (int64) may point into the middle of larger arrays."""

    indptr: NDArray
    indices: NDArray
    data: NDArray
    target: NDArray
    weight: NDArray


class Blocks(NamedTuple):
    """Something for every block: the coefficients themselves; the intercept is an array of one, to be changed."""

    intercept: NDArray
    linear: NDArray
    factors: NDArray
    triples: NDArray


class Squares(NamedTuple):
    """G of the intercept (1,), and of the blocks of each feature (p, 3)."""

    intercept: NDArray
    blocks: NDArray


class Steps(NamedTuple):
    """r = feature_rate[j] · block_rate[b] and λ = feature_decay[j] · block_decay[b], blocks in the order above."""

    intercept_rate: float
    block_rate: NDArray
    block_decay: NDArray
    feature_rate: NDArray
    feature_decay: NDArray


@njit(cache=True, nogil=True)
def count_entries(indices, data, counts, squares):
    """Count the entries of every feature and add up their squares, in the order they come."""
    for t in range(indices.size):
        counts[indices[t]] += 1
        squares[indices[t]] += data[t] * data[t]


@njit(cache=True, nogil=True)
def add_moments(values, weight, center, moments):
    """Add Σ w, Σ w (v − center), Σ w (v − center)² to ``moments``, in the order the values come."""
    for i in range(values.size):
        shifted = values[i] - center
        moments[0] += weight[i]
        moments[1] += weight[i] * shifted
        moments[2] += weight[i] * shifted * shifted


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _score(rows, i, theta, q, powers):
    """Score of row i. Leaves the sums Σ_j θ_jf x_j in ``q``, those of powers two and three of triples in ``powers``."""
    n_pair = theta.factors.shape[1]
    n_triple = theta.triples.shape[1]
    for f in range(n_pair + n_triple):
        q[f] = 0.0
    for f in range(n_triple):
        powers[0, f] = 0.0
        powers[1, f] = 0.0
    score, twice = theta.intercept[0], 0.0
    for t in range(rows.indptr[i], rows.indptr[i + 1]):
        j, x = rows.indices[t], rows.data[t]
        score += theta.linear[j] * x
        for f in range(n_pair):
            term = theta.factors[j, f] * x
            q[f] += term
            twice -= term * term
        for f in range(n_triple):
            term = theta.triples[j, f] * x
            q[n_pair + f] += term
            powers[0, f] += term * term
            powers[1, f] += term * term * term
    for f in range(n_pair):
        twice += q[f] * q[f]
    score += 0.5 * twice
    for f in range(n_triple):
        s = q[n_pair + f]
        score += (s * s * s - 3.0 * s * powers[0, f] + 2.0 * powers[1, f]) / 6.0
    return score


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy", inline="always")
def _descend(slope, rows, i, theta, squares, steps, q, powers, gains):
    """Move the coefficients that row i touches, with ``slope`` the derivative of its loss by its score."""
    n_pair = theta.factors.shape[1]
    n_triple = theta.triples.shape[1]
    squares.intercept[0] += slope * slope
    theta.intercept[0] -= steps.intercept_rate * slope / np.sqrt(squares.intercept[0])
    for t in range(rows.indptr[i], rows.indptr[i + 1]):
        j, x = rows.indices[t], rows.data[t]
        pull, rate, decay = slope * x, steps.feature_rate[j], steps.feature_decay[j]
        squares.blocks[j, 0] += pull * pull
        size = np.sqrt(squares.blocks[j, 0])
        r = rate * steps.block_rate[0]
        shrink = 1.0 / (size + r * decay * steps.block_decay[0])
        theta.linear[j] = (theta.linear[j] * size - r * pull) * shrink
        if n_pair:
            total = 0.0
            for f in range(n_pair):
                gain = q[f] - theta.factors[j, f] * x
                total += gain * gain
            squares.blocks[j, 1] += pull * pull * total / n_pair
            size = np.sqrt(squares.blocks[j, 1])
            r = rate * steps.block_rate[1]
            shrink = 1.0 / (size + r * decay * steps.block_decay[1])
            for f in range(n_pair):
                gain = q[f] - theta.factors[j, f] * x
                theta.factors[j, f] = (theta.factors[j, f] * size - r * pull * gain) * shrink
        if n_triple:
            total = 0.0
            for f in range(n_triple):
                own = theta.triples[j, f] * x
                rest = q[n_pair + f] - own
                gains[f] = 0.5 * (rest * rest - (powers[0, f] - own * own))
                total += gains[f] * gains[f]
            squares.blocks[j, 2] += pull * pull * total / n_triple
            size = np.sqrt(squares.blocks[j, 2])
            r = rate * steps.block_rate[2]
            shrink = 1.0 / (size + r * decay * steps.block_decay[2])
            for f in range(n_triple):
                theta.triples[j, f] = (theta.triples[j, f] * size - r * pull * gains[f]) * shrink


@njit(cache=True, nogil=True)
def _scratch(theta):
    n_triple = theta.triples.shape[1]
    return np.empty(theta.factors.shape[1] + n_triple), np.empty((2, n_triple)), np.empty(n_triple)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def squared_pass(order, rows, theta, squares, steps):
    """Visit rows in ``order`` with the loss ½(f − y)²; return the weighted sum of the losses met on the way."""
    q, powers, gains = _scratch(theta)
    total = 0.0
    for i in order:
        error = _score(rows, i, theta, q, powers) - rows.target[i]
        total += 0.5 * rows.weight[i] * error * error
        _descend(rows.weight[i] * error, rows, i, theta, squares, steps, q, powers, gains)
    return total


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def logistic_pass(order, rows, theta, squares, steps):
    """Visit rows in ``order`` with the loss log(1 + exp(−yf)), y = ±1; return the weighted sum of the losses met."""
    q, powers, gains = _scratch(theta)
    total = 0.0
    for i in order:
        y = rows.target[i]
        margin = y * _score(rows, i, theta, q, powers)
        trifle = np.exp(-abs(margin))  # where exp(−margin) would overflow
        total += rows.weight[i] * (np.log1p(trifle) + max(-margin, 0.0))
        miss = (trifle if margin > 0.0 else 1.0) / (1.0 + trifle)
        _descend(-rows.weight[i] * y * miss, rows, i, theta, squares, steps, q, powers, gains)
    return total
