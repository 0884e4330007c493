"""Real tables are what they are said to be, wherever they are; only an absent table leaves a test out."""

import gzip
import io
import urllib.request
from typing import final

import numpy as np
import pytest

from intertwine import datasets
from intertwine.datasets import store
from intertwine.datasets.sources import PMLB, AbstractSource, OpenML
from intertwine.datasets.tables import TABLES, Table

# ------------------------------------------------------------------------- the tables, where we have them


def fetched(loader, **options):
    try:
        return loader(download_if_missing=False, **options)
    except FileNotFoundError as absent:
        pytest.skip(f"dataset absent: {absent}")


@pytest.mark.parametrize(
    ("loader", "shape", "n_positive", "first"),
    [
        (datasets.fetch_clean1, (476, 166), 207, "f1"),
        (datasets.fetch_clean2, (6598, 166), 1017, "f1"),
        (datasets.fetch_fri_c4, (1000, 100), 436, "oz1"),
        (datasets.fetch_hill_valley, (1212, 100), 606, "V1"),
        (datasets.fetch_tecator, (240, 124), 102, "absorbance_1"),
        (datasets.fetch_gametes, (1600, 20), 800, "N0"),
    ],
)
def test_classification_tasks(loader, shape, n_positive, first):
    bunch = fetched(loader)
    assert bunch.data.shape == shape
    assert bunch.data.dtype == np.float64
    assert bunch.target.dtype == np.int64
    assert np.bincount(bunch.target).tolist() == [shape[0] - n_positive, n_positive]
    assert len(bunch.target_names) == 2
    assert bunch.feature_names.shape == (shape[1],)
    assert bunch.feature_names[0] == first
    assert bunch.DESCR.startswith("Load ")


@pytest.mark.parametrize(
    ("loader", "options", "shape", "mean"),
    [
        (datasets.fetch_fri_c4, {"task": "regression"}, (1000, 100), 0.0),
        (datasets.fetch_tecator, {"task": "regression"}, (240, 124), 18.5),
        (datasets.fetch_bodyfat, {}, (252, 13), 19.2),
        (datasets.fetch_wisconsin, {}, (194, 32), 46.9),
    ],
)
def test_regression_tasks(loader, options, shape, mean):
    bunch = fetched(loader, **options)
    assert bunch.data.shape == shape
    assert bunch.target.mean() == pytest.approx(mean, abs=0.2)
    assert "target_names" not in bunch


def test_frames_and_pairs():
    bunch = fetched(datasets.fetch_gametes)
    frame = fetched(datasets.fetch_gametes, as_frame=True).data
    assert list(frame.columns) == bunch.feature_names.tolist()
    np.testing.assert_array_equal(frame.to_numpy(), bunch.data)
    X, y = fetched(datasets.fetch_gametes, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


def test_every_molecule_of_clean2_has_one_class():
    bunch = fetched(datasets.fetch_clean2)
    assert np.unique(bunch.groups).tolist() == list(range(102))
    assert {len(set(bunch.target[bunch.groups == molecule])) for molecule in range(102)} == {1}


def test_the_tasks_of_tecator_do_not_give_their_answer_away():
    assert "protein" not in fetched(datasets.fetch_tecator).feature_names
    assert "fat" not in fetched(datasets.fetch_tecator, task="regression").feature_names


def test_a_hill_stands_out_upwards():
    bunch = fetched(datasets.fetch_hill_valley)
    centred = bunch.data - np.median(bunch.data, axis=1, keepdims=True)
    upwards = centred.max(axis=1) > -centred.min(axis=1)
    assert np.mean(upwards == (bunch.target == 1)) > 0.7


def test_the_pair_of_gametes_matters_only_together():
    bunch = fetched(datasets.fetch_gametes)
    first, second = (bunch.data[:, list(bunch.feature_names).index(name)] for name in ("P1", "P2"))

    def spread(cell):
        return np.std([bunch.target[cell == value].mean() for value in np.unique(cell)])

    assert max(spread(first), spread(second)) < 0.05 < 0.2 < spread(3 * first + second)


def test_the_columns_of_wisconsin_fit_their_numbers():
    bunch = fetched(datasets.fetch_wisconsin, as_frame=True).data
    radius, perimeter, area = (np.asarray(bunch[f"{name}_mean"]) for name in ("radius", "perimeter", "area"))
    assert np.all(np.abs(perimeter / (2 * np.pi * radius) - 1) < 0.15)
    assert np.all(np.abs(area / (np.pi * radius**2) - 1) < 0.15)
    assert np.all(bunch["radius_worst"] >= bunch["radius_mean"])
    assert np.all(bunch["radius_se"] < bunch["radius_mean"] / 5)


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task must be 'classification' or 'regression', got 'ranking'"):
        fetched(datasets.fetch_fri_c4, task="ranking")


# --------------------------------------------------------------------------------- where tables are looked
# for

VALUES = np.array([[1.0, 7.0, 0.25, 0.0], [2.0, 8.0, -0.0, 1.0], [3.0, 9.0, 1 / 3, 1.0]])


@final
class Archive(AbstractSource):
    """Stands in for an archive on the network."""

    def __init__(self, name, answer, columns=("label", "a", "b", "y")):
        self.name, self.answer, self.columns, self.asked = name, answer, columns, 0

    def download(self):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def table(*sources):
    digest = store.content_digest(VALUES[:, 1:])
    return Table("family", "toy", ("label", "a", "b", "y"), 3, digest, sources, labels=("label",))


def write(folder, values, text=None):
    path = folder / "family" / "toy.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(",".join(f"{value:.17g}" for value in row) for row in values)
    path.write_bytes(gzip.compress((text or f"label,a,b,y\n{rows}\n").encode()))
    return path


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data", tmp_path / "cache"


@pytest.mark.parametrize("place", [0, 1])
def test_a_table_on_the_machine_is_not_downloaded(folders, place):
    archive = Archive("far", VALUES)
    write(folders[place], VALUES)
    np.testing.assert_array_equal(store.read_table(table(archive)), VALUES)
    assert archive.asked == 0


def test_the_named_folder_comes_before_the_cache(folders):
    renumbered = VALUES + np.array([100, 0, 0, 0])
    write(folders[0], renumbered)
    write(folders[1], VALUES)
    np.testing.assert_array_equal(store.read_table(table()), renumbered)


def test_what_is_downloaded_is_kept(folders):
    other_order = Archive("far", VALUES[:, [3, 2, 0, 1]], columns=("y", "b", "label", "a"))
    np.testing.assert_array_equal(store.read_table(table(other_order)), VALUES)
    np.testing.assert_array_equal(store.read_table(table(other_order)), VALUES)
    assert other_order.asked == 1
    assert [path.name for path in folders[1].rglob("*.*")] == ["toy.csv.gz"]


@pytest.mark.parametrize("answer", [OSError("no route"), VALUES + 1, VALUES[:2], VALUES[:, :3]])
def test_the_next_archive_is_asked_when_one_fails(folders, answer):
    bad, good = Archive("bad", answer), Archive("good", VALUES)
    np.testing.assert_array_equal(store.read_table(table(bad, good)), VALUES)
    assert (bad.asked, good.asked) == (1, 1)


def test_when_all_fail_the_message_says_how_to_get_it(folders):
    with pytest.raises(FileNotFoundError) as absent:
        store.read_table(table(Archive("one", OSError("no route")), Archive("two", VALUES + 1)))
    message = str(absent.value)
    for words in (
        "the dataset toy is not on this machine",
        str(folders[0] / "family" / "toy.csv.gz"),
        str(folders[1] / "family" / "toy.csv.gz"),
        "set INTERTWINE_DATA to the folder that holds family/toy.csv.gz",
        "Archive 'one': no route",
        "Archive 'two': does not hold the values of toy",
    ):
        assert words in message


def test_nothing_is_downloaded_when_that_is_not_wanted(folders):
    archive = Archive("far", VALUES)
    with pytest.raises(FileNotFoundError, match="or let it be downloaded"):
        store.read_table(table(archive), download_if_missing=False)
    assert archive.asked == 0


def test_a_file_with_other_content_is_refused(folders):
    path = write(folders[0], VALUES + 1)
    with pytest.raises(ValueError, match="does not hold the values of toy"):
        store.read_table(table())
    write(folders[0], VALUES[:2])
    with pytest.raises(ValueError, match=r"has shape \(2, 4\), but toy has \(3, 4\)"):
        store.read_table(table())
    write(folders[0], VALUES, text="a\nnot a number\n")
    with pytest.raises(ValueError, match="is damaged"):
        store.read_table(table())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is damaged"):
        store.read_table(table())
    path.write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="is damaged"):
        store.read_table(table())


