"""The kidney design, simulated: does the latent-distance map of a Cox model recover which antigens fit each other?

    python -m benchmarks.litlvm_compatibility [--quick] [--again] [--only ours|peers] [--seeds 5]

The study's registry may not be shared. ``datasets.simulate_compatibility`` draws donors and recipients with a hidden
map: a pair of antigens that sits close harms the graft. Measured: the share of the true map's variance that the found
one explains after the best shift, turn and scale (Procrustes R²); over donor × recipient pairs, the correlation of map
distance with true distance and the AUC of telling the harmful half of the pairs from the protective half by distance.
Against it: principal components of the tissue types (as in the paper), and of an untied model's pair coefficients.
"""

from __future__ import annotations

import _machine  # noqa: F401  (before numpy: it cleans the environment)

# isort: split
import argparse
import time

import _figures
import numpy as np
from _results import Results, all_rows, markdown, named, with_error, write_table
from _splits import stratified_folds
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from intertwine.datasets import simulate_compatibility

NAME = "litlvm_compatibility"
KEY = ("n", "pairs", "map", "seed")


def distances(coordinates: np.ndarray, is_donor: np.ndarray) -> np.ndarray:
    """Squared distances of every donor antigen to every recipient antigen, (donors · recipients,)."""
    gaps = coordinates[is_donor][:, None, :] - coordinates[~is_donor][None, :, :]
    return np.sum(gaps**2, axis=2).ravel()


def judge(coordinates: np.ndarray, truth: object) -> dict:
    """How a map agrees with the truth over donor × recipient pairs; no label is told which way is close."""
    found, true = distances(coordinates, truth.is_donor), distances(truth.latent, truth.is_donor)
    harmful = true < np.median(true)
    return {
        "procrustes_r2": procrustes_r2(coordinates, truth.latent),
        "correlation": float(np.corrcoef(np.sqrt(found), np.sqrt(true))[0, 1]),
        "auc": float(roc_auc_score(harmful, -found)),
    }


def principal_components(matrix: np.ndarray, n_components: int = 2) -> np.ndarray:
    """Coordinates of the columns of a centred matrix on its first components."""
    centred = matrix - matrix.mean(axis=0)
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    return (values[:n_components, None] * right[:n_components]).T


