"""Ratings by the million: what the loaders give and refuse, and the truth behind those that are drawn."""

import hashlib
import io
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from intertwine import datasets
from intertwine.datasets import movielens_1m, rating_files, simulate_many_ratings


def fetched(loader, **options):
    try:
        return loader(**options)
    except FileNotFoundError as absent:
        pytest.skip(f"dataset absent: {absent}")


# ------------------------------------------------------------------------- the data, where we have them


def test_a_million_ratings_have_their_published_ids():
    ratings = fetched(datasets.fetch_movielens_1m, download_if_missing=False)
    assert ratings.data.shape == (1_000_209, 2)
    assert ratings.data.max(axis=0).tolist() == [6040, 3952]
    assert [len(np.unique(column)) for column in ratings.data.T] == [6040, 3706]
    assert np.bincount(ratings.target.astype(int))[1:].tolist() == [56174, 107557, 261197, 348971, 226310]
    toy_story = ratings.target[ratings.data[:, 1] == 1]
    assert (len(toy_story), round(toy_story.mean(), 2)) == (2077, 4.15)
    assert "no redistribution" in ratings.DESCR


def test_ratings_as_a_frame():
    frame, stars = fetched(datasets.fetch_yelp_core40, as_frame=True, return_X_y=True)
    assert list(frame.columns) == ["user", "item"]
    assert len(frame) == len(stars) == 100_409


def test_the_core_and_the_jokes():
    core, jokes = fetched(datasets.fetch_yelp_core40), fetched(datasets.fetch_jester5k)
    for column, size in zip(core.data.T, (1355, 1272), strict=True):
        _, counts = np.unique(column, return_counts=True)
        assert len(counts) == size
        assert counts.min() >= 40
    assert jokes.data.max(axis=0).tolist() == [5000, 100]
    assert np.array_equal(jokes.target, np.round(jokes.target, 2))
    shown_to_all = np.flatnonzero(np.bincount(jokes.data[:, 1]) >= 4998)
    assert {5, 7, 8, 13, 15, 16, 17, 18, 19} <= set(shown_to_all)  # Eigentaste's gauge set


# ------------------------------------------------------------------------------------ one content, two files

USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"
MOVIES = (
    "10::Un été (1995)::Animation|Children's\n20::Heat (1995)::Action\n30::Never seen (1990)::Film-Noir\n"
)
RATINGS = "2::20::3::978302109\n1::20::5::978300760\n1::10::4::978302268\n"


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Three ratings in the place of a million, as a zip and as arrays."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in (("ratings", RATINGS), ("users", USERS), ("movies", MOVIES)):
            archive.writestr(f"ml-1m/{name}.dat", text.encode("latin-1"))
    folder = tmp_path / "data" / "ratings"
    folder.mkdir(parents=True)
    (folder / "ml-1m.zip").write_bytes(packed.getvalue())
    arrays = {"u": [1, 0, 0], "i": [1, 1, 0], "r": [3, 5, 4], "user_ids": [1, 2], "item_ids": [10, 20]}
    np.savez(folder / "ml1m.npz", **arrays)
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(movielens_1m, "_ZIP_MD5", hashlib.md5(packed.getvalue()).hexdigest())
    digest = movielens_1m._digest(movielens_1m._read(folder / "ml1m.npz"))
    monkeypatch.setattr(movielens_1m, "_FILE", replace(movielens_1m._FILE, digest=digest))
    return folder


def test_both_files_hold_the_same_ratings_in_the_same_order(small):
    arrays, zipped = (datasets.fetch_movielens_1m(side_features=flag) for flag in (False, True))
    for ratings in (arrays, zipped):
        assert ratings.data.tolist() == [[1, 10], [1, 20], [2, 20]]
        assert ratings.target.tolist() == [4.0, 5.0, 3.0]
    assert "user_features" not in arrays
    assert zipped.timestamp.tolist() == [978302268, 978300760, 978302109]
    assert list(zipped.user_features["zip_code"]) == ["48067", "70072"]
    assert list(zipped.user_features["age"]) == [1, 56]
    assert zipped.item_features["title"][0] == "Un été (1995)"
    assert list(zipped.item_features["Children's"]) == [1, 0, 0]
    assert list(zipped.item_features["Film-Noir"]) == [0, 0, 1]
    assert len(zipped.genres) == 18


def test_the_zip_serves_where_the_arrays_are_not(small):
    (small / "ml1m.npz").unlink()
    assert "genres" in datasets.fetch_movielens_1m(download_if_missing=False)
    (small / "ml-1m.zip").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"ratings/ml1m\.npz or ratings/ml-1m\.zip.*files\.grouplens\.org"
    ):
        datasets.fetch_movielens_1m(download_if_missing=False)


@pytest.mark.parametrize("flag", [False, True])
def test_another_content_is_refused(small, flag):
    name = "ml-1m.zip" if flag else "ml1m.npz"
    content = (small / name).read_bytes()
    (small / name).write_bytes(content[:-7])
    with pytest.raises(ValueError, match="is damaged"):
        datasets.fetch_movielens_1m(side_features=flag)
    np.savez(small / "ml1m.npz", u=[0], i=[0], r=[3], user_ids=[1], item_ids=[10])
    with pytest.raises(ValueError, match="checksum"):
        datasets.fetch_movielens_1m()


# ---------------------------------------------------------------------------------------- files that users make

