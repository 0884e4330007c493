"""The longitudinal autoencoder through its public surface: fits, files, interruptions, input that cannot be used."""

import signal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from intertwine import LongitudinalVAE, load
from intertwine.datasets import simulate_longitudinal
from intertwine.effects import BySubject, Categorical, Linear, Smooth
from intertwine.estimators import extras

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (16,), "batch_size": 64, "learning_rate": 0.01, "random_state": 0}
QUICK = {**SMALL, "warm_up": 1, "max_iter": 2, "decoder_iter": 1}
EFFECTS = [Categorical("sex"), Smooth("age"), Linear("dose"), BySubject(), BySubject(Linear("age"))]


def rows_of(study, name):
    at = study[name]
    told = {"covariates": {key: values[at] for key, values in study.covariates.items()}}
    return study.X[at], told | {"subject": study.subject[at]}


@pytest.fixture(scope="module")
def study():
    kinds = ["gaussian"] * 5 + ["bernoulli", "ordinal", "poisson"]
    return simulate_longitudinal(80, 8, n_new=20, n_components=2, likelihood=kinds, random_state=0)


@pytest.fixture(scope="module")
def fitted(study):
    X, rows = rows_of(study, "train")
    likelihood = {5: "bernoulli", 6: "ordinal", 7: "poisson"}
    return LongitudinalVAE(2, effects=EFFECTS, likelihood=likelihood, max_iter=30, **SMALL).fit(X, **rows)


def test_it_finds_what_moves_the_features(study, fitted):
    X, rows = rows_of(study, "train")
    complete = study.X_complete[study.train]
    missing = np.isnan(X)
    error = np.mean((fitted.impute(X, **rows) - complete)[missing] ** 2)
    assert error < 0.8 * np.mean((complete - complete.mean(axis=0))[missing] ** 2)
    shares = fitted.explain().set_index("effect")["latent"]
    assert shares["subject"] > 0.05
    assert shares["sex"] > 0.03


def test_visits_of_new_subjects_tell_of_their_later_ones(study, fitted):
    X, rows = rows_of(study, "given")
    later_X, later = rows_of(study, "future")
    patients = fitted.condition(X, **rows)
    told = patients.score_samples(later_X, **later)
    assert told.mean() > fitted.score(later_X, **later)
    mean, std = patients.forecast(**later, return_std=True)
    within = np.abs(later_X - mean)[:, :5] < 1.64 * std[:, :5]
    seen = ~np.isnan(later_X[:, :5])
    assert 0.8 < within[seen].mean() < 0.97
    assert set(np.unique(patients.sample_trajectories(**later, random_state=0)[..., 5])) <= {0.0, 1.0}


def test_it_is_saved_to_the_bit(study, fitted, tmp_path):
    X, rows = rows_of(study, "given")
    _, later = rows_of(study, "future")
    X[0] = np.nan
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model")
    for name in ("transform", "impute", "score_samples"):
        np.testing.assert_array_equal(getattr(again, name)(X, **rows), getattr(fitted, name)(X, **rows))
    _, known = rows_of(study, "train")
    np.testing.assert_array_equal(again.forecast(**known), fitted.forecast(**known))
    np.testing.assert_array_equal(
        again.condition(X, **rows).forecast(**later), fitted.condition(X, **rows).forecast(**later)
    )
    for name in ("history_", "variance_components_", "basis_", "axes_"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(fitted, name))
    pd.testing.assert_frame_equal(again.explain(), fitted.explain())
    assert again.bound_ == fitted.bound_
    assert again.get_params()["effects"] == EFFECTS
    assert again.likelihood == fitted.likelihood


def test_the_same_seed_gives_the_same_fit_and_another_another(study):
    X, rows = rows_of(study, "train")
    model = LongitudinalVAE(2, effects=EFFECTS, **QUICK)
    first = model.fit(X, **rows).transform(X, **rows)
    np.testing.assert_array_equal(clone(model).fit(X, **rows).transform(X, **rows), first)
    other = clone(model).set_params(random_state=1).fit(X, **rows)
    assert not np.allclose(other.transform(X, **rows), first)


def test_the_order_of_rows_changes_nothing_but_the_draws(study, fitted):
    X, rows = rows_of(study, "given")
    order = np.random.default_rng(0).permutation(len(X))
    mixed = {
        "covariates": {key: values[order] for key, values in rows["covariates"].items()},
        "subject": rows["subject"][order],
    }
    np.testing.assert_allclose(
        fitted.transform(X[order], **mixed), fitted.transform(X, **rows)[order], rtol=1e-5, atol=1e-6
    )


