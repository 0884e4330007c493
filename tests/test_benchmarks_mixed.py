"""The benchmarks of mixed models and of latent models with random effects: what is compared, hidden and printed."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import _results
import mixed_models
import random_effects_vae
from _random_effects_data import Table, rows_of
from _random_effects_methods import chosen_effects, measured, one_hot_components, principal_components
from baselines.lme4_r import Lme4
from baselines.mixed_peer import STRUCTURES, tiny_problem
from baselines.statsmodels_peer import StatsmodelsMixedLM
from sklearn.utils import Bunch

from intertwine.effects import Grouped


@pytest.mark.parametrize("structure", ["slopes"])
def test_peers_agree_where_both_are_there(structure):
    pytest.importorskip("statsmodels")
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not on the path")
    X, y, folds = tiny_problem(structure)
    y = np.column_stack([y, 2.0 * y])
    y[:5, 1] = np.nan
    try:
        found = [make(structure).fit(X, y, folds).chosen() for make in (Lme4, StatsmodelsMixedLM)]
    except RuntimeError as failed:  # R without lme4
        pytest.skip(str(failed))
    for name in ("log_likelihood", "noise", "variances"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-3)
    assert np.shape(found[0]["variances"]) == (2, 3 if structure == "slopes" else 1)


def test_columns_are_fixed_effects_and_then_groupings():
    pytest.importorskip("statsmodels", reason="statsmodels is a peer, installed where benchmarks run")
    for structure, shape in STRUCTURES.items():
        X, y, _ = tiny_problem(structure)
        peer = StatsmodelsMixedLM(structure)
        fixed, codes = peer.split(X)
        assert fixed.shape == (len(y), 1)
        assert codes.shape == (len(y), shape.n_groupings)
        assert codes.dtype == np.int64


@pytest.mark.parametrize("problem", ["lines", "crossed"])
def test_growth_has_the_sizes_that_it_names(problem):
    X, y = mixed_models.lines(500) if problem == "lines" else mixed_models.crossed(500, 20, 10)
    assert len(X) == len(y) == 500
    assert len(np.unique(X[:, -1])) <= (50 if problem == "lines" else 10)


def row(method, loglik, variances, seconds=1.0):
    return {
        "half": "ours",
        "problem": "sleepstudy, a line a driver",
        "method": method,
        "seconds": seconds,
        "cpu_seconds": seconds,
        "failure": "",
        "peak_mb": 100.0,
        "curve": "",
        "chosen": {"log_likelihood": loglik, "noise": [1.0], "variances": variances},
    }


def test_the_table_says_how_far_tools_agree(monkeypatch, tmp_path):
    rows = [
        row("lme4", [-10.0], [[4.0, 0.5]], 2.0),
        row("intertwine", [-9.5], [[4.0, 0.6]]),
        row("statsmodels", [np.nan], [[0.0, 0.0]], None) | {"failure": "over 600 s", "peak_mb": None},
    ]
    monkeypatch.setattr(mixed_models, "all_rows", lambda name: rows)
    monkeypatch.setattr(_results, "FOLDER", tmp_path)
    mixed_models.table("toy")
    text = (tmp_path / "toy.md").read_text()
    assert (
        "| intertwine | 1 s | 1 s | 1 × | 100 MB | -9.5000 | +5.0e-01 | 2e-02 |" in text
    )  # 0.1 of the largest, 4
    assert "| lme4 | 2 s | 2 s | 2 × |" in text
    assert "| statsmodels | over 600 s | – | – |" in text


# ------------------------------------------------------------------------------------------- latent models


def toy(split, random_state, download_if_missing):
    rng = np.random.default_rng(random_state)
    groups = {"who": np.arange(100) % 7, "where": np.arange(100) % 3}
    data = rng.standard_normal((100, 1)) + 3.0 * rng.standard_normal((7, 6))[groups["who"]]
    data[3, 2] = np.nan
    return Bunch(data=data, groups=groups, train=np.arange(80), test=np.arange(80, 100))


TABLE = Table(toy, ("random",), ("who",), lambda: {"levels": (Grouped("who"),)})


def test_a_tenth_of_the_test_entries_is_hidden_from_all():
    rows = rows_of(TABLE, "random", 0, hidden=0.5)
    assert list(rows.groups) == ["who"]
    assert not rows.hidden[rows.train].any()
    assert rows.hidden[rows.test].mean() == pytest.approx(0.5, abs=0.15)
    assert np.isnan(rows.data[rows.hidden]).all()
    np.testing.assert_array_equal(rows.data[~rows.hidden], rows.whole[~rows.hidden])


def test_errors_are_of_what_is_seen_and_of_what_is_hidden(monkeypatch):
    rows = rows_of(TABLE, "random", 0, hidden=0.3)
    found = rows.whole[rows.test] + np.where(rows.hidden[rows.test], 2.0, 1.0)
    monkeypatch.setitem(random_effects_vae.METHODS, "known", lambda *_: (found, {"epochs": 3}))
    said = measured("known", rows, {}, 1, 0)
    assert (said["mse"], said["hidden_mse"], said["epochs"]) == pytest.approx((1.0, 4.0, 3))


@pytest.mark.parametrize("method", [principal_components, one_hot_components])
def test_components_fill_what_is_missing(method):
    rows = rows_of(TABLE, "random", 0)
    found, _ = method(rows, (), 1, 0)
    assert found.shape == (20, 6)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("best", ["who", "where"])
def test_effects_are_chosen_inside_the_training_part(best):
    rows = rows_of(TABLE, "random", 0)
    rows.groups["where"] = np.arange(100) % 3
    rng = np.random.default_rng(0)
    rows.data = rng.standard_normal((100, 6)) + 3.0 * rng.standard_normal((7, 6))[rows.groups[best]]
    rows.data[rows.test] = np.nan  # nothing of them may be asked for
    effects = {name: (Grouped(name),) for name in ("who", "where")}
    name, chosen = chosen_effects(rows, effects, 1, 0)
    assert name == best
    assert chosen is effects[best]


def test_only_what_is_wanted_and_absent_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(_results, "FOLDER", tmp_path)
    asked = []

    def plan(quick, seeds):
        for seed in range(seeds):
            for case in ("a", "b"):
                yield (
                    case,
                    "m",
                    seed,
                    lambda case=case, seed=seed: asked.append((case, seed)) or {"mse": 1.0 + seed},
                )

    monkeypatch.setitem(random_effects_vae.PLANS, "real", plan)
    random_effects_vae.measure_all("toy", ["real"], False, 1, ["a |"], again=False)
    random_effects_vae.measure_all("toy", ["real"], False, 2, [], again=False)
    assert asked == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    random_effects_vae.table("toy")
    assert "| a | 1.500 ± 0.500 |" in (tmp_path / "toy.md").read_text()


@pytest.mark.parametrize("section", ["simulated", "beyond", "sensitivity", "time", "growth"])
def test_every_section_plans_its_rows_once(section):
    planned = [(case, method, seed) for case, method, seed, _ in random_effects_vae.PLANS[section](False, 2)]
    assert len(planned) == len(set(planned)) > 3
