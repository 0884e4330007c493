"""The papers' experiments, at sizes that take a second: what is measured, kept, said and named as absent."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import intertwine
from intertwine.cli.commands import application
from intertwine.reproduce import PAPERS, Measurement, Measurements, load_paper, reproduce_papers
from intertwine.reproduce.litlvm.compatibility import Compatibility
from intertwine.reproduce.litlvm.latent_dimension import LatentDimension
from intertwine.reproduce.litlvm.real_tables import RealTables, paper_split
from intertwine.reproduce.litlvm.simulation import SimulatedClassification, SimulatedRegression
from intertwine.reproduce.litlvm.tie_strength import TieStrength


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The quick designs at a few features and rows, on a machine without any table."""
    monkeypatch.setattr(SimulatedRegression, "sizes", (4, 9))
    monkeypatch.setattr(SimulatedRegression, "quick_sizes", (4,))
    monkeypatch.setattr(SimulatedRegression, "quick_seeds", 2)
    monkeypatch.setattr(SimulatedRegression, "rows", (60, 40))
    monkeypatch.setattr(SimulatedRegression, "published", {"LIT-LVM": {4: 100.0, 9: 100.0}})
    monkeypatch.setattr(TieStrength, "quick_size", (4, (60, 40), 2))
    monkeypatch.setattr(TieStrength, "quick_ties", (0.0, 0.1, np.inf))
    monkeypatch.setattr(Compatibility, "jobs", lambda self: [])
    monkeypatch.setenv("INTERTWINE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("INTERTWINE_CACHE", str(tmp_path / "no cache"))
    return tmp_path / "out"


def test_the_command_writes_a_page_and_says_what_holds_and_what_is_absent(tiny):
    shown = CliRunner().invoke(
        application, ["reproduce", "lit-lvm", "--quick", "--jobs", "1", "--output", str(tiny)]
    )
    assert shown.exit_code == 0, shown.output
    assert "RMSE of LIT-LVM with 4 features" in shown.output
    html, markdown = (
        (tiny / f"lit-lvm-quick.{ending}").read_text(encoding="utf-8") for ending in ("html", "md")
    )
    for text in (html, markdown):
        assert "tecator is absent" in text
        assert "INTERTWINE_DATA" in text
        assert "paper: LIT-LVM" in text
        assert "ours: factorization machine" in text
        assert "not in the quick run" in text
    assert "http" not in html.replace("http://www.w3.org", "")  # loads nothing
    assert html.count("<table>") == 4  # classification is left out of the quick run, and says so
    assert html.count('<table class="claims">') == 7
    assert "**better**" in markdown
    assert "Left out of the quick run" in html


def test_what_was_measured_is_kept_and_not_measured_again(tiny, monkeypatch):
    paper, plans = load_paper("lit-lvm"), []

    def on_plan(plan):
        plans.append((plan.left, plan.kept))
        return lambda name, seconds: None

    reproduce_papers([paper], tiny, quick=True, on_plan=on_plan)
    reproduce_papers([paper], tiny, quick=True, on_plan=on_plan)
    n_jobs = 2 * 2 + 3 * 2
    assert plans == [(n_jobs, 0), (0, n_jobs)]
    kept = json.loads((tiny / "lit-lvm-quick.json").read_text(encoding="utf-8"))
    kept["intertwine"] = "another version"
    (tiny / "lit-lvm-quick.json").write_text(json.dumps(kept), encoding="utf-8")
    reproduce_papers([paper], tiny, quick=True, on_plan=on_plan)
    assert plans[-1] == (n_jobs, 0)


def test_an_interrupted_run_keeps_what_it_has(tiny, monkeypatch):
    def step(name, seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce_papers([load_paper("lit-lvm")], tiny, quick=True, on_plan=lambda plan: step)
    assert len(Measurements(tiny / "lit-lvm-quick.json", intertwine.__version__)) == 1


def test_a_strange_file_in_the_folder_is_a_mistake_and_stays(tiny):
    tiny.mkdir()
    (tiny / "lit-lvm-quick.json").write_text("my notes", encoding="utf-8")
    shown = CliRunner().invoke(
        application, ["reproduce", "lit-lvm", "--quick", "--jobs", "1", "--output", str(tiny)]
    )
    assert shown.exit_code not in (0, None)
    assert not isinstance(shown.exception, ValueError)
    assert "holds no measurements" in shown.output
    assert (tiny / "lit-lvm-quick.json").read_text(encoding="utf-8") == "my notes"


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
    """What is said of a table whose splits gained so much by the tie: its claims, its findings."""
    measurements = Measurements(None, "")
    for seed, gain in enumerate(gains):
        for method, value in (("all pairs, no tie", 0.9), ("all pairs, tie if CV prefers it", 0.9 + gain)):
            facts = {"latent": "low_rank" if accepted else None}
            measurements.add(Measurement("real tables", "clean1", method, seed, value, 1.0, facts))
    found = RealTables(quick=False).read(measurements)
    return {claim.statement: claim for claim in found.claims}, " ".join(found.findings)


@pytest.mark.parametrize(
    ("gains", "accepted", "word"),
    [
        ([0.0, 0.0, 0.0], False, "does not hold"),
        ([0.02, 0.021, 0.019], True, "holds"),
        ([0.06, 0.061, 0.059], True, "better"),  # the paper's .947 − .922, and more
        ([0.02, -0.02, 0.01], True, "does not hold"),
    ],
)
def test_the_gain_of_the_tie_is_judged_split_by_split(gains, accepted, word):
    claims, said = real_tables(gains, accepted)
    claim = claims["On clean1 LIT-LVM beats all pairs without a tie"]
    assert (claim.verdict, claim.published, claim.n_seeds) == (word, "+0.025", 3)
    assert f"clean1: cross-validation took the tie in {3 * accepted} of 3 splits." in said
    assert claims["On tecator LIT-LVM beats all pairs without a tie"].verdict == "not measured here"


def test_the_strength_of_a_draw_is_chosen_on_the_other_draws():
    design, measurements = TieStrength(quick=True), Measurements(None, "")
    values = {
        "none": [0.5, 0.6],
        "0.01": [0.9, 0.1],
        "0.1": [0.2, 0.8],
        "1": [0.3, 0.3],
        "∞ (FM)": [0.4, 0.4],
    }
    for tie, aucs in values.items():
        for seed, auc in enumerate(aucs):
            measurements.add(Measurement(design.name, f"{tie}, p = 40", "intertwine", seed, auc, 1.0))
    claim = design.read(measurements).claims[0]
    # draw 0 gets the strength that is best on draw 1, and the other way round
    assert claim.mean == pytest.approx(((0.2 - 0.5) + (0.1 - 0.6)) / 2)


def test_what_more_dimensions_gain_at_best_is_set_beside_the_papers():
    design, measurements = LatentDimension(quick=True), Measurements(None, "")
    for d, aucs in {2: [0.70, 0.72], 10: [0.69, 0.71], 50: [0.71, 0.725]}.items():
        for seed, auc in enumerate(aucs):
            measurements.add(Measurement(design.name, f"d = {d}", "intertwine", seed, auc, 1.0))
    (claim,) = design.read(measurements).claims
    assert claim.mean == pytest.approx((0.01 + 0.005) / 2)
    assert (claim.verdict, claim.published) == ("holds", "0.009")
