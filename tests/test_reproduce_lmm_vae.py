"""The LMM-VAE comparison: what simpler methods answer, and what is said of the answers."""

import numpy as np
import pytest
from dense_latent_model import DenseLatentModel
from typer.testing import CliRunner

from intertwine.cli.commands import application
from intertwine.effects import BySubject, Linear
from intertwine.mixed_effects.subjects import Sites
from intertwine.reproduce import Measurement, Measurements
from intertwine.reproduce.lmm_vae import PAPER, designs, tasks
from intertwine.reproduce.lmm_vae.components import IteratedPCA, PCAMixedModel, iterated_components
from intertwine.reproduce.lmm_vae.designs import HealthMNIST, RotatingMNIST, Simulated
from intertwine.reproduce.lmm_vae.exact_mixed_model import ExactMixedModel, MixedModelPerFeature
from intertwine.reproduce.lmm_vae.models import OURS, answered, simple_methods
from intertwine.reproduce.lmm_vae.simple import FeatureMean, LastValue, SubjectMean
from intertwine.reproduce.lmm_vae.visits import Question, Task, Visits

NAN = np.nan


def visits(X, subject, time):
    time = np.asarray(time, dtype=float)
    return Visits(np.asarray(X, dtype=float), {"age": 2.0 * time}, np.asarray(subject), time)


def task(train, **questions):
    return Task(train, questions, lambda: [Linear("age"), BySubject()])


TRAIN = visits([[1.0, NAN], [3.0, 8.0], [NAN, 2.0], [8.0, NAN]], [0, 0, 1, 1], [1, 0, 0, 2])
NEW = visits([[5.0, NAN], [7.0, NAN]], [7, 7], [3, 1])
LATER = visits(np.full((2, 2), NAN), [7, 8], [4, 4])


@pytest.mark.parametrize(
    ("method", "gaps", "later"),
    [
        (FeatureMean, [[4, 5]] * 4, [[4, 5]] * 2),
        (SubjectMean, [[2, 8], [2, 8], [8, 2], [8, 2]], [[6, 5], [4, 5]]),
        (LastValue, [[3, 8], [4, 5], [4, 5], [4, 2]], [[5, 5], [4, 5]]),
    ],
)
def test_simple_methods(method, gaps, later):
    chosen = method()
    chosen.fit(task(TRAIN), seed=0)
    np.testing.assert_allclose(chosen.gaps(None), gaps)
    np.testing.assert_allclose(chosen.wanted(NEW, LATER), later)


def test_the_last_value_needs_a_time():
    method = LastValue()
    method.fit(task(Visits(TRAIN.X, {}, TRAIN.subject, None)), seed=0)
    assert method.gaps(None) is None


def low_rank(rng, n=60, p=8, rank=2, noise=0.0):
    return (
        3.0
        + rng.standard_normal((n, rank)) @ rng.standard_normal((rank, p))
        + noise * rng.standard_normal((n, p))
    )


