"""Epochs and phases of longitudinal networks: how each batch is weighed, how far it moves, and what is told."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from intertwine.fitting.longitudinal import epochs, mean_field, mean_field_epochs, phases
from intertwine.fitting.longitudinal.epochs import EpochRow, Phase, Runner, _falling
from intertwine.fitting.longitudinal.mean_field_epochs import FieldRunner, FieldState
from intertwine.fitting.longitudinal.mean_field_steps import FieldStepped, FieldVariances
from intertwine.fitting.longitudinal.phases import Phases
from intertwine.fitting.longitudinal.steps import Stepped
from intertwine.fitting.watch import UNWATCHED, AbstractProgress, Watch

P, K = 2, 1


class Told(AbstractProgress):
    """Keeps the rows it is told."""

    def __init__(self):
        self.rows = []

    section = part = candidate = lambda self, *_: None

    def iteration(self, row, state):
        self.rows.append(row)


def test_rates_fall_along_half_a_cosine():
    assert _falling(2.0, (0.0, 0.5), 0.0) == pytest.approx(2.02)
    assert _falling(2.0, (0.0, 0.5), 1.0) == pytest.approx(1.02)
    assert _falling(2.0, (0.25, 0.75), 0.5) == pytest.approx(1.02)
    assert _falling(2.0, (0.5, 1.0), 1.0) == pytest.approx(0.02)


def test_phases_are_told_one_after_the_other(monkeypatch):
    """Two epochs of a warm-up and three joint ones: numbered through, along a schedule of their own each."""
    seen = []

    class Fake:
        def __init__(self, problem, rows):
            pass

        def epoch(self, training, latents, phase, number, done, rng):
            seen.append((phase.name, number, done))
            return training, latents, EpochRow(phase.name, 3.0, 0.5, 7.0, 0.25)

        def decoder_epoch(self, training, encoder, latents, done, rng):
            seen.append(("decoder", len(seen), done))
            return training, EpochRow("decoder", np.nan, np.nan, 9.0, 0.125)

    monkeypatch.setattr(phases, "Runner", Fake)
    monkeypatch.setattr(phases, "kept_epochs", epochs_of)
    monkeypatch.setattr(phases, "_copied", lambda params: params)
    monkeypatch.setattr(phases, "begun", lambda params: SimpleNamespace(params=params))
    progress = Told()
    settings = SimpleNamespace(decoder_epochs=2)
    run = Phases(
        SimpleNamespace(settings=settings), None, np.random.default_rng(0), Watch(progress, UNWATCHED.journal)
    )
    training, latents = SimpleNamespace(params="networks"), "latents"
    run.warm_up(None, training, latents, Phase("warm-up", 2, (1.0, 1.0, 0.0), 0))
    assert run.joint(None, training, latents, Phase("joint", 3, (0.5, 1.0, 0.5), 0), None) == (
        "networks",
        latents,
    )
    networks = SimpleNamespace(autoencoder=SimpleNamespace(decoder="decoder"), predicted="columns")
    assert run.decoder(None, networks, latents, None) == ("decoder", "columns")
    assert [row["iteration"] for row in run.history] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.iteration for row in progress.rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.value for row in progress.rows] == [3.5] * 5 + [9.0] * 2
    third = 1.0 / 3.0
    expected = [
        (0.0, 0.5),
        (0.5, 1.0),
        (0.0, third),
        (third, 2 * third),
        (2 * third, 1.0),
        (0.0, 0.5),
        (0.5, 1.0),
    ]
    np.testing.assert_allclose([done for *_, done in seen], expected)
    assert [row["phase"] for row in run.history] == ["warm-up"] * 2 + ["joint"] * 3 + ["decoder"] * 2


def test_an_epoch_weighs_each_batch_by_its_place(monkeypatch):
    """Four batches of the second epoch of four, over which the divergence comes in."""
    seen, packs = [], [SimpleNamespace(rows=np.array([i]), n_rows=1) for i in range(4)]

    class Batches:
        n_subjects = 2

        def __init__(self, *_):
            pass

        def chosen(self, rng):
            return [(pack, np.array([False])) for pack in packs]

        def batch(self, pack, context, dropout, rng):
            return SimpleNamespace(shown=np.ones((1, P)), present=np.ones(1), context=np.zeros(1)), np.array(
                [True]
            )

    def step(training, batch, prior, likelihood, weights, rate, **_):
        seen.append((float(rate), weights.tolist()))
        one = np.ones((1, K), np.float32)
        return training, Stepped(np.array([2.0, 0.5, 4.0], np.float32), one, one, one)

    def step_of_decoder(training, encoder, batch, prior, likelihood, rate, **_):
        seen.append(float(rate))
        return training, np.float32(3.0)

    monkeypatch.setattr(epochs, "VisitBatches", Batches)
    monkeypatch.setattr(epochs, "train_step", step)
    monkeypatch.setattr(epochs, "decoder_step", step_of_decoder)
    monkeypatch.setattr(epochs, "prior_values", lambda latents: None)
    monkeypatch.setattr(epochs, "SubjectSystem", lambda rows: None)
    settings = SimpleNamespace(learning_rate=1.0, decoder_learning_rate=1.0, dropout=0.0)
    runner = Runner(SimpleNamespace(settings=settings, likelihood=None, architecture=None), None)
    latents = SimpleNamespace(site_mean=np.zeros((4, K)), site_variance=np.zeros((4, K)))
    latents._replace = lambda **_: latents
    phase, rng = Phase("joint", 4, (0.6, 2.0, 0.4), 0, ramp=4.0), np.random.default_rng(0)
    _, _, row = runner.epoch(None, latents, phase, 1, (0.25, 0.5), rng)
    places = np.array([0.0, 0.25, 0.5, 0.75])
    rates = 0.5 * (1 + np.cos(np.pi * (0.25 + 0.25 * places))) + 0.01
    np.testing.assert_allclose([rate for rate, _ in seen], rates, rtol=1e-6)
    np.testing.assert_allclose(
        [weights for _, weights in seen], [[0.6, 2.0 * (1 + x) / 4, 0.4] for x in places]
    )
    assert row[:4] == ("joint", 2.0, 0.5, 4.0)
    assert 0.0 <= row.seconds < 60.0
    seen.clear()
    _, row = runner.decoder_epoch(None, None, latents, (0.25, 0.5), rng)
    np.testing.assert_allclose(seen, rates, rtol=1e-6)
    assert row.prediction == 3.0
    assert 0.0 <= row.seconds < 60.0


def test_epochs_of_the_papers_objective_are_weighed_and_told(monkeypatch):
    seen, n = [], 4

    def step(training, batch, variances, likelihood, alpha, rate, n_visits, **_):
        seen.append((float(alpha), float(rate), float(n_visits)))
        one = np.ones((2, K), np.float32)
        return training, FieldStepped(np.float32(2.0), np.float32(0.5), np.float32(4.0), one, one)

    packs = [SimpleNamespace(rows=np.arange(2) + 2 * i, n_rows=2) for i in range(2)]
    monkeypatch.setattr(mean_field_epochs, "field_step", step)
    monkeypatch.setattr(mean_field_epochs, "row_batches", lambda *_: packs)
    monkeypatch.setattr(FieldRunner, "_batch", lambda *_: None)
    monkeypatch.setattr(FieldRunner, "improved", lambda *_: "improved")
    monkeypatch.setattr(FieldVariances, "of", lambda _: None)
    settings = SimpleNamespace(prediction=0.3, learning_rate=1.0, batch_size=2, warm_up=1, epochs=2)
    problem = SimpleNamespace(settings=settings, n_components=K, likelihood=None, architecture=None)
    runner = FieldRunner(
        problem, SimpleNamespace(shared=np.zeros((n, 1)), own=np.zeros((n, 1))), np.zeros((n, P))
    )
    field = SimpleNamespace(field=lambda: "field")
    monkeypatch.setattr(jax.tree, "map", lambda function, part: part)
    state = FieldState(SimpleNamespace(params=SimpleNamespace(coefficients=field)), None)
    monkeypatch.setattr(FieldRunner, "begun", lambda *_: state)
    progress = Told()
    watch = Watch(progress, UNWATCHED.journal)
    monkeypatch.setattr(mean_field, "kept_epochs", epochs_of)
    _, history = mean_field._run(runner, problem, np.random.default_rng(0), watch)
    done = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) / 6.0
    np.testing.assert_allclose([rate for _, rate, _ in seen], 0.5 * (1 + np.cos(np.pi * done)), rtol=1e-5)
    np.testing.assert_allclose([(alpha, visits) for alpha, _, visits in seen], [(0.7, 4.0)] * 6, rtol=1e-6)
    assert [row["iteration"] for row in history] == [row.iteration for row in progress.rows] == [1, 2, 3]
    assert [row.value for row in progress.rows] == [1.25] * 3
    assert all(0.0 <= row["seconds"] < 60.0 for row in history)


def epochs_of(name, start, numbers, advance, rng, journal):
    told, point = [], start
    for number in numbers:
        point = advance(point, number, told)
    return point, told
