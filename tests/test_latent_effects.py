"""Effects side by side: which columns are whose, and what becomes of variances."""

import numpy as np
import pytest

from intertwine.effects import BySubject, Categorical, Linear, Smooth
from intertwine.effects.covariate import Covariates
from intertwine.effects.random import GroupCodes
from intertwine.io import load_state, save_state
from intertwine.mixed_effects.latent_effects import LatentEffects
from intertwine.mixed_effects.subject_system import SubjectSystem
from intertwine.mixed_effects.subjects import LatentVariances, Sites

EFFECTS = [
    BySubject(),
    Categorical("site"),
    BySubject(Smooth("time", "matern32"), "state-space"),
    Smooth("time"),
    BySubject(Linear("time")),
    Categorical("site") * Smooth("onset", "matern52"),
]


def visits(n_subjects=30, each=7, seed=0):
    rng = np.random.default_rng(seed)
    n = n_subjects * each
    onset = rng.normal(size=n)
    onset[rng.uniform(size=n) < 0.5] = np.nan
    site = GroupCodes(rng.integers(0, 3, n), 3)
    subject = rng.permutation(np.repeat(np.arange(n_subjects), each))
    return Covariates(n, {"time": rng.uniform(0, 10, n), "onset": onset}, {"site": site}), subject


def test_every_column_is_that_of_its_effect():
    columns, subject = visits()
    effects = LatentEffects.of(EFFECTS, columns, subject)
    shape = effects.start_shape()
    rows = effects.rows(columns, subject, 30, shape)
    assert [part.title for part in effects.places] == ["mean", *effects.titles]
    for part, bound, its_shape in zip(effects.places[1:], effects.bound, effects.shapes(shape), strict=True):
        if part.place == "trends":
            (trend,) = rows.trends
            assert (trend.kernel, trend.length_scale) == ("matern32", its_shape[0])
            np.testing.assert_array_equal(trend.time, columns.numbers["time"])
        else:
            given = getattr(rows, part.place)[:, part.columns]
            np.testing.assert_array_equal(given, bound.features(columns, its_shape))
    assert [part.place for part in effects.places[1:]] == [
        "own",
        "shared",
        "trends",
        "shared",
        "own",
        "shared",
    ]
    assert (rows.shared[:, 0] == 1.0).all()
    assert rows.shared.shape[1] == sum(part.n_columns for part in effects.places if part.place == "shared")
    assert effects.shape_names == (
        "length_scale of subject × time (smooth)",
        "length_scale of time",
        "length_scale of onset of site × onset",
    )


def test_effects_may_be_none_at_all():
    columns, subject = visits()
    rows = LatentEffects.of([], columns, subject, has_mean=False).rows(columns, subject, 30, np.empty(0))
    assert rows.shared.shape == rows.own.shape == (210, 0)
    assert LatentEffects.of([], columns, subject).variances([1.0], np.empty((0, 1))).shared.tolist() == [
        [np.inf]
    ]


def test_variances_of_effects_are_repeated_and_taken_back():
    columns, subject = visits()
    effects = LatentEffects.of(EFFECTS, columns, subject)
    by_effect = np.random.default_rng(1).uniform(size=(6, 4))
    variances = effects.variances(np.ones(4), by_effect)
    assert isinstance(variances, LatentVariances)
    assert np.isinf(variances.shared[0]).all()
    assert np.isfinite(variances.shared[1:]).all()
    np.testing.assert_allclose(effects.by_effect(variances), by_effect)
    np.testing.assert_array_equal(variances.trends, by_effect[2:3])
    np.testing.assert_array_equal(variances.own, by_effect[[0, 4]])


def test_only_the_mean_has_a_variance_that_is_not_learnt():
    columns, subject = visits()
    learnt = LatentEffects.of(EFFECTS, columns, subject).learnt
    assert [(part.start, part.stop) for part in learnt.own] == [(0, 1), (1, 2)]
    assert learnt.shared[0] == slice(1, 3)
    assert [part.start for part in learnt.shared[1:]] == [part.stop for part in learnt.shared[:-1]]


