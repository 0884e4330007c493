"""Whatever happens while a file is written or a fit runs, names stand for something whole, and work is not lost."""

from __future__ import annotations

import signal

import numpy as np
import pandas as pd
import pytest
from child_fits import fit_until_killed, in_a_process
from quick_fits import quick_fits, saved
from sklearn.base import clone
from test_io_interruptions import files_no_larger_than

import intertwine
from intertwine.cli.reading import write_table_file
from intertwine.io import Journal, replaced_atomically

ONE_OF_EACH_FAMILY = [
    "interactions, exact",
    "interactions, classifier CV",
    "FM, Gibbs",
    "local FM",
    "factors, als",
    "mixed, slopes",
    "PCA",
]
RESUMED = {
    "interactions, tied": {},
    "interactions, Cox CV": {},
    "FM, Gibbs": {"max_iter": 50},
    "FM, ALS": {"max_iter": 35, "tol": 0.0},
    "FM, AdaGrad classes": {"tol": 0.0},
    "local FM": {},
    "local FM, Adam": {},
    "factors, variational": {},
    "factors, als": {},
    "factors, gauss_newton": {},
    "factors, sgd": {},
    "factors, gibbs": {},
    "PCA": {"tol": 0.0},
    "VAE": {"max_iter": 6},
    "longitudinal": {"max_iter": 4},
}
#: At which writing of the checkpoint the process is killed.
KILLED = {
    "interactions, tied": 6,
    "interactions, Cox CV": 4,
    "FM, Gibbs": 2,
    "FM, ALS": 3,
    "FM, AdaGrad classes": 4,
    "local FM": 9,
    "factors, als": 4,
    "factors, gibbs": 2,
    "PCA": 5,
    "VAE": 5,
    "longitudinal": 5,
}


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_model_saved_to_a_full_disk_leaves_the_old_file_and_no_other(name, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(saved(name))
    model = intertwine.load(path)
    with files_no_larger_than(1000), pytest.raises(OSError, match="File too large"):
        model.save(path)
    assert path.read_bytes() == saved(name)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_a_table_written_to_a_full_disk_leaves_the_old_file_and_no_other(name, tmp_path):
    path = tmp_path / name
    old = pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0]})
    write_table_file(old, path)
    content = path.read_bytes()
    new = pd.DataFrame({"a": np.random.default_rng(0).standard_normal(20_000)})
    with files_no_larger_than(4096), pytest.raises(OSError, match="File too large"):
        write_table_file(new, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_text_written_to_a_full_disk_leaves_the_old_one(tmp_path):
    """Reports and measurements are written so."""
    path = tmp_path / "report.html"
    path.write_text("old")
    with (
        files_no_larger_than(4096),
        pytest.raises(OSError, match="File too large"),
        replaced_atomically(path) as new,
    ):
        new.write_text("x" * 100_000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", RESUMED)
def test_a_fit_that_is_killed_goes_on_from_any_checkpoint_to_the_same_result(name, tmp_path, monkeypatch):
    """What is in the file at some moment is what a kill at that moment leaves: files are replaced as a whole."""
    quick, path, contents = quick_fits()[name], tmp_path / "work", []
    estimator = clone(quick.estimator).set_params(**RESUMED[name])
    quick = quick._replace(estimator=estimator)
    expected = quick.answers(quick.fit(random_state=3))
    write = Journal._write

    def written(journal):
        write(journal)
        contents.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_note", written)
        quick.fit(random_state=3, checkpoint=path)
    assert len(contents) > 1
    for content in (contents[0], contents[len(contents) // 2], contents[-1]):
        path.write_bytes(content)
        for found, one in zip(
            quick.answers(quick.fit(random_state=3, checkpoint=path)), expected, strict=True
        ):
            np.testing.assert_array_equal(found, one)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", KILLED)
def test_a_process_that_is_killed_in_a_fit(name, tmp_path):
    """Once for each family and each kind of work that it keeps; the fits above are of this process."""
    path, settings = tmp_path / "work", RESUMED[name]
    assert in_a_process(fit_until_killed, name, settings, path, KILLED[name]) == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir()] == ["work"]
    quick = quick_fits()[name]
    quick = quick._replace(estimator=clone(quick.estimator).set_params(**settings))
    resumed = quick.answers(quick.fit(random_state=3, checkpoint=path))
    for found, expected in zip(resumed, quick.answers(quick.fit(random_state=3)), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not path.exists()
