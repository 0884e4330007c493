"""Courses of time: their functions, and what is refused."""

import numpy as np
import pytest

from intertwine.effects import Longitudinal
from intertwine.effects.longitudinal import natural_spline
from intertwine.effects.random import EffectRows, GroupCodes

PATIENT = np.repeat(np.arange(5), 8)


def rows(time=None, patient=PATIENT):
    time = np.tile(np.linspace(0.0, 7.0, 8), 5) if time is None else time
    return EffectRows(len(patient), {"patient": GroupCodes(patient, 5)}, time=time)


@pytest.mark.parametrize(
    ("effect", "names"),
    [
        (Longitudinal("patient"), ("intercept", "time")),
        (Longitudinal("patient", degree=0), ("intercept",)),
        (Longitudinal("patient", degree=3, intercept=False), ("time", "time^2", "time^3")),
        (Longitudinal("patient", basis="spline", n_knots=3), ("intercept", "spline 1", "spline 2")),
    ],
)
def test_names_match_columns(effect, names):
    bound = effect.bind(rows())
    assert bound.basis_names == names
    assert bound.n_basis == (1 if bound.basis is None else bound.basis.shape[1])
    assert effect.needs == ("groups", "time")


def test_powers_are_in_the_unit_of_time():
    time = rows().time
    bound = Longitudinal("patient", degree=2).bind(rows())
    np.testing.assert_array_equal(bound.basis, np.column_stack([np.ones(40), time, time**2]))


@pytest.mark.parametrize(
    "effect", [Longitudinal("patient", degree=2), Longitudinal("patient", basis="spline")]
)
def test_functions_are_the_same_in_another_process(effect):
    bound = effect.bind(rows())
    restored = effect.restore(bound.state())
    new = EffectRows(3, {"patient": GroupCodes(np.array([4, -1, 0]), 5)}, time=np.array([-2.0, 3.3, 11.0]))
    here, there = bound.locate(new, np.empty(0)), restored.locate(new, np.empty(0))
    np.testing.assert_array_equal(here.basis, there.basis)
    np.testing.assert_array_equal(here.level, [4, 5, 0])
    np.testing.assert_array_equal(there.level, [4, 5, 0])


def test_a_natural_spline_is_straight_outside_and_smooth_inside():
    knots = np.array([0.0, 1.0, 2.5, 4.0, 7.0])
    outside = natural_spline(np.array([-3.0, -2.0, -1.0, 8.0, 9.0, 10.0]), knots)
    for side in (outside[:3], outside[3:]):
        np.testing.assert_allclose(np.diff(side, 2, axis=0), 0.0, atol=1e-11)
    around = natural_spline((knots[:, None] + np.array([-2e-4, -1e-4, 0, 1e-4, 2e-4])).ravel(), knots)
    bend = (
        np.diff(around.reshape(5, 5, 4), 2, axis=1) / 1e-8
    )  # second differences, at both sides of each knot
    np.testing.assert_allclose(bend[:, 0], bend[:, 2], atol=2e-3)


def test_a_natural_spline_does_not_depend_on_where_time_begins_or_its_unit():
    time, knots = np.linspace(-2.0, 9.0, 12), np.array([0.0, 1.0, 2.5, 7.0])
    moved = natural_spline(30.0 * time + 400.0, 30.0 * knots + 400.0)
    np.testing.assert_allclose(moved, natural_spline(time, knots), atol=1e-12)


def test_a_spline_of_two_knots_is_a_line():
    line = Longitudinal("patient", basis="spline", n_knots=2).bind(rows())
    np.testing.assert_allclose(line.basis[:, 1], rows().time / 7.0 - 0.5)


def test_spline_functions_interpolate_any_values_at_the_knots():
    bound = Longitudinal("patient", basis="spline", n_knots=5).bind(rows())
    assert np.linalg.matrix_rank(bound.basis) == 5


@pytest.mark.parametrize(
    ("effect", "table", "match"),
    [
        (Longitudinal("patient", degree=-1), rows(), "degree=-1 of patient"),
        (Longitudinal("patient", degree=0, intercept=False), rows(), "1 without an intercept"),
        (Longitudinal("patient", basis="cubic"), rows(), "choose 'polynomial' or 'spline'"),
        (Longitudinal("patient", basis="spline", n_knots=1), rows(), "n_knots=1"),
        (Longitudinal("patient", degree=8), rows(), "8 distinct values: degree 8 needs at least 9"),
        (Longitudinal("patient", basis="spline", n_knots=9), rows(), "a spline of 9 knots needs"),
        (Longitudinal("patient", degree=2), rows(2e5 + rows().time), r"subtract 200004, or lower degree"),
        (Longitudinal("patient"), rows(patient=np.zeros(40, int)), "patient has one level"),
        (
            Longitudinal("patient"),
            rows(np.arange(5.0), np.arange(5)),
            "one row for each of its 5 levels",
        ),
    ],
)
def test_what_is_refused(effect, table, match):
    with pytest.raises(ValueError, match=match):
        effect.bind(table)