def test_scales_turn_variances_of_coefficients_into_variances_of_visits():
    columns, subject = visits()
    effects = LatentEffects.of(EFFECTS, columns, subject)
    rows = effects.rows(columns, subject, 30, effects.start_shape())
    scales = effects.scales(rows)
    assert scales[[0, 2, 4]] == pytest.approx(1.0)  # a level, a state space, a standardised slope
    assert scales[1] == pytest.approx(2.0 / 3.0)
    assert 0.0 < scales[5] < scales[1]
    rng = np.random.default_rng(0)
    drawn = rows.shared[:, effects.places[4].columns] @ rng.normal(size=(effects.places[4].n_columns, 4000))
    assert np.square(drawn).mean() == pytest.approx(scales[3], rel=0.05)


def test_a_file_keeps_all_of_them(tmp_path):
    columns, subject = visits()
    effects = LatentEffects.of(EFFECTS, columns, subject)
    save_state(tmp_path / "state", {"effects": effects.state()})
    again = LatentEffects.restore(effects.effects, load_state(tmp_path / "state")["effects"])
    new, whose = visits(4, 3, seed=5)
    shape = effects.start_shape()
    one, other = effects.rows(new, whose, 4, shape), again.rows(new, whose, 4, shape)
    np.testing.assert_array_equal(one.shared, other.shared)
    np.testing.assert_array_equal(one.own, other.own)
    assert again.places == effects.places


def test_long_series_are_taken_by_state_space():
    columns, subject = visits(n_subjects=2, each=200)
    course = BySubject(Smooth("time", "matern52"))
    assert LatentEffects.of([course], columns, subject).places[1].place == "trends"
    gaps = BySubject(Smooth("onset", "matern52"))
    assert LatentEffects.of([gaps], columns, subject).places[1].place == "own"
    short, whose = visits()
    assert LatentEffects.of([course], short, whose).places[1].place == "own"


@pytest.mark.parametrize("kernel", ["matern32", "matern52"])
def test_a_course_by_state_space_is_the_one_by_functions(kernel):
    columns, subject = visits(n_subjects=5, each=25)
    time = columns.numbers["time"]
    rng = np.random.default_rng(3)
    mean = np.sin(time)[:, None] * rng.normal(size=(5, 2))[subject] + 0.5 * rng.normal(size=(125, 2))
    sites, found = Sites(mean, np.zeros(mean.shape)), []
    for method in ("basis", "state-space"):
        smooth = Smooth(
            "time", kernel, length_scale=2.0, n_functions=80, boundary=2.6
        )  # no error to speak of
        course = BySubject(smooth, method)
        effects = LatentEffects.of([BySubject(), course], columns, subject)
        rows = effects.rows(columns, subject, 5, effects.start_shape())
        variances = effects.variances(np.full(2, 0.25), np.array([[100.0] * 2, [1.0] * 2]))
        found.append(SubjectSystem(rows).posterior(sites, variances))
    by_functions, by_filter = found  # but for the centre, which the levels take
    np.testing.assert_allclose(by_functions.log_evidence, by_filter.log_evidence, atol=0.05)
    one, other = by_functions.marginals(), by_filter.marginals()
    assert np.abs(one.linear_mean - other.linear_mean).max() < 0.01
    assert one.linear_mean.std() > 0.4


def test_the_table_of_functions():
    columns, subject = visits()
    effects = LatentEffects.of(EFFECTS, columns, subject)
    table = effects.basis(effects.start_shape())
    assert table["effect"] == ["subject × time (smooth)", "time", "site × onset"]
    assert table["method"] == ["state-space", "basis", "basis"]
    assert table["missing_variance"][0] == 0.0 < table["missing_variance"][1] < 0.02


@pytest.mark.parametrize(
    ("effects", "subject", "message"),
    [
        (
            [BySubject()],
            np.zeros(210, dtype=int),
            "there is one subject, so the variance of 'subject' is not",
        ),
        (
            [BySubject(Linear("time"))],
            np.arange(210),
            "every subject has one visit, so 'subject × time' is confounded",
        ),
        ([Linear("time"), Linear("time")], np.arange(210) % 7, "effects holds 'time' twice"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(effects, subject, message):
    columns, _ = visits()
    with pytest.raises(ValueError, match=message):
        LatentEffects.of(effects, columns, subject)