def test_an_interrupted_fit_goes_on_to_the_same_result(study, tmp_path, monkeypatch):
    from intertwine.fitting.longitudinal.epochs import Runner

    X, rows = rows_of(study, "train")
    model = LongitudinalVAE(2, effects=EFFECTS, **{**QUICK, "max_iter": 4})
    plain = clone(model).fit(X, **rows)
    run, seen = Runner.epoch, []

    def interrupted(*arguments):
        seen.append(None)
        if len(seen) == 4:
            signal.raise_signal(signal.SIGINT)
        return run(*arguments)

    monkeypatch.setattr(Runner, "epoch", interrupted)
    model.set_params(checkpoint=tmp_path / "progress")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, **rows)
    assert not vars(model).keys() & {"_model", "_data", "n_features_in_", "_visits"}
    model.fit(X, **rows)
    assert len(seen) == 6  # one of warm-up, four with effects, and the one that was broken off
    np.testing.assert_array_equal(model.transform(X, **rows), plain.transform(X, **rows))
    assert model.bound_ == plain.bound_
    assert not (tmp_path / "progress").exists()


def test_what_a_decoder_misses_is_told_per_visit_that_it_was_not_shown(monkeypatch):
    from test_longitudinal_fit import small_problem

    from intertwine.fitting.longitudinal import epochs

    problem, hidden = small_problem(), []

    def step(training, encoder, batch, *others, **settings):
        hidden.append(np.sum(batch.present * (1 - batch.context)))
        return training, 1.5 * hidden[-1]

    monkeypatch.setattr(epochs, "decoder_step", step)
    rows = problem.rows(problem.effects.start_shape())
    monkeypatch.setattr(epochs, "prior_values", lambda latents: None)
    _, row = epochs.Runner(problem, rows).decoder_epoch(
        None, None, None, (0.0, 1.0), np.random.default_rng(0)
    )
    assert sum(hidden) > 1
    assert (row.phase, row.prediction) == ("decoder", 1.5)


def test_a_fit_that_fails_leaves_the_one_before(study, fitted):
    X, rows = rows_of(study, "train")
    model = clone(fitted).set_params(**QUICK).fit(X, **rows)
    before = model.transform(X, **rows)
    with pytest.raises(ValueError, match="covariates"):
        model.fit(X)
    np.testing.assert_array_equal(model.transform(X, **rows), before)


def test_time_orders_visits_and_is_a_covariate(study):
    X, rows = rows_of(study, "train")
    time = study.time[study.train]
    model = LongitudinalVAE(2, **QUICK).fit(X, subject=rows["subject"], time=time)
    assert set(model.variance_components_["effect"]) == {"subject", "time", "subject × time", "visit"}
    assert model.basis_["effect"].tolist() == ["time", "subject × time"]
    ahead = model.forecast(subject=rows["subject"][:3], time=time[:3] + 1.0)
    assert ahead.shape == (3, 8)
    curve = model.covariate_effect(0, "time", n_values=2)
    assert curve["value"].tolist() == [time.min(), time.max()]


def test_the_papers_objective_is_there_to_compare_with(study, tmp_path):
    X, rows = rows_of(study, "train")
    model = LongitudinalVAE(2, effects=EFFECTS, objective="mean-field", **QUICK).fit(X, **rows)
    later_X, later = rows_of(study, "future")
    given_X, given = rows_of(study, "given")
    patients = model.condition(given_X, **given)
    assert np.isfinite(patients.score_samples(later_X, **later)).all()
    assert model.explain()["observed"].sum() == pytest.approx(1.0)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(X, **rows), model.transform(X, **rows))
    np.testing.assert_array_equal(again.forecast(**rows), model.forecast(**rows))


@pytest.mark.parametrize("prior", ["laplace", "cauchy", "horseshoe"])
def test_sparse_priors(study, prior):
    X, rows = rows_of(study, "train")
    model = LongitudinalVAE(2, effects=EFFECTS, coefficient_prior=prior, **QUICK).fit(X, **rows)
    assert np.isfinite(model.variance_components_["share"]).all()


def with_(value, *place):
    """Change one entry of X or of an argument."""

    def change(X, rows):
        X, rows = X.copy(), {**rows, "covariates": {k: v.copy() for k, v in rows["covariates"].items()}}
        rows["subject"] = rows["subject"].astype(object)
        if place[0] == "X":
            X[place[1:]] = value
        elif place[0] == "covariates" and len(place) == 3:
            column = rows["covariates"][place[1]].astype(object)
            column[place[2]] = value
            rows["covariates"][place[1]] = column
        elif len(place) == 2 and place[0] == "covariates":
            rows["covariates"][place[1]] = value
        elif len(place) == 2:
            rows[place[0]][place[1]] = value
        else:
            rows[place[0]] = value
        return X, rows

    return change


