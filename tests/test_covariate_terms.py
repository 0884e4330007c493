"""Effects of covariates: features against kernels, and the laws that every effect keeps."""

import numpy as np
import pytest

from intertwine.effects import BySubject, Categorical, Correlated, Interaction, Linear, Smooth
from intertwine.effects.by_subject import BoundBySubject, BoundCourse
from intertwine.effects.covariate import Covariates
from intertwine.effects.random import GroupCodes
from intertwine.effects.smooth_parts import smooth_parts
from intertwine.effects.stationary_kernels import KERNELS, correlation
from intertwine.effects.waves import WaveRule
from intertwine.io import load_state, save_state


def columns(n=200, seed=0):
    rng = np.random.default_rng(seed)
    numbers = {
        "age": rng.uniform(20.0, 80.0, n),
        "onset": rng.normal(size=n),
        "dose": rng.exponential(3.0, n),
    }
    numbers["onset"][rng.uniform(size=n) < 0.4] = np.nan
    codes = rng.integers(0, 4, n)
    codes[::17] = -1
    return Covariates(n, numbers, {"site": GroupCodes(codes, 4), "sex": GroupCodes(rng.integers(0, 2, n), 2)})


EFFECTS = {
    "linear": Linear("onset"),
    "categorical": Categorical("site"),
    "smooth": Smooth("onset"),
    "smooth, fixed": Smooth("age", "matern32", length_scale=20.0),
    "smooth, box given": Smooth("dose", "matern52", n_functions=12, boundary=1.8),
    "category x smooth": Categorical("site") * Smooth("onset"),
    "three": Categorical("sex") * Smooth("age") * Linear("dose"),
    "level": BySubject(),
    "slope": BySubject(Linear("age")),
    "course": BySubject(Smooth("age", "matern12", n_functions=8)),
    "correlated": Correlated([BySubject(), BySubject(Linear("age")), BySubject(Categorical("sex"))]),
    "state space": BySubject(Smooth("age", "matern32"), method="state-space"),
}
each_effect = pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS)


def centred_kernel(kernel, x, length_scale):
    centre = np.eye(len(x)) - 1.0 / len(x)
    return centre @ correlation(kernel, x[:, None], x[:, None], length_scale) @ centre


@each_effect
def test_a_row_where_a_covariate_does_not_apply_has_features_zero(effect):
    given = columns()
    bound = effect.bind(given)
    features = bound.features(given, bound.start_shape())
    applies = np.ones(given.n_rows, dtype=bool)
    for key in effect.number_keys:
        applies &= np.isfinite(given.numbers[key])
    for key in effect.category_keys:
        applies &= given.categories[key].codes >= 0
    assert features.shape == (given.n_rows, bound.n_functions) == (given.n_rows, len(bound.names))
    assert np.isfinite(features).all()
    assert not features[~applies].any()
    assert bound.n_functions == 0 or features[applies].any(axis=1).all()


@each_effect
def test_features_are_of_the_row_alone(effect):
    given = columns()
    bound = effect.bind(given)
    shape = bound.start_shape()
    some = np.array([5, 3, 150])
    np.testing.assert_allclose(
        bound.features(given.take(some), shape), bound.features(given, shape)[some], rtol=0, atol=1e-14
    )


@each_effect
def test_a_file_keeps_the_features_to_the_bit(effect, tmp_path):
    given, new = columns(), columns(50, seed=1)
    bound = effect.bind(given)
    save_state(tmp_path / "state", {"effect": bound.state()})
    again = effect.restore(load_state(tmp_path / "state")["effect"])
    shape = again.start_shape()
    np.testing.assert_array_equal(again.features(new, shape), bound.features(new, bound.start_shape()))
    np.testing.assert_array_equal(again.shape_bounds(), bound.shape_bounds())
    assert again.names == bound.names
    assert again.shape_names == bound.shape_names
    assert again.missing_variance(shape) == bound.missing_variance(shape)


@each_effect
def test_the_search_starts_within_its_limits(effect):
    bound = effect.bind(columns())
    start, bounds = bound.start_shape(), bound.shape_bounds()
    assert len(start) == len(bound.shape_names)
    assert bounds.shape == (len(start), 2)
    assert np.all((bounds[:, 0] > 0) & (bounds[:, 0] <= start) & (start <= bounds[:, 1]))


