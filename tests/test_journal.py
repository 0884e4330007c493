"""The journal of long work: named steps, in order, on the disk."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from intertwine.io import Journal, NoJournal, load_state


@contextlib.contextmanager
def interrupted_journal(path):
    with contextlib.suppress(KeyboardInterrupt), Journal(path, {}) as journal:
        yield journal
        raise KeyboardInterrupt


def test_steps_inside_a_finished_step_are_forgotten(tmp_path):
    def outer(journal):
        return {"sum": sum(journal.step(f"part {i}", lambda i=i: {"value": i})["value"] for i in range(3))}

    with interrupted_journal(tmp_path / "j") as journal:
        assert journal.step("outer", lambda: outer(journal)) == {"sum": 3}
    assert [entry["step"] for entry in load_state(tmp_path / "j")["record"]] == ["outer"]


def test_a_generator_is_left_as_the_step_left_it(tmp_path):
    def run(journal):
        rng = np.random.default_rng(0)
        first = journal.step("draw", lambda: {"x": rng.standard_normal(3)}, rng)["x"]
        return np.append(first, rng.standard_normal(2))

    with interrupted_journal(tmp_path / "j") as journal:
        run(journal)
    with Journal(tmp_path / "j", {}) as journal:
        resumed = run(journal)
    np.testing.assert_array_equal(resumed, run(NoJournal()))


def test_what_a_step_kept_is_not_taken_for_that_of_a_later_step_of_the_same_name(tmp_path, monkeypatch):
    """An interrupt between a step's end and the forgetting of what it kept."""

    def step(journal, number):
        def compute():
            assert journal.begun() is None
            journal.keep(lambda: {"number": number})
            return {"number": number}

        return journal.step("start 1", compute)

    monkeypatch.setattr(Journal, "_note", lambda journal: setattr(journal, "_changed", True))
    with interrupted_journal(tmp_path / "j") as journal:
        step(journal, 1)
        journal._snapshot = lambda: {"step": "start 1", "after": 0, "state": {"number": 1}}
    with Journal(tmp_path / "j", {}) as journal:
        assert [step(journal, number) for number in (1, 2)] == [{"number": 1}, {"number": 2}]


def test_a_record_of_other_steps_is_refused(tmp_path):
    with interrupted_journal(tmp_path / "j") as journal:
        journal.step("one", dict)
    with (
        pytest.raises(ValueError, match="holds 'one' where 'two' is due"),
        Journal(tmp_path / "j", {}) as journal,
    ):
        journal.step("two", dict)


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    values = np.array([np.nan, np.inf, -0.0])
    with interrupted_journal(tmp_path / "j") as journal:
        journal.step("odd", lambda: {"values": values, "criterion": np.inf})
    with Journal(tmp_path / "j", {}) as journal:
        found = journal.step("odd", lambda: pytest.fail("computed again"))
    np.testing.assert_array_equal(found["values"], values)
    assert np.signbit(found["values"][2])
    assert found["criterion"] == np.inf
