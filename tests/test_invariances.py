"""What must not change a fit, and what must change it in a known way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from intertwine import InteractionClassifier, InteractionCoxPH, InteractionRegressor, survival_target

LAWS = settings(max_examples=12, deadline=None, derandomize=True)
CONVEX = {
    "ridge": {"latent": None, "alpha": 0.1},
    "elastic net": {"latent": None, "alpha": 0.05, "l1_ratio": 0.5, "tol": 1e-8},
    "squares": {"latent": None, "alpha": 0.1, "squares": True, "order": 3},
}
SHAPES = {
    **CONVEX,
    "tie": {"n_init": 1, "max_iter": 20},
    "spline": {"latent": None, "basis": "spline", "n_knots": 3},
    "quantile": {"latent": None, "scaling": "quantile"},
    "relevance": {"latent": None, "relevance": 0.7},
    "evidence": {"latent": None, "relevance": "evidence"},
}
KINDS = ("regression", "classification", "survival")
seeds = st.integers(0, 2**20)
kinds = st.sampled_from(KINDS)
convex = st.sampled_from(sorted(CONVEX))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Table:
    """Rows of one kind of problem, and what was drawn to change them with."""

    def __init__(self, kind, seed):
        self.kind, self.rng = kind, np.random.default_rng(seed)
        n, p = int(self.rng.integers(18, 40)), int(self.rng.integers(2, 6))
        self.X = self.rng.standard_normal((n, p))
        f = self.X[:, 0] + self.X[:, 0] * self.X[:, 1] + 0.5 * self.rng.standard_normal(n)
        if kind == "regression":
            self.y = f
        elif kind == "classification":
            self.y = np.where(f > np.median(f), 1, 0)
        else:
            time = np.ceil(5 * self.rng.exponential(np.exp(-f)))
            event = self.rng.uniform(size=n) < 0.8
            event[:5] = True
            self.y = survival_target(time, event)

    def fit(self, shape, X=None, y=None, sample_weight=None, **params):
        estimator = {
            "regression": InteractionRegressor,
            "classification": InteractionClassifier,
            "survival": InteractionCoxPH,
        }[self.kind]
        params = {"random_state": 0, **SHAPES[shape], **params}
        if self.kind == "survival":
            params.setdefault("ties", "breslow")
        X, y = self.X if X is None else X, self.y if y is None else y
        return estimator(**params).fit(X, y, sample_weight)


def scores(model, X):
    return model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)


def close(left, right, tolerance=1e-6):
    np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


@LAWS
@given(kinds, convex, seeds)
def test_order_of_rows(kind, shape, seed):
    table = Table(kind, seed)
    order = table.rng.permutation(len(table.X))
    shuffled = table.fit(shape, table.X[order], table.y[order])
    close(scores(shuffled, table.X), scores(table.fit(shape), table.X))


@LAWS
@given(kinds, convex, seeds)
def test_order_of_columns(kind, shape, seed):
    table = Table(kind, seed)
    order = table.rng.permutation(table.X.shape[1])
    plain, shuffled = table.fit(shape), table.fit(shape, table.X[:, order])
    close(shuffled.coef_, plain.coef_[order])
    close(shuffled.interaction_matrix(), plain.interaction_matrix()[np.ix_(order, order)])


@LAWS
@given(kinds, convex, seeds)
def test_the_sign_of_a_feature(kind, shape, seed):
    table = Table(kind, seed)
    signs = table.rng.choice([-1.0, 1.0], table.X.shape[1])
    plain, flipped = table.fit(shape), table.fit(shape, table.X * signs)
    close(flipped.coef_, plain.coef_ * signs)
    close(flipped.interaction_matrix(), plain.interaction_matrix() * np.outer(signs, signs))
    close(scores(flipped, table.X * signs), scores(plain, table.X))


@LAWS
@given(kinds, convex, seeds)
def test_units_of_features(kind, shape, seed):
    """Features are standardised first: only what rounding makes of large shifts remains."""
    table = Table(kind, seed)
    size, shift = np.exp(table.rng.uniform(-5, 5, (2, table.X.shape[1])))
    moved = table.X * size + shift
    close(scores(table.fit(shape, moved), moved), scores(table.fit(shape), table.X), 1e-5)


@LAWS
@given(kinds, convex, seeds)
def test_a_weight_is_a_number_of_equal_rows(kind, shape, seed):
    table = Table(kind, seed)
    times = table.rng.integers(0, 4, len(table.X))
    times[:5] = np.maximum(times[:5], 1)
    if kind == "classification":
        times[[np.argmin(table.y), np.argmax(table.y)]] = 1
    weighted = table.fit(shape, sample_weight=times.astype(float))
    repeated = table.fit(shape, np.repeat(table.X, times, axis=0), np.repeat(table.y, times))
    close(scores(weighted, table.X), scores(repeated, table.X))
    if (
        shape != "elastic net" and kind != "regression"
    ):  # degrees of freedom of a residual variance count rows
        close(weighted.main_effects()["std_error"], repeated.main_effects()["std_error"])


@LAWS
@given(kinds, convex, seeds, st.floats(1e-3, 1e3))
def test_only_ratios_of_weights_matter(kind, shape, seed, factor):
    table = Table(kind, seed)
    weights = table.rng.uniform(0.3, 2.0, len(table.X))
    scaled = table.fit(shape, sample_weight=factor * weights)
    close(scores(scaled, table.X), scores(table.fit(shape, sample_weight=weights), table.X))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_weight_is_not_there(kind, shape):
    table = Table(kind, 4)
    n = len(table.X)
    there = np.arange(n) % 6 > 0
    X = table.X.copy()
    X[~there] = 1e3 * table.rng.standard_normal((n - there.sum(), X.shape[1]))
    weighted = table.fit(shape, X, sample_weight=there.astype(float))
    absent = table.fit(shape, table.X[there], table.y[there])
    np.testing.assert_array_equal(scores(weighted, table.X), scores(absent, table.X))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(kind, shape):
    table = Table(kind, 5)
    X = table.X.astype(np.float32)
    single, double = table.fit(shape, X), table.fit(shape, X.astype(float))
    np.testing.assert_array_equal(scores(single, X), scores(double, X.astype(float)))
    close(scores(single, X), scores(table.fit(shape), table.X), 1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_runs_equal_to_the_bit(kind, shape):
    table = Table(kind, 6)
    one, two = table.fit(shape, random_state=3), table.fit(shape, random_state=3)
    np.testing.assert_array_equal(scores(one, table.X), scores(two, table.X))
    np.testing.assert_array_equal(one.interaction_matrix(), two.interaction_matrix())
    state = np.random.RandomState(3)
    np.testing.assert_array_equal(scores(table.fit(shape, random_state=state), table.X), scores(one, table.X))


@pytest.mark.parametrize("shape", ["ridge", "elastic net", "tie", "spline"])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_nothing_unless_asked_for(kind, shape):
    """Linear algebra on two threads rounds differently; a small table gets one, whatever the process has."""
    table = Table(kind, 7)
    one = table.fit(shape, n_jobs=1)
    with threadpool_limits(2):
        default, two = table.fit(shape), table.fit(shape, n_jobs=2)
    np.testing.assert_array_equal(scores(default, table.X), scores(one, table.X))
    close(scores(two, table.X), scores(one, table.X), 1e-4 if shape == "tie" else 1e-9)


@LAWS
@given(seeds, st.floats(-50, 50), st.floats(0.01, 100))
def test_units_of_a_numeric_outcome(seed, shift, size):
    table = Table("regression", seed)
    plain, moved = table.fit("ridge"), table.fit("ridge", y=size * table.y + shift)
    close(moved.predict(table.X), size * plain.predict(table.X) + shift, 1e-7 * (size + abs(shift)))
    close(moved.main_effects()["z"], plain.main_effects()["z"])


@LAWS
@given(seeds)
def test_names_of_classes(seed):
    table = Table("classification", seed)
    plain = table.fit("ridge")
    renamed = table.fit("ridge", y=np.array(["low", "top"])[table.y])
    np.testing.assert_array_equal(renamed.predict_proba(table.X), plain.predict_proba(table.X))
    swapped = table.fit("ridge", y=1 - table.y)
    close(swapped.decision_function(table.X), -plain.decision_function(table.X))


@LAWS
@given(seeds)
def test_names_of_strata_and_the_clock(seed):
    table = Table("survival", seed)
    strata = table.rng.integers(0, 3, len(table.X))
    cox = InteractionCoxPH(latent=None)
    plain = scores(cox.fit(table.X, table.y, strata=strata), table.X)
    names = np.array(["north", "a", "south"], dtype=object)[table.rng.permutation(3)]
    close(scores(cox.fit(table.X, table.y, strata=names[strata]), table.X), plain)
    later = survival_target(np.log1p(table.y["time"]) * 7.0, table.y["event"])
    close(scores(cox.fit(table.X, later, strata=strata), table.X), plain)
