"""Searches for strengths, L1 and targets, step by step: where they begin, what they try next, and when they end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from intertwine.fitting.interactions import l1_search, tie_search
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.fitting.interactions.fit_sparse import fit_sparse
from intertwine.fitting.interactions.l1_search import _Contrast, _Fold, _has_ended
from intertwine.fitting.interactions.latent_search import LatentSettings, _run
from intertwine.fitting.interactions.settings import ModelSettings, PreparationSettings
from intertwine.fitting.interactions.strength_search import search_strengths
from intertwine.fitting.interactions.tie_search import _Point, search_tie, settle_tie
from intertwine.fitting.watch import Silence, Watch
from intertwine.io import AbstractJournal
from intertwine.losses import SquaredLoss
from intertwine.minimize import Iteration
from intertwine.objective import Beginning, Strengths
from intertwine.sparse_path.heredity import StrongHeredity

PLAIN = ExactStrengths(2.0, Strengths(0.5, 0.0))


def test_decades_stand_for_strengths():
    """Of deviations 30 times and of the target a tenth of what pairs have without a tie, of main effects a hundred."""
    strengths = _Point(np.log10(30.0), -1.0, 2.0).strengths(PLAIN)
    assert strengths.main == pytest.approx(200.0)
    assert strengths.pairs.ridge == pytest.approx(0.05)
    assert strengths.pairs.deviation == pytest.approx(15.0)
    first = _Point().strengths(PLAIN)
    assert (first.main, first.pairs.ridge, first.pairs.deviation) == pytest.approx((2.0, 0.05, 5.0))
    assert np.isinf(_Point(np.inf).strengths(PLAIN).pairs.tie)


@pytest.mark.parametrize(
    ("towards", "corner"), [(-20.0, (-4.0, -6.0, -5.0)), (20.0, (5.0, 3.0, 2.0))], ids=["low", "high"]
)
def test_a_tie_is_searched_within_its_bounds_stronger_first(towards, corner, monkeypatch):
    tried = []

    def criterion(problems, fits):
        strengths = fits[0].strengths
        pairs = strengths.pairs
        if np.isinf(pairs.tie):
            return 1e9
        tried.append(np.log10([pairs.deviation / 0.5, pairs.ridge / 0.5, strengths.main / 2.0]))
        return 1.0 + np.abs(tried[-1] - towards).sum()

    fitted = lambda problems, strengths, *_: [SimpleNamespace(strengths=strengths, latent=None)]  # noqa: E731
    monkeypatch.setattr(tie_search, "_fit_all", fitted)
    monkeypatch.setattr(tie_search, "_sum_of_criteria", criterion)
    settings, rng = LatentSettings("", 1, 1, 5, 1e-3), np.random.default_rng(0)
    found, _ = search_tie([], PLAIN, settings, rng, lambda *_: None)
    at = np.log10([found.pairs.deviation / 0.5, found.pairs.ridge / 0.5, found.main / 2.0])
    np.testing.assert_allclose(at, corner, atol=1e-9)
    np.testing.assert_allclose(tried[:2], [[1.0, -1.0, 0.0], [2.0, 0.0, 1.0]], atol=1e-9)
    assert all(deviation >= ridge + 0.2 - 1e-9 for deviation, ridge, _ in tried)


@pytest.mark.parametrize("decades", [0.5, 1.5, 2.5, 3.5, 5.5])
def test_a_tie_is_settled_looser_first_and_by_its_deviation_alone(decades):
    """From 2.5 decades above the target: two at a time, then one, up to a factorization machine."""
    first, places = Strengths(0.5, 0.5 * (10.0**2.5 - 1.0)), []

    def loss(pairs):
        places.append(6.0 if np.isinf(pairs.tie) else np.log10(pairs.deviation / pairs.ridge))
        return abs(places[-1] - decades)

    settle_tie(first, loss)
    expected = {
        0.5: [2.5, 0.5, 1.5],
        1.5: [2.5, 0.5, 4.5, 1.5],
        2.5: [2.5, 0.5, 4.5, 1.5, 3.5],
        3.5: [2.5, 0.5, 4.5, 1.5, 3.5],
        5.5: [2.5, 0.5, 4.5, 6.0, 5.5],
    }[decades]
    np.testing.assert_allclose(places, expected, atol=1e-9)


class Problem:
    """A criterion that is least so many decades above its sizes."""

    def __init__(self, least, n_rows=100, sizes=(3.0, 40.0)):
        self.rows, self.least, self.tried = np.arange(n_rows), least, []
        self.sizes, self.loss = np.array(sizes), SimpleNamespace(is_quadratic=True)
        self.fields = SimpleNamespace(mean_variances=lambda: sizes)

    def model(self, strengths):
        at = np.log10(np.array([strengths.main, strengths.pairs.ridge]) / self.sizes)
        self.tried.append(at)
        value = 1.0 + float(np.sum((at - self.least) ** 2))
        return SimpleNamespace(mode=lambda *_, **__: None, criterion=lambda _: value)


@pytest.mark.parametrize("least", [(-3.0, -4.5), (0.5, 1.0), (-9.5, 0.0)])
def test_strengths_are_searched_from_the_residual_s_weaker_first(least):
    problem = Problem(least)
    found = search_strengths([problem])
    at = np.log10(np.array([found.strengths.main, found.strengths.pairs.ridge]) / problem.sizes)
    np.testing.assert_allclose(at, least, atol=1e-9)
    assert found.criterion == pytest.approx(1.0)
    # a mean loss of 100 rows: prior and residual variance are alike at a hundredth
    np.testing.assert_allclose(problem.tried[:2], [[-2.0, -2.0], [-3.0, -2.0]], atol=1e-9)
    assert all(np.all((at >= -10.0) & (at <= 1.0)) for at in problem.tried)


def test_a_search_of_strengths_stays_within_its_range():
    for towards, end in ((-30.0, -10.0), (30.0, 1.0)):
        found = search_strengths([Problem((towards, towards))])
        at = np.log10([found.strengths.main / 3.0, found.strengths.pairs.ridge / 40.0])
        np.testing.assert_allclose(at, end, atol=1e-9)


@pytest.mark.parametrize(
    ("losses", "explained", "ended"),
    [
        ([1.0, 0.9995], 0.995, True),  # all is explained, and little was gained
        ([1.0, 0.9985], 0.995, False),
        ([1.0, 0.9995], 0.98, False),
        ([1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6], 0.5, True),
        ([1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.52], 0.5, False),
        ([1.0, 0.5, 0.6, 0.6, 0.6, 0.6], 0.5, False),
    ],
)
def test_a_path_ends_where_weaker_strengths_have_nothing_to_offer(losses, explained, ended):
    assert _has_ended(losses, explained) == ended


def test_a_path_counts_what_it_has_explained_of_the_first_loss(monkeypatch):
    """Losses on the fitted rows fall to 2 %, to 0.5 %; those left out stay at one all the time."""
    blocks = [
        SimpleNamespace(coordinates=None, coefficients=range(2), losses=[4.0, 0.08]),
        SimpleNamespace(coordinates=None, coefficients=range(2), losses=[0.02, 0.01]),
    ]
    monkeypatch.setattr(l1_search, "iterate_blocks", lambda *_: blocks)
    monkeypatch.setattr(_Contrast, "with_strengths", lambda *_: None)
    design = SimpleNamespace(
        columns=lambda _: SimpleNamespace(scores=lambda which: np.zeros((len(which), 3)))
    )
    contrast = _Contrast(None, None, SquaredLoss(np.full(3, np.sqrt(2.0))), design)
    rows = list(contrast.path(None, np.ones(4)))
    np.testing.assert_allclose(rows, np.ones((3, 3)))


def test_a_fold_s_losses_are_those_of_fits_one_by_one():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    loss = SquaredLoss(X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(40))
    train, test = np.arange(30), np.arange(30, 40)
    settings = ModelSettings(PreparationSettings(), 1.0, 1.0, 0.5, 0.0, None)
    fold = _Fold(SimpleNamespace(X=X, contrasts=[loss, loss]), settings, train, test)
    found = fold.losses(settings, np.zeros(0), 4)
    assert found["reached"] == 4
    for factor, losses in zip(found["factors"][:4], found["losses"], strict=False):
        own = settings._replace(alpha=factor, alpha_pairs=factor)
        model = fit_sparse(loss.take(train), X[train], own, rng, 1e-9, 500)
        columns = model.preparation.columns(X[test])
        scores = model.intercept + columns @ model.main + model.pairs.scores(columns)
        np.testing.assert_allclose(losses, loss.take(test).unit_losses(scores), rtol=0.02, atol=0.01)


class Bowl:
    """½ Σ c (z − 1)², which remembers how often it was asked."""

    def __init__(self):
        self.curvature, self.n_asked = np.array([1.0, 30.0, 900.0, 3e4, 1e6]), 0

    def value_and_gradient(self, params):
        self.n_asked += 1
        away = params - 1.0
        return 0.5 * float(self.curvature @ away**2), self.curvature * away

    def memory(self):
        return {"n_asked": self.n_asked}

    def remember(self, memory):
        self.n_asked = memory["n_asked"]


class Kept(AbstractJournal):
    """A journal of one step that was interrupted."""

    def __init__(self, state=None):
        self.state, self.kept = state, []

    def step(self, name, compute, rng=None):
        return compute()

    def begun(self):
        return self.state

    def keep(self, snapshot):
        self.kept.append(snapshot())


@pytest.mark.parametrize("at", [0, 2, 5])
def test_an_interrupted_search_goes_on_to_the_same_number_of_steps(at):
    """Two steps lead to where it begins; nine more are its own."""

    def first(tell):
        for number in (1, 2):
            tell(Iteration(number, 1e9, 1.0, 0.1 * number), None)
        return Beginning(np.zeros(5))

    settings = LatentSettings("", 1, 1, 9, 1e-12)
    journal = Kept()
    state, history, _ = _run(Bowl(), first, settings, Watch(Silence(), journal), 3)
    assert [row.iteration for row in history] == [1, 2, *range(2, 12)]
    assert all(row.start == 3 for row in history)
    assert np.all(np.diff([row.seconds for row in history]) >= 0.0)

    again = Kept(journal.kept[at])
    objective = Bowl()
    resumed, rows, _ = _run(objective, first, settings, Watch(Silence(), again), 3)
    np.testing.assert_array_equal(resumed.params, state.params)
    assert [row[:4] for row in rows] == [row[:4] for row in history]
    assert np.all(np.diff([row.seconds for row in rows]) >= 0.0)


def test_parents_of_pairs_are_their_own_main_effects():
    """x₁x₂ alone acts: beside weak main effects of its own, those of others stay out."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((80, 5))
    y = 2.0 * X[:, 1] * X[:, 2] + 0.8 * X[:, 1] + 0.8 * X[:, 2] + 0.1 * rng.standard_normal(80)
    settings = ModelSettings(PreparationSettings(), 0.3, 0.1, 0.9, 0.0, None, heredity=StrongHeredity())
    model = fit_sparse(SquaredLoss(y), X, settings, rng, 1e-9, 500)
    assert list(zip(model.pairs.j, model.pairs.k, strict=True)) == [(1, 2)]
    np.testing.assert_array_equal(np.flatnonzero(model.main), [1, 2])