@pytest.mark.parametrize("origin", [0.0, 3000.0])
def test_length_scales_of_few_values_are_longer_than_half_their_spacing(origin):
    bound = Smooth("t").bind(Covariates(10, {"t": origin + np.repeat(np.arange(5.0), 2)}, {}))
    np.testing.assert_allclose(bound.shape_bounds(), [[0.5, 1.5 * 4.0]])
    np.testing.assert_allclose(bound.start_shape(), [0.3 * 4.0])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("key", ["age", "dose"])
def test_features_have_the_centred_kernel(kernel, key):
    given = columns(300)
    x = given.numbers[key]
    bound = Smooth(key, kernel).bind(given)
    promised = WaveRule.of(kernel).error
    shortest, longest = bound.shape_bounds()[0]
    for length_scale, allowed in ((shortest, 2.3), (2 * shortest, 2.1), (longest, 1.4)):
        shape = np.array([length_scale])
        features = bound.features(given, shape)
        error = np.abs(features @ features.T - centred_kernel(kernel, x, length_scale)).max()
        assert error < allowed * promised
        assert bound.missing_variance(shape) < 2.02 * promised
        assert np.abs(features.mean(axis=0)).max() < 1e-12


@pytest.mark.parametrize(
    ("kernel", "a", "b"), [("rbf", 1.517, 1.640), ("matern52", 1.794, 2.567), ("matern32", 1.916, 3.718)]
)
def test_the_rule_is_that_of_the_reference(kernel, a, b):
    rule = WaveRule.of(kernel)
    assert (rule.a, rule.b) == (pytest.approx(a, abs=6e-4), pytest.approx(b, abs=6e-4))
    given = Covariates(101, {"x": np.linspace(-1, 1, 101)}, {})
    bound = Smooth("x", kernel, length_scale=0.25).bind(given)
    assert bound.half_width(0.25) == pytest.approx(1 + a * 0.25, rel=1e-3)
    assert bound.n_waves == np.ceil(b * bound.half_width(0.25) / 0.25)


def test_too_few_functions_are_seen_in_the_missing_variance():
    given = columns()
    missing = [
        Smooth("age", length_scale=8.0, n_functions=m).bind(given).missing_variance([8.0]) for m in (3, 6, 30)
    ]
    assert missing[0] > 0.3 > missing[1] > 0.03
    assert missing[2] < 0.0101
    edge = Smooth("age", length_scale=20.0, n_functions=40, boundary=1.2).bind(given)
    assert edge.missing_variance([20.0]) > 0.5  # the box mirrors the ends of the range


def test_given_functions_limit_the_length_scales_that_are_admitted():
    given = columns()
    bound = Smooth("age", n_functions=6).bind(given)
    shortest = bound.shape_bounds()[0, 0]
    assert shortest > Smooth("age").bind(given).shape_bounds()[0, 0]
    assert WaveRule.of("rbf").b * bound.half_width(shortest) / shortest == pytest.approx(6)
    assert bound.missing_variance([shortest]) < 0.021
    ((shortest, longest),) = Smooth("age", n_functions=2).bind(given).shape_bounds()
    assert shortest == longest / 2  # two are too few for any


@pytest.mark.parametrize("kernel", KERNELS)
def test_beyond_the_range_a_curve_goes_back_to_its_mean(kernel):
    given = columns()
    bound = Smooth("age", kernel, length_scale=15.0).bind(given)
    shape = np.array([15.0])
    rng = np.random.default_rng(0)
    low, high = bound.low, bound.high
    beyond = np.concatenate([high + np.linspace(0, 300, 301), low - np.linspace(0, 300, 301)])
    features = bound.features(Covariates(len(beyond), {"age": beyond}, {}), shape)
    curves = features[:, :-1] @ rng.normal(size=(bound.n_waves, 20))
    edges = np.array([high, high + bound.half_width(15.0) - 0.5 * (high - low)])
    across = [bound.features(Covariates(2, {"age": edges + step}, {}), shape) for step in (-1e-9, 1e-9)]
    np.testing.assert_allclose(*across, atol=1e-4)  # no jump
    far = np.minimum(np.abs(beyond - low), np.abs(beyond - high)) > 150
    assert np.abs(curves[far]).max() < 1e-3  # no wrapping around the box
    assert not bound.features(given, shape)[:, -1].any()
    np.testing.assert_allclose(np.square(features[far]).sum(axis=1), 1.0, atol=1e-4)


def test_the_prior_variance_beyond_the_range_is_that_of_the_process():
    given = columns(2000)
    for kernel in KERNELS:
        bound = Smooth("age", kernel, length_scale=15.0).bind(given)
        ages = bound.high + np.linspace(0, 100, 500)
        features = bound.features(Covariates(500, {"age": ages}, {}), np.array([15.0]))
        variance = np.square(features).sum(axis=1)
        assert variance.min() > 0.95 * min(variance[0], 1.0)
        assert variance.max() < 1.35


