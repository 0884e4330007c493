"""Run the experiments of a paper and write what came out: a page, a table in markdown, the measurements."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

import intertwine
from intertwine.io import write_atomically
from intertwine.reproduce.design import Job, Paper, Reproduced
from intertwine.reproduce.measurements import Measurement, Measurements
from intertwine.reproduce.page import as_html, as_markdown
from intertwine.resources import thread_limit

__all__ = ["PAPERS", "load_paper", "reproduce_paper"]

#: Name on the command line, and the module that has the paper.
PAPERS = {
    "lit-lvm": "intertwine.reproduce.litlvm",
    "llfm": "intertwine.reproduce.llfm",
    "lmm-vae": "intertwine.reproduce.lmm_vae",
    "lmmvae": "intertwine.reproduce.lmmvae",
    "sslf": "intertwine.reproduce.sslf",
}


def load_paper(name: str) -> Paper:
    """The paper of a name in ``PAPERS``."""
    return import_module(PAPERS[name]).PAPER


def reproduce_paper(
    paper: Paper,
    folder: Path,
    *,
    quick: bool = False,
    n_jobs: int = 1,
    on_plan: Callable[[int, int], Callable[[str], None]] | None = None,
) -> list[Reproduced]:
    """Measure what is not measured yet, and write the page.

    Parameters
    ----------
    paper : Paper
    folder : Path
        Gets ``NAME.html``, ``NAME.md`` and ``NAME.json``; made where it is not there. What the last holds from an
        earlier run is not measured again.
    quick : bool, default=False
        Minutes instead of hours: the smaller cases, fewer seeds.
    n_jobs : int, default=1
        Processes; -1: one for each core. Each computes with one thread: numbers do not depend on it.
    on_plan : callable, optional
        Told how many measurements are to be made and how many are there; returns what is to be called with the name
        of each that was made.

    Returns
    -------
    list of Reproduced
        One for each design.

    Raises
    ------
    OSError
        When the folder cannot be made or written.
    ValueError
        When a file of that name there holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    measurements = Measurements(folder / f"{paper.name}.json", intertwine.__version__)
    designs = [design(quick) for design in paper.designs]
    plan = [(design.name, job) for design in designs for job in design.jobs()]
    left = [(name, job) for name, job in plan if not measurements.has(name, job.case, job.method, job.seed)]
    step = on_plan(len(left), len(plan) - len(left)) if on_plan is not None else lambda name: None
    work = Parallel(n_jobs=n_jobs, return_as="generator")
    for row in work(delayed(_measured)(name, job) for name, job in left):
        measurements.add(row)
        step(f"{row.design}, {row.case}, {row.method}, seed {row.seed}")
    found = [design.read(measurements) for design in designs]
    write_atomically(folder / f"{paper.name}.md", as_markdown(paper, found, quick=quick).encode())
    write_atomically(folder / f"{paper.name}.html", as_html(paper, found, quick=quick).encode())
    return found


def _measured(design: str, job: Job) -> Measurement:
    """Make one measurement; it runs in a process of its own where there are several."""
    began = time.perf_counter()
    with thread_limit(1), warnings.catch_warnings():
        # a candidate that was cut short competes with what it reached
        warnings.simplefilter("ignore", ConvergenceWarning)
        value, facts = job.measure()
    seconds = round(time.perf_counter() - began, 3)
    return Measurement(design, job.case, job.method, job.seed, value, seconds, facts)
