"""Selection by cross-validation: held-out rows are held out, and refits scatter as theory says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from intertwine import (
    InteractionClassifier,
    InteractionCoxPH,
    InteractionRegressor,
    InteractionRegressorCV,
    survival_target,
)
from intertwine.estimators.interactions.cv_table import tuning_rows
from intertwine.fitting.interactions import tie_search
from intertwine.fitting.interactions.bootstrap import _Redraw
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.fitting.interactions.fit_exact import strengths_of
from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.fitting.interactions.selection import (
    Candidate,
    SearchSpace,
    _fewest_knots,
    _gains,
    _Search,
    _settle,
)
from intertwine.fitting.interactions.settings import ModelSettings, PreparationSettings
from intertwine.fitting.watch import UNWATCHED
from intertwine.losses import SquaredLoss
from intertwine.objective import Strengths

N, P = 45, 4
FREE = np.zeros(0, int)


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(N), rng


@pytest.mark.parametrize("cv", [3, KFold(4), list(KFold(5).split(np.zeros(N)))])
@pytest.mark.parametrize("strata", [None, np.arange(N) % 3])
def test_folds_are_disjoint_and_cover_all_rows(cv, strata):
    X, _, rng = table()
    rows, folds = tuning_rows(cv, X, np.full(N, True), strata, None, N, rng)
    np.testing.assert_array_equal(rows, np.arange(N))
    for train, test in folds:
        assert not set(train) & set(test)
        assert sorted([*train, *test]) == list(range(N))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(N))
    if cv == 3 and strata is not None:
        assert all((np.bincount(strata[test]) == 5).all() for _, test in folds)


def test_groups_stay_together():
    X, _, rng = table()
    groups = np.arange(N) // 5
    _, folds = tuning_rows(GroupKFold(3), X, np.full(N, True), None, groups, N, rng)
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("max_rows", [N, 12])
def test_indices_of_folds_are_those_of_the_table_as_it_was_passed(max_rows):
    """Rows without weight, and those beyond the largest number, are left out of the user's own folds."""
    X, _, rng = table()
    own, kept = list(KFold(5).split(X)), np.arange(N) % 7 > 0
    rows, folds = tuning_rows(own, X, kept, None, None, max_rows, rng)
    assert len(rows) == min(kept.sum(), max_rows)
    assert kept[rows].all()
    for (train, test), (own_train, own_test) in zip(folds, own, strict=True):
        assert rows[test].tolist() == [i for i in own_test if i in rows]
        assert rows[train].tolist() == [i for i in own_train if i in rows]


def held_out_scores(X, y, train, test, preparation, latent):
    """Scores of the test rows, read off their losses: all outcomes there lie far below the scores."""
    space = SearchSpace((), (), (), (), (), (), (), FREE, 50, 1e-6)
    folds = [(train, test)]
    search = _Search([SquaredLoss(y)], X, folds, space, np.random.default_rng(0), UNWATCHED)
    strengths = ExactStrengths(0.1, Strengths(0.1, 0.0 if latent is None else 0.3))
    settings = ModelSettings(preparation, 0.1, 0.1, 0.0, 0.0, None)
    losses = search.held_out(search.fold_problems(settings, search.problems(settings)), strengths, latent)
    return y[test] + np.sqrt(2 * losses[test])


@pytest.mark.parametrize(
    "preparation",
    [
        PreparationSettings(),
        PreparationSettings(spline_knots=3),
        PreparationSettings(relevance=1.0),
        PreparationSettings(relevance=0.5, squares=True, quantile=True),
        PreparationSettings(relevance=None),
    ],
)
@pytest.mark.parametrize("latent", [None, LatentSettings("low_rank", 1, 1, 30, 1e-6)])
def test_outcomes_of_test_rows_do_not_reach_their_scores(preparation, latent):
    X, y, rng = table()
    train, test = np.arange(30), np.arange(30, N)
    one, two = y.copy(), y.copy()
    one[test] = -100.0 - rng.uniform(0, 50, len(test))
    two[test] = rng.permutation(one[test]) * 3
    scores = [held_out_scores(X, o, train, test, preparation, latent) for o in (one, two)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-9)
    changed = one.copy()
    changed[train[0]] += 5.0  # while those of training rows do
    other = held_out_scores(X, changed, train, test, preparation, latent)
    assert np.abs(other - scores[0]).max() > 1e-3


SEARCHED = SearchSpace(
    preparations=(),
    relevances=(0.0,),
    squares=(False,),
    orders=(2,),
    latents=(),
    n_components=(2,),
    l1_ratios=(),
    unpenalized=FREE,
    max_iter=50,
    tol=1e-8,
)


