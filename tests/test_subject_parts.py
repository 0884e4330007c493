"""Subjects of a fit met again, and what their latents are the sum of."""

import numpy as np
import pytest
from dense_latent_model import DenseLatentModel, random_problem

from intertwine.mixed_effects import subject_rows
from intertwine.mixed_effects.subject_parts import draw_parts, recalled_subjects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import Sites, Trend

CASES = {
    "own": {"q": 2},
    "no own": {"q": 0},
    "trends": {"q": 1, "trends": (Trend(None, "matern52", 3.0), Trend(None, "matern12", 0.5))},
    "flat": {"q": 2, "flat": 1, "missing": 0.4},
    "correlated": {"q": 3, "correlated": ((2, 0),), "trends": (Trend(None, "matern12", 0.5),)},
}


def part_of(rows, sites, subjects):
    kept = np.isin(rows.subject, subjects)
    trends = tuple(trend._replace(time=trend.time[kept]) for trend in rows.trends)
    number = np.searchsorted(subjects, rows.subject[kept])
    few = rows._replace(
        subject=number, n_subjects=len(subjects), shared=rows.shared[kept], own=rows.own[kept], trends=trends
    )
    return kept, few, Sites(sites.mean[kept], sites.variance[kept])


@pytest.mark.parametrize("case", CASES)
def test_some_subjects_are_as_they_were_in_the_fit(case):
    rows, sites, variances = random_problem(np.random.default_rng(len(case)), **CASES[case])
    posterior = SubjectSystem(rows).posterior(sites, variances)
    kept, few, its_sites = part_of(rows, sites, np.unique(rows.subject)[:2])
    again = recalled_subjects(posterior.shared, variances, few, its_sites).marginals()
    for found, expected in zip(again, posterior.marginals(), strict=True):
        np.testing.assert_allclose(found, expected[kept], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_parts_are_drawn_as_dense_matrices_say(case):
    rows, sites, variances = random_problem(np.random.default_rng(len(case)), **CASES[case])
    posterior = SubjectSystem(rows).posterior(sites, variances)
    dense = DenseLatentModel(rows, sites, variances)
    drawn = draw_parts(posterior.shared, variances, rows, sites, np.random.default_rng(0), 6_000)
    q = rows.own.shape[1]
    for k, (mean, covariance, _) in enumerate(dense.axes):
        values = np.concatenate(
            [
                drawn.shared[..., k],
                np.concatenate(
                    [_first_rows(drawn.own, rows, s)[..., k] for s in range(rows.n_subjects)], axis=1
                ),
                *[drawn.trends[:, j, :, k] for j in range(len(rows.trends))],
                drawn.noise[..., k],
            ],
            axis=1,
        )
        seen = np.ones(len(mean), dtype=bool)  # a subject without rows has no draws of its own
        empty = np.flatnonzero(np.bincount(rows.subject, minlength=rows.n_subjects) == 0)
        for s in empty:
            seen[rows.shared.shape[1] + s * q : rows.shared.shape[1] + (s + 1) * q] = False
        scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))[seen]
        np.testing.assert_allclose((values.mean(axis=0)[seen] - mean[seen]) / scale, 0.0, atol=0.07)
        if k == 0:
            found = np.cov(values[:, seen].T)
            exact = covariance[np.ix_(seen, seen)]
            np.testing.assert_allclose((found - exact) / np.outer(scale, scale), 0.0, atol=0.1)


def _first_rows(own, rows, subject):
    at = np.flatnonzero(rows.subject == subject)
    return own[:, at[0]] if len(at) else np.zeros_like(own[:, 0])


@pytest.mark.parametrize("case", ["own", "trends"])
def test_parts_add_up_to_sites_that_are_sure_also_in_chunks(case, monkeypatch):
    monkeypatch.setattr(subject_rows, "_CHUNK", 1)
    rows, sites, variances = random_problem(np.random.default_rng(0), missing=0.0, **CASES[case])
    sites = Sites(sites.mean, np.zeros_like(sites.mean))
    shared = SubjectSystem(rows).posterior(sites, variances).shared
    drawn = draw_parts(shared, variances, rows, sites, np.random.default_rng(0), 3)
    parts = np.einsum("np,spk->snk", rows.shared, drawn.shared) + drawn.noise + drawn.trends.sum(axis=1)
    own = np.einsum("nq,snqk->snk", rows.own, drawn.own)
    np.testing.assert_allclose(parts + own, np.broadcast_to(sites.mean, own.shape), rtol=1e-8, atol=1e-8)
