"""Errors of pairs that allow for latent vectors: against all parameters written out, in coverage, and from files."""

import numpy as np
import pytest

import intertwine
from intertwine import InteractionClassifier, InteractionRegressor
from intertwine.structures.latent import Distance, LowRank, TwoFactor

P = 7
J, K = np.triu_indices(P, 1)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def derivative(function, at):
    """Central differences, (m, size): exact where everything is quadratic."""
    step = 1e-2
    units = step * np.eye(len(at))
    return np.array([(function(at + unit) - function(at - unit)) / (2 * step) for unit in units]).T


@pytest.mark.parametrize(
    "target",
    [LowRank(P, 2), LowRank(P, 3, [1, -1, 1]), TwoFactor(P, 2), Distance(P, 2)],
)
def test_derivatives_of_entries(target):
    params = np.random.default_rng(0).standard_normal(target.size)
    expected = derivative(lambda z: target.entries(z, J, K), params)
    np.testing.assert_allclose(target.entry_jacobian(params, J, K), expected, atol=1e-7)
    np.testing.assert_allclose(target.entry_gram(params), expected.T @ expected, atol=1e-6)


def fitted(n, kind="squared", **params):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, P))
    Z = rng.standard_normal((P, 2))
    f = X[:, 0] + X[:, J] * X[:, K] @ ((Z @ Z.T)[J, K] + 0.1 * rng.standard_normal(len(J)))
    y = (
        f + 0.3 * rng.standard_normal(n)
        if kind == "squared"
        else np.where(f + rng.logistic(size=n) > 0, 1, 0)
    )
    params = {"alpha": 0.05, "alpha_pairs": 0.02, "tie": 0.2, "n_components": 2} | params
    estimator = InteractionRegressor if kind == "squared" else InteractionClassifier
    return estimator(random_state=0, n_init=1, tol=1e-5, **params).fit(X, y), X


def written_out(model, X, kind):
    """Covariance of all pairs from the Gauss-Newton curvature of every parameter at once."""
    (_, found), settings = model._models[0], model
    pairs, n = found.pairs, len(X)
    columns = pairs.columns
    f = found.scores(X)
    weights = np.ones(n) if kind == "squared" else 0.25 / np.cosh(0.5 * f) ** 2
    ridge, tie = settings.alpha_pairs, settings.tie
    machine = np.isinf(tie)

    def residuals(v):
        intercept, main, theta, z = np.split(v, [1, 1 + P, 1 + P + (0 if machine else len(J))])
        g = pairs.target.entries(z, J, K)
        theta = g if machine else theta
        scores = intercept + columns @ main + columns[:, J] * columns[:, K] @ theta
        tied = np.zeros(0) if machine else np.sqrt(tie) * (theta - g)
        return np.r_[
            np.sqrt(weights / n) * scores, np.sqrt(settings.alpha) * main, np.sqrt(ridge) * theta, tied
        ]

    theta = np.zeros(0) if machine else pairs.entries(J, K)
    at = np.r_[found.intercept, found.main, theta, pairs.params]
    slope = derivative(residuals, at)
    units = 1.0 / np.linalg.norm(slope, axis=0)
    inverse = np.linalg.pinv((slope * units).T @ (slope * units), rcond=1e-11, hermitian=True)
    inverse *= units[:, None] * units
    of_theta = derivative(lambda z: pairs.target.entries(z, J, K), pairs.params)
    start = 1 + P
    if machine:
        covariance = of_theta @ inverse[start:, start:] @ of_theta.T
    else:
        covariance = inverse[start : start + len(J), start : start + len(J)]
    return covariance * found.diagnostics.dispersion / n


