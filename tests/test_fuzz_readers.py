"""Tables, ratings and published files that are damaged: every reader says so, and nothing else comes out of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma

import numpy as np
import pandas as pd
import pytest
from fuzzing import examples, refusals
from hypothesis import given
from hypothesis import strategies as st

from intertwine.cli.mistakes import Mistake
from intertwine.cli.reading import read_table_file
from intertwine.datasets import store
from intertwine.datasets.clustered_files import ColumnTable, _read_file
from intertwine.datasets.mnist import _read as read_mnist
from intertwine.datasets.movielens_1m import _read as read_movielens
from intertwine.datasets.netflix import load_netflix5k5k
from intertwine.datasets.physionet import _read as read_physionet
from intertwine.datasets.published_file import PublishedFile, read_published
from intertwine.datasets.rating_files import fetch_jester5k, fetch_yelp_core40
from intertwine.datasets.tables import Table
from intertwine.io import LibffmFile, LibsvmFile

TEXTS = {
    "libsvm": b"1 1:0.5 3:2 # a remark\n-1 qid:3 2:1e-3\n0 \n1 7:4 9:-1\n",
    "libffm": b"1 0:0:1 1:3:1\n0 0:1:1 1:2:1\n1 0:0:2 1:2:.5\n",
    "netflix": b"1 7 4\n1 9 2\n3 7 5\n",
    "csv": b"age,sex,dose,y\n61,f,1.5,0\n48,m,,1\n33,'f',2e3,1\n",
}
WORDS = [
    b"\n",
    b" ",
    b":",
    b"1e400",
    b"nan",
    b"-",
    b"\xff",
    b"\x00",
    b"9" * 40,
    b"#",
    b'"',
    b",",
    b"2147483647:1",
    b"q",
]
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, "": bytes}


def frame():
    return pd.DataFrame({"user": [1, 2, 3], "film": list("abc"), "stars": [1.0, 2.5, 5.0]})


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@st.composite
def damage(draw, content, words=()):
    """Content that is cut, in which bytes are others, or words are inserted."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(changed)))
        kind = draw(st.integers(0, 3 if words else 2))
        if kind == 0:
            del changed[place : place + draw(st.integers(1, 12))]
        elif kind == 1:
            changed[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == 2:
            changed[place:place] = changed[: draw(st.integers(0, 30))]
        else:
            changed[place:place] = draw(st.sampled_from(words))
    return bytes(changed)


@examples(150)
@given(st.data())
def test_sparse_text(tmp_path, data):
    kind, suffix = data.draw(st.sampled_from(["libsvm", "libffm"])), data.draw(st.sampled_from(list(PACKED)))
    text = data.draw(damage(TEXTS[kind], WORDS))
    content = PACKED[suffix](text)
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(data.draw(damage(content)) if suffix else content)
    reader = LibsvmFile if kind == "libsvm" else LibffmFile
    file = reader(
        path,
        n_features=data.draw(st.sampled_from([None, 10])),
        chunk_bytes=data.draw(st.sampled_from([7, 999])),
    )
    with refusals():
        for X, y in file:
            assert X.has_canonical_format
            assert X.indices.min(initial=0) >= 0
            assert X.shape == (len(y), X.shape[1])
            assert np.isfinite(X.data).all()
    if kind == "libffm" and b"2147483647" not in text and max(map(len, text.split()), default=0) < 8:
        with refusals():
            file.feature_fields()


@examples(80)
@given(st.data())
def test_tables_of_the_command_line(tmp_path, data):
    folder = tmp_path
    if data.draw(st.booleans()):
        file = io.BytesIO()
        frame().to_parquet(file, index=False)
        path, content = folder / "table.parquet", data.draw(damage(file.getvalue()))
    else:
        suffix = data.draw(st.sampled_from(list(PACKED)))
        content = PACKED[suffix](data.draw(damage(TEXTS["csv"], WORDS)))
        path = folder / (data.draw(st.sampled_from(["table.csv", "table.tsv", "table.txt"])) + suffix)
        content = data.draw(damage(content)) if suffix and data.draw(st.booleans()) else content
    path.write_bytes(content)
    with refusals(Mistake, OSError):  # `one_line` says which file
        assert read_table_file(path).shape[1] > 1


@examples(60)
@given(damage(TEXTS["netflix"], WORDS))
def test_ratings_in_text(tmp_path, text):
    path = tmp_path / "ratings.txt"
    path.write_bytes(text)
    with refusals():
        X, stars = load_netflix5k5k(path, return_X_y=True)
        assert X.min() >= 0
        assert np.isfinite(stars).all()


CODES = st.lists(st.sampled_from([0, 1, 2, 7, -1, 2**31, 2**40, 2**63 - 1]), min_size=1, max_size=3)


@examples(60)
@given(st.data())
def test_ratings_in_arrays(tmp_path, data):
    path = tmp_path / "ratings.npz"
    codes = {name: np.array(data.draw(CODES)) for name in "ui"}
    content = npz(**codes, r=np.array([1.0, 2.0, 3.0])[: len(codes["u"])])
    path.write_bytes(data.draw(damage(content)) if data.draw(st.booleans()) else content)
    for fetch in (fetch_jester5k, fetch_yelp_core40):
        with refusals():
            fetch(path)


COLUMNS = ColumnTable(("a",), ("b",), "", ("table.csv",))
PUBLISHED = {
    "table.csv": (b"a,b\n1,x\n2,y\n", lambda path: _read_file(path, COLUMNS)),
    "packed.csv": (gzip.compress(b"a,b\n1,x\n2,y\n"), lambda path: _read_file(path, COLUMNS)),
    "table.npz": (
        npz(**{"|a": np.arange(3.0), "|b": np.array(list("xyz"))}),
        lambda path: _read_file(path, COLUMNS),
    ),
    "mnist.npz": (
        npz(
            **{
                f"{part}_{digit}": np.zeros((2, 3, 3), np.uint8)
                for part in ("train", "test")
                for digit in (3, 6)
            }
        ),
        read_mnist,
    ),
    "ml1m.npz": (npz(u=[0, 1], i=[0, 0], r=[1, 5], user_ids=[4, 7], item_ids=[9]), read_movielens),
    "physionet.npz": (
        npz(a_row=[0], a_min=[1], a_par=[0], a_val=[2.0], params=np.array(["HR"])),
        read_physionet,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files(name, tmp_path, monkeypatch):
    whole, read = PUBLISHED[name]
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path))
    path = tmp_path / "family" / name
    path.parent.mkdir()
    file = PublishedFile("family", (name,), None, read, lambda content: "other", "expected")

    @examples(40)
    @given(damage(whole))
    def damaged(content):
        path.write_bytes(content)
        with refusals():
            read_published(file)
            raise AssertionError("its checksum was not asked for")

    damaged()


@examples(60)
@given(damage(b"a,b\n1,2\n3,4\n", WORDS), st.booleans(), st.data())
def test_tables_with_a_checksum(tmp_path, text, twice, data):
    folder = tmp_path
    content = gzip.compress(text)
    (folder / "table.csv.gz").write_bytes(data.draw(damage(content)) if twice else content)
    digest = store.content_digest(np.array([[1.0, 2.0], [3.0, 4.0]]))
    with refusals():
        values = store._read_file(folder / "table.csv.gz", Table("f", "table", ("a", "b"), 2, digest, ()))
        np.testing.assert_array_equal(np.sort(values[:, 0]), [1.0, 3.0])


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path):
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(b"1," * 10**6))
    with pytest.raises(ValueError, match="is damaged .it is far too large"):
        store._read_file(tmp_path / "table.csv.gz", Table("f", "table", ("a", "b"), 2, "", ()))


def test_the_fields_of_huge_indices_are_refused_before_they_are_allocated(tmp_path, monkeypatch):
    (tmp_path / "rows").write_text("1 0:2000000000:1\n")
    monkeypatch.setattr("intertwine.resources.available_memory", lambda: 2**30)
    with pytest.raises(MemoryError, match="fields of 2,000,000,001 features needs? 14.9 GiB.*instead"):
        LibffmFile(tmp_path / "rows").feature_fields()


@examples(40)
@given(st.data())
def test_parquet_files_of_a_cluster(tmp_path, data):
    pytest.importorskip("distributed")
    from types import SimpleNamespace

    from intertwine.distributed.sources import open_source

    file = io.BytesIO()
    frame().to_parquet(file, index=False)
    (tmp_path / "part.parquet").write_bytes(data.draw(damage(file.getvalue())))
    with refusals(OSError):  # Arrow's errors are these two
        source = open_source(tmp_path / "part.parquet", SimpleNamespace(n_threads=1))
        for recipe in source.recipes:
            source.reader(recipe, ["user", "stars"])
