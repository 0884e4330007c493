"""Spatial effects: kernels against scikit-learn, bases against the exact covariance, kriging against conditioning."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem
from sklearn.gaussian_process.kernels import RBF, Matern

from intertwine.effects import Spatial
from intertwine.effects.random import BasisPrior, CovariancePrior, EffectRows
from intertwine.effects.sites import EARTH_RADIUS_KM, as_places
from intertwine.effects.spatial_fields import JITTER, HilbertField, NystromField, choose_landmarks
from intertwine.effects.stationary_kernels import KERNELS, correlation, spectral_density
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.choose import system_for
from intertwine.mixed_effects.spectral import SpectralSystem

KNOWN = {
    "rbf": RBF(0.4),
    "matern12": Matern(0.4, nu=0.5),
    "matern32": Matern(0.4, nu=1.5),
    "matern52": Matern(0.4, nu=2.5),
}


def rows(coords):
    return EffectRows(len(coords), {}, coords=np.asarray(coords, dtype=float))


def plane(n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 2))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_correlations_are_those_of_scikit_learn(kernel, d):
    rng = np.random.default_rng(d)
    points, others = rng.normal(size=(20, d)), rng.normal(size=(7, d))
    np.testing.assert_allclose(
        correlation(kernel, points, others, 0.4), KNOWN[kernel](points, others), atol=1e-14
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_spectral_densities_integrate_to_one(kernel, d):
    """(2π)^(−d) ∫ density dω = correlation at distance zero; the tail of matern12 by its power law."""
    w = np.exp(np.linspace(-12, 12, 20001))
    sphere = {1: 2.0, 2: 2 * np.pi, 3: 4 * np.pi}[d]
    integrand = spectral_density(kernel, w, 0.7, d) * w ** (d - 1) * w  # d log w
    total = sphere / (2 * np.pi) ** d * np.trapezoid(integrand, np.log(w))
    assert abs(total - 1.0) < 2e-5


@pytest.mark.parametrize("kernel", KERNELS)
def test_few_functions_tend_to_the_exact_covariance(kernel):
    sites = plane(300)
    K = correlation(kernel, sites, sites, 0.5)
    for build in (
        lambda m: NystromField(
            kernel, 0.5, sites, choose_landmarks(kernel, 0.5, sites, np.ones(300), m, 0)[0]
        ),
        lambda m: HilbertField(kernel, 0.5, sites, m, m),
    ):
        errors = []
        for m in (20, 60, 180):
            field = build(m)
            L, d = field.prior
            errors.append(np.abs(L * d @ L.T - K).max())
            assert np.isclose(errors[-1], field.error, atol=1e-9)
        assert errors[2] < errors[1] < errors[0]
        assert errors[2] < (0.25 if kernel == "matern12" else 0.05)


@pytest.mark.parametrize("origin", [0.0, 200.0])
def test_functions_and_what_they_leave_have_unit_variance_everywhere(origin):
    sites, new = origin + plane(60), origin + plane(20, seed=1)
    landmarks = choose_landmarks("rbf", 0.5, sites, np.ones(60), 12, 0)[0]
    for field in (NystromField("rbf", 0.5, sites, landmarks), HilbertField("rbf", 0.5, sites, 15, 15)):
        functions, left = field.project(new)
        known = np.square(functions) @ field.prior.variances
        assert (known > 0.4).all()
        np.testing.assert_allclose(left, np.maximum(1.0 - known, 0.0), atol=1e-12)
        assert left.max() > 0.01


def test_a_basis_of_waves_is_as_large_as_its_error_asks():
    sites = plane(400)
    smooth, rough = (HilbertField(k, 0.5, sites, 600) for k in ("rbf", "matern52"))
    assert smooth.error <= 0.0125
    assert rough.error <= 0.0125
    assert len(smooth.variances) < len(rough.variances) < 600


def test_landmarks_stop_where_nothing_is_left_to_see():
    sites, counts = plane(500), np.random.default_rng(1).integers(1, 30, 500)
    landmarks, enough = choose_landmarks("rbf", 0.8, sites, counts, 200, 1e-6)
    assert enough
    L = NystromField("rbf", 0.8, sites, landmarks).prior.loadings
    left = 1 - (L**2).sum(axis=1)
    assert (left * counts).max() < 1.1e-6
    few, enough = choose_landmarks("rbf", 0.8, sites, counts, 10, 1e-6)
    assert not enough
    np.testing.assert_array_equal(few, landmarks[:10])


def test_auto_is_exact_unless_functions_lose_nothing():
    assert isinstance(Spatial().bind(rows(plane(100))).prior([0.5]), CovariancePrior)
    coords = rows(plane(600))
    assert isinstance(Spatial("rbf").bind(coords).prior([0.5]), BasisPrior)
    assert isinstance(Spatial("rbf").bind(coords).prior([0.02]), CovariancePrior)
    assert isinstance(Spatial("matern12").bind(coords).prior([0.5]), CovariancePrior)
    assert Spatial("rbf", n_functions=30).bind(coords).prior([0.02]).loadings.shape == (600, 30)
    assert isinstance(Spatial("rbf", method="exact").bind(coords).prior([0.5]), CovariancePrior)
    assert Spatial(method="hilbert", n_functions=40).bind(coords).prior([0.5]).loadings.shape == (600, 40)


def test_thousands_of_sites_of_a_smooth_field_need_tens_of_functions():
    """The paper's spatial design; its kernels have numerical rank 95 and 30."""
    effect = Spatial().bind(rows(plane(10_000)))
    for l2, most in ((0.3, 95), (3.0, 30)):
        assert effect.prior([l2**0.5]).loadings.shape[1] <= most
        assert effect.field([l2**0.5]).error < 1e-5


