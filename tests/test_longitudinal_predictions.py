"""What a longitudinal autoencoder says of visits, where a linear decoder makes everything Gaussian."""

import numpy as np
import pytest
from linear_longitudinal_model import LinearModel
from scipy.stats import multivariate_normal

from intertwine import LongitudinalVAE
from intertwine.effects import BySubject, Categorical, Linear
from intertwine.estimators.longitudinal import vae as longitudinal_vae
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import Sites

W = np.linalg.qr(np.random.default_rng(5).standard_normal((5, 2)))[0] * [2.0, 1.5]
EFFECTS = [Linear("time"), Categorical("sex"), BySubject(), BySubject(Linear("time"))]


@pytest.fixture(autouse=True)
def linear(monkeypatch):
    def fitted(estimator, X, visits, effects, watch):
        return LinearModel(X, visits, effects, W)

    monkeypatch.setattr(longitudinal_vae, "fitted_model", fitted)


def study(n_subjects=8, n_visits=5, first=0, seed=0):
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.array([f"s{first + i}" for i in range(n_subjects)]), n_visits)
    time = np.tile(np.arange(float(n_visits)), n_subjects) + rng.uniform(0, 0.5, len(subject))
    sex = np.repeat(np.array(["f", "m"] * n_subjects)[:n_subjects], n_visits)
    z = rng.standard_normal((n_subjects, 2)).repeat(n_visits, axis=0) + 0.3 * time[:, None]
    X = 3.0 + z @ W.T + 0.7 * rng.standard_normal((len(subject), 5))
    return X, {"covariates": {"sex": sex}, "subject": subject, "time": time}


def part(rows, at):
    return {
        "covariates": {"sex": rows["covariates"]["sex"][at]},
        "subject": rows["subject"][at],
        "time": rows["time"][at],
    }


@pytest.fixture
def fitted():
    X, rows = study()
    return LongitudinalVAE(2, effects=EFFECTS).fit(X, **rows), X, rows


def exact(model, rows, sites):
    """The posterior of all visits together, at the variances of the fit."""
    latents = model._model.latents
    visits = model._data.visits(
        longitudinal_vae.CovariateInputs(rows["time"], len(rows["time"]), **rows, rows_name="time")
    )
    system = SubjectSystem(
        latents.effects.rows(visits.columns, visits.subject, visits.n_subjects, latents.shape)
    )
    return system.posterior(sites, latents.variances).marginals()


def together(first, second):
    return {
        "covariates": {"sex": np.concatenate([first["covariates"]["sex"], second["covariates"]["sex"]])},
        "subject": np.concatenate([first["subject"], second["subject"]]),
        "time": np.concatenate([first["time"], second["time"]]),
    }


def silent(model, n):
    return Sites(np.zeros((n, 2)), np.full((n, 2), np.inf))


def stacked(*sites):
    return Sites(*(np.concatenate(pair) for pair in zip(*sites, strict=True)))


def test_latents_of_the_fit_are_those_of_all_of_its_visits_together(fitted):
    model, X, rows = fitted
    expected = exact(model, rows, model._model.sites(X)).mean
    np.testing.assert_allclose(model.transform(X, **rows), expected, rtol=1e-8)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(model.transform(X[order], **part(rows, order)), expected[order], rtol=1e-8)


def test_latents_of_a_visit_come_from_its_subject_alone(fitted):
    model, X, rows = fitted
    some = slice(5, 8)
    alone = model.transform(X[some], **part(rows, some))
    apart = np.r_[5:8, 20:40]
    np.testing.assert_allclose(model.transform(X[apart], **part(rows, apart))[:3], alone, rtol=1e-10)
    assert np.abs(alone - model.transform(X, **rows)[some]).max() > 0.01  # visits 3 and 4 are not given


def test_forecasts_of_subjects_of_the_fit_are_those_of_visits_that_were_missing_there(fitted):
    model, X, rows = fitted
    ahead = part(rows, slice(0, 10))
    ahead["time"] = ahead["time"] + 6.0
    all_rows = together(rows, ahead)
    found = exact(model, all_rows, stacked(model._model.sites(X), silent(model, 10)))
    mean, std = model.forecast(**ahead, return_std=True)
    np.testing.assert_allclose(mean, model._model.decode_predicted(found.mean[-10:]), rtol=1e-8)
    variance = found.variance[-10:] @ (W**2).T + 0.5
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-6)
    latent, spread = model.predict_latents(**ahead, return_std=True)
    np.testing.assert_allclose(latent, found.mean[-10:], rtol=1e-8)
    np.testing.assert_allclose(spread, np.sqrt(found.variance[-10:]), rtol=1e-8)


