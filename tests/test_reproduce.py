"""The papers' experiments, at sizes that take a second: what is measured, kept, said and named as absent."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import intertwine
from intertwine.cli.commands import application
from intertwine.reproduce import PAPERS, Measurement, Measurements, load_paper, reproduce_paper
from intertwine.reproduce.litlvm.real_tables import RealTables, paper_split
from intertwine.reproduce.litlvm.simulation import SimulatedClassification, SimulatedRegression
from intertwine.reproduce.litlvm.tie_strength import TieStrength
from intertwine.reproduce.measurements import verdict


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The quick designs at a few features and rows, on a machine without any table."""
    monkeypatch.setattr(SimulatedRegression, "quick_sizes", (4,))
    monkeypatch.setattr(SimulatedRegression, "rows", (60, 40))
    monkeypatch.setattr(SimulatedRegression, "published", {"LIT-LVM": {4: 100.0}})
    monkeypatch.setattr(TieStrength, "quick_size", (4, (60, 40), 2))
    monkeypatch.setattr(TieStrength, "quick_ties", (0.0, 0.1, np.inf))
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "no cache"))
    return tmp_path / "out"


def test_the_command_writes_a_page_and_says_what_holds_and_what_is_absent(tiny):
    shown = CliRunner().invoke(
        application, ["reproduce", "lit-lvm", "--quick", "--jobs", "1", "--output", str(tiny)]
    )
    assert shown.exit_code == 0, shown.output
    assert "Beside the paper's LIT-LVM, ours is better at p = 4." in shown.output
    html, markdown = ((tiny / f"lit-lvm.{ending}").read_text(encoding="utf-8") for ending in ("html", "md"))
    for text in (html, markdown):
        assert "tecator is absent" in text
        assert "INTERTWINE_DATA" in text
        assert "paper: LIT-LVM" in text
        assert "ours: factorization machine" in text
    assert "http" not in html.replace("http://www.w3.org", "")  # loads nothing
    assert html.count("<table>") == 3  # classification is left out of the quick run, and says so
    assert "Left out of the quick run" in html


def test_what_was_measured_is_kept_and_not_measured_again(tiny, monkeypatch):
    paper, plans = load_paper("lit-lvm"), []

    def on_plan(left, kept):
        plans.append((left, kept))
        return lambda name: None

    reproduce_paper(paper, tiny, quick=True, on_plan=on_plan)
    reproduce_paper(paper, tiny, quick=True, on_plan=on_plan)
    n_jobs = 2 * 2 + 3 * 2
    assert plans == [(n_jobs, 0), (0, n_jobs)]
    kept = json.loads((tiny / "lit-lvm.json").read_text(encoding="utf-8"))
    kept["intertwine"] = "another version"
    (tiny / "lit-lvm.json").write_text(json.dumps(kept), encoding="utf-8")
    reproduce_paper(paper, tiny, quick=True, on_plan=on_plan)
    assert plans[-1] == (n_jobs, 0)


def test_an_interrupted_run_keeps_what_it_has(tiny, monkeypatch):
    def step(name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce_paper(load_paper("lit-lvm"), tiny, quick=True, on_plan=lambda left, kept: step)
    assert len(Measurements(tiny / "lit-lvm.json", intertwine.__version__)) == 1


def test_a_strange_file_in_the_folder_is_a_mistake_and_stays(tiny):
    tiny.mkdir()
    (tiny / "lit-lvm.json").write_text("my notes", encoding="utf-8")
    shown = CliRunner().invoke(
        application, ["reproduce", "lit-lvm", "--quick", "--jobs", "1", "--output", str(tiny)]
    )
    assert shown.exit_code not in (0, None)
    assert not isinstance(shown.exception, ValueError)
    assert "holds no measurements" in shown.output
    assert (tiny / "lit-lvm.json").read_text(encoding="utf-8") == "my notes"


def test_an_unknown_paper_is_a_mistake():
    shown = CliRunner().invoke(application, ["reproduce", "litlvm"])
    assert shown.exit_code not in (0, None)
    assert "did you mean 'lit-lvm'?" in shown.output


@pytest.mark.parametrize("name", PAPERS)
def test_every_paper_has_its_designs(name):
    paper = load_paper(name)
    assert paper.name == name
    for design in paper.designs:
        assert design(quick=True).name
        assert design.__doc__


def test_the_full_design_is_the_papers():
    cases = {job.case for job in SimulatedRegression(quick=False).jobs()}
    assert cases == {f"p = {p}" for p in (40, 50, 60, 70, 100, 200)}
    assert {job.case for job in SimulatedClassification(quick=False).jobs()} == {
        "p = 100",
        "p = 200",
        "p = 500",
    }
    assert {job.seed for job in SimulatedRegression(quick=False).jobs()} == set(range(5))


@pytest.mark.parametrize("n", [240, 476, 1212])
def test_splits_are_50_1_49_and_do_not_overlap(n):
    train, test = paper_split(n, seed=3)
    assert len(train) == n // 2
    assert len(test) == n - n // 2 - round(0.01 * n)
    assert not set(train) & set(test)
    assert not np.array_equal(train, paper_split(n, seed=4)[0])


def real_tables(gains, accepted):
    """What is said of a table whose splits gained so much by the tie."""
    measurements = Measurements(None, "")
    for seed, gain in enumerate(gains):
        for method, value in (("all pairs, no tie", 0.9), ("all pairs, tie if CV prefers it", 0.9 + gain)):
            facts = {"latent": "low_rank" if accepted else None}
            measurements.add(Measurement("real tables", "clean1", method, seed, value, 1.0, facts))
    return " ".join(RealTables(quick=False).read(measurements).findings)


def test_a_claim_that_does_not_hold_is_said_not_to():
    said = real_tables([0.0, 0.0, 0.0], accepted=False)
    assert (
        "adds +0.000 ± 0.000, and cross-validation took it in 0 of 3 splits: the claim does not hold" in said
    )
    said = real_tables([0.02, 0.021, 0.019], accepted=True)
    assert "took it in 3 of 3 splits: the claim holds" in said
    assert "does not hold" in real_tables([0.02, -0.02, 0.01], accepted=True)


@pytest.mark.parametrize(
    ("values", "published", "lower", "word"),
    [
        ([0.9, 0.91, 0.92], 0.85, False, "better"),
        ([0.9, 0.91, 0.92], 0.97, False, "not reached"),
        ([0.9, 0.91, 0.92], 0.905, False, "the same"),
        ([5.0, 5.1], 8.0, True, "better"),
        ([5.0, 5.1], 4.0, True, "not reached"),
        ([0.04], 0.041, True, "the same"),
    ],
)
def test_verdicts(values, published, lower, word):
    assert verdict(np.array(values), published, lower_is_better=lower) == word
