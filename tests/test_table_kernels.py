"""Compiled loops over tables against plain numpy: sums of ratings, what is left of them, sizes of columns."""

import numpy as np
from scipy import sparse
from scipy.optimize import approx_fprime

from intertwine.fitting.fm.model import column_scale
from intertwine.structures._local_fm_kernels import touched_parameters
from intertwine.structures.latent_factors import FactorScores, LatentFactors
from intertwine.structures.ratings import RatingTable


def ratings(rng, m=5, n=4):
    users, items = np.nonzero(rng.random((m, n)) < 0.7)
    return RatingTable.build(users, items, m, n)[0], users, items


def test_squares_and_their_gradient_are_those_of_the_scores():
    rng = np.random.default_rng(0)
    X, *_ = ratings(rng)
    scores = FactorScores(LatentFactors(2), X)
    theta, y, weight = (
        rng.standard_normal(scores.size),
        rng.standard_normal(X.n_ratings),
        rng.random(X.n_ratings),
    )

    def half(at):
        return 0.5 * weight @ (y + 0.7 - scores.score(at)) ** 2

    value, gradient = scores.around(theta).squares(y, weight, 0.7)
    np.testing.assert_allclose([value, 0.5 * scores.squares(theta, y, weight, 0.7)], half(theta))
    np.testing.assert_allclose(gradient, approx_fprime(theta, half, 1e-6), rtol=1e-4, atol=1e-5)


def test_some_ratings_are_counted_and_taken():
    rng = np.random.default_rng(1)
    X, users, items = ratings(rng)
    kept = rng.random(X.n_ratings) < 0.5
    of_users, of_items = X.counts_of(kept)
    np.testing.assert_array_equal(of_users, np.bincount(users[kept], minlength=5))
    np.testing.assert_array_equal(of_items, np.bincount(items[kept], minlength=4))
    part = X.take(kept)
    np.testing.assert_array_equal(part.users, users[kept])
    np.testing.assert_array_equal(part.item_of, items[kept])


def test_the_size_of_a_column_is_that_of_its_entries():
    rng = np.random.default_rng(2)
    X, weight = 5.0 * rng.standard_normal((20, 3)) * (rng.random((20, 3)) < 0.6), rng.uniform(0.5, 2.0, 20)
    expected = np.sqrt([np.average(x[x != 0] ** 2, weights=weight[x != 0]) for x in X.T])
    for table in (X, sparse.csr_array(X)):
        np.testing.assert_allclose(column_scale(table, weight), expected)


def test_parameters_that_a_batch_uses_are_listed_once():
    indptr, indices = np.array([0, 2, 3]), np.array([0, 2, 2])
    nearest, counts = np.array([[1, 0], [1, 2]]), np.array([2, 1])
    seen, touched = np.zeros(12, dtype=np.int64), np.zeros(12, dtype=np.int64)
    found = touched_parameters(indptr, indices, nearest, counts, 4, 1, seen, touched)
    assert touched[:found].tolist() == [4, 6, 0, 2]
