"""What a fit holds beside the ratings that it was given."""

import tracemalloc
import warnings

import numpy as np
import pytest

from intertwine import LatentFactorModel


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
        model.fit(X[:50], y[:50])  # what is compiled or imported is not counted
        tracemalloc.start()
        try:
            model.fit(X, y)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak / len(y) < n_bytes
