"""Real tables, fetched and verified; and designs with a known truth, simulated."""

from intertwine.datasets.compatibility import simulate_compatibility
from intertwine.datasets.real import (
    fetch_bodyfat,
    fetch_clean1,
    fetch_clean2,
    fetch_fri_c4,
    fetch_gametes,
    fetch_hill_valley,
    fetch_tecator,
    fetch_wisconsin,
)
from intertwine.datasets.simulate import simulate_latent_distance, simulate_low_rank, simulate_survival

__all__ = [
    "fetch_bodyfat",
    "fetch_clean1",
    "fetch_clean2",
    "fetch_fri_c4",
    "fetch_gametes",
    "fetch_hill_valley",
    "fetch_tecator",
    "fetch_wisconsin",
    "simulate_compatibility",
    "simulate_latent_distance",
    "simulate_low_rank",
    "simulate_survival",
]
