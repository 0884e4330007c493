"""The tool that breaks formulas: what it takes for one, that every module has its tests, and that they notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutations.__main__ import Record, all_mutants, equivalent_keys, sample
from mutations.held_by import core_modules, files_holding
from mutations.signs import mutants
from mutations.trial import Result

CHECKOUT = Path(__file__).parents[1]
PACKAGE = CHECKOUT / "src" / "intertwine"
SOURCE = '''
def value(x: int | None = -1, *, n=3):
    """Nothing - in here + is a formula."""
    if x < 0:
        raise ValueError("x - 1 < 0")
    total = -x.b * (x.a  # what a bracket / leaves
             - 2.0)
    total += 0.5
    count += 1
    names = "a" + f"{x - 1}" + [x]
    return total[x - 1] / np.zeros(n - 1) ** -1 < x <= 3
'''
TURNED = [
    "total = +x.b * (x.a  # what a bracket / leaves",
    "total = -x.b / (x.a  # what a bracket / leaves",
    "total -= 0.5",
    "return total[x - 1] * np.zeros(n - 1) ** -1 < x <= 3",
    "return total[x - 1] / np.zeros(n - 1) ** -1 > x <= 3",
    "return total[x - 1] / np.zeros(n - 1) ** -1 < x >= 3",
]


def test_formulas_are_broken_and_nothing_else_is():
    found = mutants("value.py", SOURCE.encode())
    assert [mutant.after for mutant in found] == TURNED
    for mutant in found:
        changed = mutant.apply(SOURCE.encode()).decode()
        assert len(changed) == len(SOURCE)
        assert sum(a != b for a, b in zip(changed, SOURCE, strict=True)) == 1
        assert changed.split("\n")[mutant.line - 1].strip() == mutant.after


def test_lines_that_read_the_same_have_keys_of_their_own():
    source = b"def f(a):\n    g(a * 2)\n    g(a * 2)\nclass C:\n    def f(self):\n        g(a * 2)\n"
    keys = [mutant.key for mutant in mutants("m.py", source)]
    assert keys == ["m.py::f::g(a / 2)", "m.py::f::g(a / 2)::2", "m.py::C.f::g(a / 2)"]


def test_every_module_of_formulas_is_held_by_tests_that_exist():
    for name in core_modules(PACKAGE):
        for test in files_holding(name):
            assert (CHECKOUT / "tests" / test).exists(), f"{name} is to be held by {test}, which is absent"
    with pytest.raises(LookupError, match="needs a line in"):
        files_holding("nowhere.at_all")


def test_what_is_called_equivalent_is_there_and_has_a_reason():
    known = equivalent_keys()
    files = core_modules(PACKAGE).values()
    there = {m.key for path in files for m in mutants(str(path.relative_to(PACKAGE)), path.read_bytes())}
    assert set(known) <= there, sorted(set(known) - there)
    assert all(len(why) > 20 for why in known.values())
    assert not {m.key for found in all_mutants(PACKAGE, ["*"]).values() for m in found} & set(known)


def test_a_sample_is_of_all_modules_alike():
    found = all_mutants(PACKAGE, ["losses.*", "penalties"])
    found = {name: some for name, some in found.items() if some}
    drawn = sample(found, len(found) + 2, seed=3)
    assert sorted(name for name, _ in drawn[: len(found)]) == sorted(found)
    assert drawn == sample(found, len(found) + 2, seed=3) != sample(found, len(found) + 2, seed=4)
    assert len(sample(found, 10**6, seed=0)) == sum(map(len, found.values()))


def test_what_was_tried_is_on_record(tmp_path):
    record = Record(tmp_path / "record.jsonl")
    record.put(("key", "digest"), Result("failed", "test", 1.5))
    again = Record(tmp_path / "record.jsonl")
    assert again.get(("key", "digest")) == Result("failed", "test", 1.5)
    assert again.get(("key", "another")) is None


def test_broken_formulas_are_noticed_and_unbroken_ones_pass(tmp_path):
    # six of a quick module, and one that breaks nothing: its tests have to pass on the copy
    program = (
        "import sys; from pathlib import Path; from mutations.__main__ import main; "
        "from mutations.trial import Laboratory; folder = Path(sys.argv[1]); "
        "code = main(['--only', 'penalties', '--sample', '4', '--seed', '2', '--folder', sys.argv[1]]); "
        "print('code', code); "
        f"laboratory = Laboratory(Path({str(CHECKOUT)!r}), folder); "
        "print('whole', laboratory.run(['test_penalties.py'], 60).outcome)"
    )
    paths = os.pathsep.join([str(CHECKOUT / "src"), str(CHECKOUT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 of 4 formulas broken: 4 noticed by a test, 0 by a run" in done.stdout, done.stdout + done.stderr
    assert "code 0\nwhole passed" in done.stdout
