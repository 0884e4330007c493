"""Which families apply to a table, and which roles its columns have unmistakably."""

import shlex

import numpy as np
import pandas as pd
import pytest
from small_tables import only, patients, pupils, ratings
from typer.testing import CliRunner

from intertwine.cli import across
from intertwine.cli.applicable import entrants
from intertwine.cli.commands import application
from intertwine.cli.preparations import pose_table
from intertwine.cli.proposals import proposed_roles
from intertwine.cli.table_options import TableOptions
from intertwine.compare import FAMILIES

PAIRS = {"interactions", "fm", "local-fm"}


def visits(n=20, each=4, seed=0):
    """Columns patient, year, sex and three measurements."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n) + 300, each)
    table = pd.DataFrame({"patient": patient, "year": np.tile(np.arange(each), n) + 0.5})
    table["sex"] = np.where(patient % 2, "f", "m")
    level = rng.normal(size=n)[patient - 300]
    return table.assign(**{f"x{k}": level + 0.1 * rng.normal(size=n * each) for k in range(3)})


def numbered(table):
    """With a column that counts rows, as R writes it."""
    return table.assign(rownames=np.arange(1, len(table) + 1))


def tied(n=120):
    """Rows of subjects whose names are numbers, with a label nearly as many as rows."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"patientID": np.arange(n) % 20, "dose": rng.normal(size=n)})
    return table.assign(name=[f"row {i}" for i in range(n)], y=table["dose"] + table["patientID"] % 3)


# table, options, families that apply, and why another one does not
CASES = {
    "numbers": (
        lambda: only(patients(), "y"),
        {"target": "y"},
        PAIRS,
        {"mixed-model": "No column says what rows share"},
    ),
    "classes": (
        lambda: only(patients(), "ill"),
        {"target": "ill"},
        PAIRS,
        {"latent-factors": "who rated what"},
    ),
    "groups of classes": (
        lambda: only(patients(), "ill"),
        {"target": "ill", "groups": ["site"]},
        PAIRS,
        {"mixed-model": "predicts numbers, and ill holds classes"},
    ),
    "survival": (
        lambda: only(patients(), "time", "status"),
        {"time": "time", "event": "status=dead"},
        {"interactions"},
        {"fm": "no model of survival times", "mixed-model": "no model of survival times"},
    ),
    "groups": (
        lambda: pupils().drop(columns=["lat", "lon", "second"]),
        {"target": "mark", "groups": ["school"]},
        PAIRS | {"mixed-model"},
        {"random-effects-pca": "explains no single outcome", "longitudinal-vae": "whose visits"},
    ),
    "places": (
        lambda: pupils().drop(columns=["school", "second", "week"]),
        {"target": "mark"},
        PAIRS | {"mixed-model"},
        {},
    ),
    "two outcomes": (
        lambda: pupils(),
        {"target": "mark,second", "groups": ["school"]},
        {"mixed-model"},
        {"interactions": "predicts one outcome, and mark and second"},
    ),
    "ratings": (
        lambda: ratings().drop_duplicates(["user", "film"]).drop(columns=["stars"]),
        {"target": "rating"},
        PAIRS | {"latent-factors", "mixed-model"},
        {"longitudinal-vae": "whose visits"},
    ),
    "ids that repeat": (
        tied,
        {"target": "y"},
        PAIRS | {"mixed-model"},
        {"longitudinal-vae": "explains no single outcome"},
    ),
    "a formula": (
        lambda: pupils().drop(columns=["lat", "lon"]),
        {"formula": "mark ~ age + (1 | school)", "target": "mark"},
        PAIRS | {"mixed-model"},
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_table_and_its_roles_say_which_families_apply(name):
    table, options, wanted, reasons = CASES[name]
    table = numbered(table())
    roles, _ = proposed_roles(table, TableOptions(**options))
    found, told = entrants(table, roles, "outcome", list(FAMILIES), "table.csv")
    assert {one.candidate.family for one in found} == wanted
    why = {one.family: one.why for one in told}
    assert set(why) == set(FAMILIES)
    assert all(text[0].isupper() and text.endswith(".") for text in why.values())
    for family, words in reasons.items():
        assert words in why[family]
    for one in found:  # as a report on a fitted model reads its table again
        again = pose_table(table, one.options.roles, one.problem.family)
        pd.testing.assert_frame_equal(again.X, one.problem.X)
    targets = [np.asarray(one.problem.y).tolist() for one in found]
    assert all(target == targets[0] for target in targets)
    assert not any("rownames" in one.problem.X for one in found)


PROPOSALS = {
    "rows counted": (lambda: numbered(only(patients(), "y")), {"target": "y"}, {"drop": ["rownames"]}),
    "rows named": (tied, {"target": "y"}, {"drop": ["name"], "subject": "patientID"}),
    "ratings": (
        lambda: ratings().drop_duplicates(["user", "film"]),
        {},
        {"user": "user", "item": "film", "target": "rating"},
    ),
    "pairs rated again and again": (lambda: pd.concat([ratings()] * 3), {"target": "rating"}, {"user": None}),
    "places and schools": (
        pupils,
        {"target": "mark"},
        {"coords": ["lat", "lon"], "groups": ["school"], "time": None},
    ),
    "visits": (visits, {}, {"subject": "patient", "time": "year"}),
    "given": (tied, {"target": "y", "groups": ["name"]}, {"groups": ["name"], "subject": None, "drop": None}),
    "one row for each": (
        lambda: only(patients(), "y").assign(id=lambda t: np.arange(len(t)) + 7),
        {"target": "y"},
        {"drop": ["id"], "subject": None},
    ),
}


@pytest.mark.parametrize("name", PROPOSALS)
def test_roles_that_are_unmistakable_are_taken_up(name):
    table, options, wanted = PROPOSALS[name]
    roles, proposals = proposed_roles(table(), TableOptions(**options))
    assert {field: getattr(roles, field) for field in wanted} == wanted
    assert all(proposal.because for proposal in proposals)


def run(*arguments):
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


def test_another_question_is_named_with_a_command_that_poses_it(tmp_path, monkeypatch):
    table = numbered(visits())
    path = tmp_path / "visits with spaces.csv"
    table.to_csv(path, index=False)
    roles, _ = proposed_roles(table, TableOptions(target="x0"))
    _, told = entrants(table, roles, "outcome", list(FAMILIES), str(path))
    posed = []

    class Enough(Exception):
        pass

    def stop(question, rows, found, *_):
        posed.append(found[0].problem.family.name)
        raise Enough

    monkeypatch.setattr(across, "run_contest", stop)
    commands = [one for one in told if one.command]
    assert {one.family for one in commands if one.applies == "another question"} == {
        "random-effects-pca",
        "random-effects-vae",
        "longitudinal-vae",
    }
    for one in commands:
        done = run(*shlex.split(one.command)[1:])
        assert isinstance(done.exception, Enough), (one.command, done.output)
        assert posed[-1] == one.family


@pytest.mark.parametrize("as_text", [False, True])
def test_dates_do_not_keep_families_off_a_table(as_text):
    days = pd.date_range("2024-01-30", periods=30).repeat(4)
    table = pd.DataFrame(
        {"seen": days.astype(str) if as_text else days, "dose": np.arange(120.0) % 7, "y": 1.5}
    )
    roles, proposals = proposed_roles(table, TableOptions(target="y"))
    assert roles.drop == ["seen"]
    assert proposals[0].because.startswith("it holds dates")
    assert proposed_roles(table, TableOptions(target="y", groups=["seen"]))[0].drop is None
