"""Factorization machines on MovieLens 100K with all that is known of users, films and dates: RMSE by official split.

    python -m benchmarks.fm_side_information [--quick] [--only ours|peers] [--splits u1 u2 u3 u4 u5 ua]

Columns: user, film, day, what the user has rated and who has rated the film (training part only, each scaled to unit
length), age group, gender, occupation, region, genres and year. The same columns for the library and for myFM, which
gets them as relation blocks; ten factors, no setting to tune, 512 sweeps.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _harness import one_thread, peers_python
from _results import Results, all_rows, markdown, named, with_error, write_table
from scipy import sparse

NAME = "fm_side_information"
KEY = ("split", "method", "seed")
SPLITS = ("u1", "u2", "u3", "u4", "u5", "ua")
ORDINAL = "intertwine, Gibbs, ordinal"
METHODS = {"intertwine, Gibbs": "ours", ORDINAL: "ours", "myFM, Gibbs": "peers"}
N_SWEEPS, N_FACTORS = 512, 10
SEEDS = {"ua": 3}  # one elsewhere: there are five folds


def indicators(labels) -> sparse.csr_array:
    """One column per label."""
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    return sparse.csr_array((np.ones(len(codes)), (np.arange(len(codes)), codes)))


def unit_rows(X: sparse.csr_array) -> sparse.csr_array:
    """Each row divided by its length."""
    length = np.sqrt(np.maximum(X.power(2).sum(axis=1), 1.0))
    return sparse.csr_array(sparse.diags_array(1.0 / length) @ X)


def design(split: str) -> dict:
    """Columns of every user and of every film, days, and the rows of the split.

    Raises
    ------
    FileNotFoundError
        When the data are absent.
    """
    from intertwine.datasets import fetch_movielens_100k

    ratings = fetch_movielens_100k(split=split, download_if_missing=False)
    user, item = ratings.data[:, 0] - 1, ratings.data[:, 1] - 1
    people, films = ratings.user_features, ratings.item_features
    train = ratings.train
    seen = sparse.csr_array((np.ones(len(train)), (user[train], item[train])), shape=(943, 1682))
    years = [str(date)[-4:] for date in films["release_date"]]
    about_users = [
        indicators(np.asarray(people["age"]) // 10),
        indicators(people["gender"]),
        indicators(people["occupation"]),
        indicators([str(code)[0] for code in people["zip_code"]]),
    ]
    genres = sparse.csr_array(np.column_stack([np.asarray(films[name], float) for name in ratings.genres]))
    return {
        "user": user,
        "item": item,
        "day": indicators(ratings.timestamp // 86_400),
        "of_user": [unit_rows(seen), sparse.hstack(about_users).tocsr()],
        "of_item": [unit_rows(seen.T.tocsr()), sparse.hstack([unit_rows(genres), indicators(years)]).tocsr()],
        "y": ratings.target,
        "train": train,
        "test": ratings.test,
    }


def ours(parts: dict, seed: int, ordinal: bool) -> np.ndarray:
    """Predictions of FMRegressor, from one sparse table; ``ordinal``: FMClassifier's expected stars."""
    from intertwine import FMClassifier, FMRegressor

    user, item = parts["user"], parts["item"]
    blocks = [
        sparse.csr_array((np.ones(len(ids)), (np.arange(len(ids)), ids)), shape=(len(ids), size))
        for ids, size in ((user, 943), (item, 1682))
    ]
    blocks += [parts["day"], *(block[user] for block in parts["of_user"])]
    blocks += [block[item] for block in parts["of_item"]]
    X = sparse.csr_array(sparse.hstack(blocks, format="csr"))
    groups = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    settings = {
        "solver": "gibbs",
        "n_components": N_FACTORS,
        "feature_groups": groups,
        "max_iter": N_SWEEPS,
        "n_samples": 400,
        "random_state": seed,
    }
    train, test, y = X[parts["train"]], X[parts["test"]], parts["y"][parts["train"]]
    if ordinal:
        return FMClassifier(ordinal=True, **settings).fit(train, y).expected_value(test)
    return FMRegressor(**settings).fit(train, y).predict(test)