def test_a_cache_that_cannot_be_written_costs_only_a_warning(folders):
    folders[1].write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="toy was downloaded but cannot be kept"):
        np.testing.assert_array_equal(store.read_table(table(Archive("far", VALUES))), VALUES)


def test_the_digest_sees_values_and_not_how_they_are_printed_or_ordered():
    digest = store.content_digest(VALUES)
    assert digest == store.content_digest(VALUES[[2, 0, 1]])
    assert digest == store.content_digest(np.asfortranarray(np.float64(np.float32(VALUES))))
    assert digest != store.content_digest(VALUES[:, [1, 0, 2, 3]])
    assert digest != store.content_digest(np.vstack([VALUES, VALUES[:1]]))
    assert digest != store.content_digest(VALUES + np.eye(3, 4) * 1e-4)


def test_the_cache_is_in_the_platforms_usual_place(monkeypatch, tmp_path):
    monkeypatch.delenv("INTERTWINE_CACHE", raising=False)
    monkeypatch.setattr(store.Path, "home", lambda: tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(store.sys, "platform", "linux")
    assert store.cache_folder() == tmp_path / ".cache" / "intertwine"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.cache_folder() == tmp_path / "xdg" / "intertwine"
    monkeypatch.setattr(store.sys, "platform", "darwin")
    assert store.cache_folder() == tmp_path / "Library" / "Caches" / "intertwine"


# ------------------------------------------------------------------------------------------ the archives


def test_openml_is_asked_for_the_whole_numeric_table(monkeypatch):
    asked = {}

    def fetch_openml(name, **options):
        asked.update(options, name=name)
        return type("Answer", (), {"data": VALUES.tolist()})

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    np.testing.assert_array_equal(OpenML("tecator", ()).download(), VALUES)
    assert asked["name"] == "tecator"
    assert asked["version"] == 1
    assert asked["target_column"] is None


def test_pmlb_is_asked_for_its_compressed_file(monkeypatch):
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(gzip.compress(b"a\tb\ttarget\n1\t2\t0\n3\t4.5\t1\n"))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    np.testing.assert_array_equal(PMLB("505_tecator", ()).download(), [[1, 2, 0], [3, 4.5, 1]])
    assert asked[0].endswith("/505_tecator/505_tecator.tsv.gz")


@pytest.mark.parametrize("entry", TABLES.values(), ids=lambda entry: entry.name)
def test_every_archive_holds_the_columns_we_keep(entry):
    assert len(set(entry.columns)) == len(entry.columns)
    assert set(entry.labels) <= set(entry.columns)
    for source in entry.sources:
        assert len(set(source.columns)) == len(source.columns)
        assert set(entry.columns) <= set(source.columns)
