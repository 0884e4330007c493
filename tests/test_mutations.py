"""The tool that breaks formulas: what it takes for one, that every module has its tests, and that they notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mutations.__main__ import Record, all_mutants, equivalent_keys, sample
from mutations.held_by import core_modules, files_holding
from mutations.reach import statement_at
from mutations.session import Result
from mutations.signs import mutants

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
    assert [mutant.is_sign for mutant in found] == [True, False, True, False, False, False]


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


def test_a_verdict_stays_while_what_it_is_about_reads_the_same(tmp_path):
    module, tests = tmp_path / "package" / "value.py", tmp_path / "tests" / "test_value.py"
    for file in (module, tests):
        file.parent.mkdir()
    module.write_text(SOURCE)
    tests.write_text("def test_one():\n    assert True\n")
    laboratory = SimpleNamespace(folder=tmp_path, package=module.parent)
    noticed, survived, *_ = mutants("value.py", SOURCE.encode())
    failed = Result("failed", "tests/test_value.py::test_one[a-1]", 1.5)
    record = Record(tmp_path / "record.jsonl", laboratory)
    record.put(noticed, [tests.name], failed)
    record.put(survived, [tests.name], Result("passed", "", 0.5))

    def known():
        again = Record(tmp_path / "record.jsonl", laboratory)
        return [again.get(mutant, [tests.name]) for mutant in (noticed, survived)]

    assert known() == [failed, Result("passed", "", 0.5)]
    tests.write_text(tests.read_text() + "def test_two():\n    assert True\n")
    assert known() == [failed, None]
    module.write_text(SOURCE + "\n")
    assert known() == [None, None]


def test_a_line_belongs_to_the_innermost_statement():
    source = (
        b"def f(a):\n    if (\n        a\n    ):\n        g(\n            a - 1,\n        )\n    return a\n"
    )
    lines = [list(statement_at(source, line)) for line in range(1, 9)]
    assert lines == [[1]] + [[2, 3, 4]] * 3 + [[5, 6, 7]] * 3 + [[8]]


def test_what_is_there_after_the_import_is_known():
    source = (
        b"LOW = -1.0\nclass C:\n    step: float = 2.0 - LOW\n    def f(self):\n        return -LOW\n"
        b"g = lambda x: -x\n"
    )
    assert [mutant.at_import for mutant in mutants("m.py", source)] == [True, True, False, False]


def test_broken_formulas_are_noticed_and_unbroken_ones_pass(tmp_path):
    # four of a quick module, one that breaks nothing, and one that no test of the file executes
    program = (
        "import sys; from math import inf; from pathlib import Path; from mutations.__main__ import main; "
        "from mutations.session import Trial; from mutations.signs import Edit, Mutant; "
        "from mutations.trial import Laboratory; folder = Path(sys.argv[1]); "
        "code = main(['--only', 'penalties', '--sample', '4', '--seed', '2', '--folder', sys.argv[1]]); "
        "print('code', code); "
        f"laboratory = Laboratory(Path({str(CHECKOUT)!r}), folder); "
        "before = (laboratory.package / 'penalties.py').read_text().partition('return self.l2 * params')[0]; "
        "line = before.count(chr(10)) + 1; "
        "nothing = Edit(0, 0, b''); "
        "whole = [Mutant(p, n, '', '', '', nothing, 1, False) for p, n in [('penalties.py', line), ('risk.py', 1)]]; "
        "tried = laboratory.judge([Trial(m, ('test_penalties.py',)) for m in whole], False, inf); "
        "print(*(result.outcome for _, result in tried))"
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
    assert "code 0\npassed missed" in done.stdout
