"""What a fit holds beside the ratings that it was given."""

import tracemalloc
import warnings

import numpy as np
import pytest

from intertwine import LatentFactorModel
from intertwine.structures.factor_moments import Moments, RatedRows
from intertwine.structures.ratings import RatingTable


@pytest.mark.parametrize(
    ("solver", "held_out", "n_bytes"),
    [
        # three times a rating's own 12 bytes, those included
        ("gauss_newton", 0.0, 24.6),
        ("gauss_newton", 0.03, 24.6),
        ("variational", 0.0, 24.6),
        ("als", 0.0, 24.6),
        ("variational", 0.03, 24.6),
        ("als", 0.03, 24.6),
    ],
)
def test_a_fit_takes_few_bytes_a_rating(solver, held_out, n_bytes):
    rng = np.random.default_rng(0)
    pairs = rng.permutation(600 * 400)[:160_000]
    X = np.column_stack(np.divmod(pairs, 400)).astype(np.int32)
    y = rng.standard_normal(len(X)).astype(np.float32)
    model = LatentFactorModel(
        solver=solver, n_components=2, max_iter=2, validation_fraction=held_out, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:500], y[:500])  # what is compiled or imported is not counted
        tracemalloc.start()
        try:
            model.fit(X, y)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak / len(y) < n_bytes


def test_ratings_held_out_are_as_if_they_were_not_in_the_table():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(12 * 9)[:60], 9)
    table, _ = RatingTable.build(users, items, 12, 9)
    y, kept = rng.standard_normal(60), rng.random(60) < 0.8
    masked = RatedRows.both(table, np.where(kept, y, 99.0), kept, True)
    taken = RatedRows.both(table.take(kept), y[kept], None, True)
    for one, other, n_partners in zip(masked, taken, (9, 12), strict=True):
        partners = Moments.of(rng.normal(size=(n_partners, 3)), np.eye(3))
        ours, theirs = (rows.conditional(partners, np.zeros(3), np.eye(3)) for rows in (one, other))
        np.testing.assert_allclose(ours.moments.means, theirs.moments.means, rtol=1e-9)
        np.testing.assert_allclose(ours.moments.packed, theirs.moments.packed, rtol=1e-9)
        np.testing.assert_allclose(ours.errors, theirs.errors, rtol=1e-9)
        np.testing.assert_array_equal(one.total_weights(), other.total_weights())
        assert one.total_square() == pytest.approx(y[kept] @ y[kept])
        assert other.total_square() == pytest.approx(y[kept] @ y[kept])
