"""Real tables, fetched and verified; and designs with a known truth, simulated."""

from intertwine.datasets.clustered import fetch_baseball, fetch_counties, fetch_pbcseq, fetch_spotify
from intertwine.datasets.clustered_responses import fetch_insteval, fetch_sleepstudy
from intertwine.datasets.compatibility import simulate_compatibility
from intertwine.datasets.curved_classes import fetch_banana, fetch_ijcnn1
from intertwine.datasets.longitudinal_images import make_health_mnist, make_rotating_mnist
from intertwine.datasets.longitudinal_tables import fetch_pbc2
from intertwine.datasets.movielens import fetch_movielens_100k
from intertwine.datasets.movielens_1m import fetch_movielens_1m
from intertwine.datasets.netflix import load_netflix5k5k
from intertwine.datasets.physionet import fetch_physionet2012
from intertwine.datasets.rating_files import fetch_jester5k, fetch_yelp_core40
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
from intertwine.datasets.simulate_longitudinal import simulate_longitudinal
from intertwine.datasets.simulate_many_ratings import simulate_many_ratings
from intertwine.datasets.simulate_random_effects import (
    simulate_categorical_effects,
    simulate_longitudinal_effects,
    simulate_spatial_effects,
)
from intertwine.datasets.simulate_ratings import simulate_ratings

__all__ = [
    "fetch_banana",
    "fetch_baseball",
    "fetch_bodyfat",
    "fetch_clean1",
    "fetch_clean2",
    "fetch_counties",
    "fetch_fri_c4",
    "fetch_gametes",
    "fetch_hill_valley",
    "fetch_ijcnn1",
    "fetch_insteval",
    "fetch_jester5k",
    "fetch_movielens_1m",
    "fetch_movielens_100k",
    "fetch_pbc2",
    "fetch_pbcseq",
    "fetch_physionet2012",
    "fetch_sleepstudy",
    "fetch_spotify",
    "fetch_tecator",
    "fetch_wisconsin",
    "fetch_yelp_core40",
    "load_netflix5k5k",
    "make_health_mnist",
    "make_rotating_mnist",
    "simulate_categorical_effects",
    "simulate_compatibility",
    "simulate_latent_distance",
    "simulate_longitudinal",
    "simulate_longitudinal_effects",
    "simulate_low_rank",
    "simulate_many_ratings",
    "simulate_ratings",
    "simulate_spatial_effects",
    "simulate_survival",
]
