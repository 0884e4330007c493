"""What is told of the epochs of a network with random effects: bounds, gains and seconds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from intertwine.fitting.random_effects import vae_epochs
from intertwine.fitting.watch import UNWATCHED, AbstractProgress, Watch


class Told(AbstractProgress):
    """Keeps the rows it is told."""

    def __init__(self):
        self.rows = []

    section = part = candidate = lambda self, *_: None

    def iteration(self, row, state):
        self.rows.append(row)


def test_a_bound_is_the_likelihood_less_the_weighed_divergence_in_the_users_units():
    problem = SimpleNamespace(settings=SimpleNamespace(beta_latents=2.0), log_units=3.0)
    assert vae_epochs._bound(problem, SimpleNamespace(log_likelihood=10.0), 1.5) == pytest.approx(10.0)
    assert vae_epochs._bound(problem, SimpleNamespace(log_likelihood=10.0), 0.5) == pytest.approx(12.0)


@pytest.mark.parametrize("before", [[], [{"iteration": 1, "bound": -9.0, "seconds": 100.0}]])
def test_epochs_are_told_with_their_gains_also_after_an_interruption(before, monkeypatch):
    bounds, progress = [-7.0, -4.0, -4.5], Told()
    monkeypatch.setattr(
        vae_epochs, "_epoch", lambda problem, state, epoch, scores, rng: (state, bounds[epoch - 2])
    )
    monkeypatch.setattr(
        vae_epochs, "history_row",
        lambda problem, state, epoch, bound, seconds: {"iteration": epoch, "bound": bound, "seconds": seconds},
    )  # fmt: skip
    history = list(before)

    def kept(name, start, epochs, advance, rng, journal):
        for epoch in epochs:
            start = advance(start, epoch, history)
        return start, history

    monkeypatch.setattr(vae_epochs, "kept_epochs", kept)
    watch = Watch(progress, UNWATCHED.journal)
    vae_epochs.run_epochs(None, "state", range(2, 5), None, np.random.default_rng(0), watch, "epochs")
    assert [row.value for row in progress.rows] == [7.0, 4.0, 4.5]
    assert [row.optimality for row in progress.rows] == [2.0 if before else np.inf, 3.0, 0.5]
    seconds, earlier = [row.seconds for row in progress.rows], 100.0 if before else 0.0
    assert all(earlier <= one < earlier + 60.0 for one in seconds)
    assert seconds == sorted(seconds)
