"""The latent-factor model fitted on a cluster is the one fitted here, whatever the parts, and whoever dies."""

import os
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
from dask_cluster import dask_client
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score

from intertwine import LatentFactorModel, load
from intertwine.distributed import cluster as cluster_module
from intertwine.distributed.cluster import Cluster

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS = {"solver": "gauss_newton", "n_components": 3, "max_iter": 2, "cg_iter": 3, "random_state": 0}
N_USERS, N_ITEMS = 150, 40


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(N_USERS * N_ITEMS)[:3000], N_ITEMS)
    taste, kind = rng.standard_normal((N_USERS, 2)), rng.standard_normal((N_ITEMS, 2))
    rating = 3 + rng.standard_normal(N_USERS)[users] + (taste[users] * kind[items]).sum(axis=1)
    noise, weight = rng.standard_normal(3000), rng.choice([0.0, 1.0, 2.5], 3000)
    return pd.DataFrame(
        {"user": users * 7, "item": items + 3, "rating": rating + 0.3 * noise, "weight": weight}
    )


@pytest.fixture(scope="module")
def client():
    with dask_client() as client:
        yield client


def local_fit(table, **settings):
    return LatentFactorModel(**SETTINGS | settings).fit(table[["user", "item"]], table["rating"])


def assert_same_model(spread, local, X):
    np.testing.assert_allclose(spread.predict(X), local.predict(X), rtol=0, atol=1e-6)
    np.testing.assert_allclose(spread.user_biases_, local.user_biases_, atol=1e-6)
    np.testing.assert_array_equal(spread.users_, local.users_)
    np.testing.assert_array_equal(spread.items_, local.items_)
    np.testing.assert_allclose(spread.noise_, local.noise_, rtol=1e-6)
    ours, theirs = (model.history_.drop(columns="seconds") for model in (spread, local))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("by_user", [True, False], ids=["by user", "in no order"])
@pytest.mark.parametrize("n_parts", [1, 2, 4])
def test_the_model_is_that_of_a_local_fit(client, table, tmp_path, n_parts, by_user):
    given = table.sort_values("user", kind="stable") if by_user else table
    given.drop(columns="weight").to_parquet(tmp_path / "ratings.parquet", row_group_size=500)
    spread = LatentFactorModel(**SETTINGS).fit_distributed(
        tmp_path / "ratings.parquet", client=client, n_parts=n_parts
    )
    assert_same_model(spread, local_fit(table), table[["user", "item"]])


