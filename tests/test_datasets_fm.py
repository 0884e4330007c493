"""Ratings and curved classes: what the loaders give, where they look, and what they refuse."""

import bz2
import hashlib
import io
import tarfile
import urllib.request
import zipfile

import numpy as np
import pytest

from intertwine import datasets
from intertwine.datasets import movielens
from intertwine.datasets.published_file import PublishedFile, read_published


def fetched(loader, **options):
    try:
        return loader(download_if_missing=False, **options)
    except FileNotFoundError as absent:
        pytest.skip(f"dataset absent: {absent}")


# ------------------------------------------------------------------------- the data, where we have them


def test_movielens_has_its_ratings_users_and_films():
    ratings = fetched(datasets.fetch_movielens_100k)
    assert ratings.data.shape == (100_000, 2)
    assert ratings.data.max(axis=0).tolist() == [943, 1682]
    assert np.bincount(ratings.target.astype(int))[1:].tolist() == [6110, 11370, 27145, 34174, 21201]
    assert len(ratings.timestamp) == 100_000
    assert (len(ratings.user_features), len(ratings.item_features)) == (943, 1682)
    assert list(ratings.user_features["user"]) == list(range(1, 944))
    assert list(ratings.item_features["item"]) == list(range(1, 1683))
    assert ratings.item_features["title"][542] == "Misérables, Les (1995)"
    assert len(ratings.genres) == 19
    assert ratings.item_features["Western"].sum() == 27
    assert "no redistribution" in ratings.DESCR
    assert "train" not in ratings


@pytest.mark.parametrize("split", ["ua", "ub", "u1", "u5"])
def test_the_official_splits_are_rows_of_the_ratings(split):
    ratings = fetched(datasets.fetch_movielens_100k, split=split)
    assert np.array_equal(np.sort(np.concatenate([ratings.train, ratings.test])), np.arange(100_000))
    if split.startswith("ua"):
        assert set(np.bincount(ratings.data[ratings.test, 0])[1:]) == {10}
        first = ratings.test[0]
        assert (*ratings.data[first], ratings.target[first], ratings.timestamp[first]) == (
            1,
            20,
            4,
            887431883,
        )
    else:
        assert len(ratings.test) in (9430, 20_000)


def test_movielens_as_a_frame_and_as_a_pair():
    frame, y = fetched(datasets.fetch_movielens_100k, as_frame=True, return_X_y=True)
    assert list(frame.columns) == ["user", "item"]
    assert len(frame) == len(y)


def test_banana_is_the_same_table_in_both_orders():
    plain, authors = fetched(datasets.fetch_banana), fetched(datasets.fetch_banana, split="llfm")
    assert plain.data.shape == authors.data.shape == (5300, 2)
    assert (len(authors.train), len(authors.test)) == (3533, 1767)
    tables = [np.column_stack([one.data, one.target]) for one in (plain, authors)]
    np.testing.assert_array_equal(*(table[np.lexsort(table.T)] for table in tables))
    assert plain.target.sum() == 2376


def test_ijcnn1_is_sparse_and_has_the_rows_of_the_challenge():
    engine = fetched(datasets.fetch_ijcnn1)
    assert engine.data.shape == (141_691, 22)
    assert engine.data.format == "csr"
    assert engine.data.nnz < 0.65 * engine.data.shape[0] * 22
    assert (len(engine.train), len(engine.test)) == (49_990, 91_701)
    assert engine.target[engine.train].mean() == pytest.approx(0.097, abs=0.001)


@pytest.mark.parametrize("loader", [datasets.fetch_movielens_100k, datasets.fetch_banana])
def test_an_unknown_split_is_refused(loader):
    with pytest.raises(ValueError, match="split must be .*'mine'"):
        loader(split="mine")


# --------------------------------------------------------------------------------- where files are looked for


def text_of(path):
    return bz2.decompress(path.read_bytes())


def toy(read=text_of):
    digest = hashlib.sha256(b"right").hexdigest()
    return PublishedFile(
        "fm",
        ("toy.one", "toy.two"),
        "https://far/toy",
        read,
        lambda text: hashlib.sha256(text).hexdigest(),
        digest,
    )


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data" / "fm", tmp_path / "cache" / "fm"


@pytest.fixture
def network(monkeypatch):
    """What the publisher answers, and how often it was asked."""
    answers = []

    def urlopen(url, timeout):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return answers


@pytest.mark.parametrize("name", ["toy.one", "toy.two"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_file_on_the_machine_is_used(folders, network, name, place):
    folders[place].mkdir(parents=True)
    (folders[place] / name).write_bytes(bz2.compress(b"right"))
    assert read_published(toy()) == b"right"


def test_a_download_is_checked_and_kept(folders, network):
    network += [bz2.compress(b"right")]
    assert read_published(toy()) == b"right"
    assert [path.name for path in folders[1].iterdir()] == ["toy.two"]
    assert read_published(toy()) == b"right"  # the network has no further answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OSError("no route"), "no route"),
        (bz2.compress(b"wrong"), "does not hold toy.two"),
        (b"<html>moved</html>", "is damaged"),
    ],
)
def test_a_download_that_is_not_the_file_is_not_kept(folders, network, answer, words):
    network += [answer]
    with pytest.raises(FileNotFoundError, match=words) as absent:
        read_published(toy())
    assert "set INTERTWINE_DATA to the folder that holds fm/toy.one or fm/toy.two" in str(absent.value)
    assert not folders[1].exists()


