"""Sparse text files in chunks: the rows scikit-learn reads, however the file is cut; faults name their line."""

import bz2
import gzip
import lzma

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from intertwine.io.libsvm import LibffmFile, LibsvmFile


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    X = sparse.random_array((60, 9), density=0.3, rng=rng, format="csr")
    return X, np.where(rng.random(60) < 0.5, 1.0, -1.0)


def joined(file):
    chunks = list(file)
    width = chunks[-1][0].shape[1]
    X = sparse.vstack(
        [sparse.csr_array((X.data, X.indices, X.indptr), shape=(X.shape[0], width)) for X, _ in chunks]
    )
    return X.tocsr(), np.concatenate([y for _, y in chunks]), len(chunks)


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1000, 10**6])
@pytest.mark.parametrize("zero_based", [False, True])
def test_chunks_hold_what_scikit_learn_reads(tmp_path, table, chunk_bytes, zero_based):
    path = tmp_path / "rows.svm"
    dump_svmlight_file(*table, str(path), zero_based=zero_based, comment="two lines\nof comment")
    expected, labels = load_svmlight_file(str(path), zero_based=zero_based)
    X, y, n_chunks = joined(LibsvmFile(path, zero_based=zero_based, chunk_bytes=chunk_bytes))
    assert X.has_canonical_format
    assert X.indices.dtype == np.int32
    np.testing.assert_array_equal(X.toarray(), expected.toarray())
    np.testing.assert_array_equal(y, labels)
    assert (n_chunks > 1) == (chunk_bytes < 10**6)


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_compressed_files_and_their_damage(tmp_path, table, suffix, pack):
    plain, packed = tmp_path / "rows.svm", tmp_path / f"rows.svm.{suffix}"
    dump_svmlight_file(*table, str(plain), zero_based=False)
    packed.write_bytes(pack(plain.read_bytes()))
    assert (joined(LibsvmFile(packed, chunk_bytes=200))[0] != joined(LibsvmFile(plain))[0]).nnz == 0
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ValueError, match="truncated|corrupted"):
        list(LibsvmFile(packed))
    packed.write_bytes(b"no such format")
    with pytest.raises(ValueError, match="corrupted"):
        list(LibsvmFile(packed))


def test_a_file_is_read_anew_and_keeps_the_width_asked_for(tmp_path):
    path = tmp_path / "rows.svm"
    path.write_text("3 2:1\n4\n5 1:2 3:4\n")
    file = LibsvmFile(path, n_features=6)
    for _ in range(2):
        [(X, y)] = list(file)
        np.testing.assert_array_equal(X.toarray(), [[0, 1, 0, 0, 0, 0], [0] * 6, [2, 0, 4, 0, 0, 0]])
        np.testing.assert_array_equal(y, [3.0, 4.0, 5.0])


@pytest.mark.parametrize(
    "text",
    ["1 2:3\r\n-1 1:4\r\n", "1 qid:3 2:3\n\n-1 1:4 # last", "+1 2:3.0\n-1\t1:4e0", "  1  2:3  \n-1 1:4"],
)
def test_spellings_that_mean_the_same(tmp_path, text):
    path = tmp_path / "rows.svm"
    path.write_bytes(text.encode())
    X, y, _ = joined(LibsvmFile(path))
    np.testing.assert_array_equal(X.toarray(), [[0, 3], [4, 0]])
    np.testing.assert_array_equal(y, [1, -1])


def test_unsorted_indices_are_sorted(tmp_path):
    path = tmp_path / "rows.svm"
    path.write_text("1 3:3 1:1\n")
    [(X, _)] = list(LibsvmFile(path))
    np.testing.assert_array_equal(X.indices, [0, 2])
    np.testing.assert_array_equal(X.data, [1.0, 3.0])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("yes 1:2", "the label 'yes'"),
        ("nan 1:2", "the label 'nan'"),
        ("1:2 2:3", "the label '1:2'"),
        ("1 2", "'2' is not index:value"),
        ("1 2:", "'2:' is not index:value"),
        ("1 :2", "':2' is not index:value"),
        ("1 2::3", "'2::3' is not index:value"),
        ("1 2:3:4 5", "'2:3:4' is not index:value"),
        ("1 2:x", "'2:x' is not index:value"),
        ("1 2:inf", "finite"),
        ("1 2:nan", "finite"),
        ("1 1.5:2", "not a whole number"),
        ("1 -1:2", "not a whole number"),
        ("1 0:2", "index 0, but the first is 1; pass zero_based=True"),
        ("1 99999999999:2", "beyond 2147483646"),
        ("1 2:3 1:1 2:4", "index 2 occurs twice"),
        ("1 2:3,4:5", "is not index:value"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [10, 10**6])
def test_faults_name_their_line(tmp_path, line, words, chunk_bytes):
    path = tmp_path / "rows.svm"
    path.write_text("1 1:1\n\n# remark\n" + "-1 2:0.5\n" * 20 + line + "\n1 1:1\n")
    with pytest.raises(ValueError, match="rows.svm, line 24: .*" + words.replace("?", r"\?")):
        list(LibsvmFile(path, chunk_bytes=chunk_bytes))


def test_an_index_beyond_the_width_and_an_empty_or_absent_file(tmp_path):
    path = tmp_path / "rows.svm"
    path.write_text("1 1:1\n1 5:1\n")
    with pytest.raises(ValueError, match="line 2: '5:1' is beyond n_features=4"):
        list(LibsvmFile(path, n_features=4))
    path.write_text("# nothing\n\n")
    with pytest.raises(ValueError, match="is empty"):
        list(LibsvmFile(path))
    with pytest.raises(FileNotFoundError):
        list(LibsvmFile(tmp_path / "absent"))


def test_fields_of_libffm(tmp_path):
    path = tmp_path / "clicks.ffm"
    path.write_text("1 0:4:1 2:1:0.5\n0 1:2:3 0:0:1\n")
    for chunk_bytes in (5, 10**6):
        file = LibffmFile(path, chunk_bytes=chunk_bytes)
        X, y, _ = joined(file)
        np.testing.assert_array_equal(X.toarray(), [[0, 0.5, 0, 0, 1], [1, 0, 3, 0, 0]])
        np.testing.assert_array_equal(y, [1, 0])
        np.testing.assert_array_equal(file.feature_fields(), [0, 2, 1, -1, 0])
    path.write_text("1 0:4:1\n1 1:4:1\n")
    with pytest.raises(ValueError, match="index 4 occurs in the fields 0 and 1"):
        LibffmFile(path).feature_fields()
    path.write_text("1 0:4:1\n1 4:1\n")
    with pytest.raises(ValueError, match="line 2: '4:1' is not field:index:value"):
        list(LibffmFile(path))