@pytest.mark.parametrize("n_features", [P, 12])  # fewer coefficients than rows, and more
def test_leaving_folds_out_in_closed_form_is_refitting(n_features, monkeypatch):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((N, n_features))
    weights = rng.uniform(0.5, 2.0, N)
    loss = SquaredLoss(X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(N), weights)
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    search = _Search([loss], X, folds, SEARCHED, rng, UNWATCHED)
    settings = ModelSettings(PreparationSettings(), 1.0, 1.0, 0.0, 0.0, None, unpenalized=np.array([1]))
    strengths = ExactStrengths(0.02, Strengths(0.1, 0.0))
    prepared = search.fold_problems(settings, search.problems(settings))
    closed = search.held_out(prepared, strengths)
    monkeypatch.setattr(_Search, "_left_out", lambda *_: None)
    np.testing.assert_allclose(closed, search.held_out(prepared, strengths), rtol=1e-8, atol=1e-10)


def test_rows_that_no_fold_fits_have_no_closed_form():
    """A window over time leaves out more than it tests."""
    X, y, rng = table()
    folds = [
        (np.arange(15), np.arange(15, 30)),
        (np.arange(30), np.arange(30, N)),
        (np.arange(30, N), np.arange(15)),
    ]
    search = _Search([SquaredLoss(y)], X, folds, SEARCHED, rng, UNWATCHED)
    settings = ModelSettings(PreparationSettings(), 1.0, 1.0, 0.0, 0.0, None, unpenalized=FREE)
    prepared = search.fold_problems(settings, search.problems(settings))
    strengths = ExactStrengths(0.02, Strengths(0.1, 0.0))
    assert search._left_out(prepared, strengths) is None
    expected = [search._fold_losses(i, *fold, strengths, None, None) for i, fold in enumerate(prepared)]
    for fold, losses in zip(prepared, expected, strict=True):
        np.testing.assert_array_equal(search.held_out(prepared, strengths)[fold.test], losses)


@pytest.mark.parametrize(("gain", "kept"), [(0.02, 3), (0.2, 5)])
def test_more_knots_have_to_gain_a_standard_error(gain, kept):
    rng = np.random.default_rng(0)
    losses, weights = rng.exponential(size=200), np.ones(200)

    def candidate(knots, offset, relevance=0.0):
        settings = ModelSettings(
            PreparationSettings(spline_knots=knots, relevance=relevance), 1, 1, 0, 0, None
        )
        noise = 0.5 * rng.standard_normal(200)  # paired standard error .05
        return Candidate("preparation", settings, losses + noise - noise.mean() + offset, weights, np.nan)

    best = candidate(5, 0.0)
    others = [candidate(0, 0.01), candidate(3, 0.01, relevance=1.0), candidate(3, gain)]
    chosen = _fewest_knots([*others, best], best)
    assert chosen.settings.preparation == PreparationSettings(spline_knots=kept)
    assert _fewest_knots(others, others[0]) is others[0]