@pytest.mark.parametrize("origin", [0.0, 1e4])
def test_many_rows_are_centred_as_well_as_few(origin):
    rng = np.random.default_rng(3)
    x = origin + rng.gamma(2.0, 3.0, 20_000)
    given = Covariates(len(x), {"x": x}, {})
    bound = Smooth("x").bind(given)
    features = bound.features(given, bound.shape_bounds()[:, 0])
    assert len(bound.state()["points"]) <= 2048
    assert np.abs(features.mean(axis=0)).max() < 1e-5


def test_categories_sum_to_zero_and_unseen_ones_are_zero():
    given = columns()
    bound = Categorical("site").bind(given)
    new = Covariates(5, {}, {"site": GroupCodes(np.array([0, 1, 2, 3, -1]), 4)})
    features = bound.features(new, np.empty(0))
    np.testing.assert_allclose(features[:4] @ features[:4].T, np.eye(4) - 0.25, atol=1e-14)
    assert not features[4].any()
    assert np.abs(features[:4].sum(axis=0)).max() < 1e-14


def test_a_straight_line_is_standardised():
    given = columns()
    features = Linear("onset").bind(given).features(given, np.empty(0)).ravel()
    applies = np.isfinite(given.numbers["onset"])
    assert features[applies].mean() == pytest.approx(0.0, abs=1e-12)
    assert features[applies].std() == pytest.approx(1.0)


def test_an_interaction_has_the_product_of_the_kernels():
    given = columns()
    parts = [Categorical("sex"), Smooth("age"), Linear("dose")]
    whole = (parts[0] * (parts[1] * parts[2])).bind(given)
    kernel = np.ones((given.n_rows, given.n_rows))
    for part in parts:
        bound = part.bind(given)
        features = bound.features(given, bound.start_shape())
        kernel *= features @ features.T
    features = whole.features(given, whole.start_shape())
    np.testing.assert_allclose(features @ features.T, kernel, atol=1e-12)
    assert whole.shape_names == ("length_scale of age",)
    np.testing.assert_allclose(features.reshape(200, 1, -1, 1)[0].ravel(), features[0])


def test_what_an_interaction_lacks_is_what_the_kept_shares_leave():
    """Shares that functions keep of each factor are multiplied."""
    given = columns()
    one, other = (
        Smooth("age", length_scale=8.0, n_functions=4),
        Smooth("dose", length_scale=2.0, n_functions=3),
    )
    kept = [1.0 - part.bind(given).missing_variance([scale]) for part, scale in ((one, 8.0), (other, 2.0))]
    assert max(kept) < 0.95
    found = (one * other).bind(given).missing_variance(np.array([8.0, 2.0]))
    assert found == pytest.approx(1.0 - kept[0] * kept[1], rel=1e-12)


def test_interactions_are_flat_and_know_their_titles():
    effect = Categorical("sex") * (Smooth("age") * Linear("dose"))
    assert effect == Interaction((Categorical("sex"), Smooth("age"), Linear("dose")))
    assert effect.title == "sex × age × dose"
    assert BySubject(Smooth("age")) * Categorical("sex") == BySubject(Smooth("age") * Categorical("sex"))
    assert Smooth("age") * BySubject() == BySubject(Smooth("age"))
    with pytest.raises(TypeError, match="unsupported operand"):
        Smooth("age") * 2


def test_a_subject_has_the_features_of_its_effect():
    given = columns()
    own, plain = BySubject(Smooth("age")).bind(given), Smooth("age").bind(given)
    assert isinstance(own, BoundBySubject)
    shape = own.start_shape()
    np.testing.assert_array_equal(own.features(given, shape), plain.features(given, shape))
    np.testing.assert_array_equal(BySubject().bind(given).features(given, np.empty(0)), np.ones((200, 1)))


def test_long_series_with_a_markov_kernel_go_by_state_space():
    rough, smooth = BySubject(Smooth("age", "matern32")), BySubject(Smooth("age"))
    assert rough.for_series(199, True).method == "basis"
    assert rough.for_series(200, True).method == "state-space"
    assert rough.for_series(200, False).method == "basis"
    assert smooth.for_series(3000, True).method == BySubject().for_series(3000, True).method == "basis"
    assert BySubject(rough.effect, "basis").for_series(3000, True).method == "basis"
    given = columns()
    course = rough.for_series(3000, True).bind(given)
    assert isinstance(course, BoundCourse)
    assert course.kernel == "matern32"
    np.testing.assert_array_equal(course.time(given), given.numbers["age"])
    assert course.shape_bounds()[0, 0] < rough.bind(given).shape_bounds()[0, 0]
    fixed = BySubject(Smooth("age", "matern12", length_scale=7.0), "state-space").bind(given)
    assert fixed.start_shape() == 7.0
    assert (fixed.shape_bounds() == 7.0).all()


