"""Variational autoencoders with random effects: simulated rows with a known truth, real rows, time, what the answers
depend on.

    python -m benchmarks.random_effects_vae [--sections NAME …] [--quick] [--again] [--seeds 5] [--cases TEXT …]

Sections:
    simulated    the paper's designs, n = 10⁵ × 100, beside the oracle (also: intertwine reproduce lmmvae)
    beyond       what the paper has not: groupings that are crossed and not nested, fields that are not RBF
    real         counties, songs, baseball seasons, visits of patients: random, unknown and future splits
    sensitivity  the weights of the two divergences
    time         seconds an epoch beside the same network without effects, and beside PyTorch
    growth       seconds an epoch and memory by rows, groups and sites

Rows that are there already are not measured again. Where INTERTWINE_TORCH_PYTHON names no interpreter with PyTorch,
what needs it is left out. One method after the other for each draw, so that a slow minute falls on all.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _harness import in_words
from _random_effects_data import rows_of, tables
from _random_effects_methods import IGNORED, LINEAR, METHODS, NONLINEAR, in_torch, measured, torch_python
from _results import Results, all_rows, markdown, named, with_error, write_table

NAME = "random_effects_vae"
KEY = ("section", "case", "method", "seed")
SECTIONS = ("simulated", "beyond", "real", "sensitivity", "time", "growth")
WEIGHTS = (0.01, 0.1, 0.5, 1.0, 2.0, 10.0)
KERNELS = ("rbf", "matern12", "matern32", "matern52")
DIMENSIONS = (1, 2, 5)
_IN_TORCH = "VAE, embeddings (PyTorch)"

Measure = Callable[[], dict[str, Any]]
Plan = Iterator[tuple[str, str, int, Measure]]  # case, method, seed


def simulated(quick: bool, seeds: int) -> Plan:
    """The designs of the paper, draw by draw."""
    from intertwine.reproduce.lmmvae import PAPER

    for seed in range(seeds):
        for make in PAPER.designs:
            for job in make(quick).jobs():
                if job.seed == seed:
                    yield f"{make.name}: {job.case}", job.method, seed, partial(_job, job)


def _job(job: Any) -> dict[str, Any]:
    value, facts = job.measure()
    return {"mse": value, **facts}


def beyond(quick: bool, seeds: int) -> Plan:
    """Truly crossed groupings; fields of other kernels, each fitted with each kernel."""
    from intertwine.datasets import simulate_categorical_effects, simulate_spatial_effects
    from intertwine.effects import Grouped, Spatial
    from intertwine.reproduce.lmmvae.models import METHODS as ALL
    from intertwine.reproduce.lmmvae.models import Task, measure

    n, p, of = (3000, 10, 20) if quick else (30_000, 50, 5)

    def crossed(method: str, seed: int) -> dict[str, Any]:
        truth = simulate_categorical_effects(
            n, p, n_levels=(1000 // of, 3000 // of), variances=(3.0, 3.0), crossed=True, random_state=seed
        )
        value, facts = measure(method, Task(truth, (Grouped(0), Grouped(1)), 1, seed))
        return {"mse": value, **facts}

    def rough(truth_kernel: str, kernel: str, method: str, seed: int) -> dict[str, Any]:
        truth = simulate_spatial_effects(
            n, p, n_sites=5000 // of, variance=3.0, kernel=truth_kernel, split="unknown", random_state=seed
        )
        value, facts = measure(method, Task(truth, (Spatial(kernel=kernel),), 1, seed))
        return {"mse": value, **facts}

    for seed in range(seeds):
        for method in ALL:
            yield "crossed, two groupings, σ_b² = 3", method, seed, partial(crossed, method, seed)
        for truth_kernel in KERNELS:
            case = f"true kernel {truth_kernel}"
            yield case, "oracle", seed, partial(rough, truth_kernel, "rbf", "oracle", seed)
            for kernel in KERNELS:
                label = f"{NONLINEAR}, {kernel}"
                yield case, label, seed, partial(rough, truth_kernel, kernel, NONLINEAR, seed)


def real(quick: bool, seeds: int) -> Plan:
    """Every table, split and number of latents."""
    known = tables()
    for seed in range(seeds):
        for name, table in known.items():
            for split in table.splits[:1] if quick else table.splits:
                try:
                    rows = rows_of(table, split, seed)
                except FileNotFoundError as absent:
                    print(f"{name} is left out: {absent}", file=sys.stderr)
                    break
                for d in DIMENSIONS[:1] if quick else DIMENSIONS:
                    for method in METHODS:
                        if method == _IN_TORCH and not torch_python():
                            continue
                        yield (
                            f"{name}, {split}, d = {d}",
                            method,
                            seed,
                            partial(measured, method, rows, table.effects(), d, seed),
                        )


def sensitivity(quick: bool, seeds: int) -> Plan:
    """The weights of the divergences of latents and effects, one at a time."""
    from intertwine.reproduce.lmmvae.models import NONLINEAR as OURS
    from intertwine.reproduce.lmmvae.models import measure
    from intertwine.reproduce.lmmvae.simulated import categorical

    def one(name: str, weight: float, seed: int) -> dict[str, Any]:
        value, facts = measure(OURS, categorical("3, 3, 3", seed, quick=True, **{name: weight}))
        return {"mse": value, **facts}

    for seed in range(seeds):
        for name in ("beta_latents", "beta_effects"):
            for weight in WEIGHTS[1:5:2] if quick else WEIGHTS:
                yield f"{name} = {weight:g}", NONLINEAR, seed, partial(one, name, weight, seed)


def timed(quick: bool, seeds: int) -> Plan:
    """Seconds an epoch of the same network, with effects, without, and in PyTorch; one process each."""
    sizes = {"n": 10_000, "p": 30} if quick else {"n": 100_000, "p": 100}
    for seed in range(seeds):
        for design in ("categorical", "longitudinal", "spatial"):
            for method in (IGNORED, NONLINEAR, *(("PyTorch loop",) if torch_python() else ())):
                yield (
                    design,
                    method,
                    seed,
                    partial(_in_process, design=design, method=method, seed=seed, **sizes),
                )


def growth(quick: bool, seeds: int) -> Plan:
    """Few epochs at many rows, groups and sites; one process each."""
    for n in (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000):
        for design, levels in (("groups", n // 10), ("subjects", n // 10), ("sites", min(n // 10, 10_000))):
            yield (
                f"{design}: {n:,} rows, {levels:,} levels",
                NONLINEAR,
                0,
                partial(_in_process, design=design, method=NONLINEAR, seed=0, n=n, p=20, levels=levels),
            )


def _in_process(**asked: Any) -> dict[str, Any]:
    """Time of an epoch and memory of a fit in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--one", json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"failure": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def one_fit(design: str, method: str, seed: int, n: int, p: int, levels: int | None = None) -> dict[str, Any]:
    """A short fit of a drawn table: the median epoch, so that neither compilation nor what else runs counts."""
    from _worker import peak_mb

    truth, effects = _drawn(design, n, p, levels, seed)
    if method == "PyTorch loop":
        nothing = np.zeros((n, 0))
        rows = truth.train[:1]
        return in_torch(truth.data, nothing.astype(int), nothing, truth.train, rows, 1, seed, epochs=5)[1]
    from intertwine import RandomEffectsVAE

    effects = () if method == IGNORED else effects
    needed = {need for effect in effects for need in effect.needs}
    at = {name: truth[name][truth.train] for name in ("groups", "time", "coords") if name in needed}
    start = peak_mb()
    seconds = []
    for epochs in (4, 9):  # the first pays for compilation
        began = time.perf_counter()
        model = RandomEffectsVAE(n_components=1, effects=list(effects), max_iter=epochs, random_state=seed)
        model.fit(truth.data[truth.train], **at)
        seconds.append(time.perf_counter() - began)
    epoch = np.diff(np.asarray(model.history_["seconds"]))  # where the clock began anew they are negative
    return {
        "seconds_an_epoch": float(np.median(epoch[epoch > 0.0])),
        "seconds_of_nine": seconds[1],
        "peak_mb": peak_mb(),
        "added_mb": peak_mb() - start,
    }


