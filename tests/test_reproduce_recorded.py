"""Claims that a run does not measure, judged by recorded rows: read from results, by the same rule, and marked."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import _recorded
from _results import all_rows

from intertwine.reproduce import (
    PAPERS,
    Measurement,
    Measurements,
    exceeds,
    load_paper,
    reaches,
    write_overview,
)
from intertwine.reproduce.design import Chapter
from intertwine.reproduce.litlvm.simulation import SimulatedRegression
from intertwine.reproduce.lmmvae.simulated import Categorical, SpatialUnknown
from intertwine.reproduce.page import as_html, as_markdown
from intertwine.reproduce.recorded import recorded_rows, with_recorded


def test_the_packed_file_is_what_the_results_say():
    assert _recorded.PACKED.read_text(encoding="utf-8") == _recorded.packed()


@pytest.fixture(scope="module")
def quick():
    """Every paper, nothing measured."""
    chapters = []
    for name in PAPERS:
        paper = load_paper(name)
        designs = [make(True) for make in paper.designs]
        nothing = Measurements(None, "")
        found = [with_recorded(name, design, design.read(nothing)) for design in designs]
        chapters.append(Chapter(paper, found))
    return chapters


def test_recorded_claims_are_judged_from_rows_by_the_rule(quick):
    claims = {claim.statement: claim for chapter in quick for claim in chapter.claims}
    rmse = [r["value"] for r in all_rows("litlvm_simulation") if (r["part"], r["p"]) == ("regression", 70)
            and r["method"] == "intertwine"]  # fmt: skip
    ours = claims["RMSE of LIT-LVM with 70 features"]
    by_hand = reaches(ours.statement, 11.5, rmse, lower_is_better=True, places=1)
    assert (ours.ours, ours.verdict, ours.n_seeds) == (by_hand.ours, by_hand.verdict, 5)
    machine = {r["seed"]: r["value"] for r in all_rows("source_papers") if r["case"] == "p = 70"}
    mine = {r["seed"]: r["value"] for r in all_rows("litlvm_simulation") if r["value"] in rmse}
    ahead = claims["LIT-LVM beats a factorization machine with 70 features"]
    assert ahead.ours == exceeds("", [machine[seed] - mine[seed] for seed in machine], places=3).ours
    assert ahead.recorded == "python -m benchmarks.litlvm_simulation and python -m benchmarks.source_papers"


def test_most_claims_have_a_verdict_and_those_without_say_why(quick):
    claims = [claim for chapter in quick for claim in chapter.claims]
    assert sum(bool(claim.recorded) for claim in claims) > 30
    for claim in claims:
        assert claim.is_decided == bool(claim.recorded)  # nothing was measured
        assert claim.is_decided or claim.why


def test_what_a_run_measures_is_never_replaced():
    design, measured = SimulatedRegression(True), Measurements(None, "")
    for seed in range(2):
        measured.add(Measurement(design.name, "p = 40", "intertwine", seed, 1.0 + seed / 10, 1.0))
    claims = {c.statement: c for c in with_recorded("lit-lvm", design, design.read(measured)).claims}
    mine, other = (claims[f"RMSE of LIT-LVM with {p} features"] for p in (40, 50))
    assert (mine.ours, mine.recorded) == ("1.050 ± 0.050", "")
    assert other.recorded
    # a smaller design measures comparisons, and leaves figures to what was recorded at the paper's size
    design, measured = SpatialUnknown(True), Measurements(None, "")
    for method, value in (("RandomEffectsVAE", 2.0), ("VAE, effects ignored", 3.0)):
        for seed in range(2):
            facts = {"variance_ratios": {"noise": 1.0}, "latent_correlation": 1.0}
            measured.add(Measurement(design.name, "3", method, seed, value + seed / 100, 1.0, facts))
    figure, comparison = with_recorded("lmmvae", design, design.read(measured)).claims[2:]
    assert figure.recorded
    assert float(figure.ours.split()[0]) < 1.1
    assert (comparison.ours, comparison.recorded, comparison.verdict) == ("+1.00 ± 0.00", "", "holds")


def test_other_rows_are_another_verdict(monkeypatch):
    rows, _ = recorded_rows("lmmvae", "categorical")
    worse = Measurements(None, "")
    for row in rows.select("categorical", ".3, .3, .3", "RandomEffectsVAE"):
        worse.add(Measurement(row.design, row.case, row.method, row.seed, row.value + 1.0, 1.0, row.facts))
    monkeypatch.setattr("intertwine.reproduce.recorded.recorded_rows", lambda *_: (worse, ("a command",)))
    design = Categorical(True)
    claim = with_recorded("lmmvae", design, design.read(Measurements(None, ""))).claims[0]
    assert (claim.verdict, claim.recorded) == ("does not hold", "a command")
    assert claim.mean == pytest.approx(
        float(np.mean(worse.values("categorical", ".3, .3, .3", "RandomEffectsVAE")))
    )


def test_pages_mark_what_is_recorded(quick, tmp_path):
    page = write_overview(quick, tmp_path, quick=True, command="intertwine reproduce all --quick")
    state = json.loads(page.with_suffix(".json").read_text())
    marked = [
        claim["recorded"] for paper in state["papers"] for claim in paper["claims"] if claim["recorded"]
    ]
    assert state["recorded"] == len(marked) > 30
    text, html = page.with_suffix(".md").read_text(), page.read_text()
    assert text.count("recorded, not measured now: `python -m benchmarks.") == len(marked)
    assert f"{len(marked)} of the verdicts are by recorded measurements, not by this run." in html
    assert html.count('judged"><span') >= len(marked)
    one = next(chapter for chapter in quick if chapter.paper.name == "lmmvae")
    assert "not measured now, but by <code>python -m benchmarks.random_effects_vae</code>" in as_html(
        one, quick=True
    )
    assert "recorded, not measured now" in as_markdown(one, quick=True)
