"""Linear mixed models beside lme4 and statsmodels: do they agree, how long do they take, and how does the cost grow?

    python -m benchmarks.mixed_models [--quick] [--again] [--problems NAME …] [--tools NAME …] [--repeats 5]

Restricted maximum likelihood throughout, each tool with its defaults. Methods take turns, a process each, one thread
each; the clock starts when the arrays (the data frame, in R) are there and ends with the fit. Rscript with lme4 is left
out, with a word, where it is absent.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from _figures import growth
from _harness import in_words, interleave
from _mixed_methods import METHODS, TOOLS
from _results import Results, all_rows, markdown, named, write_table
from litlvm_speed import as_row

NAME = "mixed_models"
KEY = ("problem", "method")
OURS, REFERENCE = "intertwine", "lme4"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A table with a structure of random effects.

    Attributes
    ----------
    structure : str
        In ``STRUCTURES``, or "sites, METHOD", which has no peers here.
    make : callable
        Returns X and y.
    curve, size : str, int
        Of a growth curve.
    """

    structure: str
    make: Callable[[], tuple[np.ndarray, np.ndarray]]
    curve: str = ""
    size: int = 0


def sleepstudy() -> tuple[np.ndarray, np.ndarray]:
    """Reaction times by days, with a line for each of 18 drivers."""
    from intertwine.datasets import fetch_sleepstudy

    study = fetch_sleepstudy(download_if_missing=False)
    return np.column_stack([study.time, study.groups["subject"]]), study.target[:, None]


def pbcseq() -> tuple[np.ndarray, np.ndarray]:
    """Seven blood values by years, with a line for each of 312 patients and value; some are missing."""
    from intertwine.datasets import fetch_pbcseq

    visits = fetch_pbcseq(standardize=False, download_if_missing=False)
    blood = ("log_bili", "log_chol", "albumin", "log_alk.phos", "log_ast", "log_platelet", "log_protime")
    columns = [list(visits.feature_names).index(name) for name in blood]
    return np.column_stack([visits.time, visits.groups["patient"]]), visits.data[:, columns]


def insteval(n_groupings: int) -> tuple[np.ndarray, np.ndarray]:
    """Marks by 2972 students of 1128 lecturers, and of 14 departments."""
    from intertwine.datasets import fetch_insteval

    marks = fetch_insteval(download_if_missing=False)
    names = ("student", "lecturer", "department")[:n_groupings]
    fixed = marks.data if n_groupings == 3 else marks.data[:, [2]]
    return np.column_stack([fixed, *(marks.groups[name] for name in names)]), marks.target[:, None]


