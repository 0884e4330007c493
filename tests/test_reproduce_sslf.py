"""The SSLF comparison at sizes that take a second: what is chosen, counted, said and named as absent."""

import numpy as np
import pytest
from typer.testing import CliRunner

from intertwine import LatentFactorModel
from intertwine.cli.commands import application
from intertwine.datasets import simulate_many_ratings
from intertwine.reproduce import Measurement, Measurements
from intertwine.reproduce.sslf import models, ratings
from intertwine.reproduce.sslf.adam import fit_adam
from intertwine.reproduce.sslf.models import Effort, Task, split_ratings
from intertwine.reproduce.sslf.ratings import MovieLens1M, Yelp
from intertwine.reproduce.sslf.table import ADAM, PLAIN, SGD

SMALL = Effort((0.1, 0.3), (0.01, 0.05), (0.02, 0.05), max_iter=8, seeds=2, alphas=(0.05,), n_components=2)


def drawn(n_users=40, n_items=30, n_ratings=300, **settings):
    truth = simulate_many_ratings(n_users, n_items, n_ratings, d=2, random_state=0, **settings)
    ids = np.column_stack([truth.user, truth.item]).astype(np.int64)
    return ids, truth.target.astype(float)


def tiny_task():
    ids, y = drawn()
    return Task.of(ids, np.clip(np.rint(y), 1, 5), (1.0, 5.0))


def _absent(download):
    raise FileNotFoundError("set INTERTWINE_DATA")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Ratings that are simulated in Yelp's place."""
    monkeypatch.setattr(Yelp, "task", staticmethod(lambda download: tiny_task()))
    monkeypatch.setattr(Yelp, "quick_effort", SMALL)
    monkeypatch.setattr(MovieLens1M, "task", staticmethod(_absent))
    return tmp_path / "out"


def test_the_command_sets_epochs_and_passes_side_by_side(tiny):
    command = ["reproduce", "sslf", "--quick", "--jobs", "1", "--output", str(tiny)]
    shown = CliRunner().invoke(application, command)
    assert shown.exit_code == 0, shown.output
    html, markdown = (
        (tiny / f"sslf-quick.{ending}").read_text(encoding="utf-8") for ending in ("html", "md")
    )
    for text in (html, markdown):
        for method in (SGD, ADAM, PLAIN, "A, ρ = 0.1", "B, ρ = 0.3", "D, ρ = 0.1"):
            assert method in text
        assert "Its table could not be recovered" in text
        assert "MovieLens 1M is absent: set INTERTWINE_DATA" in text
        assert "Sharpness (mode B) lowers the test error of the second-order method on Yelp" in text
        assert "Mode D: ρ chosen on held-out ratings, none included, seed by seed" in text
    assert html.count("<table>") == 1
    assert "<svg" in html or "<img" in html


