"""Effects of feature columns: linear, all pairs, all triples, each with independent N(0, 1) coefficients.

Every covariance is an inner product over *all* coefficients of its order, found from the p columns alone. With
power sums s_m(x, x') = Σ_j (x_j x'_j)^m:

    linear   Σ_j     x_j x'_j              = s₁
    pairs    Σ_{j<k} x_j x_k x'_j x'_k     = (s₁² − s₂) / 2
    triples  Σ_{j<k<l} …                   = (s₁³ − 3 s₁ s₂ + 2 s₃) / 6

so 5·10⁹ pairs cost two matrix products. Where there are few coefficients, `design` writes their columns out.

Source: elementary symmetric polynomials by Newton's identities; the pair kernel as ANOVA kernel of degree two,
Shawe-Taylor & Cristianini (2004), section 9.2.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import final

import numpy as np

from intertwine.effects.base import AbstractEffect

__all__ = ["Linear", "Pairs", "Triples", "power_sum"]

_BLOCK_BYTES = 64_000_000


def power_sum(rows, others, power: int):
    """s_m = Σ_j (x_j x'_j)^m, in column blocks so that no n × p temporary is held for m > 1."""
    if power == 1:
        return rows @ others.T
    total = np.zeros((rows.shape[0], others.shape[0]))
    width = max(1, _BLOCK_BYTES // (8 * (rows.shape[0] + others.shape[0])))
    for start in range(0, rows.shape[1], width):
        stop = start + width
        left = _powered(rows[:, start:stop], power)
        right = left if others is rows else _powered(others[:, start:stop], power)
        total += left @ right.T
    return total


def _powered(block, power: int):
    """Elementwise power by products, which cost numpy a fiftieth of a general power."""
    out = block
    for _ in range(power - 1):
        out = out * block
    return out


@final
class Linear(AbstractEffect):
    """g(x) = Σ_j β_j x_j."""

    def covariance(self, rows, others):
        return power_sum(rows, others, 1)

    def design(self, rows):
        return rows

    def n_coefficients(self, n_columns):
        return n_columns


@final
class Pairs(AbstractEffect):
    """g(x) = Σ_{j<k} θ_jk x_j x_k."""

    def covariance(self, rows, others):
        s1 = power_sum(rows, others, 1)
        return 0.5 * (s1 * s1 - power_sum(rows, others, 2))

    def design(self, rows):
        j, k = np.triu_indices(rows.shape[1], 1)
        return rows[:, j] * rows[:, k]

    def n_coefficients(self, n_columns):
        return comb(n_columns, 2)


@final
class Triples(AbstractEffect):
    """g(x) = Σ_{j<k<l} θ_jkl x_j x_k x_l."""

    def covariance(self, rows, others):
        s1, s2, s3 = (power_sum(rows, others, m) for m in (1, 2, 3))
        return (s1 * (s1 * s1 - 3.0 * s2) + 2.0 * s3) / 6.0

    def design(self, rows):
        chosen = np.array(list(combinations(range(rows.shape[1]), 3)), dtype=int).reshape(-1, 3)
        return rows[:, chosen].prod(axis=2)

    def n_coefficients(self, n_columns):
        return comb(n_columns, 3)
