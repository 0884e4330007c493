"""What an experiment of a paper is: jobs that each measure one number, and a reading of all of them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from intertwine.reproduce.measurements import Measurements

__all__ = ["AbstractDesign", "Job", "Paper", "Reproduced"]


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
    """

    case: str
    method: str
    seed: int
    measure: Callable[[], tuple[float, dict[str, Any]]]


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
    findings : list of str
        What holds and what does not.
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
    """

    name: str
    title: str
    source: str
    designs: Sequence[type[AbstractDesign]]
