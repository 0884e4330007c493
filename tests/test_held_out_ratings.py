"""Which ratings are held out: at random, never all of an id's, wherever they lie."""

import numpy as np
import pytest

from intertwine.fitting.latent_factors.held_out_ratings import (
    held_mask,
    hold_out,
    largest_numbers,
    rating_numbers,
    seed_and_threshold,
    smallest_free,
)
from intertwine.fitting.latent_factors.rating_rows import LocalRatings
from intertwine.structures.ratings import RatingTable


def table(n_users=300, n_items=60, n=6000, seed=0):
    rng = np.random.default_rng(seed)
    users, items = np.divmod(rng.permutation(n_users * n_items)[:n], n_items)
    return RatingTable.build(users, items, n_users, n_items)[0]


def test_the_share_is_as_asked_and_users_are_drawn_alike():
    X = table(n=18000)
    parts = hold_out(X, 0.1, np.random.default_rng(0))
    assert parts.train.n_ratings + parts.held.n_ratings == X.n_ratings
    assert abs(parts.held.n_ratings - 1800) < 150
    # counts of independent draws: variance n p (1 − p)
    for counts, n in ((parts.held.user_counts, 60), (parts.held.item_counts, 300)):
        assert 0.6 < counts.var() / (n * 0.1 * 0.9) < 1.5


def test_other_seeds_hold_out_others():
    X = table()
    first, second = (hold_out(X, 0.1, np.random.default_rng(seed)).kept for seed in (0, 1))
    assert 0.1 < np.mean(first[~second]) / np.mean(first) <= 1.05


def test_no_id_loses_all_its_ratings():
    X = table(n=500)
    parts = hold_out(X, 0.9, np.random.default_rng(0))
    assert parts.held.n_ratings > 50
    for before, after in ((X.user_counts, parts.train.user_counts), (X.item_counts, parts.train.item_counts)):
        assert (after[before > 0] > 0).all()


def test_one_is_held_out_where_one_can_be_spared():
    X, _ = RatingTable.build(np.repeat([0, 1], 3), np.tile([0, 1, 2], 2), 2, 3)
    assert all(
        hold_out(X, 1e-9, np.random.default_rng(seed)).held.n_ratings == 1
        for seed in range(5)
        if _spare(X, seed)
    )
    alone, _ = RatingTable.build(np.array([0, 1]), np.array([0, 1]), 2, 2)
    assert hold_out(alone, 0.5, np.random.default_rng(0)).kept.all()


def _spare(X, seed):
    numbers = rating_numbers(X, np.arange(2), seed_and_threshold(0.1, np.random.default_rng(seed))[0])
    return smallest_free(X, numbers, *largest_numbers(X, numbers)) > 0


@pytest.mark.parametrize("n_parts", [2, 5])
def test_parts_hold_out_what_the_whole_does(n_parts):
    X = table()
    seed, threshold = seed_and_threshold(0.2, np.random.default_rng(3))
    whole = hold_out(X, 0.2, np.random.default_rng(3))
    users = X.users
    pieces = [np.arange(k, X.n_users, n_parts) for k in range(n_parts)]
    tables = []
    for ids in pieces:
        mine = np.isin(users, ids)
        tables.append(
            RatingTable.build(np.searchsorted(ids, users[mine]), X.item_of[mine], len(ids), X.n_items)[0]
        )
    numbers = [rating_numbers(part, ids, seed) for part, ids in zip(tables, pieces, strict=True)]
    largest = [largest_numbers(part, own) for part, own in zip(tables, numbers, strict=True)]
    of_items = np.max([of_items for _, of_items in largest], axis=0)
    for part, ids, own, (of_users, _) in zip(tables, pieces, numbers, largest, strict=True):
        kept = whole.kept[np.isin(users, ids)]
        np.testing.assert_array_equal(held_mask(part, own, of_users, of_items, threshold), ~kept)


def test_ratings_that_are_held_out_count_nothing_and_the_others_as_they_did():
    X = table(n=400)
    rng = np.random.default_rng(2)
    y, weight, kept = rng.standard_normal(400), rng.uniform(0.5, 2.0, 400), rng.random(400) < 0.7
    rows = LocalRatings(X, y, weight, kept=kept)
    assert rows.n_ratings == kept.sum()
    np.testing.assert_allclose(rows.total_weight, weight[kept].sum())
    np.testing.assert_allclose(rows.square, (weight * y**2)[kept].sum())
