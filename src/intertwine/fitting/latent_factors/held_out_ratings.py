"""Which ratings are held out: drawn by a number that user, item and seed give, wherever the rating lies.

A rating is held out where its number is among the smallest share of all numbers. The rating with the largest number of
a user stays, and that of an item: nothing would be known of an id whose ratings were all held out. Neither depends on
the order of the ratings, nor on how they are split among machines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from intertwine.structures.ratings import RatingTable

__all__ = [
    "HeldOut",
    "held_mask",
    "held_out",
    "hold_out",
    "largest_numbers",
    "rating_numbers",
    "seed_and_threshold",
    "smallest_free",
]

Numbers = NDArray[np.uint64]


class HeldOut(NamedTuple):
    """Ratings to learn from and ratings to stop by, both in the order of their tables.

    Attributes
    ----------
    train, held : RatingTable
    kept : ndarray of bool, shape (n_ratings,)
        Which of all ratings are learnt from.
    """

    train: RatingTable
    held: RatingTable
    kept: NDArray[np.bool_]


def hold_out(X: RatingTable, fraction: float, rng: np.random.Generator) -> HeldOut:
    """Hold out some ratings at random; an id's only rating is never held out.

    Parameters
    ----------
    X : RatingTable
    fraction : float
        Share of the ratings, about; one at least, where an id can spare it.
    rng : numpy.random.Generator

    Examples
    --------
    >>> X, _ = RatingTable.build(np.repeat(np.arange(50), 40), np.tile(np.arange(40), 50), 50, 40)
    >>> parts = hold_out(X, 0.1, np.random.default_rng(0))
    >>> parts.train.n_ratings + parts.held.n_ratings, 150 < parts.held.n_ratings < 250
    (2000, True)
    """
    held, table = held_out(X, fraction, rng)
    kept = ~held
    return HeldOut(X.take(kept), table, kept)


def held_out(
    X: RatingTable, fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], RatingTable]:
    """Which ratings `hold_out` holds out (n_ratings,), and the table of these alone."""
    seed, threshold = seed_and_threshold(fraction, rng)
    numbers = rating_numbers(X, np.arange(X.n_users), seed)
    of_users, of_items = largest_numbers(X, numbers)
    threshold = max(threshold, smallest_free(X, numbers, of_users, of_items))
    held = held_mask(X, numbers, of_users, of_items, threshold)
    del numbers  # eight bytes a rating
    return held, X.take(held)


def seed_and_threshold(fraction: float, rng: np.random.Generator) -> tuple[np.uint64, np.uint64]:
    """Draw a seed; and the largest number that is held out."""
    seed = rng.integers(0, 2**64, dtype=np.uint64)
    return seed, np.uint64(min(int(fraction * 2**64), 2**64 - 1))


def rating_numbers(X: RatingTable, user_ids: NDArray, seed: np.uint64) -> Numbers:
    """A number from 0 to 2⁶⁴ − 1 for each rating.

    Parameters
    ----------
    X : RatingTable
    user_ids : ndarray of int, shape (n_users,)
        Codes of the table's users among all.
    seed : uint64
    """
    numbers = np.empty(X.n_ratings, dtype=np.uint64)
    _number(X.user_starts, X.item_of, np.asarray(user_ids).astype(np.uint64), np.uint64(seed), numbers)
    return numbers


def largest_numbers(X: RatingTable, numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Largest number of each user's ratings, and of each item's; zero for an id without any."""
    of_users, of_items = np.zeros(X.n_users, dtype=np.uint64), np.zeros(X.n_items, dtype=np.uint64)
    _largest(X.user_starts, X.item_of, numbers, of_users, of_items)
    return of_users, of_items


def smallest_free(X: RatingTable, numbers: Numbers, of_users: Numbers, of_items: Numbers) -> np.uint64:
    """Smallest number of a rating that may be held out; zero where there is none."""
    free = held_mask(X, numbers, of_users, of_items, np.uint64(2**64 - 1))
    return numbers.min(where=free, initial=np.uint64(2**64 - 1)) if free.any() else np.uint64(0)


def held_mask(
    X: RatingTable, numbers: Numbers, of_users: Numbers, of_items: Numbers, threshold: np.uint64
) -> NDArray[np.bool_]:
    """Which ratings are held out (n_ratings,)."""
    held = np.empty(X.n_ratings, dtype=np.bool_)
    _hold(X.user_starts, X.item_of, numbers, of_users, of_items, np.uint64(threshold), held)
    return held


@njit(cache=True, nogil=True)
def _mixed(z):
    # the finaliser of splitmix64 (Steele, Lea & Flood 2014)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def _number(user_starts, item_of, user_ids, seed, numbers):
    golden = np.uint64(0x9E3779B97F4A7C15)
    for u in range(len(user_ids)):
        own = _mixed(seed + (user_ids[u] + np.uint64(1)) * golden)
        for t in range(user_starts[u], user_starts[u + 1]):
            numbers[t] = _mixed(own + (np.uint64(item_of[t]) + np.uint64(1)) * golden)


@njit(cache=True, nogil=True)
def _largest(user_starts, item_of, numbers, of_users, of_items):
    for u in range(len(of_users)):
        for t in range(user_starts[u], user_starts[u + 1]):
            of_users[u] = max(of_users[u], numbers[t])
            of_items[item_of[t]] = max(of_items[item_of[t]], numbers[t])


@njit(cache=True, nogil=True)
def _hold(user_starts, item_of, numbers, of_users, of_items, threshold, held):
    for u in range(len(of_users)):
        for t in range(user_starts[u], user_starts[u + 1]):
            number = numbers[t]
            held[t] = number <= threshold and number < of_users[u] and number < of_items[item_of[t]]