def test_large_results_go_up_a_tree(client, table, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_LIGHT", 0)
    monkeypatch.setattr(cluster_module, "_BRANCHES", 2)
    table.to_parquet(tmp_path / "ratings.parquet", row_group_size=500)
    spread = LatentFactorModel(**SETTINGS | {"max_iter": 1}).fit_distributed(
        tmp_path / "ratings.parquet", client=client, n_parts=3
    )
    assert_same_model(spread, local_fit(table, max_iter=1), table[["user", "item"]])


def test_many_files_text_ids_weights_and_a_model_file(client, table, tmp_path):
    named = table.assign(
        user=[f"u{u}" for u in table["user"]], item=pd.Categorical(table["item"].astype(str))
    )
    for part in range(3):
        named.iloc[part::3].to_parquet(tmp_path / f"{part}.parquet")
    settings = SETTINGS | {"max_iter": 1}
    spread = LatentFactorModel(**settings).fit_distributed(
        str(tmp_path / "*.parquet"), weight="weight", client=client, n_parts=2, keep_seen=True
    )
    X = named[["user", "item"]]
    local = LatentFactorModel(**settings).fit(X, named["rating"], named["weight"])
    assert_same_model(spread, local, X)
    pd.testing.assert_frame_equal(spread.recommend(["u7"], k=3), local.recommend(["u7"], k=3))
    spread.save(tmp_path / "model")
    pd.testing.assert_frame_equal(load(tmp_path / "model").recommend(["u7"]), spread.recommend(["u7"]))
    spread._seen = None  # as it is unless asked for
    spread.save(tmp_path / "model")
    again = load(tmp_path / "model").partial_fit(X[:3], named["rating"][:3])
    with pytest.raises(ValueError, match="stayed on the cluster"):
        again.recommend(["u7"])
    assert len(again.recommend(["u7"], k=2, exclude_seen=False)) == 2


def test_dask_frames_and_duplicates_across_parts(client, table):
    dd = pytest.importorskip("dask.dataframe")
    twice = pd.concat([table, table[:300].assign(rating=0.0)]).drop(columns="weight")
    frame = dd.from_pandas(twice, npartitions=3, sort=False)
    settings = {"max_iter": 1}
    for how in ("mean", "last"):
        spread = LatentFactorModel(**SETTINGS | settings, duplicates=how).fit_distributed(
            frame, client=client
        )
        assert_same_model(spread, local_fit(twice, **settings, duplicates=how), table[["user", "item"]])
    with pytest.raises(ValueError, match="occur more than once"):
        LatentFactorModel(**SETTINGS).fit_distributed(frame, client=client)


def test_ratings_never_come_to_the_client(client, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(100), 300)
    table = pd.DataFrame(
        {"user": users, "item": rng.integers(0, 30, len(users)), "rating": rng.random(len(users))}
    )
    table.to_parquet(tmp_path / "ratings.parquet", row_group_size=10_000)
    fetched, gather = [], type(client).gather

    def noted(self, futures, *args, **kwargs):
        results = gather(self, futures, *args, **kwargs)
        fetched.append(results)
        return results

    monkeypatch.setattr(type(client), "gather", noted)
    LatentFactorModel(**SETTINGS | {"max_iter": 1}, duplicates="keep").fit_distributed(
        tmp_path / "ratings.parquet", client=client, n_parts=2
    )
    assert len(fetched) > 10
    sizes = [cluster_module.n_bytes_of(results) for results in fetched]
    # blocks of ids are the largest: (users + items of each part) · (1 + k)², where 30,000 ratings take far more
    assert max(sizes) <= 8 * (100 + 2 * 30) * 4**2 < 8 * len(users) / 10
    assert not any("Held" in str(results) or "RatingTable" in str(results) for results in fetched)


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        ({"solver": "als"}, {}, "needs solver='gauss_newton'"),
        ({"implicit": True}, {}, "knows ids only"),
        ({"rating_scale": (0, 1)}, {}, "outside rating_scale"),
        ({"user_column": "reader"}, {}, "user_column='reader' is not a column of the table"),
        ({}, {"rating": "stars"}, "rating='stars' is not a column of the table"),
        ({}, {"source": 3}, "pass the path of Parquet files"),
        ({}, {"source": "nowhere/*.parquet"}, "no file matches"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_a_reason(client, table, tmp_path, change, given, message):
    table.to_parquet(tmp_path / "ratings.parquet")
    given = {"source": tmp_path / "ratings.parquet", "client": client} | given
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        LatentFactorModel(**SETTINGS | change).fit_distributed(**given)


def test_without_a_client_there_is_a_hint(monkeypatch):
    def no_client():
        raise ValueError("No global client found")

    monkeypatch.setattr("distributed.get_client", no_client)
    with pytest.raises(ValueError, match="there is no Dask client"):
        Cluster()


def test_a_worker_that_dies_is_made_up_for(table, tmp_path, monkeypatch):
    table.sort_values("user").to_parquet(tmp_path / "ratings.parquet", row_group_size=500)
    killed, fetch = [], Cluster.fetch

    def fetch_and_kill(self, futures):
        if self.rounds == 20:  # in the midst of the steps
            (address, pid), *_ = self.client.run(os.getpid).items()
            os.kill(pid, signal.SIGKILL)
            killed.append(address)
        return fetch(self, futures)

    monkeypatch.setattr(Cluster, "fetch", fetch_and_kill)
    with dask_client(processes=True) as client:
        spread = LatentFactorModel(**SETTINGS | {"max_iter": 1}).fit_distributed(
            tmp_path / "ratings.parquet", client=client, n_parts=4
        )
        assert killed[0] not in client.run(os.getpid)
    assert_same_model(spread, local_fit(table, max_iter=1), table[["user", "item"]])


@pytest.mark.parametrize("search", [False, True], ids=["cross-validation", "grid search"])
def test_joblib_on_the_cluster_gives_the_same(client, table, search):
    joblib = pytest.importorskip("joblib")
    X, y = table[["user", "item"]], table["rating"]
    model = LatentFactorModel(solver="als", n_components=2, max_iter=2, random_state=0)

    def scores():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            if not search:
                return cross_val_score(model, X, y, cv=2)
            found = GridSearchCV(model, {"alpha": [0.5, 5.0]}, cv=2, refit=False).fit(X, y)
            return found.cv_results_["mean_test_score"]

    here = scores()
    with joblib.parallel_config("dask"):
        there = scores()
    np.testing.assert_array_equal(there, here)
