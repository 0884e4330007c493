"""Longitudinal latent models: images, stays in intensive care, simpler methods, exact against mean field, growth.

    python -m benchmarks.longitudinal_vae [--sections NAME …] [--quick] [--again] [--seeds 5] [--cases TEXT …]

Sections:
    health-mnist         missing pixels of 1000 subjects; visits 6–20 of 100 new ones by their first five
    rotating             an angle at which no digit was ever seen (also: intertwine reproduce lmm-vae)
    physionet            4000 stays by the hour: measurements that are hidden, and the last twelve hours
    exact-vs-mean-field  the bound, variances and processor time of an epoch with either posterior of the coefficients;
                         whole fits of both take turns in one process
    lme4-shares          with a linear decoder: shares of variance as R's lme4 finds them
    growth               processor seconds by subjects, and of the exact posterior by the length of a series

Rows that are there already are not measured again. Where INTERTWINE_PYPOTS_PYTHON names no interpreter with PyPOTS, its
rows are left out; where a data set is absent, so is its section.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from _harness import in_words
from _longitudinal_exact import exact_against_mean_field, growth, lme4_shares
from _longitudinal_peer import SAITS, pypots_python
from _longitudinal_stays import physionet
from _results import Results, all_rows, markdown, named, with_error, write_table

from intertwine.reproduce.lmm_vae.components import IteratedPCA
from intertwine.reproduce.lmm_vae.designs import SETTINGS
from intertwine.reproduce.lmm_vae.exact_mixed_model import MixedModelPerFeature
from intertwine.reproduce.lmm_vae.models import OURS, OurVAE, answered, simple_methods
from intertwine.reproduce.lmm_vae.simple import AbstractMethod, FeatureMean, LastValue, SubjectMean
from intertwine.reproduce.lmm_vae.tasks import health_mnist, rotating_mnist
from intertwine.reproduce.lmm_vae.visits import Task

NAME = "longitudinal_vae"
KEY = ("section", "case", "method", "seed")
RANK_OF_IMAGES = 32
RANK_OF_STAYS = 1  # with four of five cells missing more than one component imputes noise

Measure = Callable[[], dict[str, Any]]
Plan = Iterator[tuple[str, str, int, Measure]]  # case, method, seed

IMAGES = simple_methods(RANK_OF_IMAGES)
# No angle of a digit is before another.
ANGLES = {name: make for name, make in IMAGES.items() if name != "last value carried"}
STAYS: dict[str, Callable[[], AbstractMethod]] = {
    "mean": FeatureMean,
    "subject's mean": SubjectMean,
    "last value carried": LastValue,
    "iterated PCA": partial(IteratedPCA, RANK_OF_STAYS, shrink=True),
    "mixed model per variable": MixedModelPerFeature,
}
SETTINGS_OF_STAYS: dict[str, Any] = {
    "n_components": 16,
    "batch_size": 512,  # a dozen stays
    "learning_rate": 0.002,
    "warm_up": 4,
    "max_iter": 10,
    "decoder_iter": 3,
    "serial_residuals": True,
}


def _tasks(
    section: str,
    draw: Callable[[int, bool], Task],
    methods: dict[str, Callable[[], AbstractMethod]],
    settings: dict[str, Any],
    quick: bool,
    seeds: int,
) -> Plan:
    methods = {**methods, OURS: partial(OurVAE, **settings)}
    for seed in range(seeds):
        kept: dict[str, Task] = {}

        def measure(
            make: Callable[[], AbstractMethod], seed: int = seed, kept: dict[str, Task] = kept
        ) -> dict:
            if "task" not in kept:
                kept["task"] = draw(seed, quick)
            return answered(make, kept["task"], seed)

        for name, make in methods.items():
            yield section, name, seed, partial(measure, make)


def _stays(quick: bool, seeds: int) -> Plan:
    peers = {"SAITS (PyPOTS)": partial(SAITS, 5 if quick else 40)} if pypots_python() else {}
    return _tasks("physionet", physionet, {**STAYS, **peers}, SETTINGS_OF_STAYS, quick, seeds)


PLANS: dict[str, Callable[[bool, int], Plan]] = {
    "health-mnist": partial(_tasks, "health-mnist", health_mnist, IMAGES, SETTINGS["health-mnist"]),
    "rotating": partial(_tasks, "rotating", rotating_mnist, ANGLES, SETTINGS["rotating-mnist"]),
    "physionet": _stays,
    "exact-vs-mean-field": exact_against_mean_field,
    "lme4-shares": lme4_shares,
    "growth": growth,
}


def measure_all(
    name: str, sections: list[str], quick: bool, seeds: int, cases: list[str], again: bool
) -> None:
    """Measure what is wanted and not there yet."""
    results = Results(name, "all", KEY)
    for section in sections:
        for case, method, seed, measure in PLANS[section](quick, seeds):
            wanted = not cases or any(text in f"{case} | {method}" for text in cases)
            if not wanted or (
                not again and results.has(section=section, case=case, method=method, seed=seed)
            ):
                continue
            began = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    said = measure()
            except FileNotFoundError as absent:
                print(f"{section} is left out: {absent}", file=sys.stderr)
                break
            row = {"section": section, "case": case, "method": method, "seed": seed}
            results.add({**row, "wall_seconds": round(time.perf_counter() - began, 2), **said})
            shown = {key: round(value, 5) for key, value in said.items() if isinstance(value, float)}
            print(f"{section} | {case} | {method} | seed {seed}: {shown}", flush=True)


#: Section, title, columns of the table, digits.
TABLES = (
    ("health-mnist", "Health MNIST: mean squared error of pixels", ("imputation", "future"), 4),
    ("rotating", "Rotating MNIST: mean squared error of pixels", ("held-out angle",), 4),
    (
        "physionet",
        "Stays in intensive care: mean squared error of standardised measurements",
        ("interpolation", "last 12 hours"),
        3,
    ),
    (
        "exact-vs-mean-field",
        "Exact against mean-field coefficients: the bound, and variances of latents (truly .20, .10 and .05)",
        ("bound", "subject", "subject × age", "noise", "processor_seconds_an_epoch", "times mean-field"),
        4,
    ),
    (
        "lme4-shares",
        "Share of the subjects in the variance, beside lme4",
        ("lme4", "found", "largest difference"),
        4,
    ),
    (
        "growth",
        "Growth",
        ("processor_seconds_an_epoch", "processor_seconds", "posterior_seconds", "peak_mb"),
        2,
    ),
)


def table(name: str) -> None:
    """A table for each section that has rows."""
    rows = all_rows(name)
    parts = []
    for section, title, columns, digits in TABLES:
        here = [row for row in rows if row["section"] == section]
        if here:
            parts.append(f"## {title}\n\n" + _section(here, columns, digits))
    write_table(name, "\n".join(parts))


def _section(rows: list[dict], columns: tuple[str, ...], digits: int) -> str:
    """A line for each case and method: means over seeds."""
    cells: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        cells.setdefault((row["case"], row["method"]), []).append(row)
    shown = [column for column in columns if any(column in row for row in rows)]

    def cell(found: list[dict], column: str) -> str:
        numbers = [row[column] for row in found if row.get(column) is not None]
        return with_error(numbers, digits) if numbers else "–"

    body = [
        [
            case,
            method,
            *(cell(found, column) for column in shown),
            len(found),
            in_words(float(np.median([row["wall_seconds"] for row in found]))),
        ]
        for (case, method), found in cells.items()
    ]
    return markdown(["", "method", *shown, "seeds", "all of it"], body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=list(PLANS), default=list(PLANS))
    parser.add_argument(
        "--cases", nargs="+", default=[], help="only what has one of these texts in 'case | method'"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, one seed")
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    arguments = parser.parse_args()
    name = named(NAME, arguments.quick)
    seeds = 1 if arguments.quick else arguments.seeds
    measure_all(name, arguments.sections, arguments.quick, seeds, arguments.cases, arguments.again)
    table(name)


if __name__ == "__main__":
    main()