def test_a_new_subject_is_as_if_the_fit_had_met_it(fitted):
    model, X, rows = fitted
    new_X, new = study(1, 4, first=99, seed=3)
    given, ahead = part(new, slice(0, 2)), part(new, slice(2, 4))
    sites = stacked(model._model.sites(X), model._model.sites(new_X[:2]), silent(model, 2))
    found = exact(model, together(rows, new), sites)
    patient = model.condition(new_X[:2], **given)
    assert patient.subjects_.tolist() == ["s99"]
    latent, spread = patient.predict_latents(**ahead, return_std=True)
    np.testing.assert_allclose(latent, found.mean[-2:], rtol=1e-8)
    np.testing.assert_allclose(spread, np.sqrt(found.variance[-2:]), rtol=1e-8)
    np.testing.assert_allclose(patient.transform(), found.mean[-4:-2], rtol=1e-8)
    np.testing.assert_allclose(model.transform(new_X[:2], **given), found.mean[-4:-2], rtol=1e-8)


def test_later_visits_of_a_subject_of_the_fit_come_after_those_it_had_or_replace_them(fitted):
    model, X, rows = fitted
    later = part(rows, slice(0, 2))
    later["time"] = later["time"] + 5.0
    ahead = part(rows, slice(0, 1))
    ahead["time"] = ahead["time"] + 9.0
    its_own = part(rows, slice(0, 5))
    extended = model.condition(X[:2] + 4.0, **later)
    both = model.condition(np.vstack([X[:5], X[:2] + 4.0]), **together(its_own, later), known="replace")
    np.testing.assert_allclose(extended.forecast(**ahead), both.forecast(**ahead), rtol=1e-8)
    replaced = model.condition(X[:2] + 4.0, **later, known="replace")
    assert np.abs(replaced.forecast(**ahead) - both.forecast(**ahead)).max() > 0.01
    assert extended.transform().shape == (2, 2)
    with pytest.warns(UserWarning, match=r"2 visits were in the fit already, rows \[0, 1\]"):
        model.condition(X[:2], **part(rows, slice(0, 2)))


def test_what_was_conditioned_on_stays_when_the_estimator_is_fitted_again(fitted):
    model, X, rows = fitted
    new_X, new = study(1, 4, first=99, seed=3)
    patient = model.condition(new_X, **new)
    before = patient.forecast(**new)
    model.fit(X[10:] * 2.0, **part(rows, slice(10, None)))
    np.testing.assert_array_equal(patient.forecast(**new), before)


def test_trajectories_have_the_joint_moments_of_their_subjects(fitted):
    model, _, rows = fitted
    ahead = part(rows, slice(0, 2))
    ahead["time"] = ahead["time"] + 6.0
    drawn = model.sample_trajectories(**ahead, n_draws=4000, random_state=0)
    assert drawn.shape == (4000, 2, 5)
    latent, spread = model.predict_latents(**ahead, return_std=True)
    expected = spread**2 @ (W**2).T + 0.5
    np.testing.assert_allclose(drawn.mean(axis=0), model._model.decode_predicted(latent), atol=0.15)
    np.testing.assert_allclose(drawn.var(axis=0), expected, rtol=0.12)
    course = model.sample_trajectories(**ahead, n_draws=4000, noise=False, random_state=0)
    assert np.all(course.var(axis=0) < expected - 0.45)
    assert np.corrcoef(course[:, 0, 0], course[:, 1, 0])[0, 1] > 0.5
    again = model.sample_trajectories(**ahead, n_draws=2, random_state=1)
    np.testing.assert_array_equal(again, model.sample_trajectories(**ahead, n_draws=2, random_state=1))


def test_the_score_is_the_density_of_visits_given_the_fit_and_nothing_of_the_call(fitted):
    model, _, rows = fitted
    later_X, _ = study(seed=7)
    later = {**rows, "time": rows["time"] + 5.0}
    later_X[0, :3] = np.nan
    mean, spread = model.predict_latents(**later, return_std=True)
    found = model.score_samples(later_X, **later)
    for row in range(6):
        seen = ~np.isnan(later_X[row])
        covariance = W[seen] * spread[row] ** 2 @ W[seen].T + 0.5 * np.eye(seen.sum())
        center = model._model.decode_predicted(mean[row : row + 1])[0][seen]
        expected = multivariate_normal(center, covariance).logpdf(later_X[row][seen])
        np.testing.assert_allclose(found[row], expected, atol=0.15)
    np.testing.assert_allclose(
        found[:3], model.score_samples(later_X[:3], **part(later, slice(0, 3))), rtol=1e-9
    )
    assert model.score(later_X, **later) == pytest.approx(found.mean())
    new = {**later, "subject": np.array([f"n{i}" for i in range(len(later_X))])}
    assert model.score(later_X, **new) != pytest.approx(found.mean())  # known subjects are known


def test_forecasts_of_new_subjects_are_scored_given_their_visits(fitted):
    model, *_ = fitted
    new_X, new = study(30, 4, first=100, seed=3)
    first, later = np.flatnonzero(np.arange(120) % 4 < 2), np.flatnonzero(np.arange(120) % 4 >= 2)
    patients = model.condition(new_X[first], **part(new, first))
    told = patients.score_samples(new_X[later], **part(new, later))
    assert told.mean() > model.score(new_X[later], **part(new, later)) + 0.1


