"""What an experiment of a paper is: jobs that each measure one number, and a reading of all of them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from intertwine.reproduce.claims import Claim, Verdict, tally
from intertwine.reproduce.measurements import Measurements

__all__ = ["AbstractDesign", "Chapter", "Job", "Paper", "Reproduced"]


@dataclass(frozen=True)
class Job:
    """One number to measure.

    Attributes
    ----------
    case : str
        Column of the table: a size, a data set.
    method : str
        Row of the table.
    seed : int
        Draw or split.
    measure : callable
        Returns the number, and facts to keep beside it.
    seconds : float
        About what it takes on one core: the longest begin first, and the time left is told by them.
    """

    case: str
    method: str
    seed: int
    measure: Callable[[], tuple[float, dict[str, Any]]]
    seconds: float = 1.0


@dataclass(frozen=True)
class Reproduced:
    """One experiment, measured and read.

    Attributes
    ----------
    title : str
    about : str
        The design in a sentence or two, and what the numbers are.
    header : tuple of str
    published, ours : list of tuple of str
        Rows of the table: the paper's numbers, and ours.
    claims : list of Claim
        What the paper says, judged; those that this run does not measure among them.
    findings : list of str
        What else is worth saying.
    absent : list of str
        What could not be measured here, and how to get it.
    display : object, optional
        A picture: something with ``figsize`` and ``plot(axes, palette=...)``.
    caption, alt : str
        Of the picture.
    """

    title: str
    about: str
    header: tuple[str, ...]
    published: list[tuple[str, ...]]
    ours: list[tuple[str, ...]]
    claims: list[Claim]
    findings: list[str]
    absent: list[str] = field(default_factory=list)
    display: Any = None
    caption: str = ""
    alt: str = ""


class AbstractDesign(abc.ABC):
    """One experiment of a paper.

    Parameters
    ----------
    quick : bool
        The smaller cases and one or two seeds only.
    """

    name: str

    def __init__(self, quick: bool) -> None:
        self.quick = quick

    @abc.abstractmethod
    def jobs(self) -> list[Job]:
        """What there is to measure; data that are absent have no jobs."""

    @abc.abstractmethod
    def read(self, measurements: Measurements) -> Reproduced:
        """Table and findings from the measurements of this design."""


@dataclass(frozen=True)
class Paper:
    """A paper and its experiments.

    Attributes
    ----------
    name : str
        As the command line has it.
    title : str
    source : str
        Where the paper is to be found.
    designs : sequence of AbstractDesign classes
    claims : sequence of Claim
        Those that no design measures, and why.
    """

    name: str
    title: str
    source: str
    designs: Sequence[type[AbstractDesign]]
    claims: Sequence[Claim] = ()


@dataclass(frozen=True)
class Chapter:
    """A paper and what came out.

    Attributes
    ----------
    paper : Paper
    found : list of Reproduced
        One for each design.
    failed : list of str
        Measurements that ended in an error, and which.
    """

    paper: Paper
    found: list[Reproduced]
    failed: list[str] = field(default_factory=list)

    @property
    def claims(self) -> list[Claim]:
        """Of all designs, then those without one."""
        return [claim for one in self.found for claim in one.claims] + list(self.paper.claims)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many came out how."""
        return tally(self.claims)