def test_absent_data_are_named_with_what_to_do(monkeypatch, tmp_path):
    for name in ("INTERTWINE_DATA", "INTERTWINE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    ratings._yelp.cache_clear()
    design = Yelp(quick=True)
    assert design.jobs() == []
    found = design.read(Measurements(None, ""))
    assert found.ours == []
    assert found.findings == []
    assert "Yelp is absent" in found.absent[0]
    assert "yelp.com/dataset" in found.absent[0]


# ------------------------------------------------------------------------------------- what is measured, and how


def test_one_in_ten_is_judged_on_and_never_fitted(monkeypatch):
    seen = []

    def fit(self, X, y):
        seen.append((len(y), {tuple(pair) for pair in X}))
        return original(self, X, y)

    original = LatentFactorModel.fit
    monkeypatch.setattr(LatentFactorModel, "fit", fit)
    task = tiny_task()
    models.measure_second_order(task, SMALL, 1, "A", 0.0)
    train, test = split_ratings(len(task.y), 1)
    assert (len(train), len(test)) == (270, 30)
    assert sorted([*train, *test]) == list(range(300))
    size, pairs = seen[0]
    assert size == 270
    assert not pairs & {tuple(pair) for pair in task.X[test]}


def test_rates_and_strengths_are_chosen_by_what_is_held_out_not_by_the_test_part(monkeypatch):
    tried = []

    def fit(task, effort, seed, alpha, learning_rate=None, **settings):
        tried.append((alpha, learning_rate))
        good = (alpha, learning_rate) == (0.2, 0.05)
        return (0.8, {"validation": 0.7}) if good else (0.5, {"validation": 0.9})

    monkeypatch.setattr(models, "_library_fit", fit)
    value, facts = models.measure_sgd(tiny_task(), SMALL._replace(alphas=(0.1, 0.2)), 0)
    assert (value, facts["validation"]) == (0.8, 0.7)
    assert tried == [(0.1, 0.01), (0.1, 0.05), (0.2, 0.01), (0.2, 0.05)]


def test_sharpness_gets_the_strength_that_is_best_without_it(monkeypatch):
    tried = []

    def fit(task, effort, seed, alpha, solver, rho=0.0, sharpness=None):
        tried.append((alpha, rho))
        return 0.9, {"validation": alpha if rho == 0.0 else -alpha, "alpha": alpha}

    monkeypatch.setattr(models, "_library_fit", fit)
    _, facts = models.measure_second_order(tiny_task(), SMALL._replace(alphas=(0.1, 0.2)), 0, "D", 0.3)
    assert tried == [(0.1, 0.0), (0.2, 0.0), (0.1, 0.3)]
    assert facts["alpha"] == 0.1


def test_modes_are_the_librarys_and_sharpness_changes_the_fit():
    task = tiny_task()
    values = {mode: models.measure_second_order(task, SMALL, 0, mode, 0.5) for mode in models.MODES}
    plain = models.measure_second_order(task, SMALL, 0, "A", 0.0)
    assert len({value for value, _ in [*values.values(), plain]}) == 4
    for _, facts in values.values():
        assert facts["passes"] > facts["epochs"] > 0


def test_adam_finds_what_the_ratings_say_and_counts_its_epochs():
    ids, y = drawn(60, 40, 600, noise=0.05)
    task = Task.of(ids, y, (-9.0, 9.0))
    value, facts = models.measure_adam(
        task, SMALL._replace(adam_rates=(0.002, 0.05), max_iter=200, n_components=3), 0
    )
    assert value < 0.6 * y.std()
    assert facts["passes"] == facts["epochs"] <= 200
    assert facts["rate"] == 0.05


def test_adam_stops_where_what_it_holds_out_is_best_and_repeats_itself():
    ids, y = drawn(noise=1.5)
    settings = {
        "n_components": 4, "learning_rate": 0.05, "alpha": 0.0, "max_iter": 100, "patience": 3,
        "validation_fraction": 0.1, "seed": 0,
    }  # fmt: skip
    one, two = (fit_adam(ids, y, (40, 30), **settings) for _ in range(2))
    np.testing.assert_array_equal(one.users, two.users)
    assert one.epochs < 100
    short = fit_adam(ids, y, (40, 30), **settings | {"max_iter": one.epochs - 3})
    np.testing.assert_array_equal(one.users, short.users)  # the three without a gain left no trace


# -------------------------------------------------------------------------------------------------- what is said


def filled(values, validation=None, quick=False):
    """Measurements of Yelp: method to a value for each seed."""
    design = Yelp(quick=quick)
    kept = Measurements(None, "")
    for method in (SGD, ADAM, PLAIN, *design._sharp_methods):
        for seed, value in enumerate(values.get(method, values[PLAIN])):
            held = (validation or {}).get(method, 1.0 if method != PLAIN else 0.9)
            facts = {"validation": held, "epochs": 30 if method not in (SGD, ADAM) else 60}
            facts["passes"] = 110.0 if method not in (SGD, ADAM) else 60.0
            kept.add(Measurement(design.name, design._case, method, seed, value, 1.0, facts))
    design.jobs = list
    return design.read(kept)


FLAT = {SGD: [0.95, 0.96, 0.95], ADAM: [0.94, 0.94, 0.93], PLAIN: [0.92, 0.93, 0.92]}


def verdicts(found):
    return {claim.statement: claim for claim in found.claims}


def test_sharpness_that_is_not_chosen_does_not_help():
    found = filled(FLAT)
    claims, said = verdicts(found), " ".join(found.findings)
    claim = claims["The second-order method has a smaller test error than SGD on Yelp"]
    assert (claim.verdict, claim.ours) == ("holds", "+0.0300 ± 0.0000")
    assert claims["The second-order method takes fewer epochs than Adam on Yelp"].mean == 30.0
    assert "30 epochs against 60, which are 110 passes over the ratings against 60." in said
    assert "Mode A: ρ chosen on held-out ratings, none included, seed by seed: 0, 0, 0." in said
    for mode in "ABD":
        claim = claims[f"Sharpness (mode {mode}) lowers the test error of the second-order method on Yelp"]
        assert (claim.verdict, claim.why) == ("does not hold", "no difference beyond noise")


def test_a_gain_counts_when_it_is_beyond_noise():
    words = "Sharpness (mode B) lowers the test error of the second-order method on Yelp"
    clear = FLAT | {"B, ρ = 0.3": [0.910, 0.9201, 0.9101]}
    found = filled(clear, {"B, ρ = 0.3": 0.8})
    assert (
        "Mode B: ρ chosen on held-out ratings, none included, seed by seed: 0.3, 0.3, 0.3." in found.findings
    )
    assert (verdicts(found)[words].verdict, verdicts(found)[words].mean) == (
        "holds",
        pytest.approx(0.0099, abs=1e-4),
    )
    noisy = FLAT | {"B, ρ = 0.3": [0.910, 0.9295, 0.9195]}
    claim = verdicts(filled(noisy, {"B, ρ = 0.3": 0.8}))[words]
    assert (claim.verdict, claim.ours) == ("does not hold", "+0.0037 ± 0.0032")


def test_a_quick_run_takes_some_of_the_users_with_all_their_ratings():
    task = tiny_task()
    some = task.some(4)
    users = np.flatnonzero(np.arange(40) % 4 == 0)
    assert some.sizes[0] == len(users)
    assert len(some.y) == np.isin(task.X[:, 0], users).sum()
    assert task.some(1) is task


def test_changes_are_taken_seed_by_seed_and_missing_cells_are_dashes():
    rows = {row[0]: row for row in filled(FLAT | {"D, ρ = 1": [0.93, 0.94, 0.93]}).ours}
    assert rows["D, ρ = 1"][1:3] == ("0.9333 ± 0.0033", "0.0100 ± 0.0000")
    assert rows[SGD][2:] == ("–", "60 ± 0", "60 ± 0")
    design = Yelp(quick=False)
    empty = design.read(Measurements(None, ""))
    assert empty.findings == []
    assert empty.ours[0][1:] == ("–", "–", "–", "–")


def test_the_full_design_is_the_papers():
    for design in (MovieLens1M, Yelp):
        assert design.effort.seeds == 3
        assert design.effort.n_components == 20
        assert len(design(quick=False)._sharp_methods) == 12
    assert models.MODES == {"A": "perturbed", "B": "perturbed_gradient", "D": "injected"}
