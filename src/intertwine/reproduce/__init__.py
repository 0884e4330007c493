"""The source papers' experiments, repeated: each claim, the paper's number, ours, and a verdict by one rule.

A paper is a module with ``PAPER``, and a line in ``PAPERS``. What is measured is kept in the output folder after every
fit, so a run that was interrupted goes on where it stopped.
"""

from intertwine.reproduce.claims import RULE, VERDICTS, Claim, exceeds, reaches, tally, unmeasured
from intertwine.reproduce.design import AbstractDesign, Chapter, Job, Paper, Reproduced
from intertwine.reproduce.measurements import Measurement, Measurements
from intertwine.reproduce.overview import write_overview
from intertwine.reproduce.run import PAPERS, Plan, load_paper, reproduce_papers, stem

__all__ = [
    "PAPERS",
    "RULE",
    "VERDICTS",
    "AbstractDesign",
    "Chapter",
    "Claim",
    "Job",
    "Measurement",
    "Measurements",
    "Paper",
    "Plan",
    "Reproduced",
    "exceeds",
    "load_paper",
    "reaches",
    "reproduce_papers",
    "stem",
    "tally",
    "unmeasured",
    "write_overview",
]