def fitted(effect, coords, seed=3):
    rng = np.random.default_rng(seed)
    bound = effect.bind(rows(coords))
    y = rng.normal(size=(len(coords), 2))
    variances = VarianceComponents(np.array([0.3, 1.0]), (np.array([[[1.5]], [[0.4]]]),))
    shape = bound.start_shape()
    system = system_for([bound], [shape], np.ones((len(y), 1)), None, 2)
    assert isinstance(system, SpectralSystem)
    return bound, shape, y, variances, system


@pytest.mark.parametrize("kernel", KERNELS)
def test_kriging_is_the_conditional_of_the_dense_model(kernel):
    coords, new = plane(40)[np.random.default_rng(0).integers(0, 40, 90)], plane(8, seed=9)
    new[2] = coords[5]  # one of the sites
    effect = Spatial(kernel, length_scale=0.6)
    bound, shape, y, variances, system = fitted(effect, coords)
    where = bound.locate(rows(new), shape)
    mean, variance = system.posterior(y, variances).predict([where], np.ones((8, 1)))
    tau, noise = variances.effects[0][:, 0, 0], variances.noise
    C = np.ones((90, 1))
    K, across = correlation(kernel, coords, coords, 0.6), correlation(kernel, new, coords, 0.6)
    for m in range(2):
        V = tau[m] * K + noise[m] * np.eye(90)
        iV = np.linalg.inv(V)
        cov = np.linalg.inv(C.T @ iV @ C)
        gamma = cov @ C.T @ iV @ y[:, m]
        k = tau[m] * across
        np.testing.assert_allclose(mean[:, m], gamma[0] + k @ iV @ (y[:, m] - gamma[0]), rtol=1e-5)
        A = 1 - k @ iV @ C
        expected = tau[m] - np.einsum("ij,jk,ik->i", k, iV, k) + (A @ cov @ A.T).diagonal()
        np.testing.assert_allclose(variance[:, m], expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["exact", "nystrom", "hilbert"])
def test_far_from_all_sites_only_the_prior_is_left(method):
    bound, shape, y, variances, system = fitted(Spatial(length_scale=0.6, method=method), plane(60))
    mean, variance = system.posterior(y, variances).predict([bound.locate(rows([[50.0, 50.0]]), shape)], None)
    np.testing.assert_allclose(mean, 0.0, atol=1e-12)
    np.testing.assert_allclose(variance[0], variances.effects[0][:, 0, 0])
    left = bound.locate(rows([[50.0, 50.0]]), shape).extra[-1]
    assert left == pytest.approx(1.0 + JITTER if method == "exact" else 1.0, rel=1e-14)


