"""Splits that every method of a benchmark shares, outer and inner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Row numbers of one outer split, and the inner fold (0, 1, …) of each training row."""

    train: np.ndarray
    test: np.ndarray
    folds: np.ndarray


def paper_split(y: np.ndarray, seed: int, n_folds: int = 5) -> Split:
    """The paper's 50/1/49 rows at random; its 1% validation part stays unused: we tune inside the training half."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    n_train, n_validation = len(y) // 2, round(0.01 * len(y))
    train = np.sort(order[:n_train])
    return Split(train, np.sort(order[n_train + n_validation :]), stratified_folds(y[train], n_folds, rng))


def grouped_split(y: np.ndarray, groups: np.ndarray, seed: int, n_folds: int = 5) -> Split:
    """50/1/49 of the *groups*, so that no molecule is on both sides; the inner folds keep groups whole as well.

    Groups are drawn within class (a group has one), so that both sides hold both classes in their shares.
    """
    rng = np.random.default_rng(seed)
    names, first = np.unique(groups, return_index=True)
    train_groups, test_groups, fold_of = [], [], {}
    for label in np.unique(y):
        members = rng.permutation(names[y[first] == label])
        n_train = len(members) // 2
        n_validation = round(0.01 * len(members))
        train_groups.extend(members[:n_train])
        test_groups.extend(members[n_train + n_validation :])
        fold_of.update({name: i % n_folds for i, name in enumerate(members[:n_train])})
    train = np.flatnonzero(np.isin(groups, train_groups))
    folds = np.array([fold_of[name] for name in groups[train]])
    return Split(train, np.flatnonzero(np.isin(groups, test_groups)), folds)


def stratified_folds(y: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each row, with every class spread evenly."""
    folds = np.empty(len(y), dtype=int)
    start = 0
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        folds[rows] = (start + np.arange(len(rows))) % n_folds
        start += len(rows)
    return folds


def plain_folds(n_rows: int, n_folds: int, seed: int) -> np.ndarray:
    """Fold of each row for a numerical outcome."""
    return np.random.default_rng(seed).permutation(n_rows) % n_folds
