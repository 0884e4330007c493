"""LIT-LVM: simulations, the strength of the tie, and the real tables that are public."""

from intertwine.reproduce.claims import unmeasured
from intertwine.reproduce.design import Paper
from intertwine.reproduce.litlvm.compatibility import Compatibility
from intertwine.reproduce.litlvm.latent_dimension import LatentDimension
from intertwine.reproduce.litlvm.real_tables import RealTables
from intertwine.reproduce.litlvm.simulation import SimulatedClassification, SimulatedRegression
from intertwine.reproduce.litlvm.tie_strength import TieStrength

__all__ = ["PAPER"]

PAPER = Paper(
    name="lit-lvm",
    title="Interactions tied to latent vectors: the paper's experiments, repeated",
    source="LIT-LVM, arXiv 2506.15492. The registry of its kidney transplant study is restricted: its map is drawn "
    "from simulated transplants.",
    designs=(
        SimulatedRegression,
        SimulatedClassification,
        TieStrength,
        RealTables,
        LatentDimension,
        Compatibility,
    ),
    claims=(
        unmeasured(
            "A Cox model with latent distances maps which kidneys fit whom, from a registry of transplants",
            "the registry's data are restricted",
        ),
    ),
)