def test_bootstrap_of_an_almost_linear_gaussian_model():
    """With hardly a penalty, refits to outcomes drawn again scatter as least squares does."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 3))
    y = X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.5 * rng.standard_normal(150)
    model = InteractionRegressor(alpha=1e-6, latent=None, random_state=0, scaling=None).fit(X, y)
    found = model.bootstrap_interactions(n_bootstrap=400, k=3)
    design = np.column_stack([np.ones(150), X, X[:, [0]] * X[:, [1, 2]], X[:, 1] * X[:, 2]])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    covariance = residual @ residual / (150 - 7) * np.linalg.inv(design.T @ design)
    theory = dict(zip(["x0 × x1", "x0 × x2", "x1 × x2"], np.sqrt(np.diag(covariance))[4:], strict=True))
    for row in found.to_dict("records"):
        # Residual variance divides by all rows less the intercept: the other coefficients have priors.
        expected = theory[row["term"]] * np.sqrt(143 / 149)
        assert row["std_error"] == pytest.approx(expected, rel=1e-3)
        assert row["std_error_bootstrap"] == pytest.approx(expected, rel=0.12)
        assert row["lower"] < row["estimate"] < row["upper"]
        assert row["upper"] - row["lower"] == pytest.approx(3.92 * expected, rel=0.2)
    assert found["term"][0] == "x1 × x2"
    assert found["rank_stability"][0] == 1.0


def test_bootstrap_limits_lie_about_the_estimate():
    """A fifth is shrunk away in the fit, and again in the refits: their own quantiles lie below the estimate."""
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], (400, 3))
    y = X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(400)
    model = InteractionRegressor(alpha=0.25, latent=None, random_state=0, scaling=None).fit(X, y)
    found = model.bootstrap_interactions(200, 1).to_dict("records")[0]
    assert found["estimate"] == pytest.approx(0.8, rel=0.05)
    half = 1.96 * found["std_error_bootstrap"]
    assert found["lower"] == pytest.approx(found["estimate"] - half, abs=0.15 * half)
    assert found["upper"] == pytest.approx(found["estimate"] + half, abs=0.15 * half)
    with pytest.raises(ValueError, match="at least 2"):
        model.bootstrap_interactions(1)
    with pytest.raises(TypeError, match="k must be a positive integer"):
        model.bootstrap_interactions(10, 2.5)
    with pytest.raises(ValueError, match="k must be a positive integer"):
        model.bootstrap_interactions(10, 0)


@pytest.mark.parametrize("relevance", [0.0, 1.0, "evidence"])
@pytest.mark.parametrize("basis", [None, "spline"])
def test_the_outcome_drawn_again_decides_on_relevance(relevance, basis):
    """Under its own outcome a refit has the columns of the fit; with weights, not under another."""
    X, y, rng = table()
    model = InteractionRegressor(
        alpha=0.1, latent=None, relevance=relevance, basis=basis, n_knots=3, squares=True, unpenalized=[3]
    ).fit(X, y)
    (loss,), settings = model._training
    fitted = model._models[0][1]
    redraw = _Redraw(loss, settings, fitted)
    problem, weights = redraw.problem(loss)
    np.testing.assert_allclose(weights, fitted.preparation.weights)
    np.testing.assert_allclose(problem.columns, fitted.pairs.columns)
    np.testing.assert_allclose(problem.fit(strengths_of(settings)).mode.alpha, fitted.pairs.alpha, atol=1e-9)
    _, others = redraw.problem(SquaredLoss(rng.permutation(y)))
    assert np.array_equal(others, weights) == (relevance == 0.0)


def test_a_rare_class_may_be_missing_from_an_outcome_drawn_again():
    X, _, _ = table()
    y = np.zeros(N, int)
    y[:2] = 1
    model = InteractionClassifier(latent=None, alpha=0.1, relevance=0.5, random_state=0).fit(X, y)
    found = model.bootstrap_interactions(60, 3)
    assert np.isfinite(found["std_error_bootstrap"]).all()


def test_bootstrap_of_the_other_losses():
    X, f, rng = table()
    classes = InteractionClassifier(latent=None, random_state=0).fit(X, np.digitize(f, [-0.5, 0.5]))
    found = classes.bootstrap_interactions(30, 2)
    assert found["class"].tolist() == [0, 0, 1, 1, 2, 2]
    y = survival_target(rng.exponential(np.exp(-f)), np.ones(N))
    cox = InteractionCoxPH(latent=None, random_state=0).fit(X, y).bootstrap_interactions(30, 3)
    for table_ in (found, cox):
        spread = np.asarray(table_["std_error_bootstrap"])
        assert (spread > 0).all()
        assert (spread < 5 * np.asarray(table_["std_error"])).all()
    sparse = InteractionRegressor(l1_ratio=0.5, latent=None).fit(X, f)
    with pytest.raises(ValueError, match="exact path"):
        sparse.bootstrap_interactions()


@pytest.mark.parametrize(("gain", "taken"), [(1e-4, False), (1e-2, True)])
def test_a_machine_has_to_gain_a_share_of_the_criterion(gain, taken, monkeypatch):
    def criterion(problems, fits):
        return 100.0 * (1.0 - gain) if np.isinf(fits[0].strengths.pairs.tie) else 100.0

    class Fit(NamedTuple):
        strengths: ExactStrengths
        latent: None = None

    monkeypatch.setattr(tie_search, "_fit_all", lambda problems, strengths, *_: [Fit(strengths)])
    monkeypatch.setattr(tie_search, "_sum_of_criteria", criterion)
    plain, settings = ExactStrengths(1.0, Strengths(1.0, 0.0)), LatentSettings("low_rank", 1, 1, 5, 1e-3)
    found, value = tie_search.search_tie([], plain, settings, np.random.default_rng(0), lambda *_: None)
    assert np.isinf(found.pairs.tie) == taken
    assert value == (100.0 * (1.0 - gain) if taken else 100.0)


@pytest.mark.parametrize("tie", [0.3, 9.0, 99999.0, np.inf])
@pytest.mark.parametrize("decades", [0.7, 1.0, 2.5, 4.2])
def test_the_strength_of_a_tie_is_settled_to_a_decade(tie, decades):
    """The held-out loss is least where deviations weigh so many decades more than the target."""
    first, losses = Strengths(0.5, tie), {}

    def loss(pairs):
        assert pairs not in losses  # each is as much work as the folds
        reached = 6.0 if np.isinf(pairs.deviation) else np.log10(pairs.deviation / pairs.ridge)
        losses[pairs] = abs(reached - decades)
        return losses[pairs]

    tried = tie_search.settle_tie(first, loss)
    assert set(tried) == set(losses)
    assert first in tried
    assert all(pairs.ridge == 0.5 for pairs in tried)
    assert all(pairs.tie > 0 for pairs in tried)
    assert min(losses.values()) <= 0.6
    assert len(tried) <= 9


@pytest.mark.parametrize(("gain", "settled"), [(0.02, False), (0.2, True)])
def test_another_tie_has_to_gain_a_standard_error(gain, settled):
    rng, recorded = np.random.default_rng(0), []
    losses = rng.uniform(size=100)
    looser = losses - gain + rng.standard_normal(100)
    looser += losses.mean() - gain - looser.mean()

    class Search:
        def held_out(self, folds, strengths, latent):
            assert strengths.main == 0.1
            return looser if strengths.pairs.tie < 100 else losses + 1.0

        def record(self, stage, settings, found, criterion):
            recorded.append(Candidate(stage, settings, found, np.ones(100), criterion))
            return recorded[-1]

    latent = LatentSettings("low_rank", 1, 1, 5, 1e-3)
    settings = ModelSettings(PreparationSettings(), 0.1, 0.5, 0.0, 100.0, latent)
    first = Candidate("latent target", settings, losses, np.ones(100), 0.0)
    found = _settle(Search(), [], first)
    assert (found.settings.tie < 100) == settled == (found is not first)
    assert found.settings.latent == latent
    assert {candidate.stage for candidate in recorded} == {"latent target"}


def _searched(seed, pair, **options):
    """The search without curves on eight features: one has an effect, and two may have one as a pair."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((120, 8))
    y = X[:, 0] + pair * X[:, 1] * X[:, 2] + 0.7 * rng.standard_normal(120)
    plain = {"scalings": ("features",), "n_knots": (0,), "latents": (), "squares": (False,), "cv": 3}
    return InteractionRegressorCV(**{**plain, **options}, random_state=0).fit(X, y)


