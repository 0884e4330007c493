"""Vectors of eight numbers against numpy."""

from __future__ import annotations

import numpy as np
from numba import njit

from intertwine.structures import _lanes as lanes


@njit
def _in_place(numbers, others, by, out):
    """What each operation gives, a row of ``out`` each; one number stands in the first lane."""
    a, b = lanes.load(numbers, 0), lanes.load(others, 0)
    lanes.store(out[0], 0, lanes.multiply_add(by, a, b))
    lanes.store(out[1], 0, lanes.multiply_add(a, a, b))
    lanes.store(out[2], 0, lanes.smaller(a, b))
    lanes.store(out[3], 0, lanes.without_first_two(a))
    ranks = lanes.add_ranks(lanes.add_ranks(lanes.spread(0.0), a, a), b, a)
    lanes.store(out[4], 0, ranks)
    out[5, 0], out[5, 1], out[5, 2] = lanes.smallest(a), lanes.total(a), lanes.first(a)
    out[5, 3], out[5, 4] = lanes.largest_below(a, ranks, 9), lanes.largest_below(a, ranks, 0)
    out[5, 5] = lanes.at_most(a, by)
    out[5, 6] = lanes.lowest_bit(np.uint64(1) << np.uint64(40))


def test_operations_are_those_of_numpy():
    rng = np.random.default_rng(0)
    a, b, by, out = rng.standard_normal(8), rng.standard_normal(8), 0.3, np.zeros((6, 8))
    _in_place(a, b, by, out)
    np.testing.assert_allclose(out[0], by * a + b)
    np.testing.assert_allclose(out[1], a * a + b)
    np.testing.assert_array_equal(out[2], np.minimum(a, b))
    np.testing.assert_array_equal(out[3], np.where(np.arange(8) < 2, 0.0, a))
    ranks = (np.concatenate([a, b])[:, None] < a).sum(axis=0)
    np.testing.assert_array_equal(out[4], ranks)
    bits = sum(1 << lane for lane in range(8) if a[lane] <= by)
    expected = [a.min(), a.sum(), a[0], a[ranks < 9].max(), -np.inf, bits, 40, 0.0]
    np.testing.assert_allclose(out[5], expected)


@njit
def _sort_in(numbers, known, labels):
    for at in range(len(numbers)):
        before = lanes.load(known, 0)
        lanes.store(labels, 0, lanes.inserted(lanes.load(labels, 0), float(at), before, numbers[at]))
        lanes.store(known, 0, lanes.inserted(before, numbers[at], before, numbers[at]))


def test_numbers_are_inserted_after_their_equals():
    numbers = np.array([3.0, 1.0, 2.0, 1.0, 5.0, 0.5, 3.0, 9.0, 2.0, 1.0, 7.0])
    known, labels = np.full(8, np.inf), np.zeros(8)
    _sort_in(numbers, known, labels)
    order = np.argsort(numbers, kind="stable")[:8]
    np.testing.assert_array_equal(labels, order)
    np.testing.assert_array_equal(known, numbers[order])


def test_zeros_begin_with_a_line_of_the_cache():
    for n in (1, 8, 1001):
        zeros = lanes.aligned_zeros(n)
        assert zeros.shape == (n,)
        assert not zeros.any()
        assert zeros.ctypes.data % 64 == 0