BAD = {
    "no covariates": (with_(None, "covariates"), ValueError, "covariates"),
    "labels of two kinds": (with_("7", "subject", 0), TypeError, "'7'|int|text"),
    "a constant covariate": (with_(1.0, "covariates", "dose", slice(None)), ValueError, "'dose'"),
    "one subject": (with_(1, "subject", slice(None)), ValueError, "one subject"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(study, case):
    change, error, message = BAD[case]
    X, rows = change(*rows_of(study, "train"))
    model = LongitudinalVAE(2, effects=EFFECTS, **QUICK)
    with pytest.raises(error, match=message):
        model.fit(X, **rows)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("unit", [1e25, 1e-25])
def test_values_beyond_single_precision_are_to_be_rescaled(study, fitted, unit):
    X, rows = rows_of(study, "train")
    with pytest.raises(ValueError, match="rescale"):
        LongitudinalVAE(2, **QUICK).fit(unit * X[:, :5], subject=rows["subject"])
    X[0, 0] = 1e25
    with pytest.raises(ValueError, match="rescale"):
        fitted.transform(X, **rows)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"effects": ["age"]}, TypeError, "'age', which is no effect"),
        ({"effects": [Linear("weight")]}, ValueError, "'weight'"),
        ({"effects": [BySubject(), Linear("age"), Linear("age")]}, ValueError, "twice"),
        ({"architecture": "conv"}, ValueError, "image_shape"),
        ({"architecture": "conv", "image_shape": (2.5, 4)}, ValueError, "2.5"),
        ({"image_shape": (2, 4)}, ValueError, "image_shape"),
        ({"hidden_layer_sizes": (4, 0)}, ValueError, "hidden_layer_sizes holds 0"),
        ({"likelihood": "normal"}, ValueError, "'normal'"),
        ({"likelihood": "bernoulli"}, ValueError, "bernoulli"),
        ({"likelihood": {"q": "poisson"}}, ValueError, "'q'"),
    ],
)
def test_bad_settings_are_named(study, settings, error, message):
    X, rows = rows_of(study, "train")
    with pytest.raises(error, match=message):
        LongitudinalVAE(**{"n_components": 2, "effects": EFFECTS, **QUICK, **settings}).fit(X, **rows)


def test_values_of_another_kind_are_refused_after_the_fit(study, fitted):
    X, rows = rows_of(study, "given")
    X[0, 5] = 0.5
    with pytest.raises(ValueError, match="bernoulli"):
        fitted.transform(X, **rows)


def test_visits_that_are_scored_must_have_the_columns_and_the_kinds_of_the_fit(study):
    X, rows = rows_of(study, "train")
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    model = LongitudinalVAE(2, effects=EFFECTS, likelihood={"f": "bernoulli"}, **QUICK).fit(frame, **rows)
    patients = model.condition(frame, **rows, known="replace")
    other = clone(model).fit(frame[["a", "b", "f"]], **rows)
    model.fit(frame[["a", "b", "f"]], **rows)  # what was conditioned on keeps the columns that it had
    for ask, columns in ((patients, frame), (other, frame[["a", "b", "f"]])):
        assert np.isfinite(ask.score_samples(columns, **rows)).all()
        for bad, message in (
            (columns[columns.columns[::-1]], "order"),
            (columns.rename(columns={"a": "z"}), "names"),
            (columns.to_numpy()[:, :2], "features"),
            (columns.assign(a=np.inf), "infinity"),
            (columns.assign(f=0.5), "bernoulli"),
        ):
            with pytest.raises(ValueError, match=message):
                ask.score_samples(bad, **rows)


def test_a_visit_of_which_nothing_is_observed_is_certain(study, fitted):
    X, rows = rows_of(study, "train")
    np.testing.assert_array_equal(fitted.score_samples(np.full_like(X, np.nan), **rows), 0.0)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda model, rows: model.sample_trajectories(**rows, n_draws=10**12), MemoryError, "fewer draws"),
        (lambda model, rows: model.sample_trajectories(**rows, n_draws=2.5), ValueError, "n_draws"),
        (lambda model, rows: model.forecast({"age": []}, subject=[]), ValueError, "no rows"),
        (lambda model, rows: model.forecast({"age": 3.0}, subject="a"), ValueError, "each visit"),
        (lambda model, rows: model.covariate_effect(0, "age", at={"age": 1.0}), ValueError, "different"),
        (lambda model, rows: model.covariate_effect(0, "sex", by="sex"), ValueError, "different"),
        (lambda model, rows: model.covariate_effect(0, "age", by="sex", at={"sex": 0}), ValueError, "differ"),
        (lambda model, rows: model.covariate_effect(0, "age", values=["x"]), ValueError, "finite numbers"),
        (lambda model, rows: model.covariate_effect(0, "age", at=5), TypeError, "at=5"),
        (lambda model, rows: model.covariate_effect(0, "age", at={"dose": "x"}), ValueError, "'dose'"),
    ],
)
def test_questions_without_an_answer_are_named(study, fitted, ask, error, message):
    with pytest.raises(error, match=message):
        ask(fitted, rows_of(study, "train")[1])


def test_before_the_fit_there_is_nothing_to_ask(study):
    X, rows = rows_of(study, "given")
    model = LongitudinalVAE()
    for ask in (
        lambda: model.transform(X, **rows),
        lambda: model.forecast(**rows),
        lambda: model.condition(X, **rows),
        lambda: model.explain(),
        lambda: model.axes_,
        lambda: model.save("x"),
    ):
        with pytest.raises(NotFittedError):
            ask()


def test_without_jax_it_says_what_to_install(study, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'intertwine\[deep\]'"):
        LongitudinalVAE().fit(study.X)
