"""The rule of verdicts, case by case; and one page over papers that are made up."""

import json
import re
import sys
import time
from html import unescape

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from intertwine.cli import time_left
from intertwine.cli.commands import application
from intertwine.reproduce import (
    RULE,
    AbstractDesign,
    Job,
    Measurements,
    Paper,
    Reproduced,
    exceeds,
    reaches,
    reproduce_papers,
    run,
    unmeasured,
)
from intertwine.reproduce.claims import noise
from intertwine.reproduce.overview import summary

NAN = float("nan")

# the paper prints 1.28; errors, so that less is better
FIGURES = {
    "clearly ahead": ([1.07, 1.08, 1.09], "better", ""),
    "ahead, and within noise of three seeds": ([1.2, 1.25, 1.3], "holds", ""),
    "ahead, and two seeds cannot tell": ([1.15, 1.2], "holds", ""),
    "short by less than two standard errors": ([1.3, 1.4, 1.2], "holds", ""),
    "short by more": ([1.31, 1.32, 1.33], "does not hold", "not reached"),
    "short by less than the paper prints": ([1.284, 1.284, 1.284], "holds", ""),
    "ahead by less than the paper prints": ([1.276, 1.276, 1.276], "holds", ""),
    "without any spread": ([1.2, 1.2], "better", ""),
    "one seed": ([1.0], "not measured here", "one seed cannot tell"),
    "one seed that ended well": ([1.0, NAN], "not measured here", "one seed cannot tell"),
    "nothing": ([], "not measured here", "nothing was measured"),
}


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("case", FIGURES)
def test_figures_are_judged_by_the_rule(case, lower):
    values, verdict, why = FIGURES[case]
    sign = 1.0 if lower else -1.0
    claim = reaches("It is 1.28.", sign * 1.28, sign * np.array(values), lower_is_better=lower, places=2)
    assert (claim.verdict, claim.why) == (verdict, why)
    assert claim.n_seeds == np.isfinite(values).sum()


# the paper prints a difference of .10
COMPARISONS = {
    "beyond noise": ([0.09, 0.10, 0.11], {}, "holds", ""),
    "beyond noise, and beyond the paper's": ([0.19, 0.20, 0.21], {}, "better", ""),
    "beyond the paper's, at another size": ([0.19, 0.20, 0.21], {"comparable": False}, "holds", ""),
    "in noise": ([0.1, -0.1, 0.2], {}, "does not hold", "no difference beyond noise"),
    "beyond two standard errors, in the noise of two seeds": (
        [0.1, 0.05],
        {},
        "does not hold",
        "no difference beyond noise",
    ),
    "the other way": ([-0.09, -0.10, -0.11], {}, "does not hold", "the other way round"),
    "no difference at all": ([0.0, 0.0, 0.0], {}, "does not hold", "no difference beyond noise"),
    "one seed": ([0.3], {}, "not measured here", "one seed cannot tell"),
    "nothing, and why": ([], {"absent": "no digits"}, "not measured here", "no digits"),
}


@pytest.mark.parametrize("case", COMPARISONS)
def test_comparisons_are_judged_by_the_rule(case):
    advantages, settings, verdict, why = COMPARISONS[case]
    claim = exceeds("This beats that.", advantages, published=0.1, places=2, **settings)
    assert (claim.verdict, claim.why, claim.published) == (verdict, why, "+0.10")


def test_a_figure_of_another_design_is_shown_and_not_judged():
    claim = reaches("It is 1.", 1.0, [2.0, 3.0], lower_is_better=True, places=1, incomparable="smaller")
    assert (claim.verdict, claim.why, claim.ours) == ("not measured here", "smaller", "2.5 ± 0.5")


def test_numbers_are_shown_as_printed_with_signs_and_errors_that_are_not_zero():
    shown = reaches("It is.", 0.9, [0.90012, 0.90014], lower_is_better=False, places=3)
    assert (shown.published, shown.ours) == ("0.900", "0.90013 ± 0.00001")
    assert exceeds("It is.", [-0.25, -0.35], published=-0.0, places=1).ours == "−0.30 ± 0.05"
    assert exceeds("It is.", [1.0, 2.0], published=-0.0, places=1).published == "0.0"


def test_the_rule_says_the_numbers_that_it_uses():
    text = " ".join(RULE)
    for n in (2, 3, 5):
        assert f"{noise(n):.1f}" in text
    assert "no more than 2 standard errors" in text


def test_counts_in_a_sentence():
    claims = [unmeasured("a", "b"), exceeds("c", [1.0, 1.0], places=1)]
    assert summary(claims) == ("Of 2 claims 1 holds, 0 are surpassed, 0 do not hold, 1 is not measured here.")


# ------------------------------------------------------------------------------------------ all papers on one page


def _count(seed):
    return 1.0 + 0.01 * seed, {}


def _fail():
    raise RuntimeError("the matrix is singular")


class Steady(AbstractDesign):
    """Three seeds that measure about one."""

    name = "steady"

    def jobs(self):
        return [
            Job("all", "ours", seed, lambda seed=seed: _count(seed), seconds=seed + 1.0) for seed in range(3)
        ]

    def read(self, measurements):
        values = measurements.values(self.name, "all", "ours")
        claims = [
            reaches("It is 2 <at most>.", 2.0, values, lower_is_better=True, places=1),
            reaches("It is 0.5.", 0.5, values, lower_is_better=True, places=1),
            exceeds("It is more than none.", values, places=1),
        ]
        return Reproduced(
            "Steady things", "About one.", ("x", "y"), [], [("ours", "1")], claims, ["A finding."]
        )


