"""Columns as files have them and commands name them: events, and what is told of columns that no model can read."""

import pandas as pd

from intertwine.cli.problem import pose
from intertwine.compare import FAMILIES

INTERACTIONS = FAMILIES["interactions"]()
ROLES = {
    "target": None,
    "time": None,
    "event": None,
    "entry": None,
    "task": "auto",
    "drop": [],
    "categorical": [],
}


def posed(table, **roles):
    return pose(table, **(ROLES | roles), family=INTERACTIONS)


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
