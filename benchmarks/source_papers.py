"""What the source papers claim, at their own sizes: the designs of ``intertwine reproduce NAME``, and what came out.

    python -m benchmarks.source_papers [--papers lit-lvm …] [--only TEXT …] [--seeds 5] [--pack]

Only what no other benchmark measures need be measured here. The rows of all of them go into
``src/intertwine/reproduce/recorded.json`` (``_recorded.py``), which a quick run of ``intertwine reproduce`` shows where
it measures nothing itself; ``--pack`` writes that file without measuring. One measurement after the other, one thread.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import time
import warnings

from _recorded import pack
from _results import Results, all_rows, markdown, with_error, write_table

from intertwine.reproduce import PAPERS, load_paper
from intertwine.resources import thread_limit

NAME = "source_papers"
KEY = ("paper", "design", "case", "method", "seed")


def measure(papers: list[str], only: list[str], seeds: int) -> None:
    """Measure what is wanted and not there yet, seed by seed."""
    results = Results(NAME, "ours", KEY)
    plan = [
        (name, design.name, job)
        for name in papers
        for make in load_paper(name).designs
        for design in [make(False)]
        for job in design.jobs()
    ]
    for seed in range(seeds):
        for name, design, job in plan:
            told = f"{name} | {design} | {job.case} | {job.method}"
            key = {"paper": name, "design": design, "case": job.case, "method": job.method, "seed": seed}
            if job.seed != seed or not any(text in told for text in only or [""]) or results.has(**key):
                continue
            began, spent = time.perf_counter(), time.process_time()
            with thread_limit(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value, facts = job.measure()
            seconds = {
                "seconds": round(time.perf_counter() - began, 2),
                "cpu_seconds": round(time.process_time() - spent, 2),
            }
            results.add({**key, "value": value, **seconds, "facts": facts})
            print(f"{told} | seed {seed}: {value:.4g} in {seconds['cpu_seconds']:.1f} s", flush=True)


def table() -> None:
    """Mean ± standard error of every cell."""
    cells: dict[tuple[str, ...], list[dict]] = {}
    for row in all_rows(NAME):
        cells.setdefault(tuple(row[name] for name in KEY[:-1]), []).append(row)
    body = [
        (*cell, with_error([row["value"] for row in rows], 4), len(rows), f"{_mean(rows):.0f} s")
        for cell, rows in sorted(cells.items())
    ]
    header = ("paper", "design", "case", "method", "measured", "seeds", "processor")
    write_table(NAME, markdown(header, body))


def _mean(rows: list[dict]) -> float:
    return sum(row["cpu_seconds"] for row in rows) / len(rows)


def main() -> None:
    """Measure, write the table, and pack what was recorded."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--papers", nargs="+", choices=PAPERS, default=list(PAPERS))
    parser.add_argument("--only", nargs="+", default=[], help="part of 'paper | design | case | method'")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pack", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    if not asked.pack:
        measure(asked.papers, asked.only, asked.seeds)
        table()
    pack()


if __name__ == "__main__":
    main()