def constant(**numbers):
    n = len(next(iter(numbers.values())))
    categories = {"one": GroupCodes(np.zeros(n, dtype=np.int64), 1), "none": GroupCodes(np.full(n, -1), 2)}
    return Covariates(n, {key: np.asarray(value, dtype=float) for key, value in numbers.items()}, categories)


GONE = [np.nan] * 4
BAD = {
    "constant number": (
        lambda: Linear("x").bind(constant(x=[3.0, 3, 3, np.nan])),
        "'x' is 3 in every row that",
    ),
    "constant smooth": (lambda: Smooth("x").bind(constant(x=[3.0] * 4)), "'x' is 3 in every row that has it"),
    "never a number": (
        lambda: Smooth("x").bind(constant(x=GONE)),
        "'x' is NaN in every row: its effect never",
    ),
    "one category": (
        lambda: Categorical("one").bind(constant(x=GONE)),
        "'one' has one category in every row",
    ),
    "no category": (lambda: Categorical("none").bind(constant(x=GONE)), "'none' is missing in every row"),
    "never together": (
        lambda: (Linear("x") * Linear("y")).bind(
            constant(x=[1, 2, np.nan, np.nan], y=[np.nan, np.nan, 1, 2])
        ),
        "x × y: no row has all of these covariates",
    ),
    "unknown on a course": (
        lambda: BySubject(Smooth("x", "matern12"), "state-space").bind(constant(x=[1, 2, np.nan])),
        "'x' is NaN in 1 row,.*take method='basis'",
    ),
    "much too short": (
        lambda: Smooth("x", length_scale=1e-3).bind(constant(x=[0, 1, 2])),
        "length_scale=0.001 of Smooth.*1,643 functions would be needed",
    ),
    "kernel": (lambda: Smooth("x", kernel="RBF"), r"kernel of Smooth\('x'\) must be one of \['rbf'"),
    "length scale": (
        lambda: Smooth("x", length_scale=-1),
        "length_scale of Smooth.* positive number or None",
    ),
    "boundary": (lambda: Smooth("x", boundary=0.9), "boundary of Smooth.* must be above 1"),
    "functions": (
        lambda: Smooth("x", n_functions=2.5),
        "n_functions of Smooth.* positive integer or None, got 2.5",
    ),
    "method": (lambda: BySubject(method="kalman"), r"must be one of \['auto', 'basis', 'state-space'\]"),
    "state space of rbf": (
        lambda: BySubject(Smooth("x"), "state-space"),
        "subject × x: only a Smooth with kernel",
    ),
    "subjects of subjects": (
        lambda: BySubject() * BySubject(Linear("x")),
        "only one factor can be of each subject",
    ),
    "nested subjects": (lambda: BySubject(BySubject()), "the effect is of each subject already"),
    "with itself": (lambda: Smooth("x") * Linear("x"), r"x × x: \['x'\] would interact with themselves"),
    "of one": (lambda: Interaction((Linear("x"),)), "two effects or more"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_bad_effects_are_refused_with_the_covariate_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_only_effects_are_of_each_subject():
    with pytest.raises(TypeError, match=r"BySubject\('age'\): give an effect"):
        BySubject("age")


def test_features_that_cannot_be_held_are_refused():
    n = 200_000
    codes = np.random.default_rng(0).integers(0, 100_000, n)
    many = Covariates(n, {}, {"site": GroupCodes(codes, 100_000)})
    with pytest.raises(MemoryError, match="99,999 contrasts of 'site' at 200,000 rows"):
        Categorical("site").bind(many).features(many, np.empty(0))


def test_a_course_may_be_as_short_as_its_times_are_apart_and_is_told_about_its_middle():
    given = Covariates(41, {"age": np.linspace(50.0, 60.0, 41)}, {})
    course = BySubject(Smooth("age", "matern32"), "state-space").bind(given)
    assert course.shape_bounds()[0, 0] == pytest.approx(0.25)
    (part,) = smooth_parts(Smooth("age").bind(given), np.array([4.0]))
    assert part.half_range == 5.0
