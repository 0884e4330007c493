"""What looks wrong in a table is told: counters of rows among the features, and spellings of one label."""

import numpy as np
import pytest
from small_tables import only, patients

from intertwine.cli.given import pose_file
from intertwine.cli.table_options import TableOptions


def posed(path, *words, **given):
    options = TableOptions(**given)
    problem = pose_file(path, options.roles, options.family(words[0] if words else "interactions"))
    return problem, " ".join(problem.notes)


@pytest.mark.parametrize(
    ("name", "first", "kept"), [("rownames", 0, []), ("", 1, []), ("", 5, None), ("", 0, ["Unnamed: 0"])]
)
def test_a_column_that_surely_counts_the_rows_is_left_out_and_told(tmp_path, name, first, kept):
    table = only(patients(), "y")
    table.insert(0, name, np.arange(len(table)) + first)
    table.to_csv(tmp_path / "t.csv", index=False)
    problem, told = posed(tmp_path / "t.csv", target="y", keep=kept)
    called = name or "Unnamed: 0"
    assert (called in problem.X) == (kept != [])
    assert ("counts the rows and was left out; --keep" in told) == (kept == [])
    assert ("another whole number in every row" in told) == (kept is None)
    if kept is None:
        assert "--drop 'Unnamed: 0' leaves it out" in told


def test_numbers_that_may_count_the_rows_are_features_with_a_warning(tmp_path):
    table = only(patients(), "y").assign(
        Id=lambda t: np.arange(len(t))[::-1] ** 2,
        back=lambda t: np.arange(len(t), 0, -1),
        year=lambda t: t.index + 1900,
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    problem, told = posed(tmp_path / "t.csv", target="y")
    assert {"Id", "back", "year"} <= set(problem.numeric)
    assert "Id and back: another whole number in every row" in told
    assert "--drop Id,back leaves it out" in told
    assert "another whole number" not in posed(tmp_path / "t.csv", target="y", keep=["Id,back"])[1]


def test_spellings_of_a_label_are_told_in_one_line(tmp_path):
    table = only(patients(), "ill")
    table.loc[[0, 1, 2], "sex"] = ["Male", "male ", "MALE"]
    table.loc[3, "site"] = " ulm"
    table.loc[[4, 5, 6], "ill"] = "NO"
    table.to_csv(tmp_path / "t.csv", index=False)
    problem, _ = posed(tmp_path / "t.csv", target="ill")
    told = [note for note in problem.notes if "capitals" in note]
    assert len(told) == 1
    for words in ("sex ('male', ", "'MALE'", "'male '", "' ulm'", "ill (", "'NO'"):
        assert words in told[0]
    assert not any(
        "capitals" in note
        for note in posed(tmp_path / "t.csv", target="ill", drop=["sex", "site"])[0].notes
        if "sex" in note
    )
