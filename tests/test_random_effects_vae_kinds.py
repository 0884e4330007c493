"""Columns of 0 and 1 and of counts in the autoencoder with random effects, through its public surface."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from intertwine import RandomEffectsVAE, load
from intertwine.effects import Grouped

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = ["ill", "male", "visits", "dose"]
KINDS = {"ill": "bernoulli", "male": "bernoulli", "visits": "poisson"}
TAU = np.array([2.0, 1.0, 0.8, 1.0])
QUICK = {"hidden_layer_sizes": (8,), "batch_size": 150, "n_init": 1, "learning_rate": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def clinics():
    """2000 rows of 50 clinics: one latent, and effects of known variance on the logit and log scale."""
    rng = np.random.default_rng(0)
    group, u = np.arange(2000) % 50, rng.standard_normal(2000)
    effects = rng.standard_normal((50, 4))
    effects = np.sqrt(TAU) * (effects - effects.mean(axis=0)) / effects.std(axis=0)
    eta = [0.3, -0.5, 0.8, 2.0] + np.outer(u, [0.8, 0.8, 0.6, 1.0]) + effects[group]
    X = np.column_stack([
        rng.uniform(size=2000) < expit(eta[:, 0]),
        rng.uniform(size=2000) < expit(eta[:, 1]),
        rng.poisson(np.exp(eta[:, 2])),
        eta[:, 3] + 0.5 * rng.standard_normal(2000),
    ])  # fmt: skip
    X[rng.uniform(size=X.shape) < 0.05] = np.nan
    return pd.DataFrame(X, columns=NAMES), group, u, effects


@pytest.fixture(scope="module")
def fitted(clinics):
    X, group, *_ = clinics
    model = RandomEffectsVAE(1, effects=[Grouped()], likelihood=KINDS, max_iter=25, unseen="ignore", **QUICK)
    return model.fit(X[:1600], groups=group[:1600])


def test_variances_and_effects_are_found_on_the_scale_of_logits_and_logarithms(clinics, fitted):
    *_, u, effects = clinics
    table = fitted.variance_components_.pivot(index="feature", columns="component", values="variance")
    np.testing.assert_allclose(table.loc[NAMES, "group"], TAU, rtol=0.35)
    assert (table.loc[NAMES[:3], "noise"] == 0).all()
    np.testing.assert_allclose(table.loc["dose", ["latent", "noise"]].sum(), 1.25, rtol=0.2)
    found = fitted.random_effects_.pivot(index="level", columns="feature", values="estimate")[
        NAMES
    ].to_numpy()
    for m in range(4):
        assert np.corrcoef(found[:, m], effects[:, m])[0, 1] > 0.8
    X, group = clinics[:2]
    assert abs(np.corrcoef(fitted.transform(X[1600:], groups=group[1600:])[:, 0], u[1600:])[0, 1]) > 0.8


def test_held_out_rows_are_denser_than_without_effects_and_the_bound_rises(clinics, fitted):
    X, group = clinics[:2]
    known = fitted.score(X[1600:], groups=group[1600:])
    assert known > fitted.score(X[1600:], groups=group[1600:] + 100) + 0.2  # of clinics that are not known
    assert fitted.history_["bound"].iloc[-1] > fitted.history_["bound"].iloc[0]
    np.testing.assert_allclose(fitted.bound_ / 1600, known, atol=0.6)


def test_expected_values_are_probabilities_and_counts(clinics, fitted):
    X, group, *_ = clinics
    again = fitted.reconstruct(X, groups=group)
    assert np.all((again[:, :2] > 0) & (again[:, :2] < 1))
    assert np.all(again[:, 2] > 0)
    np.testing.assert_allclose(again[:, :3].mean(axis=0), X[NAMES[:3]].mean(), rtol=0.1)
    full = fitted.impute(X, groups=group)
    there = X.notna().to_numpy()
    np.testing.assert_array_equal(full[there], X.to_numpy()[there])
    assert np.all((full[:, :2] >= 0) & (full[:, :2] <= 1))
    assert (
        np.corrcoef(full[~there], again[~there])[0, 1] > 0.95
    )  # expected values beside those at a row's own latents


def test_what_is_open_of_an_unseen_level_draws_probabilities_to_one_half(fitted):
    latent = np.array([[2.0], [-2.0]])
    average = fitted.inverse_transform(latent, include_effects=False)
    unseen = fitted.inverse_transform(latent, groups=[999, 999])
    assert np.all(np.abs(unseen[:, 0] - 0.5) < np.abs(average[:, 0] - 0.5))
    tau = fitted.variance_components_.query("feature == 'visits' and component == 'group'")["variance"].item()
    np.testing.assert_allclose(unseen[:, 2], average[:, 2] * np.exp(0.5 * tau), rtol=1e-6)


def test_samples_are_of_their_kinds(clinics, fitted):
    X, group, *_ = clinics
    drawn = fitted.sample(groups=group, random_state=0)
    assert set(np.unique(drawn[:, :2])) == {0.0, 1.0}
    assert np.all((drawn[:, 2] >= 0) & (drawn[:, 2] == drawn[:, 2].round()))
    np.testing.assert_allclose(drawn.mean(axis=0), X.mean(), rtol=0.15)


def test_a_file_answers_the_same_to_the_bit(clinics, fitted, tmp_path):
    X, group, *_ = clinics
    fitted.save(tmp_path / "model")
    kept = load(tmp_path / "model")
    assert kept.likelihood == KINDS
    for method in ("transform", "reconstruct", "score_samples"):
        expected = getattr(fitted, method)(X[:50], groups=group[:50])
        np.testing.assert_array_equal(getattr(kept, method)(X[:50], groups=group[:50]), expected)
    assert kept.random_effects_.equals(fitted.random_effects_)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("ill", 2.0, r"'bernoulli': \['ill'\] must hold 0 and 1 only"),
        ("male", 0.5, r"'bernoulli': \['male'\] must hold 0 and 1 only"),
        ("visits", -1.0, r"'poisson': \['visits'\] must hold counts"),
        ("visits", 1.5, r"'poisson': \['visits'\] must hold counts"),
    ],
)
def test_values_of_another_kind_are_refused_before_and_after_the_fit(clinics, fitted, column, value, says):
    X, group, *_ = clinics
    wrong = X.copy()
    wrong.loc[7, column] = value
    for answer in (RandomEffectsVAE(likelihood=KINDS).fit, fitted.transform, fitted.score_samples):
        with pytest.raises(ValueError, match=says):
            answer(wrong, groups=group)


def test_settings_that_do_not_go_with_other_kinds_are_refused(clinics):
    X, group, *_ = clinics
    for settings, says in (
        ({"likelihood": "multinomial"}, r"\['multinomial'\] is not known"),
        ({"likelihood": {"ill": "ordinal"}}, "'ordinal' has no local bound"),
        ({"likelihood": {"length": "poisson"}}, "'length', which is not in X"),
        ({"likelihood": KINDS, "inference": "amortised"}, "is for Gaussian columns"),
        ({"likelihood": KINDS, "batches": "groups"}, "are for Gaussian columns"),
        ({"likelihood": KINDS, "beta_effects": 0.5}, "are for Gaussian columns"),
    ):
        with pytest.raises(ValueError, match=says):
            RandomEffectsVAE(**settings).fit(X, groups=group)


def test_all_columns_by_name_as_gaussian_are_the_gaussian_model(clinics):
    X, group, *_ = clinics
    settings = QUICK | {"max_iter": 2}
    plain = RandomEffectsVAE(1, **settings).fit(X[:200], groups=group[:200])
    named = RandomEffectsVAE(1, likelihood=["gaussian"] * 4, **settings).fit(X[:200], groups=group[:200])
    assert named.bound_ == plain.bound_


def test_counts_far_off_those_of_the_fit_are_told():
    from intertwine.estimators.random_effects.units import LinkedUnits
    from intertwine.likelihoods.local_columns import LocalColumns

    columns = LocalColumns(("gaussian", "poisson"), np.array([0.0, np.log(3.0)]))
    units = LinkedUnits(columns.center, np.ones(2), columns)
    units.check(np.array([[1e9, 2000.0]]), np.array(["height", "visits"]))
    with pytest.warns(
        UserWarning, match=r"columns \['visits'\] are far off .* 4,000 where the mean of the fit is 3"
    ):
        units.check(np.array([[0.0, 4000.0]]), np.array(["height", "visits"]))
