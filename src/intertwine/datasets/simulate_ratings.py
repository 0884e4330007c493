"""Ratings with a known truth: users and items with biases and factors."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch, check_random_state

from intertwine.frames import make_frame

__all__ = ["simulate_ratings"]


def simulate_ratings(
    n_users: int = 200,
    n_items: int = 100,
    n_ratings: int = 5000,
    *,
    d: int = 2,
    mean: float = 3.5,
    bias: float = 0.4,
    taste: float = 0.5,
    noise: float = 0.8,
    stars: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw ratings f = mean + b_u + b_i + ⟨v_u, v_i⟩ + noise of distinct pairs, popular items more often.

    Parameters
    ----------
    n_users, n_items, n_ratings : int
        At most half of all pairs can be rated.
    d : int, default=2
        Factors of every user and item.
    mean : float, default=3.5
    bias, taste, noise : float
        Standard deviations: of both biases each, of ⟨v_u, v_i⟩ over all pairs, of the noise.
    stars : bool, default=True
        Round to 1, 2, …, 5 stars.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    sklearn.utils.Bunch
        ``data``: frame of ids, user ("u0", …) and item ("i0", …); ``target`` (n_ratings,); and the truth: ``score``
        (n_ratings,) without noise, ``user_bias``, ``item_bias``, ``user_factors`` (n_users, d), ``item_factors``
        (n_items, d).

    Raises
    ------
    ValueError
        When more than half of all pairs are asked for.

    Examples
    --------
    >>> truth = simulate_ratings(random_state=0)
    >>> list(truth.data.columns), truth.target.shape, float(truth.target.min()), float(truth.target.max())
    (['user', 'item'], (5000,), 1.0, 5.0)
    >>> bool(np.corrcoef(truth.score, truth.target)[0, 1] > 0.6)
    True
    """
    if not 0 < n_ratings <= n_users * n_items // 2:
        raise ValueError(f"n_ratings={n_ratings} is not between 1 and half of {n_users} × {n_items} pairs")
    rng = check_random_state(random_state)
    user_bias, item_bias = bias * rng.standard_normal(n_users), bias * rng.standard_normal(n_items)
    size = np.sqrt(taste) / d**0.25  # so that ⟨v_u, v_i⟩ has standard deviation taste
    user_factors, item_factors = (size * rng.standard_normal((n, d)) for n in (n_users, n_items))
    user, item = _distinct_pairs(rng, n_users, n_items, n_ratings)
    score = mean + user_bias[user] + item_bias[item] + (user_factors[user] * item_factors[item]).sum(axis=1)
    target = score + noise * rng.standard_normal(n_ratings)
    if stars:
        target = np.clip(np.rint(target), 1.0, 5.0)
    ids = {"user": np.array([f"u{u}" for u in user]), "item": np.array([f"i{i}" for i in item])}
    return Bunch(
        data=make_frame(ids),
        target=target,
        feature_names=np.array(list(ids), dtype=object),
        score=score,
        user_bias=user_bias,
        item_bias=item_bias,
        user_factors=user_factors,
        item_factors=item_factors,
    )


def _distinct_pairs(rng, n_users: int, n_items: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs without repetition; the item of rank r is drawn in proportion to 1/√(1 + r)."""
    popularity = rng.permutation(1.0 / np.sqrt(1.0 + np.arange(n_items)))
    popularity /= popularity.sum()
    met = np.zeros(0, dtype=np.int64)
    while len(met) < size:  # half of all pairs are wanted at most, so a few rounds do
        drawn = rng.randint(n_users, size=size) * n_items + rng.choice(n_items, size=size, p=popularity)
        both = np.concatenate([met, drawn])
        met = both[np.sort(np.unique(both, return_index=True)[1])]
    return met[:size] // n_items, met[:size] % n_items