def test_a_pair_of_features_without_effects_is_found_unasked():
    model = _searched(6, pair=1.0)
    assert model.best_params_["relevance"] == "evidence"
    first = model.top_interactions(1)
    assert first["term"].tolist() == ["x1 × x2"]
    assert abs(first["estimate"][0] - 1.0) < 3 * first["std_error"][0]
    assert _searched(0, pair=0.0).best_params_["relevance"] != "evidence"


def test_learnt_weights_have_to_gain_a_standard_error():
    """A loss that is lower by less than rows scatter is no reason."""
    settings = ModelSettings(PreparationSettings(), 0.1, 0.1, 0.0, 0.0, None)
    losses = np.random.default_rng(0).standard_normal(50) ** 2
    scatter = np.where(np.arange(50) % 2, 1.0, -1.0)  # standard error of its mean: 1 / 7
    simpler = Candidate("", settings, losses, np.ones(50), 0.0)
    for gain, wanted in ((-0.2, False), (0.1, False), (0.2, True)):
        assert _gains(simpler._replace(losses=losses - gain + scatter), simpler) == wanted


def test_l1_is_tried_without_relevance_weights_as_well():
    """Marginal weights hide the pair from L1 as well: what is chosen of the two has the lower loss."""
    model = _searched(6, pair=1.0, relevances=(1.0,), l1_ratios=(1.0,))
    results = {name: np.asarray(column) for name, column in model.cv_results_.items()}
    sparse = results["stage"] == "sparse path"
    assert results["relevance"][sparse].tolist() == [1.0, 0.0]
    with_weights, without = results["mean_test_loss"][sparse]
    assert without < 0.8 * with_weights
    assert model.best_params_["l1_ratio"] == 1.0
    assert model.best_params_["relevance"] == 0.0
    assert model.top_interactions(1)["term"].tolist() == ["x1 × x2"]
