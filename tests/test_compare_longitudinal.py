"""What visits are foretold from when models of them are compared, and what the rivals make of it."""

import numpy as np
import pandas as pd
import pytest

from intertwine.compare import ForecastTask, LongitudinalFamily, Shape, compare_models
from intertwine.compare.visits_from_table import (
    ComponentsOfVisits,
    LastValue,
    MeanOfSubject,
    VisitColumns,
    later_visits,
)

NAMES = ["a", "b", "c"]
COLUMNS = VisitColumns("who", "week", numbers=("age",), labels=("sex",), measurements=tuple(NAMES))
RIVALS = {
    "last": LastValue(COLUMNS),
    "subject": MeanOfSubject(COLUMNS),
    "all": MeanOfSubject(COLUMNS, of_all=True),
    "components": ComponentsOfVisits(1, COLUMNS),
}


def visits(n_subjects=40, seed=0):
    """Five visits each, in any order: levels, and slopes in time, of subjects, in one component; gaps."""
    rng = np.random.default_rng(seed)
    who, week = np.repeat(np.arange(n_subjects), 5), np.tile(np.arange(5.0), n_subjects)
    score = rng.standard_normal(n_subjects)[who] + 0.8 * rng.standard_normal(n_subjects)[who] * week
    values = score[:, None] * [1.0, -1.0, 2.0] + 0.2 * rng.standard_normal((len(who), 3))
    values[rng.uniform(size=values.shape) < 0.1] = np.nan
    table = pd.DataFrame(values, columns=NAMES).assign(
        who=who, week=week, age=30.0 + who, sex=np.where(who % 2, "f", "m")
    )
    return table.sample(frac=1.0, random_state=0).reset_index(drop=True)


def of_subjects(table, whose):
    return table[table["who"].isin(whose)].reset_index(drop=True)


@pytest.fixture(scope="module", params=RIVALS)
def rival(request):
    return RIVALS[request.param].fit(of_subjects(visits(), range(30)))


def test_of_new_subjects_the_later_visits_are_asked(rival):
    new = of_subjects(visits(), range(30, 40))
    found = rival.predict(new)
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), ~later_visits(COLUMNS, new))
    assert (new.loc[np.isfinite(found).all(axis=1), "week"] >= 3).all()


def test_of_known_subjects_all_visits_are_asked(rival):
    assert np.isfinite(rival.predict(of_subjects(visits(), range(5)))).all()


def test_nothing_is_read_of_visits_that_are_asked(rival):
    new = of_subjects(visits(), range(28, 40))
    changed = new.copy()
    asked = np.isfinite(rival.predict(new)).all(axis=1)
    changed.loc[asked, NAMES] = 1e6
    np.testing.assert_allclose(rival.predict(changed), rival.predict(new))


def test_rows_come_back_in_their_order(rival):
    new = of_subjects(visits(), range(30, 40))
    np.testing.assert_allclose(rival.predict(new)[::-1], rival.predict(new.iloc[::-1]))


def test_the_last_value_is_that_before():
    table = pd.DataFrame({"who": 0, "week": [3.0, 1.0, 2.0], "a": [30.0, 10.0, np.nan]})
    model = LastValue(VisitColumns("who", "week", measurements=("a",))).fit(table)
    asked = pd.DataFrame({"who": [0, 0, 0], "week": [9.0, 2.5, 0.0], "a": np.nan})
    assert model.predict(asked).ravel().tolist() == [30.0, 10.0, 10.0]


def test_components_follow_slopes():
    table = visits()
    scores = {}
    for name, model in RIVALS.items():
        fitted = model.fit(of_subjects(table, range(30)))
        new = of_subjects(table, range(30, 40))
        prediction = ForecastTask().predict(fitted, new, None)
        scores[name] = ForecastTask().score(COLUMNS.values(new), prediction)
    assert scores["components"] > max(scores["last"], scores["subject"]) + 0.1
    assert scores["all"] < 0.01


def test_visits_that_are_given_do_not_count():
    y = np.array([[1.0], [3.0], [2.0], [5.0]])
    exact = np.array([[np.nan], [3.0], [2.0], [np.nan]])
    assert ForecastTask().score(y, {"mean": exact}) == 1.0
    assert ForecastTask().score(y, {"mean": exact + 0.5}) == pytest.approx(0.0)


def test_the_family_holds_out_subjects_and_makes_itself_again():
    family = LongitudinalFamily(
        1, "who", "week", ["age", "sex"], smooth=["age"], measurements=NAMES, labels=["sex"]
    )
    table = visits()
    splits = family.units_in(table, 4, 0).folds(ForecastTask(), COLUMNS.values(table), 4, 0)
    assert all(not set(table["who"][train]) & set(table["who"][test]) for train, test in splits)
    assert LongitudinalFamily(**family.settings()).settings() == family.settings()
    assert family.columns == COLUMNS
    task, shape = ForecastTask(), Shape.of(table, NAMES, [])
    contest = family.contest(task, shape, cv=2, quick=True, random_state=0)
    rivals = dict(list(contest.models.items())[1:])
    found = compare_models(rivals, table, COLUMNS.values(table), task, splits=splits)
    assert found.names[int(np.argmax(found.mean))] == "PCA with mixed models"


@pytest.mark.filterwarnings("ignore:stopped after 1 epoch")
def test_network_forecasts_known_and_conditions_on_new_subjects():
    pytest.importorskip("jax")
    from intertwine import LongitudinalVAE

    table = visits(12)
    family = LongitudinalFamily(1, "who", "week", ["sex"], measurements=NAMES, labels=["sex"])
    model = family.estimator(ForecastTask(), Shape.of(table, NAMES, []), cv=2, quick=True, random_state=0)
    assert isinstance(model.estimator, LongitudinalVAE)
    model.estimator.set_params(hidden_layer_sizes=(4,), max_iter=1, warm_up=0, decoder_iter=0, batch_size=64)
    fitted = model.fit(of_subjects(table, range(10)))
    new = of_subjects(table, range(8, 12))
    found = fitted.predict(new)
    known = new["who"] < 10
    given = family.columns.beside(new[known])
    np.testing.assert_allclose(found[known], fitted.estimator_.forecast(**given))
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), ~known & ~later_visits(family.columns, new))
