"""Families and whether they can answer the question at hand, and what a comparison of those that can has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from intertwine.compare.ranking import Ranking

__all__ = ["APPLIES", "NO", "OTHER", "Candidate", "Contested", "TableComparison"]

APPLIES, OTHER, NO = "yes", "another question", "no"


@dataclass(frozen=True)
class Candidate:
    """A family beside a table.

    Attributes
    ----------
    family : str
        What ``--model`` calls it.
    title : str
        What tables call it.
    applies : str
        "yes", "another question" or "no".
    why : str
        In a sentence.
    command : str
        That runs it alone; empty where it does not apply.
    """

    family: str
    title: str
    applies: str
    why: str
    command: str = ""


@dataclass(frozen=True)
class Contested:
    """One question, and how models answer it.

    Attributes
    ----------
    asks : str
        In a few words: "Reaction, a number".
    on_rows : Ranking
        Folds drawn by row.
    on_units : Ranking or None
        Whole units held out.
    units : str
        What these are called: "levels of Subject".
    known : str
        What further rows are rows of: "what is known", "visits of known subjects".
    skipped : mapping of str to str
        Models that would have taken too long, and how long.
    notes : sequence of str
        What was done to the table for one model or another.
    cautions : sequence of str
        What to be careful about.
    """

    asks: str
    on_rows: Ranking
    on_units: Ranking | None = None
    units: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    cautions: Sequence[str] = ()

    @property
    def rankings(self) -> list[tuple[str, Ranking]]:
        """Each with what was held out."""
        both = [("rows", self.on_rows), (self.units, self.on_units)]
        return [(name, ranking) for name, ranking in both if ranking is not None]


@dataclass(frozen=True)
class TableComparison:
    """Families compared on one table.

    Attributes
    ----------
    title : str
        Name of the table.
    facts : sequence of (label, value)
    proposals : sequence of (option, column, because)
        Roles that nobody gave.
    candidates : sequence of Candidate
    contests : sequence of Contested
    command : str
        That does it again.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    proposals: Sequence[tuple[str, str, str]]
    candidates: Sequence[Candidate]
    contests: Sequence[Contested]
    command: str

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each question, what was held out, and model, the best first: its score and how it stands."""
        rows: list[dict[str, Any]] = []
        for contested in self.contests:
            for held_out, ranking in contested.rankings:
                if ranking.comparison is None:
                    continue
                columns = pd.DataFrame(ranking.comparison.frame).to_dict("records")
                for i, row in enumerate(columns):
                    name = row.pop("model")
                    about = {"question": contested.asks, "held_out": held_out, "model": name}
                    family = ranking.families.get(name, "")
                    rows.append(about | {"family": family} | row | {"verdict": ranking.word(i)})
        return pd.DataFrame(rows)

    @property
    def fold_frame(self) -> pd.DataFrame:
        """Scores by fold."""
        frames = [
            pd.DataFrame(ranking.comparison.fold_frame).assign(
                family=[
                    ranking.families.get(name, "")
                    for name in pd.DataFrame(ranking.comparison.fold_frame)["model"]
                ],
                question=contested.asks,
                held_out=held_out,
            )
            for contested in self.contests
            for held_out, ranking in contested.rankings
            if ranking.comparison is not None
        ]
        if not frames:
            return pd.DataFrame()
        whole = pd.concat(frames, ignore_index=True)
        first = ["question", "held_out", "model", "family"]
        return whole[[*first, *(name for name in whole.columns if name not in first)]]
