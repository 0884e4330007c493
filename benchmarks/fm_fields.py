"""Does a factor for each field of the other feature pay? FM and field-aware FM of xLearn on MovieLens 100K `ua`.

    python -m benchmarks.fm_fields [--quick]

Fields: user, film, day, age group, gender, occupation, region, genres, year. Both models come from the same program,
stop early on a tenth of the training rows, and choose rank, rate and penalty there from grids of the same size; a seed
draws another tenth. Test rows are seen once, by the chosen candidate.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import itertools
import json
import os
import pickle
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from _harness import one_thread, peers_python
from _results import Results, all_rows, markdown, named, with_error, write_table

NAME = "fm_fields"
KEY = ("method", "seed")
RANKS = {"xLearn, FM": (5, 10, 20), "xLearn, field-aware FM": (2, 4, 8)}
RATES, PENALTIES = (0.05, 0.1), (5e-4, 2e-3, 8e-3)
SEEDS = 3
SAMPLED = "intertwine, FM, Gibbs"
N_GENRES = 19


def table() -> dict:
    """Columns, the field of each, outcomes, and the rows of the split."""
    from fm_side_information import design, indicators
    from scipy import sparse

    parts = design("ua")
    user, item = parts["user"], parts["item"]
    fields = [indicators(user), indicators(item), parts["day"]]
    about_user, about_item = parts["of_user"][1].tocsc(), parts["of_item"][1].tocsc()
    cuts = np.cumsum([0, *(len(np.unique(labels)) for labels in _labels())])
    fields += [about_user[:, a:b].tocsr()[user] for a, b in itertools.pairwise(cuts)]
    fields += [about_item[:, :N_GENRES].tocsr()[item], about_item[:, N_GENRES:].tocsr()[item]]
    field = np.repeat(np.arange(len(fields)), [block.shape[1] for block in fields])
    X = sparse.csr_array(sparse.hstack(fields, format="csr"))
    return {"X": X, "field": field, "y": parts["y"], "train": parts["train"], "test": parts["test"]}


def lines(data: dict) -> list[tuple[str, str]]:
    """The rows in the two formats, without and with fields."""
    X, field = data["X"], data["field"]
    found = []
    for i, y in enumerate(data["y"]):
        at = slice(X.indptr[i], X.indptr[i + 1])
        entries = list(zip(X.indices[at].tolist(), X.data[at].tolist(), strict=True))
        plain = " ".join(f"{j}:{x:.6g}" for j, x in entries)
        found.append((f"{y:g} {plain}", f"{y:g} " + " ".join(f"{field[j]}:{j}:{x:.6g}" for j, x in entries)))
    return found


def sampled(data: dict, seed: int) -> dict:
    """FMRegressor on the same columns, with nothing to tune."""
    from intertwine import FMRegressor

    began = time.process_time()
    model = FMRegressor(solver="gibbs", n_components=10, feature_groups=data["field"], random_state=seed)
    model.fit(data["X"][data["train"]], data["y"][data["train"]])
    guess = np.clip(model.predict(data["X"][data["test"]]), 1, 5)
    error = float(np.sqrt(np.mean((guess - data["y"][data["test"]]) ** 2)))
    return {"rmse": error, "cpu_seconds": time.process_time() - began}


def _labels() -> list:
    from intertwine.datasets import fetch_movielens_100k

    people = fetch_movielens_100k(split="ua", download_if_missing=False).user_features
    regions = [str(code)[0] for code in people["zip_code"]]
    return [np.asarray(people["age"]) // 10, people["gender"], people["occupation"], regions]


def work(method: str, path: str, seed: int, quick: bool) -> None:
    """Tune and judge one model; prints a line of JSON."""
    import xlearn

    data = pickle.loads(Path(path).read_bytes())
    shuffled = np.random.default_rng(seed).permutation(data["train"])
    parts = {"held": shuffled[: len(shuffled) // 10], "fit": shuffled[len(shuffled) // 10 :]}
    parts["test"] = np.asarray(data["test"])
    form = int("field-aware" in method)
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, chosen in parts.items():
            files[name] = os.path.join(folder, name)
            Path(files[name]).write_text("\n".join(data["lines"][i][form] for i in chosen) + "\n")

        def error(settings, part):
            model = xlearn.create_ffm() if form else xlearn.create_fm()
            model.setQuiet()
            model.setTrain(files["fit"])
            model.setValidate(files["held"])
            out = os.path.join(folder, "out")
            model.fit({"task": "reg", "epoch": 60, "stop_window": 3, "nthread": 1, **settings}, out)
            model.setTest(files[part])
            model.predict(out, out + ".txt")
            guess = np.clip(np.loadtxt(out + ".txt"), 1, 5)
            return float(np.sqrt(np.mean((guess - data["y"][parts[part]]) ** 2)))

        began, tried = time.process_time(), []
        for rank, rate, penalty in itertools.product(RANKS[method], RATES, PENALTIES):
            settings = {"k": rank, "lr": rate, "lambda": penalty}
            tried.append((error(settings, "held"), settings))
            if quick:
                break
        held, settings = min(tried, key=lambda one: one[0])
        found = {"rmse": error(settings, "test"), "held_rmse": held, **settings}
    print(json.dumps(found | {"cpu_seconds": time.process_time() - began}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one candidate, one seed")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        method, path, seed = arguments.task
        work(method, path, int(seed), arguments.quick)
        return
    results = Results(named(NAME, arguments.quick), "peers", KEY)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        data = table()
        for seed in range(1 if arguments.quick else SEEDS):
            ours = Results(named(NAME, arguments.quick), "ours", KEY)
            if not ours.has(method=SAMPLED, seed=seed):
                ours.add({"method": SAMPLED, "seed": seed, **sampled(data, seed)})
                print(ours.rows[-1], flush=True)
        rest = {name: data[name] for name in ("y", "train", "test")}
        path.write_bytes(pickle.dumps({"lines": lines(data), **rest}))
        for seed, method in itertools.product(range(1 if arguments.quick else SEEDS), RANKS):
            if results.has(method=method, seed=seed):
                continue
            command = [peers_python(), __file__, "--task", method, str(path), str(seed)]
            done = subprocess.run(
                command + ["--quick"] * arguments.quick,
                env={"USER": "benchmark"} | one_thread(), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            found = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
            results.add({"method": method, "seed": seed, **found})
            print(method, seed, found, flush=True)
    body = []
    for method in (*RANKS, SAMPLED):
        own = [row for row in all_rows(named(NAME, arguments.quick)) if row["method"] == method]
        tuned = [row for row in own if "held_rmse" in row]
        chosen = "; ".join(f"k {row['k']}, rate {row['lr']}, penalty {row['lambda']}" for row in tuned)
        held = with_error([row["held_rmse"] for row in tuned], 4) if tuned else "–"
        body.append([method, with_error([row["rmse"] for row in own], 4), held, chosen or "nothing"])
    header = ["model", "RMSE", "of the rows held out", "chosen, by seed"]
    text = "MovieLens 100K `ua`, nine fields; xLearn with 18 candidates each, and a sampled FM; "
    text += "mean ± standard error over seeds.\n\n"
    write_table(named(NAME, arguments.quick), text + markdown(header, body))


if __name__ == "__main__":
    main()
