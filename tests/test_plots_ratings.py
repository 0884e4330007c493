"""Pictures of ratings: what lies on the map, errors against an oracle, lines of several fits."""

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from small_tables import ratings

from intertwine import LatentFactorModel, plots
from intertwine.plots.activity import _clustered

matplotlib.use("Agg")


def blank():
    return matplotlib.figure.Figure().subplots()


def fitted(k=2, **changed):
    table = ratings(400, n_users=25, n_films=12)
    settings = {"duplicates": "keep", "random_state": 0}
    model = LatentFactorModel(n_components=k, **(settings | changed))
    return model.fit(table[["user", "film"]], table["rating"])


@pytest.fixture(scope="module")
def model():
    return fitted()


def test_the_map_has_the_factors_and_names_what_was_asked_for(model):
    shown = plots.ItemMapDisplay.from_estimator(model, n_labels=4, ax=blank())
    np.testing.assert_array_equal(shown.frame[["x", "y"]], model.item_factors_)
    np.testing.assert_array_equal(shown.frame["level"], model.item_biases_)
    seen = ratings(400, n_users=25, n_films=12)["film"].value_counts()
    assert shown.frame.set_index("label")["n_ratings"].to_dict() == seen.to_dict()
    assert sorted(seen[shown.named]) == sorted(seen)[-4:]
    chosen = plots.ItemMapDisplay.from_estimator(
        model, names=["film 3", "film 5"], titles={"film 3": "Alien"}, ax=blank()
    )
    assert {text.get_text() for text in chosen.ax_.texts} == {"Alien", "film 5"}
    few = plots.ItemMapDisplay.from_estimator(model, names=["film 3"], n_points=4, ax=blank())
    assert sum(len(dots.get_offsets()) for dots in few.ax_.collections) in (4, 5)
    assert len(few.frame) == 12
    with pytest.raises(ValueError, match=r"names \['film 99'\] are not"):
        plots.ItemMapDisplay.from_estimator(model, names=["film 99"])


def test_users_have_a_map_too_and_one_factor_shows_the_level(model):
    users = plots.ItemMapDisplay.from_estimator(model, side="users", ax=blank())
    assert set(users.frame["label"]) == set(range(100, 125))
    with pytest.raises(ValueError, match="'items' or 'users', got 'film'"):
        plots.ItemMapDisplay.from_estimator(model, side="film")
    one = fitted(1)
    shown = plots.ItemMapDisplay.from_estimator(one, ax=blank())
    np.testing.assert_array_equal(shown.frame["y"], one.item_biases_)
    assert shown.ax_.get_ylabel() == "level"
    with pytest.raises(ValueError, match="no factors"):
        plots.ItemMapDisplay.from_estimator(fitted(0))


def test_maps_and_errors_are_of_latent_factor_models(model):
    for kind in (
        plots.ItemMapDisplay.from_estimator,
        lambda m: plots.ErrorByActivityDisplay.from_estimator(m, 0, 0),
    ):
        with pytest.raises(TypeError, match=r"Ridge has no factors.*pipeline\[-1\]"):
            kind(Ridge())
        with pytest.raises(NotFittedError):
            kind(LatentFactorModel())


def test_errors_of_groups_are_those_of_their_rows():
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 40, 2000), rng.integers(0, 9, 2000)
    counts = 1 + users * 3  # user 0 has the fewest
    error = (1 + users / 20) * rng.standard_normal(2000)
    shown = plots.ErrorByActivityDisplay.from_predictions(
        error, np.zeros(2000), users, items, user_counts=counts, ax=blank()
    )
    of_users = shown.frame[shown.frame["side"] == "user"]
    assert len(of_users) == 6
    assert of_users["n"].sum() == 2000
    for row in of_users.itertuples():
        inside = (counts >= row.low) & (counts <= row.high)
        assert row.n == inside.sum()
        assert row.rmse == pytest.approx(np.sqrt(np.mean(error[inside] ** 2)))
    assert list(of_users["rmse"]) == sorted(of_users["rmse"])
    of_items = shown.frame[shown.frame["side"] == "item"]
    assert of_items["high"].max() == np.bincount(items).max()  # by default as often as here


def test_standard_errors_allow_for_rows_of_one_id():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(200), 10)
    spread = []
    for _ in range(200):
        squares = (rng.standard_normal(200)[codes] + 0.1 * rng.standard_normal(2000)) ** 2
        spread.append(_clustered(squares, codes))
    rmse, error = np.array(spread).T
    assert error.mean() == pytest.approx(rmse.std(), rel=0.15)
    assert np.isnan(_clustered(np.ones(3), np.zeros(3, int))[1])


def test_ids_that_were_not_in_the_fit_are_a_group_of_their_own(model):
    table = ratings(400, n_users=25, n_films=12)
    X = pd.concat([table[["user", "film"]], table[["user", "film"]][:30].assign(user=7)])
    y = np.append(table["rating"], table["rating"][:30])
    with pytest.warns(UserWarning, match="not in the fit"):
        shown = plots.ErrorByActivityDisplay.from_estimator(model, X, y, ax=blank()).frame
    cold = shown[shown["high"] == 0]
    assert cold["side"].tolist() == ["user"]
    assert cold["n"].tolist() == [30]


def test_several_fits_lie_on_top_of_each_other(model):
    both = {"two": model, "none": fitted(0)}
    shown = plots.ConvergenceDisplay.from_estimator(both, ax=blank())
    assert shown.quantity == "objective"
    np.testing.assert_array_equal(shown.value[shown.model == "two"], model.history_["objective"])
    np.testing.assert_array_equal(shown.cost[shown.model == "two"], model.history_["passes"])
    assert [text.get_text() for text in shown.ax_.get_legend().get_texts()] == ["two", "none"]
    timed = plots.ConvergenceDisplay.from_estimator(both, by="seconds", ax=blank())
    np.testing.assert_array_equal(timed.cost[timed.model == "two"], model.history_["seconds"])
    with pytest.raises(ValueError, match="'epochs' was not followed; there are iteration, objective"):
        plots.ConvergenceDisplay.from_estimator(model, by="epochs")
    with pytest.raises(ValueError, match="was not followed in any"):
        plots.ConvergenceDisplay.from_estimator(model, quantity="validation_rmse")


def test_held_out_errors_are_shown_where_there_are_any():
    class Fit:
        history_ = pd.DataFrame(
            {"objective": [3.0, 2, 1], "validation_rmse": [np.nan, 0.9, 0.95], "passes": [1, 2, 3]}
        )

    shown = plots.ConvergenceDisplay.from_estimator(Fit(), ax=blank())
    assert shown.quantity == "validation_rmse"
    assert shown.cost.tolist() == [2, 3]
    seconds = plots.ConvergenceDisplay.from_frame(
        shown.frame, quantity="validation_rmse", by="seconds", ax=blank()
    )
    assert seconds.ax_.get_xlabel() == "seconds"


def test_stars_are_bands_and_numbers_are_themselves():
    rng = np.random.default_rng(0)
    stars = rng.integers(1, 6, 500).astype(float)
    drawn = plots.ObservedPredictedDisplay.from_predictions(stars, stars, ax=blank())
    heights = drawn.ax_.collections[0].get_offsets()[:, 1]
    assert np.unique(heights).size > 400
    np.testing.assert_array_equal(np.round(heights), stars)
    numbers = rng.standard_normal(500)
    plain = plots.ObservedPredictedDisplay.from_predictions(numbers, numbers, ax=blank())
    np.testing.assert_array_equal(plain.ax_.collections[0].get_offsets()[:, 1], numbers)
