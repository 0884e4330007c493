"""What long work tells, and where it leaves what it has finished: handed down from ``fit`` to every search."""

from __future__ import annotations

import abc
from typing import NamedTuple, final

from intertwine.io import AbstractJournal, NoJournal

__all__ = ["UNWATCHED", "AbstractProgress", "Silence", "Watch"]


class AbstractProgress(abc.ABC):
    """Is told what is being done; how much of it is shown, and how, is its own affair."""

    @abc.abstractmethod
    def section(self, text: str) -> None:
        """Begin a part of the work: a class contrast, the final fit."""

    @abc.abstractmethod
    def part(self, what: str, number: int, total: int) -> None:
        """Begin one of several alike: starts of a search, refits; the first is number 1."""

    @abc.abstractmethod
    def iteration(self, row, state) -> None:
        """Take note of an iteration (a `intertwine.minimize.Callback`)."""

    @abc.abstractmethod
    def candidate(self, candidate) -> None:
        """Take note of a setting that cross-validation has tried."""


@final
class Silence(AbstractProgress):
    """Shows nothing."""

    def section(self, text):
        pass

    def part(self, what, number, total):
        pass

    def iteration(self, row, state):
        pass

    def candidate(self, candidate):
        pass


class Watch(NamedTuple):
    """Progress and journal of one fit."""

    progress: AbstractProgress
    journal: AbstractJournal

    @property
    def unseen(self) -> Watch:
        """The same journal, for searches inside a step whose iterations are too many to tell."""
        return Watch(Silence(), self.journal)


UNWATCHED = Watch(Silence(), NoJournal())
