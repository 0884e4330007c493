"""The LMMVAE comparison at sizes that take a second: what is known of the truth, measured and said."""

import numpy as np
import pytest
from typer.testing import CliRunner

from intertwine.cli.commands import application
from intertwine.datasets import (
    simulate_categorical_effects,
    simulate_longitudinal_effects,
    simulate_spatial_effects,
)
from intertwine.effects import Grouped, Longitudinal, Spatial
from intertwine.reproduce import Measurement, Measurements
from intertwine.reproduce.lmmvae import PAPER, models, real, simulated
from intertwine.reproduce.lmmvae.models import IGNORED, LINEAR, METHODS, NONLINEAR, measure
from intertwine.reproduce.lmmvae.oracle import exact_effects, oracle, refitted_oracle, two_stages
from intertwine.reproduce.lmmvae.simulated import Categorical, SpatialUnknown, TwoLatents

DRAWS = {
    "categorical": lambda **options: simulate_categorical_effects(
        120, 4, n_levels=(6, 10), variances=(3.0, 0.3), random_state=0, **options
    ),
    "crossed": lambda **options: simulate_categorical_effects(
        120, 4, n_levels=(6, 10), variances=(3.0, 0.3), crossed=True, random_state=0, **options
    ),
    "longitudinal": lambda **options: simulate_longitudinal_effects(
        120, 4, n_subjects=8, random_state=0, **options
    ),
    "spatial": lambda **options: simulate_spatial_effects(120, 4, n_sites=15, random_state=0, **options),
}


def covariance_of_rows(truth, m):
    """Of Σ Z B of one feature, between all rows."""
    n = len(truth.data)
    if "coords" in truth:
        return truth.effect_variances[0][m, 0, 0] * truth.kernel(truth.coords)
    total = np.zeros((n, n))
    basis = truth.time[:, None] ** np.arange(3) if "time" in truth else np.ones((n, 1))
    for level, variance in zip(truth.groups.reshape(n, -1).T, truth.effect_variances, strict=True):
        total += (level[:, None] == level) * (basis @ variance[m] @ basis.T)
    return total


@pytest.mark.parametrize("split", ["random", "unknown"])
@pytest.mark.parametrize("design", DRAWS)
def test_effects_are_predicted_as_dense_algebra_predicts_them(design, split):
    truth = DRAWS[design](split=split)
    residual = (truth.data - truth.mean - truth.signal)[truth.train]
    noise = np.array([0.5, 1.0, 2.0, 0.1])
    found = exact_effects(truth, residual, noise)
    for m in range(4):
        whole = covariance_of_rows(truth, m)
        inside = whole[np.ix_(truth.train, truth.train)] + noise[m] * np.eye(len(truth.train))
        np.testing.assert_allclose(
            found[:, m], whole[:, truth.train] @ np.linalg.solve(inside, residual[:, m]), atol=1e-6
        )


def mse(truth, predicted):
    return np.mean((truth.data[truth.test] - predicted) ** 2)


@pytest.mark.parametrize("d", [1, 2])
def test_the_oracles_come_close_to_the_noise_and_in_their_order(d):
    truth = simulate_categorical_effects(
        2000, 20, d=d, n_levels=(20, 40), variances=(3.0, 3.0), random_state=0
    )
    best, refitted, stages = (
        mse(truth, oracle(truth)),
        mse(truth, refitted_oracle(truth)),
        mse(truth, two_stages(truth, d)),
    )
    assert 1.0 - 0.06 - d / 20 < refitted < best < 1.1
    assert stages > refitted + 0.05


def test_the_oracle_does_not_see_the_effects_of_test_rows():
    truth = DRAWS["categorical"]()
    other = DRAWS["categorical"]()
    other.data[other.test] += 5.0  # as a change of effects would
    np.testing.assert_array_equal(oracle(truth), oracle(other))
    shift = two_stages(other, 1) - two_stages(truth, 1)
    assert np.linalg.matrix_rank(shift, tol=1e-8) == 1  # along the component alone


# ---------------------------------------------------------------------------------------- what is measured


@pytest.fixture
def tiny(monkeypatch):
    """Designs of 300 rows and 5 features."""
    monkeypatch.setattr(simulated, "_size", lambda quick: (300, 5, 100))


TASKS = {
    "categorical": lambda: simulated.categorical("3, .3, .3", 0, True),
    "two latents": lambda: simulated.categorical("3, .3, .3", 0, True, d=2),
    "longitudinal": lambda: simulated.longitudinal("3, 3, 3", 0, True, split="future"),
    "spatial": lambda: simulated.spatial("3", 0, True, split="unknown"),
}


@pytest.mark.parametrize("design", TASKS)
@pytest.mark.parametrize("method", [name for name in METHODS if name not in (NONLINEAR, IGNORED, LINEAR)])
def test_every_method_predicts_every_design(tiny, design, method):
    value, _ = measure(method, TASKS[design]())
    assert 0.5 < value < 40.0


