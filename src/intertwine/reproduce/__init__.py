"""The source papers' experiments, repeated: the paper's number, ours, and a plain word where a claim does not hold.

A paper is a module with ``PAPER``, and a line in ``PAPERS``. What is measured is kept in the output folder after every
fit, so a run that was interrupted goes on where it stopped.
"""

from intertwine.reproduce.design import AbstractDesign, Job, Paper, Reproduced
from intertwine.reproduce.measurements import Measurement, Measurements
from intertwine.reproduce.run import PAPERS, load_paper, reproduce_paper

__all__ = [
    "PAPERS",
    "AbstractDesign",
    "Job",
    "Measurement",
    "Measurements",
    "Paper",
    "Reproduced",
    "load_paper",
    "reproduce_paper",
]
