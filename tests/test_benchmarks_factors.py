"""The ratings benchmark itself: who sees what, what is chosen, and what its table says."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import _results
import latent_factors
from _factor_methods import METHODS
from _sharpness_arms import Adaptive, Annealed, WorstEntries
from baselines.factor_peer import FactorPeer, scores

from intertwine import datasets
from intertwine.fitting.latent_factors.rating_rows import LocalRatings
from intertwine.solvers.sharpness import Perturbed
from intertwine.structures.latent_factors import LatentFactors
from intertwine.structures.linearization import packed_diagonal
from intertwine.structures.ratings import RatingTable


class Level(FactorPeer):
    """Predicts a level that its setting shifts."""

    grid = ({"shift": 2.0}, {"shift": 0.0}, {"shift": -1.0})
    tuning = "shift"

    def __init__(self):
        self.sizes = []

    def run(self, X, y, shift):
        self.sizes.append(len(y))
        self._level = y.mean() + shift

    def score(self, X):
        return np.full(len(X), self._level)


def test_a_peer_is_tuned_on_fold_0_and_refitted_on_all():
    rng = np.random.default_rng(0)
    X, y = np.zeros((100, 2), int), rng.integers(1, 6, 100).astype(float)
    folds = (np.arange(100) >= 10).astype(int)
    y[folds == 0] = y[folds == 1].mean() - 1.0  # where the last setting is right
    peer = Level()
    peer.fit(X, y, folds)
    assert peer.sizes == [90, 90, 90, 100]
    told = peer.chosen()
    assert (told["shift"], told["n_tried"]) == (-1.0, 3)
    assert peer.score(X)[0] == pytest.approx(y.mean() - 1.0)


def test_scores_are_biases_and_products():
    X = np.array([[0, 1], [1, 0]])
    users, items = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    assert scores(X, users, items, np.array([0.5, 0.0]), np.array([0.0, 0.25]), 3.0).tolist() == [7.75, 10.0]
    assert scores(X, users, items).tolist() == [4.0, 7.0]


def test_splits_share_nothing_and_hold_a_tenth_out_for_tuning(monkeypatch):
    ids = np.column_stack([np.arange(200) % 20, np.arange(200) // 20]) + 100
    monkeypatch.setattr(datasets, "fetch_movielens_1m", lambda **options: (ids, np.arange(200.0)))
    parts = latent_factors.ratings_of("80/20", 0)
    assert (len(parts["y"]), len(parts["y_test"])) == (160, 40)
    assert set(parts["y"]) | set(parts["y_test"]) == set(range(200))
    assert parts["X"].min() == 0
    assert parts["X"].max(axis=0).tolist() == [19, 9]
    assert 5 < (parts["folds"] == 0).sum() < 30
    other = latent_factors.ratings_of("80/20", 1)
    assert not np.array_equal(parts["y_test"], other["y_test"])


def test_the_table_has_means_over_seeds_and_names_failures(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(_results, "FOLDER", tmp_path)
    labels = list(METHODS)
    peer, ours = latent_factors.REFERENCE, labels[0]
    for label, seconds in ((peer, 60.0), (ours, 6.0)):
        results = _results.Results("latent_factors", "peers" if label == peer else "ours", latent_factors.KEY)
        for seed, error in enumerate((0.83, 0.85)):
            row = {
                "method": label,
                "split": "90/10",
                "seed": seed,
                "seconds": 100.0,
                "failure": "",
                "rmse": error,
            }
            chosen = {
                "fit_seconds": seconds,
                "fit_cpu_seconds": seconds,
                "n_tried": 1,
                "passes": 100.0,
                "alpha": 0.5,
            }
            results.add(row | {"chosen": chosen, "peak_mb": 200.0, "added_mb": 50.0})
    results.add({"method": labels[1], "split": "90/10", "seed": 0, "failure": "over 600 s"})
    latent_factors.table("latent_factors")
    text = (tmp_path / "latent_factors.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"| {ours} |"))
    assert "| 0.8400 ± 0.0100 | – | 6 s | 6 s | 0.1 × | 100 | – | 200 MB | 50 MB | alpha 0.5 |" in line
    assert f"{labels[1]}: over 600 s." in text
    assert json.loads((tmp_path / "latent_factors.json").read_text())["rows"]


@pytest.fixture
def few():
    """Sixty ratings, a fifth of them held out, and a point."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(12 * 9)[:60], 9)
    table, _ = RatingTable.build(users, items, 12, 9)
    rows = LocalRatings(table, rng.standard_normal(60), None, kept=rng.random(60) < 0.8)
    return rows, rng.standard_normal(21 * 4)


def test_the_worst_of_each_entry_is_what_it_says(few):
    rows, theta = few
    risk = WorstEntries(rows, 0.1).risk(LatentFactors(3), 1.0)
    here, X = risk.expand(theta), rows.X
    p, q = np.split(theta.reshape(21, 4), [12])
    users = X.users
    error = p[users, 0] + q[X.item_of, 0] + (p[users, 1:] * q[X.item_of, 1:]).sum(axis=1) - rows.y - 1.0
    length = np.sqrt((p[users, 1:] ** 2).sum(axis=1) + (q[X.item_of, 1:] ** 2).sum(axis=1) + 2.0)
    worst = 0.5 * (np.abs(error) + 0.1 * length) ** 2
    assert here.value == pytest.approx(worst[rows.weight].sum())
    v = np.random.default_rng(1).standard_normal(theta.size)
    slope = (risk.expand(theta + 1e-6 * v).value - risk.expand(theta - 1e-6 * v).value) / 2e-6
    assert here.gradient @ v == pytest.approx(slope, rel=1e-6)
    curvature = np.array([here.product(one) for one in np.eye(theta.size)])
    np.testing.assert_allclose(curvature, curvature.T, atol=1e-12)
    diagonals = [block[:, packed_diagonal(4)].ravel() for block in here.blocks()[:2]]
    np.testing.assert_allclose(np.concatenate(diagonals), np.diag(curvature))


def test_adaptive_moves_are_relative_and_annealed_ones_follow_the_step(few):
    rows, theta = few
    risk = rows.risk(LatentFactors(3), 1.0)
    here = risk.expand(theta)
    move = 0.3 * theta**2 * here.gradient / np.linalg.norm(theta * here.gradient)
    found = Adaptive(0.3).model(risk, here, False)
    np.testing.assert_allclose(found.gradient, risk.expand(theta + move).gradient)
    annealed = Annealed(Perturbed, lambda step: 0.2 * step)
    for radius in (0.0, 0.2, 0.4):
        expected = Perturbed(radius).model(risk, here, False).gradient
        np.testing.assert_array_equal(annealed.model(risk, here, False).gradient, expected)