def test_draws_are_the_papers(tiny):
    task = TASKS["categorical"]()
    assert task.effects == (Grouped(0), Grouped(1), Grouped(2))
    assert [len(effect) for effect in task.truth.effects] == [10, 30, 50]
    assert set(task.where(np.arange(3))) == {"groups"}
    task = TASKS["longitudinal"]()
    assert task.effects == (Longitudinal(degree=2),)
    assert set(task.where(np.arange(3))) == {"groups", "time"}
    assert task.truth.time[task.truth.test].min() > task.truth.time[task.truth.train].max()
    task = TASKS["spatial"]()
    assert task.effects == (Spatial(kernel="rbf"),)
    assert set(task.where(np.arange(3))) == {"coords"}
    assert not set(task.truth.groups[task.truth.train]) & set(task.truth.groups[task.truth.test])


def test_the_full_size_is_the_papers():
    assert simulated._size(quick=False) == (100_000, 100, 1)
    assert {job.seed for job in Categorical(quick=False).jobs()} == set(range(5))
    assert {job.case for job in Categorical(quick=False).jobs()} == {
        ".3, .3, .3",
        "3, .3, .3",
        ".3, 3, 3",
        "3, 3, 3",
    }


def test_one_hot_groups_help_components(tiny):
    task = simulated.categorical("3, 3, 3", 0, True)
    assert measure("PCA, one-hot groups", task)[0] != measure("PCA, effects ignored", task)[0]


# ------------------------------------------------------------------------------------------------ what is said


def filled(design, **values):
    """What is said where methods have these values, and all others 1.1."""
    kept = Measurements(None, "")
    for case in design._cases:
        for method in design._methods:
            for seed in range(2):
                facts = {"latent_correlation": 0.97, "variance_ratios": {"noise": 1.01, "0": 0.96}}
                kept.add(Measurement(design.name, case, method, seed, values.get(method, 1.1), 1.0, facts))
    return design.read(kept)


def test_findings_say_who_wins():
    found = filled(Categorical(quick=False), **{NONLINEAR: 1.2, "oracle": 1.08})
    said, figure, beaten = found.findings, *found.claims[:2]
    assert "is +0.120 from the oracle" in said[0]
    assert "The linear model wins here (1.100 against 1.200)." in said[1]
    assert "rank correlations from 0.970 to 0.970" in said[2]
    assert "noise 1.010, 0 0.960" in said[2]
    assert (figure.statement, figure.verdict) == (
        "Test MSE of LMMVAE: three groupings, σ_b² = .3, .3, .3",
        "better",
    )
    assert (beaten.verdict, beaten.why, beaten.published) == ("does not hold", "the other way round", "+0.87")
    found = filled(Categorical(quick=False), **{NONLINEAR: 1.3, IGNORED: 3.0})
    assert [claim.verdict for claim in found.claims[:2]] == ["does not hold", "better"]
    assert not any(
        "linear model wins" in text
        for text in filled(SpatialUnknown(quick=True), **{NONLINEAR: 1.0}).findings
    )


def test_quick_runs_are_smaller_and_judge_comparisons_alone():
    found = filled(Categorical(quick=True), **{NONLINEAR: 1.2, IGNORED: 30.0})
    verdicts = [claim.verdict for claim in found.claims]
    assert verdicts == ["not measured here", "holds"] * 4
    assert {claim.why for claim in found.claims} == {"smaller than the paper's design", ""}


def test_tables_have_the_papers_rows():
    full = filled(TwoLatents(quick=False))
    assert full.published == [("paper: LMMVAE", "1.52", "2.49")]
    assert [row[0] for row in full.ours] == [f"ours: {method}" for method in METHODS]
    quick = filled(SpatialUnknown(quick=True))
    assert quick.published[0] == ("paper: LMMVAE", "1.04", "1.4")
    assert "10,000 rows" in quick.about
    assert LINEAR not in {row[0].removeprefix("ours: ") for row in quick.ours}
    assert filled(TwoLatents(quick=True)).ours[0] == ("ours: oracle",)


def test_nothing_measured_is_nothing_said():
    assert Categorical(quick=False).read(Measurements(None, "")).findings == []


def test_the_command_sets_methods_side_by_side(tiny, tmp_path, monkeypatch):
    chosen = {name: METHODS[name] for name in ("oracle", "PCA, effects ignored")}
    for module in (models, simulated):
        monkeypatch.setattr(module, "METHODS", chosen)
    monkeypatch.setattr(real.RealTables, "jobs", lambda self: [])
    monkeypatch.setattr(simulated._Simulated, "_findings", lambda self, measurements, case: [])
    command = ["reproduce", "lmmvae", "--quick", "--jobs", "1", "--output", str(tmp_path)]
    shown = CliRunner().invoke(application, command)
    assert shown.exit_code == 0, shown.output
    page = (tmp_path / "lmmvae-quick.md").read_text(encoding="utf-8")
    for design in PAPER.designs[:-1]:
        assert design.title in page
    assert "Real tables" in page
    assert "ours: oracle" in page
