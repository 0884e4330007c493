"""Single sweeps of variational factors: each update is where the evidence bound is highest."""

import numpy as np
import pytest
from scipy import sparse

from intertwine.solvers import variational
from intertwine.solvers.rated_sides import RatedSides
from intertwine.solvers.variational import VariationalFactors, _updated, feature_strength
from intertwine.structures.ratings import RatingTable


@pytest.fixture
def sides():
    """Ratings of twelve users and nine items with three features each."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((12, 9)) < 0.6)
    known = [sparse.csr_array(rng.normal(size=(size, 3))) for size in (12, 9)]
    table, order = RatingTable.build(users, items, 12, 9, *known)
    outcome = rng.normal(size=12)[users] + rng.normal(size=9)[items]
    return RatedSides.build(table, (outcome - outcome.mean())[order], None, True)


def test_what_a_side_adds_to_the_bound_is_its_expectation_at_the_new_prior(sides):
    start = VariationalFactors.start(sides, 2, 0.3, np.random.default_rng(1))
    side = sides.users
    found, prior, bound = _updated(side, start.items, start.user_prior, 1.3)
    gap, A = found.moments.means - prior.regression.expected, prior.regression.weights
    scatter = found.moments.total_covariance() + gap.T @ gap
    norms, d = side.features.column_norms, 3
    weak = 0.5e-3 * np.trace(prior.precision) + 1e-4 * prior.strength / (norms.sum() / 12)
    rows = 12 * (np.linalg.slogdet(prior.precision)[1] + d) - found.log_determinants.sum()
    features = d * np.log(prior.strength / (norms + prior.strength)).sum()
    scatter = scatter + prior.strength * A.T @ A
    assert bound == pytest.approx(0.5 * (rows + features - (prior.precision * scatter).sum()) - weak)
    assert prior.strength > 1.5 * start.user_prior.strength


def test_the_strength_of_features_is_where_the_bound_is_level(sides):
    rng, side = np.random.default_rng(2), sides.items
    weights, precision = rng.normal(size=(3, 2)), np.array([[2.0, 0.3], [0.3, 1.0]])
    strength = 1.0
    for _ in range(20):
        strength = feature_strength(side, weights, precision, strength)
    norms = side.features.column_norms

    def bound(gamma):
        pull = 0.5 * np.trace(weights @ precision @ weights.T) + 1e-4 / (norms.sum() / 9)
        return np.log(gamma / (norms + gamma)).sum() - gamma * pull  # d = 2

    assert (bound(1.001 * strength) - bound(0.999 * strength)) / 0.002 == pytest.approx(0.0, abs=1e-4)
    assert bound(strength) > max(bound(0.5 * strength), bound(2.0 * strength))


def test_progress_is_the_share_of_the_bound_and_noise_has_an_end(sides, monkeypatch):
    solver = VariationalFactors(0.0)
    state = solver.init(sides, solver.start(sides, 2, 0.3, np.random.default_rng(1)))
    first = solver.step(sides, state)
    second = solver.step(sides, first)
    assert second.optimality == pytest.approx((first.value - second.value) / abs(second.value), rel=1e-12)
    # as if the squares of the outcome were left over once more
    monkeypatch.setattr(variational, "_WEAK_NOISE", 1.0)
    rows, given = sides.users.rows, []
    real = variational._updated
    monkeypatch.setattr(
        variational, "_updated", lambda *arguments: given.append(arguments[-1]) or real(*arguments)
    )
    most = rows.total_weights().sum() / rows.total_square()
    noise_precisions = [first.params.noise_precision]
    for _ in range(2):
        first = solver.step(sides, first)
        noise_precisions.append(first.params.noise_precision)
    assert all(0.0 < precision < most for precision in [*given[1:], *noise_precisions[1:]])
