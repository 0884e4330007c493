"""One epoch of stochastic gradient steps over ratings, one rating after the other.

    p_u ← p_u − η (w e q_i + λ n_u^(ρ−1) p_u),   q_i alike,   e = b_u + c_i + ⟨p_u, q_i⟩ − y,

so that over an epoch each id is penalised λ n^ρ.
"""

from numba import njit


@njit(cache=True, nogil=True)
def epoch(order, users_of, item_of, y, weight, users, items, biases, user_strength, item_strength, rate):
    """Visit the ratings in the given order; tables (·, d) change in place. Returns the sum of w e² on the way."""
    d = users.shape[1]
    total = 0.0
    for t in range(order.size):
        place = order[t]
        u, i = users_of[place], item_of[place]
        error = -y[place]
        for f in range(biases):
            error += users[u, f] + items[i, f]
        for f in range(biases, d):
            error += users[u, f] * items[i, f]
        slope = weight[place] * error
        total += slope * error
        for f in range(biases):
            users[u, f] -= rate * (slope + user_strength[u] * users[u, f])
            items[i, f] -= rate * (slope + item_strength[i] * items[i, f])
        for f in range(biases, d):
            own = users[u, f]
            users[u, f] -= rate * (slope * items[i, f] + user_strength[u] * own)
            items[i, f] -= rate * (slope * own + item_strength[i] * items[i, f])
    return total


@njit(cache=True, nogil=True)
def squared_error(users_of, item_of, y, weight, users, items, biases):
    """Σ w e² of ratings."""
    total = 0.0
    for place in range(y.size):
        u, i = users_of[place], item_of[place]
        error = -y[place]
        for f in range(biases):
            error += users[u, f] + items[i, f]
        for f in range(biases, users.shape[1]):
            error += users[u, f] * items[i, f]
        total += weight[place] * error * error
    return total
