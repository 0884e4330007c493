"""The command line as a user meets it: what comes out, and what a mistake is answered with."""

import errno
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from long_fits import Interrupted
from small_tables import only, patients
from typer.testing import CliRunner

from intertwine import InteractionRegressor
from intertwine.cli import commands, reading, scoring
from intertwine.cli.commands import application
from intertwine.cli.preparations import pose_table
from intertwine.cli.show import Screen
from intertwine.cli.table_model import TableModel
from intertwine.cli.table_options import TableOptions

pytest.importorskip("pyarrow")

MISTAKE = 2


def run(*arguments):
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


def works(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One table in several formats, and tables with something wrong about them."""
    at = tmp_path_factory.mktemp("tables")
    table = patients()
    for outcomes, name in ((["y"], "patients"), (["ill"], "illness"), (["time", "status"], "survival")):
        only(table, *outcomes).to_csv(at / f"{name}.csv", index=False)
    only(table, "y").to_parquet(at / "patients.parquet", index=False)
    only(table, "y").to_csv(at / "indexed.tsv.gz", sep="\t")
    spoilt = only(table, "y", "stage", "time", "status")
    spoilt["id"] = [f"p{i}" for i in range(len(spoilt))]
    spoilt["born"] = pd.date_range("1950-01-01", periods=len(spoilt))
    spoilt["same"] = 1.0
    spoilt["code"] = np.arange(len(spoilt)) % 3
    spoilt["early"] = spoilt["time"] - 1.0
    spoilt["endless"] = np.where(np.arange(len(spoilt)) == 7, np.inf, spoilt["dose"])
    spoilt.to_parquet(at / "spoilt.parquet", index=False)
    (at / "empty.csv").write_text("")
    (at / "header.csv").write_text("a,b\n")
    (at / "one.csv").write_text("a\n1\n")
    (at / "repeated.csv").write_text("bmi,bmi,y\n1,2,3\n")
    (at / "cyrillic.csv").write_bytes("возраст,y\n1,2\n".encode("koi8-r") + b"\x81,2\n")
    (at / "zeros.csv").write_bytes(b"a,y\n\xe4\x00,1\n2,3\n")
    (at / "limits.csv").write_text("crp,y\n" + "0.5,1.5\n<0.1,2.5\n7,4.5\n1.5,2\n<0.1,3\n>20,0\n" * 4)
    typos = only(table, "y", "time", "status").astype({"y": object, "age": object, "time": object})
    for row, column in ((16, "age"), (4, "y"), (7, "y"), (3, "time")):
        typos.loc[row, column] = "n/a?" if column == "age" else "?"
    typos["visits"] = ["1", "3+", "2"] + ["0"] * (len(typos) - 3)
    typos.to_csv(at / "typos.csv", index=False)
    (at / "twice.csv").write_text("a,b\n1,2,3\n1,2,3,4\n")
    (at / "german.csv").write_text("dose,y\n" + '"0,5",1.5\n"1,0",2.5\n2,4.5\n' * 10)
    (at / "days.csv").write_text("seen on,y\n" + "03.05.2024,1.5\n04.05.2024,2.5\n" * 10)
    (at / "table.xlsx").write_text("not a spreadsheet")
    (at / "junk.intertwine").write_text("nothing of ours")
    return at


@pytest.fixture(scope="module")
def model(folder):
    """A model of `y`, as ``fit`` leaves it."""
    path = folder / "y.intertwine"
    done = works("fit", folder / "patients.csv", "--target", "y", "--output", path, "--quick", "--cv", 3)
    assert "age × dose" in done.stdout
    assert str(path) in done.stdout
    assert "weight (3)" in done.stderr
    return path


def test_fit_finds_the_interaction_and_predicts(folder, model, tmp_path):
    works("predict", model, folder / "patients.csv", "--output", tmp_path / "out.csv")
    predicted = pd.read_csv(tmp_path / "out.csv")["prediction"]
    assert np.corrcoef(predicted, patients()["y"])[0, 1] > 0.95
    assert TableModel.load(model).estimator.top_interactions(1)["term"][0] == "age × dose"


def test_the_format_of_the_file_does_not_matter(folder, model, tmp_path):
    answers = []
    for name in ("patients.csv", "patients.parquet", "indexed.tsv.gz"):
        works("predict", model, folder / name, "--output", tmp_path / "out.parquet")
        answers.append(pd.read_parquet(tmp_path / "out.parquet"))
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=1e-9)


def test_predictions_go_to_standard_output_and_nothing_else_does(folder, model):
    done = works("predict", model, folder / "patients.csv")
    lines = done.stdout.splitlines()
    assert lines[0] == "prediction"
    assert len(lines) == 1 + 90
    assert all(np.isfinite(float(line)) for line in lines[1:])


def test_columns_may_come_in_another_order_and_with_new_levels(folder, model, tmp_path):
    table = patients().iloc[:, ::-1].assign(site="Graz")
    table.to_csv(tmp_path / "new.csv", index=False)
    done = works("predict", model, tmp_path / "new.csv")
    assert len(done.stdout.splitlines()) == 91
    assert "site" in done.stderr


def test_missing_values_are_remarked_on(folder, model, tmp_path):
    patients().assign(sex=None).to_csv(tmp_path / "new.csv", index=False)
    done = works("predict", model, tmp_path / "new.csv")
    told = " ".join(done.stderr.split())
    assert "missing values count as the median of the rows that the model was fitted on: weight (3)" in told
    assert "missing values count as a level of its own: site (2)" in told
    assert "missing values count as none of its levels: sex (90)" in told


def test_a_surface_is_shown_without_a_sign(capsys):
    X = patients()[["age", "dose"]]
    model = InteractionRegressor(latent=None, basis="spline", n_knots=3).fit(X, patients()["y"])
    Screen().interactions(model)
    line = next(line for line in capsys.readouterr().out.splitlines() if "age × dose" in line)
    assert f"{model.top_interactions(1)['z'][0]:.1f}" in line
    assert "+" not in line


def test_classes_come_with_probabilities(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    works("fit", folder / "illness.csv", "--target", "ill", "--output", path, "--quick", "--cv", 3)
    works("predict", path, folder / "illness.csv", "--output", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out) == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_allclose(out["probability_no"] + out["probability_yes"], 1.0)
    assert (out["prediction"] == np.where(out["probability_yes"] > 0.5, "yes", "no")).all()


def test_survival_at_chosen_times(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    roles = ["--time", "time", "--event", "status=dead"]
    works("fit", folder / "survival.csv", *roles, "--output", path, "--quick", "--cv", 3)
    works(
        "predict", path, folder / "survival.csv", "--at", 1.0, "--at", 0.2, "--output", tmp_path / "out.csv"
    )
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out) == ["log_relative_hazard", "survival_at_0.2", "survival_at_1"]
    assert (out["survival_at_1"] <= out["survival_at_0.2"]).all()
    # a higher hazard means a lower survival, for every row
    assert (out["log_relative_hazard"].rank() == (-out["survival_at_1"]).rank()).all()


def test_compare_scores_every_model_on_every_fold(folder, tmp_path):
    roles = ["--target", "y", "--model", "interactions", "--cv", 2, "--quick", "--jobs", 1]
    done = works("compare", folder / "patients.csv", *roles, "--output", tmp_path / "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv")
    names = {"interactions", "elastic net, main effects", "elastic net, all pairs", "factorization machine"}
    assert names | {"gradient boosting", "RBF kernel", "overall mean"} == set(scores["model"])
    assert (scores.groupby("model")["fold"].nunique() == 2).all()
    by_model = scores.groupby("model")["score"].mean()
    assert by_model["interactions"] > by_model["elastic net, main effects"] + 0.3
    assert f"{by_model['interactions']:.3f}" in done.stdout


def test_a_report_is_written_afterwards_too(folder, model, tmp_path):
    done = works("report", model, folder / "patients.csv", "--output", tmp_path / "r.html")
    assert str(tmp_path / "r.html") in done.stdout
    assert "age × dose" in (tmp_path / "r.html").read_text(encoding="utf-8")


SURVIVAL = ["--time", "time", "--event"]
MISTAKES = {
    "file absent": (["fit", "nowhere.csv", "--target", "y"], "no file"),
    "file misspelt": (["fit", "patient.csv", "--target", "y"], "did you mean 'patients.csv'"),
    "folder for a file": (["fit", ".", "--target", "y"], "is a folder"),
    "unknown ending": (["fit", "table.xlsx", "--target", "y"], "only .csv, .tsv and .parquet"),
    "empty file": (["fit", "empty.csv", "--target", "y"], "is empty"),
    "no rows": (["fit", "header.csv", "--target", "a"], "no rows"),
    "one column": (["fit", "one.csv", "--target", "a"], "a table needs two at least"),
    "repeated names": (["fit", "repeated.csv", "--target", "y"], "columns of the same name: bmi"),
    "another encoding": (["fit", "cyrillic.csv", "--target", "y"], "save it as UTF-8"),
    "no text": (["fit", "zeros.csv", "--target", "y"], "is no text: save it as CSV"),
    "limits of detection": (
        ["fit", "limits.csv", "--target", "y"],
        "column 'crp' holds limits among numbers, '<0.1' (8), '>20' (4): write numbers in their place, such as half a",
    ),
    "limits in a target": (["fit", "limits.csv", "--target", "crp"], "or say --task classification"),
    "typo in a feature": (
        ["fit", "typos.csv", "--target", "weight", "--drop", "y,time"],
        "column 'age' holds text in row 17 ('n/a?') among numbers; correct the file",
    ),
    "typo in a feature of few numbers": (
        ["fit", "typos.csv", "--target", "weight", "--drop", "y,time,age"],
        "'visits' holds text in row 2 ('3+') among numbers; correct the file, or treat it as labels with --categorical",
    ),
    "typo in new rows": (["predict", "y.intertwine", "typos.csv"], "'age' holds text in row 17 ('n/a?')"),
    "typo in a target": (
        ["fit", "typos.csv", "--target", "y"],
        "'y' holds text in rows 5 ('?'), 8 ('?') among",
    ),
    "typo in a number": (
        ["fit", "typos.csv", "--target", "y", "--task", "regression"],
        "'y' holds text in rows 5 ('?'), 8 ('?') among numbers; correct the file",
    ),
    "typo in a time": (["fit", "typos.csv", "--time", "time", "--event", "status=dead"], "in row 4 ('?')"),
    "target dropped": (
        ["fit", "patients.csv", "--target", "y", "--drop", "y"],
        "'y' is dropped, but --target",
    ),
    "arguments swapped": (["predict", "patients.csv", "y.intertwine"], "are the arguments swapped?"),
    "ragged rows": (["fit", "twice.csv", "--target", "a"], "cannot be read as csv"),
    "no target": (["fit", "patients.csv"], "--target NAME"),
    "column misspelt": (["fit", "patients.csv", "--target", "Y"], "did you mean 'y'"),
    "column to drop misspelt": (["fit", "patients.csv", "--target", "y", "--drop", "wieght"], "'weight'"),
    "text for a number": (["fit", "patients.csv", "--target", "sex", "--task", "regression"], "text"),
    "unknown task": (["fit", "patients.csv", "--target", "y", "--task", "regresion"], "'regression'"),
    "few whole numbers": (["fit", "spoilt.parquet", "--target", "stage"], "--task classification or --task"),
    "constant target": (["fit", "spoilt.parquet", "--target", "same"], "nothing to predict"),
    "names as a feature": (["fit", "spoilt.parquet", "--target", "y"], "--drop id"),
    "dates as a feature": (["fit", "spoilt.parquet", "--target", "y", "--drop", "id"], "'born' holds dates"),
    "dates in text": (["fit", "days.csv", "--target", "y"], "'seen on' holds dates; turn them into a number"),
    "commas in decimals": (
        ["fit", "german.csv", "--target", "y"],
        "'dose' holds numbers with commas in them ('0,5'); write points in decimals",
    ),
    "commas in decimals of a target": (["fit", "german.csv", "--target", "dose"], "write points in decimals"),
    "infinite values": (
        ["fit", "spoilt.parquet", "--target", "y", "--drop", "id,born"],
        "infinite values in endless",
    ),
    "time without event": (["fit", "survival.csv", "--time", "time"], "both --time and --event"),
    "target and time": (["fit", "survival.csv", "--target", "age", *SURVIVAL, "status"], "not both"),
    "event in words": (["fit", "survival.csv", *SURVIVAL, "status"], "--event status=dead"),
    "event value unknown": (["fit", "survival.csv", *SURVIVAL, "status=death"], "did you mean 'dead'"),
    "event of several codes": (["fit", "spoilt.parquet", *SURVIVAL, "code"], "say which value is the event"),
    "negative times": (
        ["fit", "spoilt.parquet", "--time", "early", "--event", "status=dead", "--drop", "id,born,endless"],
        "negative",
    ),
    "output folder absent": (
        ["fit", "patients.csv", "--target", "y", "--output", "no/m.intertwine"],
        "no folder",
    ),
    "model absent": (["predict", "none.intertwine", "patients.csv"], "no file"),
    "model is junk": (["predict", "junk.intertwine", "patients.csv"], "junk.intertwine"),
    "columns absent": (["predict", "y.intertwine", "spoilt_less.csv"], "lacks 'dose', 'weight'"),
    "times for a number": (["predict", "y.intertwine", "patients.csv", "--at", "1"], "--at is for survival"),
    "paper unknown": (["reproduce", "lit-lvn"], "lit-lvm"),
    "no such option": (["fit", "patients.csv", "--traget", "y"], "--traget"),
}


def test_values_stand_under_their_names_where_lines_end_in_a_separator(tmp_path):
    path = tmp_path / "ending.csv"
    path.write_text("a,b\n1,2,\n3,4,\n")
    assert reading.read_table_file(path).to_dict("list") == {"a": [1, 3], "b": [2, 4]}


def test_names_of_rows_without_a_heading_are_left_out(tmp_path):
    path = tmp_path / "from_r.csv"
    path.write_text("a,b\nAnna,1,2\nBob,3,4\n")
    table = reading.read_table_file(path)
    assert table.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    assert list(table.index) == [0, 1]  # messages count rows from it


def test_other_ends_than_the_event_are_told():
    table = only(patients(), "time", "status")
    table.loc[table.index[:4], "status"] = ["Dead", "dead ", "Dead", "dead"]
    given = TableOptions(time="time", event="status=dead")
    problem = pose_table(table, given.roles, given.family("interactions"))
    assert any(
        "only 'dead' is the event; 'alive' (" in note and "'Dead' (2)" in note for note in problem.notes
    )
    assert not any(
        "is the event" in note
        for note in pose_table(
            only(patients(), "time", "status"), given.roles, given.family("interactions")
        ).notes
    )


def test_a_model_is_kept_where_its_comparison_fails(folder, tmp_path, monkeypatch):
    def fails(*arguments, **settings):
        raise ValueError("one row for each level")

    monkeypatch.setattr(scoring, "score_problem", fails)
    fit = ("fit", folder / "patients.csv", "--target", "y", "--quick", "--cv", 2)
    done = run(*fit, "--output", tmp_path / "m.intertwine", "--report", tmp_path / "r.html")
    assert done.exit_code == MISTAKE
    assert TableModel.load(tmp_path / "m.intertwine").target == "y"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_words(name, folder, model, monkeypatch):
    arguments, words = MISTAKES[name]
    monkeypatch.chdir(folder)
    only(patients(), "y").drop(columns=["dose", "weight"]).to_csv("spoilt_less.csv", index=False)
    before = sorted(path.name for path in folder.iterdir())
    done = run(*arguments)
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output
    assert sorted(path.name for path in folder.iterdir()) == before


def test_our_own_faults_keep_their_traceback(folder, monkeypatch):
    monkeypatch.setattr(reading, "read_table_file", lambda *_: 1 / 0)
    done = run("fit", folder / "patients.csv", "--target", "y")
    assert isinstance(done.exception, ZeroDivisionError)


def test_a_reader_who_has_enough_is_no_mistake(folder, model, monkeypatch):
    def closed(*_):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(reading, "write_table_file", closed)
    done = run("predict", model, folder / "patients.csv")
    assert done.exit_code == 1
    assert "error" not in done.stderr


def test_an_interrupt_is_no_traceback(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "read_table_file", interrupted)
    done = run("fit", folder / "patients.csv", "--target", "y")
    assert done.exit_code == commands._INTERRUPTED
    assert "interrupted" in done.stderr


def test_an_interrupted_fit_goes_on_where_it_was(folder, model, monkeypatch, tmp_path):
    command = ["fit", folder / "patients.csv", "--target", "y", "--quick", "--cv", 3]
    command += ["--checkpoint", tmp_path / "unfinished", "--output", tmp_path / "y.intertwine"]
    with monkeypatch.context() as patch:
        Interrupted(patch, 100)
        done = run(*command)
    assert done.exit_code == commands._INTERRUPTED
    assert f"kept in {tmp_path / 'unfinished'}; the same command goes on from there" in done.stderr
    works(*command)
    assert [path.name for path in tmp_path.iterdir()] == ["y.intertwine"]
    resumed, whole = (TableModel.load(path) for path in (tmp_path / "y.intertwine", model))
    pd.testing.assert_frame_equal(resumed.estimator.top_interactions(5), whole.estimator.top_interactions(5))
    assert resumed.estimator.checkpoint is None
    assert not resumed.estimator.verbose


def test_without_arguments_the_commands_are_listed():
    done = run()
    assert all(name in done.output for name in ("fit", "predict", "compare", "report", "demo", "reproduce"))


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "intertwine", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "predict" in done.stdout