def test_nothing_is_downloaded_when_that_is_not_wanted(folders, network):
    with pytest.raises(FileNotFoundError, match="or let it be downloaded from https://far/toy"):
        read_published(toy(), download_if_missing=False)


@pytest.mark.parametrize(
    ("content", "words"), [(bz2.compress(b"wrong"), "checksum differs"), (b"x", "is damaged")]
)
def test_a_wrong_file_on_the_machine_is_an_error_and_not_replaced(folders, network, content, words):
    folders[0].mkdir(parents=True)
    (folders[0] / "toy.one").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_published(toy())
    assert (folders[0] / "toy.one").read_bytes() == content


def test_a_cache_that_cannot_be_written_costs_only_a_warning(folders, network):
    folders[1].parent.write_text("a file where the folder should be")
    network += [bz2.compress(b"right")]
    with pytest.warns(UserWarning, match="toy.two was downloaded but cannot be kept"):
        assert read_published(toy()) == b"right"


@pytest.mark.parametrize(
    ("loader", "options"),
    [
        (datasets.fetch_movielens_100k, {}),
        (datasets.fetch_ijcnn1, {}),
        (datasets.fetch_banana, {"split": "llfm"}),
    ],
)
def test_absent_data_say_how_to_get_them(folders, loader, options):
    with pytest.raises(FileNotFoundError, match="INTERTWINE_DATA"):
        loader(download_if_missing=False, **options)


MEMBERS = {name: f"{name}\r\n".encode() for name in movielens._MEMBERS}


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"ml-100k/{name}", text)
    return path


def tarred(path, members):
    with tarfile.open(path, "w:xz") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(f"ml-100k/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return path


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.xz")])
def test_an_archive_is_read_whoever_packed_it(tmp_path, monkeypatch, pack, name):
    read = movielens._read_archive(pack(tmp_path / name, MEMBERS | {"README": b"other"}))
    assert read == {member: f"{member}\n".encode() for member in MEMBERS}
    with pytest.raises(ValueError, match=r"u\.item"):
        movielens._read_archive(pack(tmp_path / name, {k: v for k, v in MEMBERS.items() if k != "u.item"}))
    monkeypatch.setattr(movielens, "_LARGEST_MEMBER", 4)
    with pytest.raises(ValueError, match="is too large"):
        movielens._read_archive(pack(tmp_path / name, MEMBERS))
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"\w"):
        movielens._read_archive(tmp_path / name)


# ------------------------------------------------------------------------------------------ the user's own file


@pytest.mark.parametrize("line", ["3 8 4", "3\t8\t4\t2005-09-06", "3,8,4.0", "3::8::4"])
def test_netflix_reads_the_usual_separators(tmp_path, line):
    path = tmp_path / "ratings"
    path.write_text(f"1 1 5\n\n{line}\n")
    ratings = datasets.load_netflix5k5k(path)
    assert ratings.data.tolist() == [[1, 1], [3, 8]]
    assert ratings.target.tolist() == [5.0, 4.0]
    assert list(datasets.load_netflix5k5k(path, as_frame=True).data.columns) == ["user", "item"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("1 2\n", "line 1: '1 2' has no rating"),
        ("1 2 3\na b c\n", "line 2: 'a b c' is not 'user item rating'"),
        ("1 2 9\n", "is not from 1 to 5"),
        ("1 2 nan\n", "is not from 1 to 5"),
        ("1.5 2 3\n", "whole numbers"),
        ("1 2 3\n1 2 4\n", "user 1 rates item 2 2 times"),
        ("".join(f"{user} 1 3\n" for user in range(5001)), "5001 users"),
    ],
)
def test_netflix_refuses_what_is_no_table_of_ratings(tmp_path, text, words):
    path = tmp_path / "ratings"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        datasets.load_netflix5k5k(path)


def test_netflix_without_a_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.load_netflix5k5k(tmp_path / "nothing")


# ------------------------------------------------------------------------------------------ simulated ratings


def test_simulated_ratings_have_the_spreads_they_are_asked_for():
    truth = datasets.simulate_ratings(
        400, 300, 20_000, d=3, bias=0.5, taste=0.7, noise=0.0, stars=False, random_state=1
    )
    assert truth.user_bias.std() == pytest.approx(0.5, rel=0.1)
    assert (truth.user_factors @ truth.item_factors.T).std() == pytest.approx(0.7, rel=0.1)
    user, item = (np.array([int(name[1:]) for name in truth.data[column]]) for column in ("user", "item"))
    assert len(set(zip(user, item, strict=True))) == 20_000
    np.testing.assert_array_equal(truth.target, truth.score)
    taste = (truth.user_factors[user] * truth.item_factors[item]).sum(axis=1)
    np.testing.assert_allclose(truth.score, 3.5 + truth.user_bias[user] + truth.item_bias[item] + taste)
    counts = np.sort(np.bincount(item))
    assert counts[-30:].sum() > 3 * counts[:30].sum()  # some items are popular


def test_simulated_ratings_are_reproducible_stars():
    one, two = (datasets.simulate_ratings(random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one.target, two.target)
    assert set(one.target) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    with pytest.raises(ValueError, match="half of 4 × 4 pairs"):
        datasets.simulate_ratings(4, 4, 9)
