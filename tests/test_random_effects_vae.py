"""The variational autoencoder with random effects, through its public surface."""

import signal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

from intertwine import RandomEffectsVAE, load
from intertwine.effects import Grouped, Longitudinal
from intertwine.estimators import extras
from intertwine.fitting.random_effects.vae_effects import CollapsedEffects

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (16,), "batch_size": 64, "learning_rate": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def bent():
    """Rows along a bent curve in six dimensions, and levels that are larger than it."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal(480)
    level = np.arange(480) % 24
    effects = 2.0 * rng.standard_normal((24, 6))
    f = np.column_stack([np.cos(1.5 * u), np.sin(1.5 * u), u, np.cos(3 * u), np.sin(u), 0.5 * u**2])
    return 3.0 + f + effects[level] + 0.3 * rng.standard_normal((480, 6)), level, u, effects


@pytest.fixture(scope="module")
def fitted(bent):
    X, level, *_ = bent
    return RandomEffectsVAE(1, max_iter=150, **SMALL).fit(X[:360], groups=level[:360])


def test_it_finds_the_curve_and_the_levels(bent, fitted):
    X, level, u, effects = bent
    X, level, u = X[360:], level[360:], u[360:]
    error = np.mean((X - fitted.reconstruct(X, groups=level)) ** 2)
    within = X - effects[level] - 3.0
    straight = PCA(1).fit(within)
    best_line = np.mean((within - straight.inverse_transform(straight.transform(within))) ** 2)
    assert error < 0.7 * best_line  # which is told the true levels, and is fitted to these very rows
    assert abs(np.corrcoef(fitted.transform(X, groups=level)[:, 0], u)[0, 1]) > 0.9
    table = fitted.random_effects_.pivot_table(index="level", columns="feature", values="estimate")
    assert np.corrcoef(table.to_numpy().ravel(), effects.ravel())[0, 1] > 0.97
    shares = fitted.variance_components_.groupby("component")["variance"].mean()
    np.testing.assert_allclose(shares["group"], 4.0, rtol=0.35)
    assert 0.05 < shares["noise"] < 0.25 < shares["latent"]


def test_the_history_ends_at_the_bound(bent, fitted):
    history = fitted.history_
    assert history["iteration"].tolist() == list(range(1, 151))
    assert history["bound"].iloc[-1] > history["bound"].iloc[0]
    spread = bent[0][:360].std(axis=0)
    np.testing.assert_allclose(fitted.bound_, history["bound"].iloc[-1] - 360 * np.log(spread).sum())
    assert [name for name, _ in fitted.starts_] == ["manifold", "principal"]


def test_the_score_of_new_rows_is_a_density_that_knows_what_is_open(bent, fitted):
    X, level, *_ = bent
    known = fitted.score(X[360:], groups=level[360:])
    with pytest.warns(UserWarning, match="not in fit"):
        unknown = fitted.score(X[360:], groups=np.arange(100, 220))
    assert known > unknown
    drawn = fitted.sample(groups=np.repeat(level[:24], 20), random_state=0)
    np.testing.assert_allclose(
        fitted.score(drawn, groups=np.repeat(level[:24], 20)), known, atol=1.5
    )  # entropy: what it draws is as likely as what it was fitted to


def test_missing_entries_are_imputed(bent):
    X, level, *_ = bent
    holes = np.random.default_rng(1).uniform(size=X.shape) < 0.2
    shown = np.where(holes, np.nan, X)
    model = RandomEffectsVAE(1, max_iter=50, n_init=1, **SMALL).fit(shown, groups=level)
    full = model.impute(shown, groups=level)
    np.testing.assert_array_equal(full[~holes], X[~holes])
    assert np.mean((full - X)[holes] ** 2) < 0.15 * X.var()
    nothing = np.full((1, 6), np.nan)
    np.testing.assert_allclose(model.transform(nothing, groups=level[:1]), 0.0, atol=1e-3)


def test_it_is_saved_to_the_bit(bent, fitted, tmp_path):
    X, level, *_ = bent
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for name in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(
            getattr(again, name)(X[360:], groups=level[360:]),
            getattr(fitted, name)(X[360:], groups=level[360:]),
        )
    pd.testing.assert_frame_equal(again.random_effects_, fitted.random_effects_)
    pd.testing.assert_frame_equal(again.history_, fitted.history_)
    assert again.bound_ == fitted.bound_
    assert again.starts_ == fitted.starts_


def test_the_same_seed_gives_the_same_fit_and_another_another(bent):
    X, level, *_ = bent
    model = RandomEffectsVAE(1, max_iter=3, n_init=1, **SMALL)
    first = model.fit(X, groups=level).transform(X, groups=level)
    np.testing.assert_array_equal(clone(model).fit(X, groups=level).transform(X, groups=level), first)
    other = clone(model).set_params(random_state=1).fit(X, groups=level)
    assert not np.allclose(other.transform(X, groups=level), first)


def test_an_interrupted_fit_goes_on_to_the_same_result(bent, tmp_path, monkeypatch):
    from intertwine.fitting.random_effects import vae_epochs

    X, level, *_ = bent
    model = RandomEffectsVAE(1, max_iter=8, **SMALL)
    plain = clone(model).fit(X, groups=level)
    run, seen = vae_epochs._pass, []

    def interrupted(*arguments):
        seen.append(None)
        if len(seen) == 7:
            signal.raise_signal(signal.SIGINT)
        return run(*arguments)

    monkeypatch.setattr(vae_epochs, "_pass", interrupted)
    model.set_params(checkpoint=tmp_path / "progress")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, groups=level)
    assert not hasattr(model, "_model")
    model.fit(X, groups=level)
    assert len(seen) == 3 + 3 + 5 + 1  # two races of three epochs, the rest, and the one that was broken off
    np.testing.assert_array_equal(model.transform(X, groups=level), plain.transform(X, groups=level))
    assert model.bound_ == plain.bound_
    assert not (tmp_path / "progress").exists()


def test_variances_of_a_short_fit_are_searched_at_its_end(bent, monkeypatch):
    X, level, u, _ = bent

    def variances():
        model = RandomEffectsVAE(1, effects=[Longitudinal()], max_iter=2, n_init=1, **SMALL)
        table = model.fit(X, groups=level, time=u).variance_components_
        return table[table["component"] == "group"]["variance"].to_numpy(dtype=float)

    found = variances()
    monkeypatch.setattr(CollapsedEffects, "settled", lambda self, residual, variances: variances)
    assert np.abs(found - variances()).max() > 0.05


def test_whole_groups_reach_the_same_bound(bent, fitted):
    X, level, *_ = bent
    model = clone(fitted).set_params(batches="groups").fit(X[:360], groups=level[:360])
    assert abs(model.bound_ - fitted.bound_) < 0.5 * 360
    with pytest.raises(ValueError, match="one effect whose levels are independent"):
        model.fit(X, groups=np.column_stack([level, level // 2]))


def test_several_effects_and_none(bent):
    X, level, *_ = bent
    crossed = pd.DataFrame({"a": level, "b": np.arange(480) // 40})
    model = RandomEffectsVAE(1, max_iter=4, effects=[Grouped("a"), Grouped("b")], n_init=1, **SMALL)
    model.fit(X, groups=crossed)
    assert set(model.random_effects_["effect"]) == {"a", "b"}
    alone = RandomEffectsVAE(1, max_iter=4, n_init=1, **SMALL).fit(X)
    assert alone.score(X) < model.score(X, groups=crossed)


@pytest.mark.parametrize("beta", [{"beta_latents": 30.0}, {"beta_effects": 30.0}])
def test_weights_of_the_divergences_shrink_what_they_weigh(bent, beta):
    X, level, *_ = bent
    settings = dict(max_iter=20, n_init=1, **SMALL)
    plain = RandomEffectsVAE(1, **settings).fit(X, groups=level)
    model = RandomEffectsVAE(1, **beta, **settings).fit(X, groups=level)
    if "beta_latents" in beta:
        assert model.history_["divergence"].iloc[-1] < 0.5 * plain.history_["divergence"].iloc[-1]
    else:
        assert (
            np.square(model.random_effects_["estimate"]).sum()
            < np.square(plain.random_effects_["estimate"]).sum()
        )


def test_the_amortised_fit_is_there_to_compare_with(bent, fitted, tmp_path):
    X, level, _, effects = bent
    model = RandomEffectsVAE(1, inference="amortised", max_iter=60, **SMALL).fit(X[:360], groups=level[:360])
    table = model.random_effects_.pivot_table(index="level", columns="feature", values="estimate")
    assert np.corrcoef(table.to_numpy().ravel(), effects.ravel())[0, 1] > 0.9
    rows = {"groups": level[360:]}
    error = np.mean((X[360:] - model.reconstruct(X[360:], **rows)) ** 2)
    assert np.mean((X[360:] - fitted.reconstruct(X[360:], **rows)) ** 2) < error < X.var()
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.reconstruct(X[360:], **rows), model.reconstruct(X[360:], **rows))
    assert np.isfinite(again.score(X[360:], **rows))
    unknown = model.set_params(unseen="ignore").inverse_transform(np.zeros((1, 1)), groups=[99])
    np.testing.assert_allclose(unknown, model.inverse_transform(np.zeros((1, 1)), include_effects=False))
    with pytest.raises(ValueError, match="independent levels"):
        RandomEffectsVAE(inference="amortised").fit(X)


def test_bad_settings_are_named(bent):
    X, level, *_ = bent
    with pytest.raises(ValueError, match="hidden_layer_sizes holds 0"):
        RandomEffectsVAE(hidden_layer_sizes=(4, 0)).fit(X, groups=level)
    wild = RandomEffectsVAE(1, **SMALL | {"learning_rate": 1e20, "max_iter": 3})
    with pytest.raises(ValueError, match="overflow at epoch 1; lower learning_rate"):
        wild.fit(X, groups=level)


def test_memory_is_asked_for_before_it_is_taken(bent, monkeypatch):
    from intertwine import resources

    monkeypatch.setattr(resources, "available_memory", lambda: 10_000)
    monkeypatch.setattr(resources, "_NEGLIGIBLE", 0)
    with pytest.raises(MemoryError, match="a part of the rows"):
        RandomEffectsVAE().fit(bent[0], groups=bent[1])


def test_without_jax_it_says_what_to_install(bent, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'intertwine\[deep\]'; RandomEffectsPCA"):
        RandomEffectsVAE().fit(bent[0], groups=bent[1])