def _drawn(design: str, n: int, p: int, levels: int | None, seed: int) -> tuple[Any, tuple]:
    from intertwine import datasets
    from intertwine.effects import Grouped, Longitudinal, Spatial

    if design in ("longitudinal", "subjects"):
        truth = datasets.simulate_longitudinal_effects(n, p, n_subjects=levels or n // 100, random_state=seed)
        return truth, (Longitudinal(degree=2),)
    if design in ("spatial", "sites"):
        truth = datasets.simulate_spatial_effects(
            n, p, n_sites=levels or n // 10, variance=3.0, random_state=seed
        )
        return truth, (Spatial(kernel="rbf"),)
    counts = (n // 100, 3 * n // 100, n // 20) if levels is None else (levels,)
    truth = datasets.simulate_categorical_effects(
        n, p, n_levels=counts, variances=(3.0,) * len(counts), random_state=seed
    )
    return truth, tuple(Grouped(column) for column in range(len(counts)))


PLANS: dict[str, Callable[[bool, int], Plan]] = {
    "simulated": simulated,
    "beyond": beyond,
    "real": real,
    "sensitivity": sensitivity,
    "time": timed,
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said = measure()
            row = {"section": section, "case": case, "method": method, "seed": seed}
            results.add({**row, "wall_seconds": round(time.perf_counter() - began, 2), **said})
            shown = {key: round(value, 4) for key, value in said.items() if isinstance(value, float)}
            print(f"{section} | {case} | {method} | seed {seed}: {shown}", flush=True)


def table(name: str) -> None:
    """A table for each section that has rows."""
    rows = all_rows(name)
    parts = []
    for section, title, value, digits in (
        ("simulated", "The paper's simulations: test MSE, mean ± standard error over draws", "mse", 3),
        ("beyond", "Beyond the paper's simulations: test MSE", "mse", 3),
        ("real", "Real rows, standardised: MSE of reconstructed test rows", "mse", 3),
        (
            "real",
            "Real rows: MSE of a tenth of the test rows' entries, hidden from all methods",
            "hidden_mse",
            3,
        ),
        ("sensitivity", "Weights of the divergences, categorical 3, 3, 3, n = 10⁴ × 30: test MSE", "mse", 3),
        ("time", "Seconds an epoch", "seconds_an_epoch", 3),
        ("growth", "Seconds an epoch by size, 20 features", "seconds_an_epoch", 2),
    ):
        here = [row for row in rows if row["section"] == section]
        if here:
            parts.append(f"## {title}\n\n" + _cross_table(here, value, digits))
    parts += [part for part in (_fits(rows), _memory(rows)) if part]
    write_table(name, "\n".join(parts))


def _cross_table(rows: list[dict], value: str, digits: int) -> str:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    cases = list(dict.fromkeys(row["case"] for row in rows))

    def cell(case: str, method: str) -> str:
        found = [row for row in rows if (row["case"], row["method"]) == (case, method)]
        numbers = [row[value] for row in found if row.get(value) is not None]
        if not numbers:
            return found[0].get("failure", "–") if found else "–"
        return with_error(numbers, digits)

    return markdown(["", *methods], [[case, *(cell(case, method) for method in methods)] for case in cases])


def _fits(rows: list[dict]) -> str:
    """What our fits of simulated rows found beside the truth."""
    found = [
        row for row in rows if "latent_correlation" in row and row["method"].startswith((NONLINEAR, LINEAR))
    ]
    body = [
        [
            row["case"],
            row["method"],
            row["seed"],
            f"{row['latent_correlation']:.3f}",
            ", ".join(f"{name} {ratio:.3f}" for name, ratio in row.get("variance_ratios", {}).items()),
            in_words(row["fit_seconds"]),
        ]
        for row in found
    ]
    if not body:
        return ""
    header = ["case", "method", "draw", "rank correlation of latents", "variances, parts of the true", "fit"]
    return "## Beside the truth\n\n" + markdown(header, body)


def _memory(rows: list[dict]) -> str:
    body = [
        [row["case"], row["method"], f"{row['peak_mb']:.0f} MB", f"{row['added_mb']:.0f} MB"]
        for row in rows
        if row["section"] == "growth" and "peak_mb" in row
    ]
    return (
        "## Peak memory\n\n" + markdown(["size", "method", "peak", "of it the fit's"], body) if body else ""
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument(
        "--cases", nargs="+", default=[], help="only what has one of these texts in 'case | method'"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, one seed")
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one_fit(**json.loads(arguments.one))))
        return
    name = named(NAME, arguments.quick)
    seeds = 1 if arguments.quick else arguments.seeds
    measure_all(name, arguments.sections, arguments.quick, seeds, arguments.cases, arguments.again)
    table(name)


if __name__ == "__main__":
    main()
