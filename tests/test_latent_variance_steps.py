"""What a search of latent variances counts, and what it settles."""

from __future__ import annotations

import numpy as np
from dense_latent_model import random_problem

from intertwine.mixed_effects import latent_variance_search as module
from intertwine.mixed_effects.coefficient_priors import LearntColumns
from intertwine.mixed_effects.latent_variance_search import fit_latent_variances
from intertwine.mixed_effects.subject_system import SubjectSystem


def test_a_search_that_is_lifted_counts_the_steps_of_both(monkeypatch):
    counts, real = [], module.maximize
    rows, sites, start = random_problem(np.random.default_rng(0), lengths=(5,) * 12, p=2, q=1, n_axes=1)

    def counted(*given):
        counts.append(real(*given))
        return counts[-1]

    monkeypatch.setattr(module, "maximize", counted)
    monkeypatch.setattr(module._Search, "_lift", lambda self, x: x + 0.5)
    columns = LearntColumns((slice(0, 2),), (slice(0, 1),))
    found = fit_latent_variances(SubjectSystem(rows), sites, columns, start)
    assert len(counts) == 2
    assert counts[1].n_iter.max() > 0
    assert found.n_iter == sum(int(one.n_iter.max()) for one in counts)


def test_a_variance_next_to_nothing_is_nothing_where_that_is_no_worse():
    """Of coefficients that do as little as nothing: their columns are nearly zero, and both have the same evidence."""
    rng = np.random.default_rng(0)
    rows, sites, start = random_problem(rng, lengths=(5,) * 12, p=2, q=1, n_axes=1, missing=0.0)
    rows = rows._replace(own=1e-9 * rows.own)
    start = start._replace(noise=np.ones(1), own=np.full((1, 1), 1e-7))
    found = fit_latent_variances(
        SubjectSystem(rows), sites, LearntColumns((slice(0, 2),), (slice(0, 1),)), start, max_iter=1
    )
    assert found.variances.own == 0.0
