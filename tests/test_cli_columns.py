"""Columns as files have them and commands name them: events, and what is told of columns that no model can read."""

import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from intertwine.cli.mistakes import Mistake
from intertwine.cli.mixed_table import MixedPreparation
from intertwine.cli.preparation import TablePreparation
from intertwine.cli.preparations import pose_table
from intertwine.cli.problem import NO_ROLES, pose
from intertwine.cli.reading import read_table_file
from intertwine.cli.show import Screen
from intertwine.compare import FAMILIES

INTERACTIONS = FAMILIES["interactions"]()


def posed(table, **roles):
    return pose(table, roles=NO_ROLES | roles, family=INTERACTIONS)


def test_an_event_of_0_and_1_or_of_truth_values_needs_no_value():
    table = pd.DataFrame({"t": [1.5, 2, 3, 4], "seen": [0, 1, 1, 0], "a": [1.0, 2, 3, 5]})
    for events in (table["seen"], table["seen"].astype(bool), table["seen"].astype(float)):
        problem = posed(table.assign(seen=events), time="t", event="seen")
        assert problem.y["event"].tolist() == [False, True, True, False]
        assert problem.notes == []
    assert (
        "'2' (1) count as censored"
        in posed(table.assign(seen=[0, 1, 2, 0]), time="t", event="seen=1").notes[0]
    )


TEN = {"y": [k + 0.5 for k in range(10)]}
MISTAKES = {
    "percentages": (
        {"a": [f"{k} %" for k in range(10)]},
        "numbers with signs beside them ('0 %'); write the numbers",
    ),
    "prices": ({"a": [f"€{k}.50" for k in range(10)]}, "numbers with signs beside them ('€0.50')"),
    "too large": ({"a": [1e200] * 5 + [0.0] * 5}, "values too large to compute with in a"),
}


@pytest.mark.parametrize(("columns", "told"), MISTAKES.values(), ids=MISTAKES)
def test_what_no_model_can_read_is_told(columns, told):
    with pytest.raises(Mistake, match=re.escape(told)):
        posed(pd.DataFrame(TEN | columns), target="y")


def test_a_target_without_a_value_is_missing_and_no_few_numbers():
    with pytest.raises(Mistake, match="'y' is missing in every row"):
        posed(pd.DataFrame({"y": [np.nan] * 5, "a": [1.0, 2, 3, 4, 5]}), target="y")


def test_negative_times_are_told_by_their_rows_in_the_file():
    table = pd.DataFrame({"t": [np.nan, 2, -3], "seen": [0, 1, 1], "a": [1.0, 2, 3]})
    with pytest.raises(Mistake, match="'t' is negative in row 3: times count from 0"):
        posed(table, time="t", event="seen")


def test_words_in_rows_that_are_left_out_do_not_make_labels_of_numbers():
    table = pd.DataFrame(
        {"y": [1.5, 2, 3, np.nan], "a": ["1", "2", "4", "Total"], "code": ["001", "7", "8", "all"]}
    )
    problem = posed(table.astype({"a": object, "code": object}), target="y")
    assert problem.numeric == ["a"]
    assert problem.categorical == ["code"]
    assert problem.X["a"].tolist() == [1, 2, 4]


def test_parquet_files_have_indices_decimals_bytes_and_lists(tmp_path):
    table = pd.DataFrame(
        {
            "price": [Decimal("1.50"), None],
            "name": [b"Gr\xc3\xb6n", b"Rot"],
            "raw": [b"\xff", b"\x00"],
            "path": [[1, 2], [3]],
        },
        index=pd.Index(["a", "b"], name="id"),
    )
    table.to_parquet(tmp_path / "t.parquet")
    notes = []
    read = read_table_file(tmp_path / "t.parquet", notes)
    assert list(read) == ["id", "price", "name"]
    assert read["id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(read["price"], [1.5, np.nan])
    assert read["name"].tolist() == ["Grön", "Rot"]
    assert notes == ["t.parquet: raw and path hold neither numbers nor text and were left out."]


DAMAGED = {
    "cut.csv": (b"a,b\n1,2\n" + bytes(9), "holds zero bytes, the first at place 8"),
    "not.csv.gz": (b"a,b\n1,2\n", "not.csv.gz cannot be read as csv: Not a gzipped file"),
    "above.csv": (
        b"# ours, 2024\n1,2\na,b,c\n",
        "expected 2 fields in line 3, saw 3; the header must be first",
    ),
}


@pytest.mark.parametrize(
    ("name", "content", "told"), [(name, *case) for name, case in DAMAGED.items()], ids=DAMAGED
)
def test_damaged_files_are_told_by_name_and_place(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Mistake, match=re.escape(told)):
        read_table_file(tmp_path / name)


def test_letters_that_a_font_lacks_are_told_once(capsys):
    with Screen().collecting_warnings():
        for code in (26085, 26412):
            warnings.warn(f"Glyph {code} (...) missing from font(s) DejaVu Sans.", UserWarning, stacklevel=1)
    assert capsys.readouterr().err.count("lacks letters of some names") == 1


def test_dates_are_no_times_of_a_mixed_model_and_outcomes_keep_their_names():
    table = pd.DataFrame(
        {
            "who": [*"aabbccdd"],
            "day": ["2024-05-01", "2024-05-02"] * 4,
            "up": [0.5, 1, 2, 2.5, 4, 4.2, 0, 0.1],
            "down": [1.5, 1, 0, 0.5, 3, 3.1, 2, 2.2],
        }
    )
    roles = NO_ROLES | {"target": "up,down", "drop": ["day"]}
    family = FAMILIES["mixed-model"](groups=["who"])
    problem = pose_table(table, roles, family)
    model = problem.family.estimator(problem.task, problem.shape, cv=3, quick=True, random_state=0)
    fitted = MixedPreparation.fitted(problem, model)[1]
    assert set(fitted.fixed_effects_["output"]) == {"up", "down"}
    with pytest.raises(Mistake, match="'day' holds dates; count days"):
        pose_table(table, NO_ROLES | {"target": "up", "drop": ["down"], "time": "day"}, family)


def test_new_rows_with_text_or_infinity_in_a_column_of_numbers_are_told():
    table = pd.DataFrame(TEN | {"a": [0.5, 1, 4, 2, 3, 5, 6, 8, 7, 9]})
    preparation = TablePreparation.fitted(posed(table, target="y"), LinearRegression())[0]
    with pytest.raises(Mistake, match="'a' holds '3 cm' in row 2, where the model was fitted on numbers"):
        preparation.features(pd.DataFrame({"a": [None, "3 cm", "4 cm"]}, dtype=object))
    with pytest.raises(ValueError, match=re.escape("X contains infinity in ['a']; cap or drop")):
        preparation.features(pd.DataFrame({"a": [1.0, np.inf]}))