def aligned(coordinates: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Shift, turn and scale a map onto the true one (Procrustes), for the picture only."""
    from scipy.linalg import orthogonal_procrustes

    moved, fixed = coordinates - coordinates.mean(axis=0), reference - reference.mean(axis=0)
    turn, scale = orthogonal_procrustes(moved, fixed)
    return moved @ turn * scale / max(np.sum(moved**2), 1e-300)


def procrustes_r2(coordinates: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true map's variance that the found one explains after the best shift, turn and scale."""
    centred = truth - truth.mean(axis=0)
    return float(1.0 - np.sum((aligned(coordinates, truth) - centred) ** 2) / np.sum(centred**2))


def peers_maps(truth: object) -> dict[str, np.ndarray]:
    """Maps that need no model of interactions."""
    return {"PCA of the tissue types": principal_components(truth.data)}


def tuned(grid: dict[str, list], X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> object:
    """The Cox model whose strengths give the best concordance in the left-out folds, fitted to all rows."""
    import intertwine

    # Few coefficients, many rows: the sparse path without L1 is the same model, and much the faster.
    model = intertwine.InteractionCoxPH(solver="sparse", n_components=2, n_init=1, tol=1e-5, random_state=0)
    search = GridSearchCV(model, grid, cv=PredefinedSplit(folds), refit=False).fit(X, y)
    return model.set_params(**search.best_params_, n_init=5).fit(X, y)


def our_maps(truth: object, train: np.ndarray, folds: np.ndarray) -> tuple[dict[str, np.ndarray], dict]:
    """The map of the tied model, and PCA of the pairs of an untied one; strengths by cross-validation."""
    X, y = truth.data[train], truth.target[train]
    alphas = [1e-3, 1e-2]
    began = time.process_time()
    tied = tuned(
        {"latent": ["distance"], "alpha": alphas, "alpha_pairs": [1e-2], "tie": [1.0, 10.0]}, X, y, folds
    )
    seconds = time.process_time() - began
    untied = tuned({"latent": [None], "alpha": alphas, "alpha_pairs": [0.1, 1.0, 10.0]}, X, y, folds)
    test = np.setdiff1d(np.arange(len(truth.data)), train)
    facts = {
        "cpu_seconds": seconds,
        "concordance": float(tied.score(truth.data[test], truth.target[test])),
        "concordance_untied": float(untied.score(truth.data[test], truth.target[test])),
        "concordance_of_truth": concordance_of_truth(truth, test),
        "chosen": {name: getattr(tied, name) for name in ("alpha", "alpha_pairs", "tie")},
    }
    maps = {
        "intertwine, latent distance": np.asarray(tied.latent_),
        "PCA of untied pair coefficients": principal_components(np.asarray(untied.interaction_matrix())),
    }
    return maps, facts


def concordance_of_truth(truth: object, test: np.ndarray) -> float:
    """Concordance of the true log hazard: what no model can pass."""
    from intertwine.losses import concordance_index

    target = truth.target[test]
    return float(concordance_index(target["time"], target["event"], truth.score[test]))


def run(name: str, half: str, sizes: list[int], seeds: int, again: bool) -> None:
    """Measure one half; the maps of the first seed are kept for the picture."""
    results = Results(name, half, KEY)
    for n_rows in sizes:
        for pairs in ("donor-recipient", "all"):
            for seed in range(seeds):
                if not again and results.has(n=n_rows, pairs=pairs, seed=seed):
                    continue
                truth = simulate_compatibility(n_rows + 2000, pairs=pairs, random_state=seed)
                train = np.arange(n_rows)
                folds = stratified_folds(truth.target["event"][train], 5, np.random.default_rng(seed))
                maps, facts = (peers_maps(truth), {}) if half == "peers" else our_maps(truth, train, folds)
                for label, coordinates in maps.items():
                    row = {
                        "n": n_rows,
                        "pairs": pairs,
                        "map": label,
                        "seed": seed,
                        **judge(coordinates, truth),
                        **facts,
                    }
                    if seed == 0:
                        row["coordinates"] = aligned(coordinates, truth.latent)
                    results.add(row)
                    print(
                        n_rows,
                        pairs,
                        label,
                        f"R² {row['procrustes_r2']:.3f}, correlation {row['correlation']:.3f}, AUC {row['auc']:.3f}",
                        flush=True,
                    )


def table(name: str) -> None:
    """Means ± standard errors, and the maps of the first draw beside the true one."""
    rows = all_rows(name)
    body = []
    for identity in dict.fromkeys((row["pairs"], row["n"], row["map"]) for row in rows):
        here = [row for row in rows if (row["pairs"], row["n"], row["map"]) == identity]
        cells = [with_error([row[key] for row in here]) for key in ("procrustes_r2", "correlation", "auc")]
        key = "concordance" if "latent distance" in identity[-1] else "concordance_untied"
        held = [row[key] for row in here if key in row]
        possible = [row["concordance_of_truth"] for row in here if key in row]
        body.append([*identity, *cells, f"{with_error(held)} of {np.mean(possible):.3f}" if held else "–"])
    header = [
        "interacting pairs",
        "n",
        "map",
        "Procrustes R²",
        "correlation with true distance",
        "AUC, harmful pairs",
        "held-out concordance, of the truth's",
    ]
    write_table(name, markdown(header, body))
    largest = max((row["n"] for row in rows), default=0)
    shown = [
        row for row in rows if row["n"] == largest and row["seed"] == 0 and row["pairs"] == "donor-recipient"
    ]
    if shown:
        truth = simulate_compatibility(largest + 2000, random_state=0)
        maps = {"truth": truth.latent - truth.latent.mean(axis=0)}
        maps.update({row["map"]: np.array(row["coordinates"]) for row in shown})
        _figures.maps(maps, truth.is_donor, list(truth.feature_names), name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["ours", "peers"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one draw of 1000 transplants")
    parser.add_argument("--again", action="store_true", help="measure also what the results hold already")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000])
    arguments = parser.parse_args()
    name = named(NAME, arguments.quick)
    sizes, seeds = ([1000], 1) if arguments.quick else (arguments.sizes, arguments.seeds)
    for half in ("peers", "ours"):
        if arguments.only in (None, half):
            run(name, half, sizes, seeds, arguments.again)
    table(name)


if __name__ == "__main__":
    main()
