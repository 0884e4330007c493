"""LIT-LVM: simulations, the strength of the tie, and the real tables that are public."""

from intertwine.reproduce.design import Paper
from intertwine.reproduce.litlvm.real_tables import RealTables
from intertwine.reproduce.litlvm.simulation import SimulatedClassification, SimulatedRegression
from intertwine.reproduce.litlvm.tie_strength import TieStrength

__all__ = ["PAPER"]

PAPER = Paper(
    name="lit-lvm",
    title="Interactions tied to latent vectors: the paper's experiments, repeated",
    source="LIT-LVM, arXiv 2506.15492. The kidney transplant study is left out: its registry data are restricted.",
    designs=(SimulatedRegression, SimulatedClassification, TieStrength, RealTables),
)