def lines(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A line for each of n / 10 groups."""
    rng = np.random.default_rng(0)
    group, time = rng.integers(0, n // 10, n), rng.uniform(size=n)
    effect = rng.standard_normal((n // 10, 2)) @ np.array([[1.0, 0.3], [0.0, 0.7]])
    y = 1.0 + 2.0 * time + effect[group, 0] + effect[group, 1] * time + rng.standard_normal(n)
    return np.column_stack([time, group]), y[:, None]


def crossed(n: int, n_first: int, n_second: int) -> tuple[np.ndarray, np.ndarray]:
    """Two groupings, at random."""
    rng = np.random.default_rng(0)
    x, first, second = rng.standard_normal(n), rng.integers(0, n_first, n), rng.integers(0, n_second, n)
    y = x + rng.standard_normal(n_first)[first] + 0.5 * rng.standard_normal(n_second)[second]
    return np.column_stack([x, first, second]), (y + rng.standard_normal(n))[:, None]


def field(n: int, n_sites: int) -> tuple[np.ndarray, np.ndarray]:
    """A field over sites of a square, and rows at them."""
    from intertwine.datasets import simulate_spatial_effects

    drawn = simulate_spatial_effects(n, 1, n_sites=n_sites, variance=3.0, length_scale=0.3, random_state=0)
    return np.column_stack([drawn.latent, drawn.coords]), drawn.data


PROBLEMS = {
    "sleepstudy, a line a driver": Problem("slopes", sleepstudy),
    "pbcseq, a line a patient, 7 outcomes": Problem("slopes", pbcseq),
    "InstEval, students × lecturers": Problem("two crossed", partial(insteval, 2)),
    "InstEval, students × lecturers × departments": Problem("three crossed", partial(insteval, 3)),
}
GROWTH = {
    **{
        f"lines, n = {n:,}": Problem("slopes", partial(lines, n), "rows, groups of ten", n)
        for n in (1000, 10_000, 100_000, 1_000_000)
    },
    **{
        f"crossed 2000 × 1000, n = {n:,}": Problem(
            "two crossed", partial(crossed, n, 2000, 1000), "rows, 2000 × 1000 crossed", n
        )
        for n in (10_000, 100_000, 1_000_000)
    },
    **{
        f"crossed q × q / 4, n = 5 q, q = {q:,}": Problem(
            "two crossed", partial(crossed, 5 * q, q, q // 4), "levels crossed with a quarter as many", q
        )
        for q in (1000, 4000, 16_000)
    },
    **{
        f"{q:,} sites, n = 100,000": Problem(
            "sites, auto", partial(field, 100_000, q), "sites, 100,000 rows", q
        )
        for q in (100, 1000, 10_000)
    },
    "1,000 sites, n = 1,000,000": Problem("sites, auto", partial(field, 1_000_000, 1000)),
    "10,000 sites, n = 1,000,000": Problem("sites, auto", partial(field, 1_000_000, 10_000)),
}


def measure(name: str, problem: str, tools: list[str], repeats: int, limit_s: float, again: bool) -> None:
    """Measure the tools that are wanted and not there yet, side by side."""
    one = (PROBLEMS | GROWTH)[problem]
    results = Results(name, "all", KEY)
    wanted = {f"{tool}, {one.structure}": tool for tool in tools if f"{tool}, {one.structure}" in METHODS}
    wanted = {
        method: tool
        for method, tool in wanted.items()
        if again or not results.has(problem=problem, method=tool)
    }
    if not wanted:
        return
    try:
        X, y = one.make()
    except FileNotFoundError as absent:
        print(f"{problem} is left out: {absent}", file=sys.stderr)
        return
    print(problem, flush=True)
    arrays = {"X": X, "y": y, "folds": np.zeros(1), "X_test": X[:1], "y_test": y[:1]}
    for summary in interleave(
        dict.fromkeys(wanted, sys.executable), arrays, repeats=repeats, limit_s=limit_s
    ):
        row = {**as_row(summary), "method": wanted[summary.method], "added_mb": summary.added_mb}
        facts = {
            "problem": problem,
            "curve": one.curve,
            "size": one.size,
            "n": len(X),
            "n_outcomes": y.shape[1],
        }
        if summary.failure:
            row["added_mb"] = row["peak_mb"] = None
        results.add({**facts, **row})


def table(name: str) -> None:
    """Agreement and times of the real tables, then the growth."""
    rows = {(row["problem"], row["method"]): row for row in all_rows(name)}
    body = [
        [
            problem,
            tool,
            *_times(row, rows.get((problem, OURS))),
            *_agreement(row, rows.get((problem, REFERENCE))),
        ]
        for problem in PROBLEMS
        for tool in TOOLS
        if (row := rows.get((problem, tool)))
    ]
    header = ["problem", "tool", "clock", "processor", f"processor / {OURS}", "peak memory", "log-likelihood, summed",
              f"less {REFERENCE}'s", f"variances, largest relative difference from {REFERENCE}'s"]  # fmt: skip
    text = (
        "Restricted maximum likelihood, one thread, medians of interleaved runs. Where others use the machine (`load` "
        "in the JSON) the processor's time is the one to compare; the larger log-likelihood is the better optimum.\n\n"
        + markdown(header, body)
    )
    grown = [
        [problem, tool, *_times(row, rows.get((problem, OURS))), _memory(row.get("added_mb"))]
        for problem in GROWTH
        for tool in TOOLS
        if (row := rows.get((problem, tool)))
    ]
    if grown:
        header = [
            "problem",
            "tool",
            "clock",
            "processor",
            f"processor / {OURS}",
            "peak memory",
            "of it the fit's",
        ]
        text += "\nHow the cost grows, on simulated rows:\n\n" + markdown(header, grown)
        growth([row for row in rows.values() if row["curve"] and row["seconds"]], name)
    if shutil.which("Rscript") is None:
        text += "\nRscript is absent here: rows of lme4 are of another machine, or missing.\n"
    write_table(name, text)


def _times(row: dict, ours: dict | None) -> list[str]:
    if row["seconds"] is None:
        return [row["failure"].split(":")[0], "–", "–", "–"]
    ratio = f"{row['cpu_seconds'] / ours['cpu_seconds']:.3g} ×" if ours and ours["seconds"] else "–"
    return [in_words(row["seconds"]), in_words(row["cpu_seconds"]), ratio, _memory(row["peak_mb"])]


def _memory(megabytes: float | None) -> str:
    return "–" if megabytes is None else f"{megabytes:.0f} MB"


def _agreement(row: dict, reference: dict | None) -> list[str]:
    if row["seconds"] is None:
        return ["–", "–", "–"]
    total = sum(row["chosen"]["log_likelihood"])
    if reference is None or reference["seconds"] is None:
        return [f"{total:.4f}", "–", "–"]
    mine, other = (_variances(one) for one in (row, reference))
    # relative to the largest variance of an outcome: one that is zero has no relative difference of its own
    difference = np.max(np.abs(mine - other) / np.max(np.abs(other), axis=1, keepdims=True))
    return [f"{total:.4f}", f"{total - sum(reference['chosen']['log_likelihood']):+.1e}", f"{difference:.0e}"]


def _variances(row: dict) -> np.ndarray:
    chosen = row["chosen"]
    return np.column_stack([chosen["noise"], chosen["variances"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="+", choices=[*PROBLEMS, *GROWTH], default=[*PROBLEMS, *GROWTH])
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument("--repeats", type=int, default=5, help="of the real tables; growth is measured once")
    parser.add_argument("--limit", type=float, default=600.0, help="processor seconds that a fit may take")
    parser.add_argument("--quick", action="store_true", help="the real tables alone, once")
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    arguments = parser.parse_args()
    name = named(NAME, arguments.quick)
    tools = [tool for tool in arguments.tools if shutil.which("Rscript") or not tool.startswith(REFERENCE)]
    for tool in set(arguments.tools) - set(tools):
        print(f"{tool} is left out: Rscript is not on the path", file=sys.stderr)
    for problem in arguments.problems:
        if arguments.quick and problem in GROWTH:
            continue
        repeats = arguments.repeats if problem in PROBLEMS and not arguments.quick else 1
        measure(name, problem, tools, repeats, arguments.limit, arguments.again)
    table(name)


if __name__ == "__main__":
    main()