@pytest.mark.parametrize(
    "effect", [Spatial(length_scale=0.6), Spatial(method="nystrom"), Spatial(method="hilbert")]
)
def test_rows_of_known_sites_are_found(effect):
    coords = plane(30)[np.random.default_rng(0).integers(0, 30, 70)]
    bound, shape, y, variances, system = fitted(effect, coords)
    posterior = system.posterior(y, variances)
    mean, variance = posterior.predict([bound.locate(rows(coords[::-1]), shape)], None)
    np.testing.assert_allclose(mean[::-1], posterior.fitted())
    np.testing.assert_allclose(variance[::-1], posterior.row_variance())
    mixed = np.vstack([coords, plane(3, seed=8)])
    mean, variance = posterior.predict([bound.locate(rows(mixed), shape)], None)
    np.testing.assert_allclose(mean[:70], posterior.fitted(), atol=1e-6)
    np.testing.assert_allclose(variance[:70], posterior.row_variance(), atol=1e-6)


@pytest.mark.parametrize("method", ["exact", "nystrom", "hilbert"])
def test_the_spectral_system_of_a_field_is_its_dense_model(method):
    bound, shape, y, variances, system = fitted(
        Spatial("matern52", method=method, length_scale=0.5), plane(40)
    )
    oracle = DenseSystem([bound], [shape], np.ones((40, 1)), None, 2).posterior(y, variances)
    got = system.posterior(y, variances)
    np.testing.assert_allclose(got.log_likelihood, oracle.log_likelihood, rtol=1e-8)
    np.testing.assert_allclose(got.effects[0], oracle.effects[0], rtol=1e-4, atol=1e-6)


def test_an_approximation_that_can_be_seen_is_spoken_of():
    coords = rows(plane(400))
    few = Spatial("matern12", method="nystrom", n_functions=20).bind(coords)
    assert "20 functions miss up to" in few.caution([0.3])
    assert "length scale 0.3 at 400 sites" in few.caution([0.3])
    for enough in (Spatial(), Spatial("matern12"), Spatial("matern52", method="hilbert")):
        assert enough.bind(coords).caution([0.8]) is None


def test_sites_do_not_depend_on_the_order_of_rows():
    coords = plane(20)[np.random.default_rng(2).integers(0, 20, 50)]
    order = np.random.default_rng(4).permutation(50)
    one, other = Spatial("matern32").bind(rows(coords)), Spatial("matern32").bind(rows(coords[order]))
    np.testing.assert_array_equal(one.level[order], other.level)
    np.testing.assert_array_equal(one.prior([0.4]).covariance, other.prior([0.4]).covariance)
    assert one.n_levels == len(np.unique(coords, axis=0))


def test_zero_and_minus_zero_are_one_place():
    places = np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, -0.0]])
    assert not np.signbit(as_places(places, geographic=False)).any()
    bound = Spatial("matern32").bind(rows(places))
    assert bound.level.tolist() == [0, 0, 1]
    assert bound.locate(rows(np.array([[2.0, 0.0]])), np.array([0.4])).level.tolist() == [1]


@pytest.mark.parametrize(
    "effect", [Spatial("matern32"), Spatial(), Spatial(method="hilbert", geographic=True)]
)
def test_restored_it_predicts_the_same(effect):
    bound = effect.bind(rows(plane(400)))
    bound.prior([0.3 * (6371 if effect.geographic else 1)])
    again = effect.restore(bound.state())
    new = rows(plane(20, seed=5))
    shape = [0.3 * (6371 if effect.geographic else 1)]
    for one, other in zip(bound.locate(new, shape), again.locate(new, shape), strict=True):
        np.testing.assert_array_equal(one, other)


def test_landmarks_are_those_of_the_process_that_chose_them():
    effect = Spatial("matern12", method="nystrom", n_functions=20)
    bound = effect.bind(rows(plane(400)))
    bound.prior([0.3])
    state = bound.state() | {"landmarks": np.arange(30)}
    np.testing.assert_array_equal(effect.restore(state).field([0.3]).landmarks, np.arange(30))