@pytest.mark.parametrize("n", [40, 60], ids=["by a kernel", "written out"])
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("squared", {}),
        ("squared", {"latent": "distance"}),
        ("squared", {"latent": "signed", "tie": 5.0}),
        ("squared", {"tie": np.inf}),
        ("logistic", {"latent": "signed"}),
    ],
)
def test_the_covariance_is_that_of_all_parameters_written_out(kind, params, n):
    model, X = fitted(n, kind, **params)
    pairs = model._models[0][1].pairs
    assert (pairs.written is None) == (n == 40)
    expected = written_out(model, X, kind)
    found = pairs.covariance(J, K)
    inflation = np.trace(found) / np.trace(expected)
    np.testing.assert_allclose(found, inflation * expected, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(pairs.variances(J, K), np.diag(found), rtol=1e-9)
    np.testing.assert_allclose(pairs.conditional_variances(J, K), np.diag(pairs.conditional_covariance(J, K)))
    assert inflation == pytest.approx(1.0, abs=1e-6) if kind == "logistic" else 1.0 < inflation < 1.6


def test_freedom_that_vectors_took_is_no_evidence_of_the_noise():
    model, _ = fitted(40, tie=np.inf, alpha=0.01, alpha_pairs=1e-6)
    pairs = model._models[0][1].pairs
    # nothing is left but the vectors: 2 P numbers less one angle, out of n − 1
    target = pairs.target.jacobian(pairs.params, pairs.columns)
    assert np.linalg.matrix_rank(target) == 2 * P - 1
    assert pairs._inflation == pytest.approx(39 / (39 - (2 * P - 1)), rel=1e-3)


def test_intervals_hold_the_truth():
    p, n, sigma2, noise = 12, 60, 0.02, 0.05
    j, k = np.triu_indices(p, 1)
    rng = np.random.default_rng(3)
    inside, inside_conditional = [], []
    for _ in range(12):
        X, Z = rng.standard_normal((n, p)), rng.standard_normal((p, 2))
        theta = (Z @ Z.T)[j, k] + np.sqrt(sigma2) * rng.standard_normal(len(j))
        main = rng.standard_normal(p)
        y = X @ main + X[:, j] * X[:, k] @ theta + np.sqrt(noise) * rng.standard_normal(n)
        tie = noise / (n * sigma2)
        model = InteractionRegressor(
            alpha=noise / n, alpha_pairs=tie / 100, tie=tie, scaling=None, n_init=1, random_state=0
        ).fit(X, y)
        pairs = model._models[0][1].pairs
        off = np.abs(pairs.entries(j, k) - theta)
        inside.append(off < 1.96 * np.sqrt(pairs.variances(j, k)))
        inside_conditional.append(off < 1.96 * np.sqrt(pairs.conditional_variances(j, k)))
    assert 0.92 < np.mean(inside) < 0.98
    assert np.mean(inside_conditional) < 0.85


@pytest.mark.parametrize("n", [40, 60])
def test_a_file_keeps_them(n, tmp_path):
    model, _ = fitted(n)
    model.save(tmp_path / "model")
    again = intertwine.load(tmp_path / "model").top_interactions(3, by="z")
    table = model.top_interactions(3, by="z")
    for name in ("std_error", "std_error_conditional"):
        np.testing.assert_allclose(again[name], table[name], rtol=1e-9)
    assert (table["std_error"] > table["std_error_conditional"]).all()


def test_an_older_file_has_the_conditional_ones(tmp_path):
    model, _ = fitted(60)
    state = model._to_state()
    for name in ("spread", "inflation"):
        del state["models"][0]["pairs"]["written"][name]
    old = InteractionRegressor._from_state(state)
    table = old.top_interactions(3)
    np.testing.assert_allclose(
        table["std_error_conditional"], model.top_interactions(3)["std_error_conditional"]
    )
    assert np.isnan(table["std_error"]).all()


@pytest.mark.parametrize("n", [40, 60])
def test_too_many_latent_vectors_leave_the_conditional_ones(n, monkeypatch):
    for module in ("coefficients", "fitting.interactions.fit_exact", "estimators.effects_table"):
        monkeypatch.setattr(f"intertwine.{module}.MOST_PARAMETERS", 13)
    model, _ = fitted(n)
    row = model.interaction(0, 1)
    assert np.isnan(row.std_error)
    assert row.std_error_conditional > 0
    with pytest.raises(ValueError, match="the 14 numbers of the latent vectors are too many .*by='estimate'"):
        model.top_interactions(3, by="z")
