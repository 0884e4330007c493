"""Run the experiments of papers, the longest first, and keep every measurement as it is made."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import final

from joblib import Parallel, delayed, effective_n_jobs
from sklearn.exceptions import ConvergenceWarning

import intertwine
from intertwine.compare.contender import told_seconds
from intertwine.compare.time_limit import OutOfTime, at_most
from intertwine.io import write_atomically
from intertwine.reproduce.design import AbstractDesign, Chapter, Job, Paper
from intertwine.reproduce.measurements import Measurement, Measurements
from intertwine.reproduce.page import as_html, as_markdown
from intertwine.reproduce.recorded import with_recorded
from intertwine.resources import thread_limit

__all__ = ["PAPERS", "Plan", "load_paper", "reproduce_papers", "stem"]

#: Name on the command line, and the module that has the paper.
PAPERS = {
    "lit-lvm": "intertwine.reproduce.litlvm",
    "llfm": "intertwine.reproduce.llfm",
    "lmm-vae": "intertwine.reproduce.lmm_vae",
    "lmmvae": "intertwine.reproduce.lmmvae",
    "sslf": "intertwine.reproduce.sslf",
}


@final
@dataclass(frozen=True)
class Plan:
    """What is about to be measured.

    Attributes
    ----------
    left, kept : int
        Measurements to be made, and those of an earlier run.
    seconds : float
        About what those to be made take, all together, on one core.
    n_jobs : int
        Processes.
    """

    left: int
    kept: int
    seconds: float
    n_jobs: int


@final
class _Work:
    """One paper: its designs, what is measured already, what is left."""

    def __init__(self, paper: Paper, folder: Path, quick: bool) -> None:
        self.paper = paper
        self.measurements = Measurements(
            folder / f"{stem(paper.name, quick=quick)}.json", intertwine.__version__
        )
        self.designs: list[AbstractDesign] = [design(quick) for design in paper.designs]
        plan = [(design.name, job) for design in self.designs for job in design.jobs()]
        self.left = [
            (name, job)
            for name, job in plan
            if not self.measurements.has(name, job.case, job.method, job.seed)
        ]
        self.kept = len(plan) - len(self.left)
        self.failed: list[str] = []

    def chapter(self) -> Chapter:
        """What is known by now."""
        found = [
            with_recorded(self.paper.name, design, design.read(self.measurements)) for design in self.designs
        ]
        return Chapter(self.paper, found, self.failed)


def load_paper(name: str) -> Paper:
    """The paper of a name in ``PAPERS``."""
    return import_module(PAPERS[name]).PAPER


def stem(name: str, *, quick: bool) -> str:
    """What the files of a run are called: a quick run and a full one share a folder and no measurement."""
    return f"{name}-quick" if quick else name


def reproduce_papers(
    papers: Iterable[Paper],
    folder: Path,
    *,
    quick: bool = False,
    n_jobs: int = 1,
    limit: float | None = None,
    on_plan: Callable[[Plan], Callable[[str, float], None]] | None = None,
) -> list[Chapter]:
    """Measure what is not measured yet, and write a page for each paper.

    Parameters
    ----------
    papers : iterable of Paper
    folder : Path
        Gets ``NAME.html``, ``NAME.md`` and ``NAME.json`` of each (``NAME-quick`` of a quick run); made where it is not
        there. What the last holds from an earlier run is not measured again.
    quick : bool, default=False
        Minutes instead of hours: smaller cases, fewer seeds.
    n_jobs : int, default=1
        Processes; -1: one for each core. Each computes with one thread: numbers do not depend on it.
    limit : float, optional
        Seconds that a measurement may take at most, where the system has alarms; it is then named as failed.
    on_plan : callable, optional
        Told the plan; returns what is to be called with the name of each measurement that was made and the seconds it
        was expected to take.

    Returns
    -------
    list of Chapter
        A measurement that ends in an error is named there, and the others are made.

    Raises
    ------
    OSError
        When the folder cannot be made or written.
    ValueError
        When a file of that name there holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    works = [_Work(paper, folder, quick) for paper in papers]
    left = sorted(
        ((work, name, job) for work in works for name, job in work.left), key=lambda one: -one[2].seconds
    )
    plan = Plan(
        len(left),
        sum(work.kept for work in works),
        sum(job.seconds for *_, job in left),
        effective_n_jobs(n_jobs),
    )
    step = on_plan(plan) if on_plan is not None else lambda name, seconds: None
    _measure_all(left, n_jobs, limit, step)
    chapters = [work.chapter() for work in works]
    for chapter in chapters:
        path = folder / stem(chapter.paper.name, quick=quick)
        write_atomically(path.with_suffix(".md"), as_markdown(chapter, quick=quick).encode())
        write_atomically(path.with_suffix(".html"), as_html(chapter, quick=quick).encode())
    return chapters


def _measure_all(
    left: Sequence[tuple[_Work, str, Job]],
    n_jobs: int,
    limit: float | None,
    step: Callable[[str, float], None],
) -> None:
    """Whatever is ready first is kept first."""
    jobs = (delayed(_measured)(index, name, job, limit) for index, (_, name, job) in enumerate(left))
    with warnings.catch_warnings():
        # processes that had nothing to do for minutes, beside one long measurement, end; others take their place
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        for index, row in Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(jobs):
            work, design, job = left[index]
            name = f"{design}, {job.case}, {job.method}, seed {job.seed}"
            if isinstance(row, str):
                work.failed.append(f"{name}: {row}")
            else:
                work.measurements.add(row)
            step(f"{work.paper.name}: {name}", job.seconds)


def _measured(index: int, design: str, job: Job, limit: float | None) -> tuple[int, Measurement | str]:
    """Make one measurement, or say what went wrong; it runs in a process of its own where there are several."""
    began = time.perf_counter()
    try:
        with at_most(math.inf if limit is None else limit), thread_limit(1), warnings.catch_warnings():
            # a candidate that was cut short competes with what it reached
            warnings.simplefilter("ignore", ConvergenceWarning)
            value, facts = job.measure()
    except OutOfTime:
        return index, f"stopped after {told_seconds(limit or 0.0)}"
    except Exception as error:  # hours of other measurements must not be lost with it
        return index, f"{type(error).__name__}: {error}"
    seconds = round(time.perf_counter() - began, 3)
    return index, Measurement(design, job.case, job.method, job.seed, value, seconds, facts)