def test_length_scales_are_searched_between_the_spacing_and_the_extent_of_the_sites():
    coords = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    bound = Spatial().bind(rows(coords))
    (low, high), start = bound.shape_bounds()[0], bound.start_shape()[0]
    assert (low, high) == (0.5, pytest.approx(3 * 32**0.5))
    assert low < start < high
    fixed = Spatial(length_scale=2).bind(rows(coords))
    np.testing.assert_array_equal(fixed.shape_bounds(), [[2.0, 2.0]])
    assert fixed.start_shape() == [2.0]
    assert Spatial().bind(rows(plane(10_000))).shape_bounds()[0, 0] > 0.1  # what 600 functions resolve


def test_the_globe_has_one_pole_and_no_date_line():
    coords = np.array([[90.0, 10.0], [90.0, 200.0], [12.0, 180.0], [12.0, -180.0], [0.0, 0.0], [0.0, 1.0]])
    bound = Spatial(geographic=True).bind(rows(coords))
    assert bound.n_levels == 4
    points = as_places(coords, True)
    one_degree = np.linalg.norm(points[4] - points[5])
    assert one_degree == pytest.approx(EARTH_RADIUS_KM * np.pi / 180, rel=2e-5)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), EARTH_RADIUS_KM)


BAD_COORDS = {
    "NaN": (False, [[0.0, np.nan], [1.0, 2.0]], r"NaN or infinity in rows \[0\]"),
    "latitude": (True, [[0.0, 0.0], [95.0, 0.0]], r"latitudes beyond 90 degrees in rows \[1\]"),
    "longitude": (True, [[0.0, 400.0], [5.0, 0.0]], r"longitudes beyond 360 degrees in rows \[0\]"),
    "columns": (True, [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]], "2 columns, got 3"),
    "one place": (False, [[1.0, 2.0]] * 4, "not identified"),
}


@pytest.mark.parametrize("name", BAD_COORDS)
def test_bad_coordinates_are_refused(name):
    geographic, coords, message = BAD_COORDS[name]
    with pytest.raises(ValueError, match=message):
        Spatial(geographic=geographic).bind(rows(coords))


def test_coordinates_that_are_absent_or_of_other_width():
    with pytest.raises(ValueError, match="pass coords="):
        Spatial().bind(EffectRows(3, {}))
    bound = Spatial().bind(rows(plane(5)))
    with pytest.raises(ValueError, match="3 columns, expecting 2"):
        bound.locate(rows(np.zeros((2, 3))), [1.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kernel": "cubic"}, "kernel of Spatial must be one of"),
        ({"method": "fast"}, "method of Spatial must be one of"),
        ({"length_scale": -1.0}, "positive number"),
        ({"length_scale": np.nan}, "positive number"),
        ({"length_scale": "1"}, "positive number"),
        ({"n_functions": 2.5}, "positive integer"),
        ({"n_functions": 0}, "positive integer"),
        ({"method": "exact", "n_functions": 9}, "no meaning"),
    ],
)
def test_bad_parameters_are_refused_when_the_effect_is_bound(given, message):
    with pytest.raises(ValueError, match=message):
        Spatial(**given).bind(rows(plane(5)))


def test_what_would_not_fit_is_refused_before_it_is_tried(monkeypatch):
    import intertwine.resources as resources

    coords = plane(3000)
    monkeypatch.setattr(resources, "available_memory", lambda: 2**27)
    bound = Spatial("matern12", method="exact").bind(rows(coords))
    with pytest.raises(MemoryError, match=r"3,000 sites.*nystrom"):
        bound.prior([0.5])


def test_close_sites_do_not_break_the_covariance():
    coords = np.vstack([plane(30), plane(30) + 1e-13])
    bound = Spatial(length_scale=0.5).bind(rows(coords))
    assert bound.n_levels > 30
    K = bound.prior([0.5]).covariance
    assert np.linalg.eigvalsh(K).min() > 0.1 * JITTER
    np.linalg.cholesky(K)