def test_missing_entries_are_what_the_latents_give_and_whole_visits_are_predicted(fitted):
    model, X, rows = fitted
    holes = X.copy()
    holes[3, :2] = np.nan
    holes[7] = np.nan
    full = model.impute(holes, **rows)
    latent = model.transform(holes, **rows)
    np.testing.assert_array_equal(full[~np.isnan(holes)], X[~np.isnan(holes)])
    np.testing.assert_allclose(full[3, :2], model._model.decode(latent)[3, :2])
    np.testing.assert_allclose(full[7], model._model.decode_predicted(latent)[7])
    again = model.reconstruct(holes, **rows)
    np.testing.assert_allclose(again[3], model.inverse_transform(latent)[3])
    np.testing.assert_allclose(again[7], full[7])
    np.testing.assert_allclose(model.condition(holes, **rows, known="replace").impute(), full)


def test_missing_entries_have_the_spread_of_their_latents_and_of_the_noise(fitted):
    model, X, rows = fitted
    holes = X.copy()
    holes[3, :2] = np.nan
    holes[7] = np.nan
    full, std = model.impute(holes, **rows, return_std=True)
    np.testing.assert_array_equal(full, model.impute(holes, **rows))
    assert np.all(std[~np.isnan(holes)] == 0.0)
    spread = exact(model, rows, model._model.sites(holes)).variance
    expected = np.sqrt(spread @ (W**2).T + 0.5)
    np.testing.assert_allclose(std[3, :2], expected[3, :2], rtol=1e-6)
    np.testing.assert_allclose(std[7], expected[7], rtol=1e-4)  # the fit has met this visit
    at_its_word = model.set_params(refine_iter=0).impute(holes, **rows, return_std=True)[1]
    np.testing.assert_allclose(at_its_word, std, rtol=1e-6)
    alone = model.condition(holes, **rows, known="replace").impute(return_std=True)
    np.testing.assert_allclose(alone[1], std, rtol=1e-6)
    assert np.all(model.impute(X, **rows, return_std=True)[1] == 0.0)


def test_unknown_subjects_and_categories(fitted):
    model, X, rows = fitted
    strange = part(rows, slice(0, 2))
    strange["subject"] = np.array(["s0", "zoe"])
    with pytest.warns(UserWarning, match=r"nothing is known of 1 subject \['zoe'\].*condition"):
        mean = model.forecast(**strange)
    with pytest.raises(ValueError, match=r"\['zoe'\]: pass their visits to condition"):
        model.set_params(unseen="raise").forecast(**strange)
    np.testing.assert_array_equal(model.set_params(unseen="ignore").forecast(**strange), mean)
    nobody = {**strange, "subject": np.array(["s0", None], dtype=object)}
    np.testing.assert_allclose(model.forecast(**nobody), mean)
    strange = part(rows, slice(0, 1))
    strange["covariates"]["sex"] = np.array(["x"])
    with pytest.warns(UserWarning, match="'x'"):
        model.set_params(unseen="warn").forecast(**strange)
    strange["subject"] = np.array(["zoe"])
    with pytest.warns(
        UserWarning, match="'x'"
    ) as told:  # new subjects are expected in a score, new categories not
        model.score(X[:1], **strange)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X, rows: m.forecast(), "which visits"),
        (lambda m, X, rows: m.forecast(subject=["s0"], time=[1.0]), "covariates were given in fit"),
        (lambda m, X, rows: m.forecast(**{**rows, "time": rows["time"][:3]}), "rows"),
        (lambda m, X, rows: m.forecast(covariates=rows["covariates"], time=rows["time"]), "pass subject="),
        (lambda m, X, rows: m.transform(X[:, :3], **rows), "3 features"),
        (lambda m, X, rows: m.transform(X * 1e7, **rows), "not of this kind"),
        (lambda m, X, rows: m.inverse_transform(np.zeros((1, 3))), "3 latents"),
        (lambda m, X, rows: m.condition(X, **rows, known="both"), "known must be"),
        (lambda m, X, rows: m.sample_trajectories(**rows, n_draws=0), "from 1 on"),
        (
            lambda m, X, rows: m.condition(X, **rows, known="replace").score_samples(X[:, :2], **rows),
            "2 features",
        ),
        (lambda m, X, rows: m._subjects_of_fit().impute(), "keeps no values"),
    ],
)
def test_bad_questions_are_refused(fitted, call, message):
    with pytest.raises(ValueError, match=message):
        call(*fitted)


def test_without_effects_of_subjects_visits_stand_alone():
    X, rows = study()
    model = LongitudinalVAE(2, effects=[Linear("time")]).fit(X, time=rows["time"])
    np.testing.assert_allclose(
        model.transform(X, time=rows["time"])[:2], model.transform(X[:2], time=rows["time"][:2])
    )
    assert model.forecast(time=[1.0, 2.0]).shape == (2, 5)
    with pytest.raises(ValueError, match="no effect is of each subject"):
        model.condition(X, time=rows["time"])