def theirs(parts: dict, seed: int) -> np.ndarray:
    """Predictions of myFM, from relation blocks."""
    import myfm

    user, item = parts["user"], parts["item"]
    base = sparse.hstack(
        [
            sparse.csr_matrix((np.ones(len(ids)), (np.arange(len(ids)), ids)), shape=(len(ids), size))
            for ids, size in ((user, 943), (item, 1682))
        ]
        + [parts["day"]]
    ).tocsr()
    blocks = [sparse.csr_matrix(sparse.hstack(parts[name])) for name in ("of_user", "of_item")]
    shapes = [943, 1682, parts["day"].shape[1]]
    shapes += [block.shape[1] for name in ("of_user", "of_item") for block in parts[name]]

    def rows(which):
        return sparse.csr_matrix(base[which]), [
            myfm.RelationBlock(ids[which], block) for ids, block in zip((user, item), blocks, strict=True)
        ]

    X, relations = rows(parts["train"])
    model = myfm.MyFMRegressor(rank=N_FACTORS, random_seed=seed)
    model.fit(
        X,
        parts["y"][parts["train"]],
        X_rel=relations,
        n_iter=N_SWEEPS,
        n_kept_samples=400,
        group_shapes=shapes,
    )
    X, relations = rows(parts["test"])
    return model.predict(X, X_rel=relations)


def work(method: str, path: str, seed: int) -> None:
    """One fit, in a process of its own; prints a line of JSON."""
    import pickle  # a file of our own, written a moment ago

    warnings.simplefilter("ignore")
    parts = pickle.loads(Path(path).read_bytes())
    began = time.process_time()
    predicted = theirs(parts, seed) if METHODS[method] == "peers" else ours(parts, seed, method == ORDINAL)
    error = np.sqrt(np.mean((np.clip(predicted, 1, 5) - parts["y"][parts["test"]]) ** 2))
    print(json.dumps({"rmse": float(error), "cpu_seconds": time.process_time() - began}))


def measure(name: str, halves: list[str], splits: list[str]) -> None:
    """Measure what is not there yet."""
    import pickle

    for split in splits:
        wanted = [
            (method, seed)
            for seed in range(SEEDS.get(split, 1))
            for method, half in METHODS.items()
            if half in halves and not Results(name, half, KEY).has(split=split, method=method, seed=seed)
        ]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "parts"
            path.write_bytes(pickle.dumps(design(split)))
            for method, seed in wanted:
                interpreter = sys.executable if METHODS[method] == "ours" else peers_python()
                command = [interpreter, __file__, "--task", method, str(path), str(seed)]
                environment = one_thread() | {"PYTHONPATH": os.pathsep.join(sys.path)}
                if METHODS[method] == "peers":
                    environment.pop("PYTHONPATH")
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise RuntimeError(done.stderr[-2000:])
                found = json.loads(done.stdout.strip().splitlines()[-1])
                Results(name, METHODS[method], KEY).add(
                    {"split": split, "method": method, "seed": seed, **found}
                )
                print(split, method, seed, found, flush=True)


def told(values: list[float]) -> str:
    """A figure, with its standard error where there are several."""
    if not values:
        return "–"
    return f"{values[0]:.4f}" if len(values) == 1 else with_error(values, 4)


def table(name: str) -> None:
    """RMSE on every split, and its mean over the five folds."""
    rows = all_rows(name)
    body = []
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        found = {split: [row["rmse"] for row in own if row["split"] == split] for split in SPLITS}
        folds = [found[split][0] for split in SPLITS[:5] if found[split]]
        body.append(
            [method]
            + [told(found[split]) for split in SPLITS]
            + [with_error(folds, 4) if len(folds) == 5 else "–"]
            + [f"{np.median([row['cpu_seconds'] for row in own]):.0f} s" if own else "–"]
        )
    text = f"RMSE, {N_FACTORS} factors, {N_SWEEPS} sweeps; ± over seeds (ua) and over folds (u1–u5); "
    text += "times of the processor, one thread.\n\n"
    header = ["method", *SPLITS, "u1–u5", "fit and predict"]
    write_table(name, text + markdown(header, body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--quick", action="store_true", help="one split")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        method, path, seed = arguments.task
        work(method, path, int(seed))
        return
    name = named(NAME, arguments.quick)
    halves = [arguments.only] if arguments.only else ["ours", "peers"]
    measure(name, halves, arguments.splits[: 1 if arguments.quick else None])
    table(name)


if __name__ == "__main__":
    main()
