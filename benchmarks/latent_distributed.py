"""What a cluster costs: the Gauss-Newton fit of latent factors on Dask with 1, 2 and 4 parts, beside the local one.

    python -m benchmarks.latent_distributed [--quick] [--parts 1 2 4] [--repeats 3]

10⁶ simulated ratings, rank 20, three steps with held-out ratings and two with all; worker processes of one thread on
this machine (one for one part, two for more), a local fit with one thread before each. Clock seconds, fastest of the
repeats; rounds are the times that the client waited, bytes what it sent and received.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _harness import in_words
from _results import Results, all_rows, markdown, named, write_table

NAME = "latent_distributed"
KEY = ("ratings", "users", "items", "parts")
SIZE = (10**6, 10_000, 4_000)
SMALL = (10**5, 3_000, 1_000)
ROW_GROUPS = 16
STEPS = 3
N_COMPONENTS = 20


def draw(folder: Path, size: tuple[int, int, int]) -> Path:
    """Write ratings, sorted by user, as one Parquet file."""
    import pandas as pd

    from intertwine.datasets import simulate_many_ratings

    n_ratings, n_users, n_items = size
    drawn = simulate_many_ratings(n_users, n_items, n_ratings, random_state=0)
    table = pd.DataFrame({"user": drawn.user, "item": drawn.item, "rating": drawn.target})
    table.to_parquet(folder / "ratings.parquet", row_group_size=n_ratings // ROW_GROUPS)
    return folder / "ratings.parquet"


def settings():
    """Of both fits."""
    from intertwine import LatentFactorModel
    from intertwine.estimators.latent_factors.solvers import settings_of

    model = LatentFactorModel(solver="gauss_newton", n_components=N_COMPONENTS, max_iter=STEPS)
    return settings_of(model, "gauss_newton")


def here(path: Path) -> dict:
    """The local fit."""
    import pandas as pd

    from intertwine.fitting.latent_factors.gauss_newton import fit_gauss_newton
    from intertwine.fitting.watch import UNWATCHED
    from intertwine.structures.ratings import RatingTable

    began = time.perf_counter()
    read = pd.read_parquet(path)
    users, items = (np.unique(read[name].to_numpy(), return_inverse=True) for name in ("user", "item"))
    table, order = RatingTable.build(users[1], items[1], len(users[0]), len(items[0]))
    y = read["rating"].to_numpy(dtype=float)[order]
    y = (y - y.mean()) / y.std()
    ready = time.perf_counter()
    model = fit_gauss_newton(table, y, None, settings(), np.random.default_rng(0), UNWATCHED)
    ended = time.perf_counter()
    return {"model": model, "reading": ready - began, "fitting": ended - ready}


def there(path: Path, n_parts: int, client) -> dict:
    """The same on a cluster."""
    from intertwine.distributed.cluster import Cluster
    from intertwine.distributed.rating_parts import read_rating_parts
    from intertwine.distributed.rating_rows import DistributedRatings, center_and_spread
    from intertwine.distributed.sources import open_source
    from intertwine.fitting.latent_factors.gauss_newton import descend, solver_for
    from intertwine.fitting.watch import UNWATCHED

    began = time.perf_counter()
    cluster = Cluster(client)
    told = read_rating_parts(
        cluster, open_source(path, cluster, n_parts), ("user", "item", "rating"), "error"
    )
    _, _, parts = center_and_spread(cluster, told)
    rows = DistributedRatings(cluster, parts, told.users_of_parts, len(told.users), len(told.items))
    ready = time.perf_counter()
    before = cluster.rounds, cluster.sent, cluster.received
    given = settings()
    model = descend(rows, given, np.random.default_rng(0), UNWATCHED, solver_for(given))
    ended = time.perf_counter()
    rounds, sent, received = (
        now - then for now, then in zip((cluster.rounds, cluster.sent, cluster.received), before, strict=True)
    )
    return {"model": model, "reading": ready - began, "fitting": ended - ready, "rounds": rounds, "sent": sent,
            "received": received, "reading_received": before[2]}  # fmt: skip


def measured(path: Path, size: tuple[int, int, int], n_parts: int, repeats: int) -> dict:
    """Local and distributed fits by turns."""
    import distributed

    local, spread = [], []
    n_workers = min(2, n_parts)
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there(path, n_parts, client)  # compiles, and loads what is compiled
        for _ in range(repeats):
            local.append(here(path))
            spread.append(there(path, n_parts, client))
    best = {name: min(run[name] for run in spread) for name in ("reading", "fitting")}
    own = {f"local_{name}": min(run[name] for run in local) for name in ("reading", "fitting")}
    models = local[0]["model"], spread[0]["model"]
    same = float(
        max(np.abs(models[0].users - models[1].users).max(), np.abs(models[0].items - models[1].items).max())
    )
    counted = {name: spread[0][name] for name in ("rounds", "sent", "received", "reading_received")}
    passes = float(models[1].history[-1, 3])
    return {"ratings": size[0], "users": size[1], "items": size[2], "parts": n_parts, "workers": n_workers,
            **best, **own, **counted, "passes": passes, "difference": same}  # fmt: skip


def table(name: str) -> None:
    """One line for each number of parts."""
    rows = sorted(all_rows(name), key=lambda row: row["parts"])
    body = [
        [
            f"{row['parts']} on {row['workers']}",
            in_words(row["local_fitting"]),
            in_words(row["fitting"]),
            f"{row['fitting'] / row['local_fitting']:.2f}",
            f"{row['passes']:.0f}",
            f"{row['rounds']}",
            f"{1e3 * (row['fitting'] - row['local_fitting'] / row['workers']) / row['rounds']:.0f} ms",
            f"{row['sent'] / row['rounds'] / 1e6:.2f} MB",
            f"{row['received'] / row['rounds'] / 1e6:.2f} MB",
            f"{row['difference']:.0e}",
        ]
        for row in rows
    ]
    header = ["parts on workers", "local, one thread", "on Dask", "ratio", "passes", "rounds",
              "beyond the work, a round", "sent a round", "received a round", "largest difference"]  # fmt: skip
    first = rows[0]
    text = f"{first['ratings']:,} ratings, {first['users']:,} users, {first['items']:,} items, rank {N_COMPONENTS}: "
    text += "the Gauss-Newton fit by clock, reading left out. Beyond the work: what a round takes more than the local "
    text += "time shared by the workers. The difference is that of all factors, local and on Dask.\n\n"
    write_table(name, text + markdown(header, body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the ratings")
    parser.add_argument("--parts", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    name = named(NAME, arguments.quick)
    results = Results(name, "ours", KEY)
    size = SMALL if arguments.quick else SIZE
    with tempfile.TemporaryDirectory() as folder:
        path = draw(Path(folder), size)
        for n_parts in arguments.parts:
            found = measured(path, size, n_parts, arguments.repeats)
            results.add(found)
            print(found, flush=True)
    table(name)


if __name__ == "__main__":
    main()
