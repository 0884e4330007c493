"""The latent mixed model by dense matrices, one axis at a time: what `SubjectSystem` must equal.

    z̃ = C γ + Z u + e,     u = (a, b, g, ε) ~ N(0, G),     e ~ N(0, diag s̃)        at the rows whose site is finite

γ are the shared coefficients of infinite variance, a the other ones, b those of every subject side by side, g the
values of each trend at every row, ε the noise of every row. The definitions are those of Searle, Casella & McCulloch,
Variance Components (1992), chapters 6 and 7; nothing is inverted but V and CᵀV⁻¹C.
"""

from typing import final

import numpy as np
from scipy.linalg import block_diag

from intertwine.effects.stationary_kernels import correlation
from intertwine.mixed_effects.subjects import (
    AbstractSubjectPosterior,
    LatentVariances,
    Marginals,
    OwnCorrelation,
    SharedPosterior,
    Sites,
    SubjectRows,
)


def trend_correlation(trend, subject):
    """Of the values of one trend at all rows: none between subjects."""
    time = np.asarray(trend.time, dtype=float)[:, None]
    there = np.isfinite(time)
    same = (subject[:, None] == subject[None, :]) & there & there.T
    time = np.where(there, time, 0.0)
    return np.where(same, correlation(trend.kernel, time, time, trend.length_scale), 0.0)


def own_covariance(variances, k):
    """Of one subject's coefficients, on axis k."""
    deviations, correlation = np.sqrt(variances.own[:, k]), np.eye(len(variances.own))
    for columns, matrix in variances.correlations:
        correlation[np.ix_(columns, columns)] = matrix[k]
    return correlation * np.outer(deviations, deviations)


@final
class DenseLatentModel(AbstractSubjectPosterior):
    """Everything by its definition, for tens of rows."""

    def __init__(self, rows: SubjectRows, sites: Sites, variances: LatentVariances):
        self.rows, self.sites, self.variances = rows, sites, variances
        n, (P, q) = len(rows.subject), (rows.n_subjects, rows.own.shape[1])
        own = np.zeros((n, P, q))
        own[np.arange(n), rows.subject] = rows.own
        self.Z_own = own.reshape(n, P * q)
        self.axes = [self._one_axis(k) for k in range(len(variances.noise))]
        self.log_evidence = np.array([value for _, _, value in self.axes])

    def _one_axis(self, k):
        """Mean and covariance of (a, b, g, ε), with γ among a, and the log-evidence."""
        rows, v, n = self.rows, self.variances, len(self.rows.subject)
        flat = np.isinf(v.shared[:, k])
        trends = [variance * trend_correlation(trend, rows.subject)
                  for trend, variance in zip(rows.trends, v.trends[:, k], strict=True)]  # fmt: skip
        G = block_diag(
            np.diag(np.where(flat, 0.0, v.shared[:, k])),
            np.kron(np.eye(rows.n_subjects), own_covariance(v, k)),
            *trends,
            v.noise[k] * np.eye(n),
        )
        Z = np.hstack([rows.shared, self.Z_own, *[np.eye(n)] * len(trends), np.eye(n)])
        there = np.isfinite(self.sites.variance[:, k])
        y, Zo, C = self.sites.mean[there, k], Z[there], rows.shared[there][:, flat]
        V = Zo @ G @ Zo.T + np.diag(self.sites.variance[there, k])
        iV = np.linalg.inv(V)
        cov_gamma = np.linalg.inv(C.T @ iV @ C)
        gamma = cov_gamma @ C.T @ iV @ y
        P = iV - iV @ C @ cov_gamma @ C.T @ iV
        mean, covariance = G @ Zo.T @ P @ y, G - G @ Zo.T @ P @ Zo @ G
        cross = -cov_gamma @ C.T @ iV @ Zo @ G
        at = np.flatnonzero(flat)
        mean[at] = gamma
        covariance[at, :], covariance[:, at] = cross, cross.T
        covariance[np.ix_(at, at)] = cov_gamma
        value = -0.5 * (len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + y @ P @ y)
        value += 0.5 * (len(at) * np.log(2 * np.pi) - np.linalg.slogdet(C.T @ iV @ C)[1])
        return mean, covariance, value

    def _place(self, name, number=0):
        """Where a, b, the trend of that number or ε stand."""
        n, p, owns = len(self.rows.subject), self.rows.shared.shape[1], self.Z_own.shape[1]
        begin = {"shared": 0, "own": p, "trend": p + owns + number * n,
                 "noise": p + owns + len(self.rows.trends) * n}[name]  # fmt: skip
        return slice(begin, begin + {"shared": p, "own": owns}.get(name, n))

    @property
    def shared(self):
        at = self._place("shared")
        return SharedPosterior(
            np.column_stack([mean[at] for mean, _, _ in self.axes]),
            np.stack([cov[at, at] for _, cov, _ in self.axes]),
        )

    def own_means(self):
        return self.own()[0]

    def own(self):
        P, q = self.rows.n_subjects, self.rows.own.shape[1]
        at = self._place("own")
        means = np.stack([mean[at].reshape(P, q) for mean, _, _ in self.axes], axis=-1)
        blocks = [np.einsum("pipj->pij", cov[at, at].reshape(P, q, P, q)) for _, cov, _ in self.axes]
        return means, np.stack(blocks, axis=1)

    def _linear(self, noise=False):
        n = len(self.rows.subject)
        return np.hstack(
            [self.rows.shared, self.Z_own, *[np.eye(n)] * len(self.rows.trends), noise * np.eye(n)]
        )

    def marginals(self):
        def moments(design):
            mean = np.column_stack([design @ mean for mean, _, _ in self.axes])
            variance = [np.einsum("ij,jk,ik->i", design, cov, design) for _, cov, _ in self.axes]
            return mean, np.column_stack(variance)

        return Marginals(*moments(self._linear()), *moments(self._linear(noise=True)))

    def joint(self, k, noise=False):
        """Mean and covariance at all rows, of one axis."""
        design, (mean, covariance, _) = self._linear(noise), self.axes[k]
        return design @ mean, design @ covariance @ design.T

    def draw(self, rng, n_draws=1, noise=False):
        joint = [self.joint(k, noise) for k in range(len(self.axes))]
        return np.stack([rng.multivariate_normal(*one, size=n_draws) for one in joint], axis=-1)

    def moments(self):
        squares = np.column_stack([mean**2 + np.diag(cov) for mean, cov, _ in self.axes])
        P, q, there = self.rows.n_subjects, self.rows.own.shape[1], np.isfinite(self.sites.variance)
        own = squares[self._place("own")].reshape(P, q, there.shape[1]).mean(axis=0)
        noise = (squares[self._place("noise")] * there).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        noise = np.where(there.any(axis=0), noise, self.variances.noise)
        trends = [[self._trend_moment(j, k) for k in range(len(noise))] for j in range(len(self.rows.trends))]
        correlations = [
            OwnCorrelation(columns, np.stack([self._own_correlation(columns, k) for k in range(len(noise))]))
            for columns, _ in self.variances.correlations
        ]
        trends = np.array(trends).reshape(-1, len(noise))
        return LatentVariances(noise, squares[self._place("shared")], own, trends, tuple(correlations))

    def _own_correlation(self, columns, k):
        """That of Σ_p E bbᵀ."""
        means, covariances = self.own()
        second = np.einsum("pi,pj->ij", means[:, :, k], means[:, :, k]) + covariances[:, k].sum(axis=0)
        size = np.sqrt(np.diag(second))
        return (second / np.outer(size, size))[np.ix_(columns, columns)]

    def _trend_moment(self, number, k):
        """E gᵀ K⁻¹ g / m, of the m values of a trend at different times that have sites, K its correlation."""
        trend, (mean, cov, _) = self.rows.trends[number], self.axes[k]
        there = np.flatnonzero(np.isfinite(self.sites.variance[:, k]) & np.isfinite(trend.time))
        keys = np.column_stack([self.rows.subject[there], trend.time[there]])
        there = there[np.unique(keys, axis=0, return_index=True)[1]]
        at = self._place("trend", number)
        second = np.outer(mean[at], mean[at]) + cov[at, at]
        K = trend_correlation(trend, self.rows.subject)[np.ix_(there, there)]
        return np.trace(np.linalg.solve(K, second[np.ix_(there, there)])) / len(there)


