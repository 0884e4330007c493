"""The kernels of stochastic descent on ratings against the definition of the objective."""

import numpy as np
import pytest

from intertwine.structures import _factor_sgd as kernels


@pytest.mark.parametrize("biases", [0, 1])
def test_a_visit_steps_down_the_gradient_of_one_rating_and_its_share_of_the_penalty(biases):
    """By differences, with all other ratings left out; two ratings one after the other are two visits."""
    rng = np.random.default_rng(0)
    users_of, item_of = np.array([2, 0, 1]), np.array([1, 0, 1])
    y, weight = rng.standard_normal(3), rng.uniform(0.5, 2.0, 3)
    users, items = rng.standard_normal((3, 3)), rng.standard_normal((2, 3))
    strengths, rate = (rng.uniform(0.1, 1.0, 3), rng.uniform(0.1, 1.0, 2)), 0.01

    def error(users, items, place):
        own, its = users[users_of[place]], items[item_of[place]]
        return own[:biases].sum() + its[:biases].sum() + own[biases:] @ its[biases:] - y[place]

    def objective(both, place):
        users, items = both[:9].reshape(3, 3), both[9:].reshape(2, 3)
        u, i = users_of[place], item_of[place]
        penalty = strengths[0][u] * np.sum(users[u] ** 2) + strengths[1][i] * np.sum(items[i] ** 2)
        return 0.5 * (weight[place] * error(users, items, place) ** 2 + penalty)

    now, total = np.concatenate([users.ravel(), items.ravel()]), 0.0
    for place in (1, 0):
        total += weight[place] * error(now[:9].reshape(3, 3), now[9:].reshape(2, 3), place) ** 2
        slope = [(objective(now + e, place) - objective(now - e, place)) / 2e-5 for e in 1e-5 * np.eye(15)]
        now = now - rate * np.array(slope)
    expected = sum(weight[place] * error(users, items, place) ** 2 for place in range(3))
    assert kernels.squared_error(users_of, item_of, y, weight, users, items, biases) == pytest.approx(
        expected
    )
    order = np.array([1, 0])
    found = kernels.epoch(order, users_of, item_of, y, weight, users, items, biases, *strengths, rate)
    assert found == pytest.approx(total)
    np.testing.assert_allclose(np.concatenate([users.ravel(), items.ravel()]), now, rtol=1e-7)
