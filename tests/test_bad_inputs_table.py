"""The table of bad inputs: every row, over every public estimator."""

from __future__ import annotations

from collections import Counter

import pytest
from bad_inputs import COLUMNS, REASONS, TABLE, cells

import intertwine

CELLS = list(cells())
LINES = [f"{group}: {line}" for group, lines in TABLE.items() for line in lines]
NAMES = [column.name for column in COLUMNS]


@pytest.mark.parametrize(
    ("column", "case"),
    [(column, case) for column, _, case in CELLS],
    ids=[f"{column.name}-{line.split(':')[0]}-{case.id}" for column, line, case in CELLS],
)
def test_bad_input_is_answered(column, case):
    case.run(column)


def test_every_estimator_has_a_column():
    assert sorted(NAMES) == sorted(intertwine._ESTIMATORS)


@pytest.mark.parametrize("line", LINES)
def test_every_estimator_answers_every_row(line):
    """In the table, or by the reason why the row does not touch it; never both."""
    tested = {column.name for column, where, _ in CELLS if where == line}
    excused = [
        name for where, names, _ in REASONS for name in names.split() if where in (line, line.split(":")[0])
    ]
    assert not tested & set(excused)
    assert sorted({*tested, *excused}) == sorted(NAMES)
    assert not [name for name, times in Counter(excused).items() if times > 1]


def test_every_reason_is_of_a_row_of_the_table():
    known = {*LINES, *TABLE}
    assert not [where for where, _, _ in REASONS if where not in known]
