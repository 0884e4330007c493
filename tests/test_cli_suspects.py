"""What is told at the front door: counters of rows, spellings of one label, the help, and one thing as one."""

import numpy as np
import pytest
from small_tables import only, patients
from typer.main import get_command

from intertwine.cli.commands import application
from intertwine.cli.given import pose_file
from intertwine.cli.plan import Plan
from intertwine.cli.show import Screen
from intertwine.cli.table_options import TableOptions, flag_of
from intertwine.cli.work import describe
from intertwine.compare import FAMILIES
from intertwine.compare.contender import told_seconds


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


def test_one_thing_is_told_as_one(tmp_path, capsys):
    table = only(patients(), "time", "status")[["age", "time", "status"]]
    table["status"] = np.where(np.arange(len(table)) == 3, "dead", "alive")
    table.loc[7, "time"] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    problem, told = posed(tmp_path / "t.csv", time="time", event="status=dead")
    assert "1 of 90 rows lacks time or status and was left out." in told
    describe(problem, Screen())
    assert "89 rows, 1 column to predict from; status=dead (survival: 1 event)" in capsys.readouterr().out
    assert told_seconds(1.2) == "1 second"
    assert Plan(minutes=1).told_minutes == "1 minute"


def test_the_help_of_an_option_stands_with_the_families_that_have_it():
    panels = {
        option.name: getattr(option, "rich_help_panel", "")
        for option in get_command(application).commands["fit"].params
    }
    for option, panel in panels.items():
        if not (panel or "").startswith("Settings of --model"):
            continue
        named = set(panel.removeprefix("Settings of --model ").split(", "))
        settings = {
            flag_of(setting): setting for family in FAMILIES.values() for setting in family().settings()
        }
        setting = settings[f"--{option.replace('_', '-')}"]
        having = {name for name, family in FAMILIES.items() if setting in family().settings()}
        assert having <= named, option
    assert sum((panel or "").startswith("Settings") for panel in panels.values()) == 23


@pytest.mark.parametrize("command", ["fit", "predict", "compare", "report", "recommend", "demo", "reproduce"])
def test_each_help_is_whole_sentences(command):
    one = get_command(application).commands[command]
    texts = [option.help for option in one.params if getattr(option, "help", None)]
    assert len(texts) >= 2
    assert all(text.endswith(".") for text in texts)
    first = one.help.strip().split("\n\n")[0]
    assert first.endswith(".")