class Absent(Steady):
    """Data that cannot be had."""

    name = "absent"

    def jobs(self):
        return []

    def read(self, measurements):
        claim = reaches("It is 3.", 3.0, [], lower_is_better=True, places=1, absent="no file")
        return Reproduced(
            "Absent things", "", ("x",), [], [], [claim], [], absent=["things are absent: fetch them"]
        )


class Broken(Steady):
    """A fit that ends in an error."""

    name = "broken"

    def jobs(self):
        return [Job("all", "ours", 9, _fail, seconds=9.0), *super().jobs()[:1]]


PAPERS = {
    "first": Paper(
        "first", "The first paper", "somewhere", (Steady, Absent), (unmeasured("All is well.", "no data"),)
    ),
    "second": Paper("second", "The second paper", "elsewhere", (Broken,)),
}


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    """Two papers, one of which has a fit that fails."""
    monkeypatch.setattr(run, "PAPERS", PAPERS)
    monkeypatch.setattr("intertwine.reproduce.PAPERS", PAPERS)
    monkeypatch.setattr("intertwine.reproduce.load_paper", PAPERS.__getitem__)
    return tmp_path / "out"


def invoke(folder, *more):
    return CliRunner().invoke(
        application, ["reproduce", "all", "--quick", "--jobs", "1", "--output", str(folder), *more]
    )


def test_all_papers_are_one_page_with_every_claim(made_up):
    shown = invoke(made_up)
    assert shown.exit_code == 1  # a measurement failed, and everything else was made all the same
    assert (
        "ended in an error: broken, all, ours, seed 9: RuntimeError: the matrix is singular" in shown.output
    )
    html, markdown, text = (
        (made_up / f"all-quick.{end}").read_text("utf-8") for end in ("html", "md", "json")
    )
    state = json.loads(text)
    assert state["counts"] == {"holds": 1, "better": 1, "does not hold": 1, "not measured here": 5}
    sentence = "Of 8 claims 1 holds, 1 is surpassed, 1 does not hold, 5 are not measured here."
    for page in (html, markdown, shown.output):
        assert sentence in page
    assert "It is 2 &lt;at most&gt;." in html
    html = unescape(html)
    for page in (html, markdown):
        for said in (
            "It is 3.",
            "no file",
            "things are absent: fetch them",
            "All is well.",
            "1.010 ± 0.006",
            *RULE[:1],
        ):
            assert said in page
        assert "matrix is singular" in page
        assert "A finding." not in page  # that is on the paper's own page
    assert not re.search(r"(src|href)=[\"'](?!#|first-quick|second-quick)", html)
    assert "http" not in html
    claims = state["papers"][0]["claims"]
    assert (claims[0]["statement"], claims[0]["verdict"]) == ("It is 2 <at most>.", "better")
    assert claims[0]["mean"] == pytest.approx(1.01)
    assert claims[0]["std_error"] == pytest.approx(0.01 / 3**0.5)
    assert (claims[0]["n_seeds"], claims[0]["published"], claims[0]["design"]) == (3, "2.0", "Steady things")
    assert claims[-1]["mean"] is None
    for name in PAPERS:
        assert (made_up / f"{name}-quick.html").exists()


def test_a_measurement_that_takes_too_long_is_stopped_and_named(made_up, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "_fail", lambda: [time.sleep(0.01) for _ in range(6000)])
    (chapter,) = reproduce_papers([PAPERS["second"]], made_up, quick=True, limit=0.2)
    assert chapter.failed == ["broken, all, ours, seed 9: stopped after 0.2 seconds"]


def test_every_link_of_the_page_leads_somewhere(made_up):
    invoke(made_up)
    html = (made_up / "all-quick.html").read_text("utf-8")
    for target in re.findall(r'href="([^"]*)"', html):
        assert f'id="{target[1:]}"' in html if target.startswith("#") else (made_up / target).exists()


def test_the_longest_begin_first_and_what_failed_is_tried_again(made_up):
    told, plans = [], []

    def on_plan(plan):
        plans.append((plan.left, plan.kept, plan.seconds))
        return lambda name, seconds: told.append(seconds)

    for _ in range(2):
        reproduce_papers(PAPERS.values(), made_up, quick=True, on_plan=on_plan)
    assert told == [9.0, 3.0, 2.0, 1.0, 1.0, 9.0]
    assert plans == [(5, 0, 16.0), (1, 4, 9.0)]


def test_a_quick_run_and_a_full_one_share_a_folder_and_nothing_else(made_up):
    plans = []

    def on_plan(plan):
        plans.append(plan.kept)
        return lambda name, seconds: None

    for quick in (True, False):
        reproduce_papers([PAPERS["first"]], made_up, quick=quick, on_plan=on_plan)
    assert plans == [0, 0]
    assert len(Measurements(made_up / "first.json", run.intertwine.__version__)) == 3


# ----------------------------------------------------------------------------------------------------- time left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (59.0, "under a minute left"),
        (61.0, "about 1 minute left"),
        (5700.0, "about 95 minutes left"),
        (6600.0, "about 2 hours left"),
    ],
)
def test_time_left_in_words(seconds, words):
    assert time_left.in_words(seconds) == words


def test_lines_say_how_far_and_how_long(monkeypatch):
    ticks = iter([0.0, 1.0, 40.0, 40.0, 40.0])
    monkeypatch.setattr(time_left.time, "monotonic", lambda: next(ticks))
    console = Console(force_terminal=False, width=200, record=True)
    with time_left.counting_seconds(console, "measuring", 3, 60.0) as step:
        step("a", 10.0)
        step("b", 10.0)
    assert "measuring: 2 of 3, about 1 minute left" in console.export_text()


def test_a_terminal_gets_one_bar():
    console = Console(force_terminal=True, width=120, record=True)
    with time_left.counting_seconds(console, "measuring", 2, 60.0) as step:
        step("a [b]", 30.0)
