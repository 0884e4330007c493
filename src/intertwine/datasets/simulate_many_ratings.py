"""Ratings by the hundred million, in the memory that they need themselves."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch, check_random_state

__all__ = ["simulate_many_ratings"]

_CHUNK = 2**20  # ratings whose scores are computed at a time
_FEWEST = 5  # ratings of a user, where there are as many
_USER_POWER, _ITEM_POWER = 0.5, 0.6  # activity falls with the rank to this power


def simulate_many_ratings(
    n_users: int = 1000,
    n_items: int = 500,
    n_ratings: int = 20_000,
    *,
    d: int = 5,
    mean: float = 3.5,
    bias: float = 0.4,
    taste: float = 0.5,
    noise: float = 0.8,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw ratings f = mean + b_u + b_i + ⟨v_u, v_i⟩ + noise as compact codes, at any size that memory holds.

    How often users rate and items are rated falls like a power of their rank. Twelve bytes a rating are kept, and
    beside them only what goes with the number of users and items: use :func:`simulate_ratings` for small tables with
    names and stars.

    Parameters
    ----------
    n_users, n_items, n_ratings : int
        At most a quarter of all pairs can be rated, and a user rates at least one item.
    d : int, default=5
        Factors of every user and item.
    mean : float, default=3.5
    bias, taste, noise : float
        Standard deviations: of both biases each, of ⟨v_u, v_i⟩ over all pairs, of the noise.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    sklearn.utils.Bunch
        ``user``, ``item`` (n_ratings,) int32: codes from 0 on, distinct pairs, users in order; ``target`` (n_ratings,)
        float32; and the truth: ``user_bias``, ``item_bias``, ``user_factors`` (n_users, d), ``item_factors``
        (n_items, d), float32.

    Raises
    ------
    ValueError
        When more than a quarter of all pairs, or fewer ratings than users, are asked for.

    Examples
    --------
    >>> drawn = simulate_many_ratings(random_state=0)
    >>> drawn.user.dtype, drawn.target.dtype, len(drawn.item)
    (dtype('int32'), dtype('float32'), 20000)
    >>> len(np.unique(drawn.user.astype(np.int64) * 500 + drawn.item))
    20000
    """
    if not n_users <= n_ratings <= n_users * n_items // 4:
        raise ValueError(
            f"n_ratings={n_ratings} is not between {n_users}, one for each user, and a quarter of "
            f"{n_users} × {n_items} pairs"
        )
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    size = np.sqrt(taste) / d**0.25  # so that ⟨v_u, v_i⟩ has standard deviation taste
    biases = [np.float32(bias) * rng.standard_normal(n, dtype=np.float32) for n in (n_users, n_items)]
    factors = [np.float32(size) * rng.standard_normal((n, d), dtype=np.float32) for n in (n_users, n_items)]
    counts = _activity(rng, n_users, n_items // 2, n_ratings)
    users = np.repeat(np.arange(n_users, dtype=np.int32), counts)
    items = _drawn_items(counts, rng.permutation(_ranked(n_items, _ITEM_POWER)), rng)
    target = np.empty(n_ratings, dtype=np.float32)
    for start in range(0, n_ratings, _CHUNK):
        part = slice(start, start + _CHUNK)
        user, item = users[part], items[part]
        score = np.einsum("ij,ij->i", factors[0][user], factors[1][item])
        score += biases[0][user] + biases[1][item] + np.float32(mean)
        target[part] = score + np.float32(noise) * rng.standard_normal(len(user), dtype=np.float32)
    return Bunch(
        user=users,
        item=items,
        target=target,
        user_bias=biases[0],
        item_bias=biases[1],
        user_factors=factors[0],
        item_factors=factors[1],
    )


def _ranked(n: int, power: float) -> np.ndarray:
    weights = (1.0 + np.arange(n)) ** -power
    return weights / weights.sum()


def _activity(rng: np.random.Generator, n_users: int, most: int, total: int) -> np.ndarray:
    """Ratings of every user, ``total`` of all, at most ``most`` each."""
    fewest = min(_FEWEST, total // n_users, most)
    counts = np.full(n_users, fewest)
    shares = rng.permutation(_ranked(n_users, _USER_POWER))
    while (
        left := total - counts.sum()
    ) > 0:  # what is cut off at the top goes to all others, in their proportions
        open_shares = np.where(counts < most, shares, 0.0)
        counts = np.minimum(counts + rng.multinomial(left, open_shares / open_shares.sum()), most)
    return counts


def _drawn_items(counts: np.ndarray, popularity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from intertwine.datasets._distinct_draws import draw_distinct  # numba: only when it is needed

    keep, other = _alias_table(popularity)
    return draw_distinct(counts, keep, other, rng)


def _alias_table(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias method: a uniform column, then it or its alias: a draw takes the same time for any n."""
    scaled = probability * len(probability)
    keep, other = np.ones(len(scaled)), np.arange(len(scaled), dtype=np.int32)
    small, large = list(np.flatnonzero(scaled < 1.0)), list(np.flatnonzero(scaled >= 1.0))
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], other[low] = scaled[low], high
        scaled[high] -= 1.0 - scaled[low]
        if scaled[high] < 1.0:
            small.append(large.pop())
    return keep, other