def assert_same_posterior(got, expected, rtol=1e-8, atol=1e-9):
    """Every quantity that an `AbstractSubjectPosterior` gives."""

    def same(name, one, other):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=name)

    same("log_evidence", got.log_evidence, expected.log_evidence)
    same("own_means", got.own_means(), expected.own_means())
    for name, pair in {
        "shared": (got.shared, expected.shared),
        "own": (got.own(), expected.own()),
        "marginals": (got.marginals(), expected.marginals()),
        "moments": (got.moments(), expected.moments()),
    }.items():
        for part, (one, other) in enumerate(zip(*map(_arrays, pair), strict=True)):
            same(f"{name}[{part}]", one, other)


def _arrays(answer):
    """All arrays of a named tuple; correlations stand in a tuple of their own."""
    fields = [part for part in answer if isinstance(part, np.ndarray)]
    return [*fields, *(matrix for _, matrix in getattr(answer, "correlations", ()))]


def random_correlation(rng, columns, n_axes):
    """Of some own coefficients, on every axis another one."""
    roots = rng.normal(size=(n_axes, len(columns), len(columns)))
    covariance = roots @ roots.swapaxes(1, 2)
    size = np.sqrt(np.einsum("kii->ki", covariance))
    return OwnCorrelation(np.array(columns), covariance / (size[:, :, None] * size[:, None, :]))


def random_problem(
    rng,
    lengths=(4, 1, 7, 2, 5),
    p=3,
    q=2,
    n_axes=2,
    flat=0,
    missing=0.2,
    trends=(),
    repeated_times=False,
    correlated=(),
):
    """Rows in a random order, sites of which some say nothing, and variances."""
    subject = rng.permutation(np.repeat(np.arange(len(lengths)), lengths))
    n = len(subject)
    times = rng.uniform(0, 4, n)
    if repeated_times:
        times = np.round(times)
    rows = SubjectRows(
        subject, len(lengths), rng.normal(size=(n, p)), rng.normal(size=(n, q)),
        tuple(trend._replace(time=times) for trend in trends),
    )  # fmt: skip
    site_variance = rng.uniform(0.05, 1.0, (n, n_axes))
    site_variance[rng.uniform(size=(n, n_axes)) < missing] = np.inf
    sites = Sites(rng.normal(size=(n, n_axes)), site_variance)
    shared = rng.uniform(0.2, 2.0, (p, n_axes))
    shared[:flat] = np.inf
    variances = LatentVariances(
        rng.uniform(0.2, 1.0, n_axes), shared, rng.uniform(0.2, 2.0, (q, n_axes)),
        rng.uniform(0.2, 2.0, (len(trends), n_axes)),
        tuple(random_correlation(rng, columns, n_axes) for columns in correlated),
    )  # fmt: skip
    return rows, sites, variances