GOOD = {
    "u": np.repeat(np.arange(3), 2),
    "i": np.tile(np.arange(2), 3),
    "r": np.arange(6) % 5 + 1.0,
    "user_ids": np.array([70, 80, 90]),
    "item_ids": np.array([5, 6]),
}


@pytest.fixture
def core(monkeypatch, tmp_path):
    """Write a file of ratings; a core of two is enough."""
    monkeypatch.setattr(rating_files, "_YELP", replace(rating_files._YELP, fewest=2))

    def written(**changed):
        arrays = {name: value for name, value in (GOOD | changed).items() if value is not None}
        np.savez(tmp_path / "core.npz", **arrays)
        return tmp_path / "core.npz"

    return written


def test_ids_are_those_of_the_file_or_numbers_from_one(core):
    X, y = datasets.fetch_yelp_core40(core(), return_X_y=True)
    assert X[:3].tolist() == [[70, 5], [70, 6], [80, 5]]
    assert y.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 1.0]
    X, _ = datasets.fetch_yelp_core40(core(user_ids=None, item_ids=None), return_X_y=True)
    assert X[:3].tolist() == [[1, 1], [1, 2], [2, 1]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"r": None}, "has no arrays u, i, r"),
        ({"r": np.ones(5)}, "as long as one another"),
        ({"u": np.arange(6) - 1}, "whole numbers from 0 on"),
        ({"u": np.arange(6) / 2}, "whole numbers from 0 on"),
        ({"r": np.full(6, np.nan)}, "not from 1 to 5"),
        ({"r": np.full(6, 6.0)}, "not from 1 to 5"),
        ({"i": np.zeros(6, int)}, "rates something twice"),
        ({"i": np.arange(6)}, "fewer than 2 ratings"),
        ({"user_ids": np.arange(2)}, "user_ids has shape .2,., for 3 codes"),
    ],
)
def test_what_is_no_table_of_ratings_is_refused(core, changed, words):
    with pytest.raises(ValueError, match=words):
        datasets.fetch_yelp_core40(core(**changed))


def test_another_edition_of_the_jokes_and_a_damaged_file_are_refused(core, tmp_path):
    with pytest.raises(ValueError, match=r"has \(6, 3, 2\) ratings, users and items"):
        datasets.fetch_jester5k(core())
    (tmp_path / "broken.npz").write_bytes(core().read_bytes()[:200])
    with pytest.raises(ValueError, match="is damaged"):
        datasets.fetch_yelp_core40(tmp_path / "broken.npz")


@pytest.mark.parametrize(
    ("loader", "words"),
    [(datasets.fetch_yelp_core40, r"yelp\.com/dataset"), (datasets.fetch_jester5k, "recommenderlab")],
)
def test_an_absent_file_says_how_to_make_it(monkeypatch, tmp_path, loader, words):
    for name in ("INTERTWINE_DATA", "INTERTWINE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"may not be passed on.*{words}.*INTERTWINE_DATA"):
        loader()
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        loader(tmp_path / "nothing.npz")


# ------------------------------------------------------------------------------------------ drawn by the million


def test_drawn_ratings_are_distinct_pairs_of_the_truth():
    drawn = simulate_many_ratings(300, 200, 6000, d=3, bias=0.5, taste=0.7, noise=0.0, random_state=1)
    assert len(np.unique(drawn.user.astype(np.int64) * 200 + drawn.item)) == 6000
    assert np.all(np.diff(drawn.user) >= 0)
    assert (drawn.user.dtype, drawn.item.dtype, drawn.target.dtype) == (np.int32, np.int32, np.float32)
    taste = (drawn.user_factors[drawn.user] * drawn.item_factors[drawn.item]).sum(axis=1)
    truth = 3.5 + drawn.user_bias[drawn.user] + drawn.item_bias[drawn.item] + taste
    np.testing.assert_allclose(drawn.target, truth, rtol=1e-5)
    assert (drawn.user_factors @ drawn.item_factors.T).std() == pytest.approx(0.7, rel=0.1)


def test_activity_and_popularity_fall_like_a_power():
    drawn = simulate_many_ratings(2000, 1000, 100_000, random_state=0)
    for codes, size, power in ((drawn.user, 2000, -0.5), (drawn.item, 1000, -0.6)):
        counts = np.sort(np.bincount(codes, minlength=size))[::-1]
        ranks = np.arange(20, size // 2)
        slope = np.polyfit(np.log(ranks), np.log(counts[ranks]), 1)[0]
        assert slope == pytest.approx(power, abs=0.1)
    assert np.bincount(drawn.user, minlength=2000).min() >= 5


def test_the_same_seed_draws_the_same_and_a_full_table_is_possible():
    one, two, other = (simulate_many_ratings(40, 20, 200, random_state=seed) for seed in (3, 3, 4))
    for name in ("user", "item", "target"):
        np.testing.assert_array_equal(one[name], two[name])
    assert not np.array_equal(one.item, other.item)
    with pytest.raises(ValueError, match="a quarter of 40 × 20 pairs"):
        simulate_many_ratings(40, 20, 201)
    with pytest.raises(ValueError, match="40, one for each user"):
        simulate_many_ratings(40, 20, 39)


def test_memory_is_that_of_the_ratings():
    simulate_many_ratings(random_state=0)
    tracemalloc.start()
    drawn = simulate_many_ratings(20_000, 2000, 2_000_000, random_state=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * len(drawn.target) + 110e6  # a chunk of a million, whatever the size
