"""Searches for strengths: they end where no step leads further down, inside their bounds, up and down alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from sklearn.model_selection import KFold

from intertwine.fitting.interactions import tie_search
from intertwine.fitting.interactions.exact import ExactProblem
from intertwine.fitting.interactions.fields import ExactStrengths
from intertwine.fitting.interactions.latent_search import LatentSettings
from intertwine.fitting.interactions.selection import SearchSpace, _Search, mean_and_error
from intertwine.fitting.interactions.settings import ModelSettings, PreparationSettings
from intertwine.fitting.interactions.strength_search import search_strengths
from intertwine.fitting.watch import UNWATCHED
from intertwine.losses import SquaredLoss
from intertwine.objective import Strengths


def test_a_mean_has_the_standard_error_of_its_rows():
    values = np.random.default_rng(0).exponential(size=30) + 5.0
    for unit in (1.0, 1e-3):
        mean, error = mean_and_error(values, np.full(30, unit))
        assert mean == pytest.approx(values.mean())
        assert error == pytest.approx(values.std(ddof=1) / np.sqrt(30))


class Fit(NamedTuple):
    strengths: ExactStrengths
    latent: None = None


@pytest.mark.parametrize("least", [(3.0, 1.5, 1.5), (-3.0, -5.0, -4.0), (4.0, -2.0, 0.0), (0.5, -4.0, 1.0)])
def test_a_tie_is_searched_in_all_directions(least, monkeypatch):
    """The criterion is least so many decades above the strengths without a tie: of deviations, target and main."""

    def place(strengths):
        pairs = strengths.pairs
        return np.log10([pairs.deviation / 0.5, pairs.ridge / 0.5, strengths.main / 2.0])

    def criterion(problems, fits):
        strengths = fits[0].strengths
        return 50.0 if np.isinf(strengths.pairs.tie) else 1.0 + np.sum((place(strengths) - least) ** 2)

    monkeypatch.setattr(tie_search, "_fit_all", lambda problems, strengths, *_: [Fit(strengths)])
    monkeypatch.setattr(tie_search, "_sum_of_criteria", criterion)
    plain, settings, tried = ExactStrengths(2.0, Strengths(0.5, 0.0)), LatentSettings("", 1, 1, 5, 1e-3), []
    arguments = np.random.default_rng(0), lambda strengths, value: tried.append(strengths)
    found, value = tie_search.search_tie([], plain, settings, *arguments)
    np.testing.assert_allclose(place(found), least, atol=0.26)
    assert all(strengths.pairs.tie > 0.0 for strengths in tried)
    assert value == pytest.approx(criterion([], [Fit(found)]))


@pytest.mark.parametrize("noise", [1e-3, 0.5])
def test_strengths_end_where_no_half_decade_leads_down(noise):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    f = X[:, 0] + X[:, 1] * X[:, 2]
    loss = SquaredLoss(f + noise * rng.standard_normal(40))
    problem = ExactProblem(loss, X, np.zeros((40, 0)), np.ones(3, bool))
    found = search_strengths([problem])
    nothing = np.zeros(40)

    def criterion(main, pairs):
        at = ExactStrengths(found.strengths.main * main, Strengths(found.strengths.pairs.ridge * pairs, 0.0))
        model = problem.model(at)
        return model.criterion(model.mode(nothing))

    assert found.criterion == pytest.approx(criterion(1.0, 1.0))
    half = np.sqrt(10.0)
    least = min(criterion(*step) for step in ((half, 1.0), (1.0 / half, 1.0), (1.0, half), (1.0, 1.0 / half)))
    assert found.criterion <= least + 1e-4 * abs(found.criterion)
    far = min(criterion(main, pairs) for main in (1e-2, 1.0, 1e2) for pairs in (1e-2, 1.0, 1e2))
    assert found.criterion <= far + 1e-3 * abs(far)


def test_parted_rows_are_left_out_in_closed_form():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((20, 3))
    space = SearchSpace((), (), (), (), (), (), (), np.zeros(0, int), 50, 1e-6)
    search = _Search([SquaredLoss(X[:, 0])], X, list(KFold(4).split(X)), space, rng, UNWATCHED)
    settings = ModelSettings(PreparationSettings(), 1.0, 1.0, 0.0, 0.0, None)
    folds = search.fold_problems(settings, search.problems(settings))
    assert search._left_out(folds, ExactStrengths(0.02, Strengths(0.1, 0.0))) is not None
