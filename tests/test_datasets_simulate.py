"""The simulated designs follow the laws that their descriptions state."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import procrustes
from sklearn.decomposition import PCA

from intertwine.datasets import (
    simulate_compatibility,
    simulate_latent_distance,
    simulate_low_rank,
    simulate_survival,
)

DESIGNS = {
    "low_rank": lambda seed: simulate_low_rank(60, 8, random_state=seed),
    "distance": lambda seed: simulate_latent_distance(60, 8, random_state=seed),
    "classes": lambda seed: simulate_low_rank(60, 8, task="classification", random_state=seed),
    "survival": lambda seed: simulate_survival(60, 8, random_state=seed),
    "compatibility": lambda seed: simulate_compatibility(60, random_state=seed),
}


@pytest.mark.parametrize("design", DESIGNS)
def test_the_score_is_the_sum_over_explicit_pairs(design):
    truth = DESIGNS[design](0)
    X, theta = truth.data, truth.interactions
    score = X @ truth.coef
    for j, k in combinations(range(X.shape[1]), 2):
        score = score + theta[j, k] * X[:, j] * X[:, k]
    np.testing.assert_allclose(truth.score, score, atol=1e-10)
    np.testing.assert_array_equal(theta, theta.T)
    np.testing.assert_array_equal(np.diag(theta), 0)
    assert truth.feature_names.shape == (X.shape[1],)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_seed_fixes_everything(design):
    first, again, other = DESIGNS[design](3), DESIGNS[design](3), DESIGNS[design](4)
    for name in ("data", "target", "coef", "interactions", "latent"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_the_low_rank_design_has_the_papers_moments():
    truth = simulate_low_rank(4000, 120, random_state=0)
    upper = np.triu_indices(120, 1)
    deviation = (truth.interactions - truth.latent @ truth.latent.T)[upper]
    assert deviation.var() == pytest.approx(0.1, rel=0.05)
    assert truth.latent.shape == (120, 2)
    for draws in (truth.data.ravel(), truth.coef, truth.latent.ravel(), deviation / 0.1**0.5):
        assert stats.kstest(draws, "norm").pvalue > 1e-3
    assert (truth.target - truth.score).var() == pytest.approx(0.001, rel=0.1)


def test_without_deviation_the_target_is_the_structure():
    truth = simulate_low_rank(10, 9, d=3, sigma2=0.0, random_state=0)
    np.testing.assert_allclose(
        truth.interactions + np.diag((truth.latent**2).sum(1)), truth.latent @ truth.latent.T
    )


@pytest.mark.parametrize("offset", [None, 1.5])
def test_distances_are_the_interactions_of_the_distance_design(offset):
    truth = simulate_latent_distance(10, 60, sigma2=0.0, offset=offset, random_state=0)
    assert truth.offset == (4.0 if offset is None else 1.5)
    for j, k in combinations(range(60), 2):
        expected = truth.offset - np.sum((truth.latent[j] - truth.latent[k]) ** 2)
        assert truth.interactions[j, k] == pytest.approx(expected, abs=1e-9)
    if offset is None:
        assert abs(truth.interactions[np.triu_indices(60, 1)].mean()) < 1.0


def test_classes_are_drawn_with_the_logistic_probability():
    truth = simulate_low_rank(20_000, 2, task="classification", random_state=0)
    assert set(truth.target) == {0, 1}
    # Under the law, the residuals have mean zero in every part of the score's range.
    residual = truth.target - 1 / (1 + np.exp(-truth.score))
    for part in np.array_split(np.argsort(truth.score), 5):
        assert abs(residual[part].mean()) < 4 * residual[part].std() / len(part) ** 0.5


@pytest.mark.parametrize("latent", ["low_rank", "distance"])
def test_survival_times_follow_the_proportional_hazards_law(latent):
    truth = simulate_survival(3000, 10, latent=latent, shape=2.0, censoring=0.0, signal=0.7, random_state=0)
    assert truth.target["event"].all()
    assert truth.score.std() == pytest.approx(0.7)
    assert stats.kstest(truth.target["time"] ** 2 * np.exp(truth.score), "expon").pvalue > 1e-3


@pytest.mark.parametrize("censoring", [0.1, 0.6])
def test_the_share_of_censored_rows(censoring):
    truth = simulate_survival(5000, 5, censoring=censoring, random_state=1)
    assert 1 - truth.target["event"].mean() == pytest.approx(censoring, abs=0.02)
    assert (truth.target["time"] > 0).all()


def test_scaling_the_signal_keeps_the_map():
    truth = simulate_survival(50, 6, sigma2=0.0, signal=0.5, random_state=0)
    expected = truth.latent @ truth.latent.T
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(truth.interactions, expected, atol=1e-12)
    truth = simulate_survival(50, 6, latent="distance", sigma2=0.0, signal=0.5, random_state=0)
    gap = truth.latent[1] - truth.latent[4]
    assert truth.interactions[1, 4] == pytest.approx(truth.offset - gap @ gap)


def test_a_resolution_makes_ties():
    truth = simulate_survival(500, 5, resolution=0.25, random_state=0)
    time = truth.target["time"]
    np.testing.assert_array_equal(time % 0.25, 0)
    assert time.min() >= 0.25
    assert len(np.unique(time)) < 100


@pytest.mark.parametrize("pairs", ["donor-recipient", "all"])
def test_the_map_of_compatibility_is_the_truth_and_no_principal_component(pairs):
    truth = simulate_compatibility(pairs=pairs, random_state=0)
    donor = truth.is_donor
    gaps = ((truth.latent[:, None] - truth.latent) ** 2).sum(axis=2)
    across = donor[:, None] != donor
    np.testing.assert_allclose(truth.interactions[across], (truth.offset - gaps)[across], atol=1e-9)
    own = truth.interactions[~across & ~np.eye(len(donor), dtype=bool)]
    assert np.all(own == 0) if pairs == "donor-recipient" else np.all(own != 0)
    components = PCA(2).fit(truth.data).components_.T
    assert 1 - procrustes(truth.latent, components)[2] < 0.15


def test_everyone_carries_at_most_two_antigens_of_a_locus():
    truth = simulate_compatibility(500, n_antigens=4, random_state=0)
    assert set(np.unique(truth.data)) == {0.0, 1.0}
    counts = truth.data.reshape(500, 2, 3, 4).sum(axis=3)
    assert set(np.unique(counts)) == {0, 1, 2}
    names = truth.feature_names
    assert names[~truth.is_donor].tolist() == [
        name.replace("donor", "recipient") for name in names[truth.is_donor]
    ]
    listed = simulate_compatibility(500, n_antigens=4, rare=0.0, random_state=0).data
    assert listed.reshape(500, 2, 3, 4).sum(axis=3).min() == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate_low_rank(5, 3, task="ranking"), "task must be"),
        (lambda: simulate_survival(5, 3, latent="cloud"), "latent must be"),
        (lambda: simulate_survival(5, 3, censoring=1.0), "censoring must be"),
        (lambda: simulate_compatibility(5, pairs="some"), "pairs must be"),
        (lambda: simulate_compatibility(5, rare=1.0), "rare must be"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_truth_that_does_not_fit_is_refused_before_it_is_drawn():
    with pytest.raises(MemoryError, match="the truth of all pairs of 10,000,000 features"):
        simulate_low_rank(1, 10_000_000)