def test_components_find_what_is_missing_of_a_plane():
    rng = np.random.default_rng(0)
    whole = low_rank(rng)
    X = np.where(rng.random(whole.shape) < 0.15, NAN, whole)
    components, filled = iterated_components(X, 2)
    assert np.mean((filled - whole) ** 2) < 1e-3 * whole.var()
    new = components.fill(X[:5], rounds=200)
    np.testing.assert_allclose(new, whole[:5], atol=0.2)
    method = IteratedPCA(2)
    method.fit(task(visits(X, np.arange(60) // 3, np.arange(60) % 3)), seed=0)
    np.testing.assert_allclose(method.gaps(None), components.image(components.scores(filled)))
    assert method.wanted(None, LATER) is None


def test_shrunk_components_fit_less_of_the_noise():
    rng = np.random.default_rng(1)
    signal = low_rank(rng, noise=0.0)
    whole = signal + 0.8 * rng.standard_normal(signal.shape)
    hidden = rng.random(whole.shape) < 0.5
    error = {}
    for shrink in (False, True):
        _, filled = iterated_components(np.where(hidden, NAN, whole), 4, shrink)
        error[shrink] = np.mean((filled - signal)[hidden] ** 2)
    assert error[True] < error[False]


def courses(rng, n_subjects=30, n_visits=5, p=3):
    """Lines in age with levels of subjects."""
    subject, time = np.repeat(np.arange(n_subjects), n_visits), np.tile(np.arange(n_visits), n_subjects)
    level = 2.0 * rng.standard_normal((n_subjects, p))[subject]
    return visits(level + 0.5 * time[:, None] + 0.1 * rng.standard_normal((len(subject), p)), subject, time)


def test_mixed_models_answer_as_dense_algebra_does():
    rng = np.random.default_rng(2)
    everything = courses(rng)
    train, new = everything.take(np.arange(125)), everything.take(np.arange(125, 150))
    model = ExactMixedModel(train, train.X, [Linear("age"), BySubject()], seed=0)
    given, wanted = new.take(np.flatnonzero(new.time < 3)), new.take(np.flatnonzero(new.time >= 3))
    for found, asked, first in (
        (model.known(train.take(np.arange(3))), train.take(np.arange(3)), train),
        (model.new(given, given.X, wanted), wanted, None),
    ):
        rows = train if first is not None else train + given
        both = rows + asked
        subject = np.unique(both.subject, return_inverse=True)[1]
        read = model._data.visits(models_inputs(both))
        dense = DenseLatentModel(
            model._rows_of(read.columns, subject, subject.max() + 1),
            Sites(
                np.vstack([rows.X, np.zeros(asked.X.shape)]),
                np.vstack([np.zeros(rows.X.shape), np.full(asked.X.shape, np.inf)]),
            ),
            model._variances,
        )
        # new subjects: those of the fit say of the shared ones all but what other new subjects say
        tolerance = 1e-6 if first is not None else 0.02
        np.testing.assert_allclose(found, dense.marginals().linear_mean[len(rows.X) :], atol=tolerance)


def test_without_effects_of_subjects_visits_have_the_same_line():
    rows = courses(np.random.default_rng(4), n_subjects=8)
    model = ExactMixedModel(rows, rows.X, [Linear("age")], seed=0)
    early, late = (model.known(rows.take(np.flatnonzero(rows.time == time))) for time in (0, 4))
    np.testing.assert_allclose(early, np.broadcast_to(early[0], early.shape))
    np.testing.assert_allclose(late[0] - early[0], 2.0, atol=1.0)  # shrunk, for levels are noise here


def models_inputs(rows):
    from intertwine.estimators.longitudinal.covariate_data import CovariateInputs

    return CovariateInputs(rows.X, len(rows.X), **rows.beside())


def test_mixed_models_know_the_course_of_new_subjects():
    rng = np.random.default_rng(3)
    everything = courses(rng)
    train, new = everything.take(np.arange(125)), everything.take(np.arange(125, 150))
    given, wanted = new.take(np.flatnonzero(new.time < 3)), new.take(np.flatnonzero(new.time >= 3))
    asked = task(train, future=Question(given, wanted, wanted.X))
    error = {
        name: answered(make, asked, 0)["future"]
        for name, make in {
            "mean": SubjectMean,
            "per feature": MixedModelPerFeature,
            "scores": lambda: PCAMixedModel(3),
            "shared": lambda: PCAMixedModel(3, own=False),
        }.items()
    }
    assert max(error["per feature"], error["scores"]) < 0.05 < error["mean"] < error["shared"]


def test_a_task_without_files():
    asked = tasks.simulated(0, quick=True)
    said = {name: answered(make, asked, 0) for name, make in simple_methods(3).items()}
    best = said["PCA, exact mixed model"]
    assert best["future"] < 0.6 * said["mean"]["future"]
    assert best["imputation"] < said["subject's mean"]["imputation"]
    assert best["shares"]["location"] < 0.05 < best["shares"]["subject"]


def test_what_is_said_of_the_measurements(monkeypatch):
    measurements = Measurements(None, "0")
    found = {"mean": (0.09, None), "PCA, exact mixed model": (0.04, 0.06), OURS: (0.02, 0.07)}
    shares = dict.fromkeys(("sex", "age", "disease_time", "subject"), 0.1)
    shares |= {"location": 0.02, "noise": 0.58}
    for method, (imputation, future) in found.items():
        errors = {"imputation": imputation} | ({} if future is None else {"future": future})
        for seed in range(2):
            facts = {"errors": errors, "shares": shares}
            measurements.add(Measurement("health-mnist", "imputation", method, seed, imputation, 1.0, facts))
    monkeypatch.setattr(designs, "_digits_absent", list)
    design = HealthMNIST(quick=True)
    assert [job.method for job in design.jobs()[:6]] == [*simple_methods(32), OURS]
    said = design.read(measurements)
    assert said.ours == [
        ("ours: mean", "0.0900 ± 0.0000 (2)", "–"),
        ("ours: PCA, exact mixed model", "0.0400 ± 0.0000 (2)", "0.0600 ± 0.0000 (2)"),
        ("ours: LongitudinalVAE", "0.0200 ± 0.0000 (2)", "0.0700 ± 0.0000 (2)"),
    ]
    assert said.findings[0] == (
        "Imputation: LongitudinalVAE 0.0200 is best; next is PCA, exact mixed model, 0.0400."
    )
    assert said.findings[1] == (
        "Future: LongitudinalVAE 0.0700 is not ahead of PCA, exact mixed model, 0.0600."
    )
    assert said.findings[2].startswith("Shares of the variance of latents: sex 0.100, age 0.100")
    imputation, future, shares = said.claims
    assert (imputation.verdict, imputation.mean) == ("holds", pytest.approx(0.02))
    assert (future.verdict, future.why) == ("does not hold", "the other way round")
    assert (shares.verdict, shares.mean) == ("holds", pytest.approx(0.08))


def test_published_figures_stand_beside_ours(monkeypatch):
    measurements = Measurements(None, "0")
    facts = {"errors": {"held-out angle": 0.02}, "shares": {"noise": 1.0}}
    for seed in range(2):
        measurements.add(Measurement("rotating-mnist", "held-out angle", OURS, seed, 0.02, 1.0, facts))
    monkeypatch.setattr(designs, "_digits_absent", list)
    said = RotatingMNIST(quick=False).read(measurements)
    assert ("published: SVGP-VAE", "0.0251") in said.published
    rival, figure = said.claims
    assert rival.verdict == "not measured here"  # nothing is known of the mixed model
    assert (figure.verdict, figure.published) == ("better", "0.0251")
    assert len(RotatingMNIST(quick=False).jobs()) == 5 * 5


def test_without_digits_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(designs, "_digits_absent", lambda: ["no digits"])
    design = HealthMNIST(quick=True)
    assert design.jobs() == []
    assert design.read(Measurements(None, "0")).absent == ["no digits"]


def test_the_command_writes_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(designs, "_digits_absent", lambda: ["no digits"])
    monkeypatch.setattr(Simulated, "jobs", lambda self: [])
    assert PAPER.designs[2] is Simulated
    done = CliRunner().invoke(
        application, ["reproduce", "lmm-vae", "--quick", "--output", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert "no digits" in (tmp_path / "lmm-vae-quick.md").read_text(encoding="utf-8")
