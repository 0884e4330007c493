"""Claims that a run does not measure, judged by what was recorded when the papers' own sizes were measured.

The figures are those of the benchmarks, in ``recorded.json``; ``python -m benchmarks.source_papers --pack`` writes it
from ``benchmarks/results``. Verdicts are not in it: each design reads recorded rows as it reads those of a run, by the
same rule.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from intertwine.reproduce.claims import Claim
from intertwine.reproduce.design import AbstractDesign, Reproduced
from intertwine.reproduce.measurements import Measurement, Measurements

__all__ = ["recorded_rows", "with_recorded"]

_FILE = "recorded.json"


@cache
def recorded_rows(paper: str, design: str) -> tuple[Measurements, tuple[str, ...]]:
    """What was recorded of a design, and the commands that measured it.

    Examples
    --------
    >>> rows, commands = recorded_rows("lmmvae", "categorical")
    >>> len(rows) > 3, commands
    (True, ('python -m benchmarks.random_effects_vae',))
    """
    found, commands = Measurements(None, ""), []
    for source in _recorded():
        mine = [row for row in source["rows"] if row[:2] == [paper, design]]
        commands += [source["command"]] if mine else []
        for _, _, case, method, seed, value, facts in mine:
            found.add(Measurement(design, case, method, seed, value, float("nan"), facts))
    return found, tuple(commands)


@cache
def _recorded() -> list[dict[str, Any]]:
    return json.loads(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))


def with_recorded(paper: str, design: AbstractDesign, found: Reproduced) -> Reproduced:
    """The claims of a run, and in place of those that it cannot decide, those of recorded rows that can.

    Parameters
    ----------
    paper : str
        Its name on the command line.
    design : AbstractDesign
    found : Reproduced
        What the design read from the measurements of the run.
    """
    rows, commands = recorded_rows(paper, design.name)
    if not len(rows):
        return found
    known = {claim.statement: claim for claim in type(design)(False).read(rows).claims}
    claims = [_decided(claim, known.get(claim.statement), " and ".join(commands)) for claim in found.claims]
    return replace(found, claims=claims)


def _decided(claim: Claim, recorded: Claim | None, commands: str) -> Claim:
    if claim.is_decided or recorded is None or not recorded.is_decided:
        return claim
    return replace(recorded, recorded=commands)
