"""Grouped effects: which levels rows have, at fit, later and in another process."""

import numpy as np
import pytest
from scipy import sparse

from intertwine.effects import Grouped
from intertwine.effects.random import EffectRows, GroupCodes, IndependentPrior

SCHOOL, CLASS = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 1, 1])


def rows(school=SCHOOL, klass=CLASS):
    groups = {"school": GroupCodes(school, 3), "class": GroupCodes(klass, 2)}
    return EffectRows(len(school), groups, covariates={"x": np.arange(len(school)) ** 2.0})


def test_combinations_that_occur_are_the_levels():
    bound = Grouped(("school", "class")).bind(rows())
    np.testing.assert_array_equal(bound.grouping.codes()[bound.level], np.column_stack([SCHOOL, CLASS]))
    assert bound.n_levels == 5
    assert bound.basis is None


def test_rows_and_further_ones_are_all_of_them():
    more = rows(np.array([2, 0]), np.array([0, 0]))
    whole = rows().joined(more)
    assert whole.n_rows == 8
    assert whole.groups["school"].codes.tolist() == [*SCHOOL, 2, 0]
    assert whole.groups["class"].n_levels == 2
    assert whole.take(slice(6, 8)).groups["school"].codes.tolist() == [2, 0]


def test_three_groupings_are_combined_one_by_one():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (60, 3))
    table = EffectRows(60, {k: GroupCodes(codes[:, k], 4) for k in range(3)})
    bound = Grouped((0, 1, 2)).bind(table)
    np.testing.assert_array_equal(bound.grouping.codes()[bound.level], codes)
    assert bound.n_levels == len(np.unique(codes, axis=0))
    assert np.all(bound.locate(table, bound.start_shape()).level == bound.level)


@pytest.mark.parametrize("restored", [True, False])
def test_unseen_levels_have_no_projection_and_the_prior_variance(restored):
    effect = Grouped(("school", "class"), slopes=("x",))
    bound = effect.bind(rows())
    if restored:
        bound = effect.restore(bound.state())
    where = bound.locate(rows(np.array([0, 2, -1, 1]), np.array([1, 0, 0, -1])), np.empty(0))
    np.testing.assert_array_equal(where.level, [1, 5, 5, 5])
    assert sparse.issparse(where.projection)
    np.testing.assert_array_equal(where.projection.toarray(), np.eye(6, 5))
    np.testing.assert_array_equal(where.extra, [0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(where.basis, [[1, 0], [1, 1], [1, 4], [1, 9]])


def test_a_combination_after_all_that_occurred_is_unseen():
    bound = Grouped(("school", "class")).bind(rows(SCHOOL[:5], CLASS[:5]))
    later = rows(np.array([1, 2]), np.array([1, 0]))
    np.testing.assert_array_equal(bound.grouping.levels(later), [3, -1])


def test_seen_levels_need_no_projection():
    bound = Grouped("school").bind(rows())
    where = bound.locate(rows(), np.empty(0))
    assert where.projection is None
    assert where.extra is None
    assert bound.prior(bound.start_shape()) == IndependentPrior(3)


@pytest.mark.parametrize(
    ("effect", "names"),
    [
        (Grouped("school"), ("intercept",)),
        (Grouped("school", slopes=("x",)), ("intercept", "x")),
        (Grouped("school", slopes=["x"], intercept=False), ("x",)),
    ],
)
def test_names_and_what_is_read(effect, names):
    bound = effect.bind(rows())
    assert bound.basis_names == names
    assert bound.n_basis == (1 if bound.basis is None else bound.basis.shape[1]) == len(names)
    assert effect.covariate_keys == tuple(effect.slopes)
    assert effect.needs == (("groups", "covariates") if effect.slopes else ("groups",))
    assert effect.group_keys == ("school",)


@pytest.mark.parametrize(
    ("effect", "table", "match"),
    [
        (
            Grouped("school"),
            rows(np.zeros(6, int)),
            "school has one level, so its variance is not identified",
        ),
        (
            Grouped(),
            EffectRows(4, {None: GroupCodes(np.arange(4), 4)}),
            "one row for each .* confounded with noise",
        ),
        (Grouped("school", intercept=False), rows(), "neither an intercept nor slopes"),
        (
            Grouped("school", slopes=("x",)),
            rows()._replace(covariates={"x": np.ones(6)}),
            r"\['x'\].*cannot be told from the intercept",
        ),
        (
            Grouped("school", slopes=("x",)),
            rows()._replace(covariates={"x": 1e7 + np.arange(6.0)}),
            "from each other or from the intercept: subtract the means",
        ),
        (
            Grouped("school", slopes=("x", "z"), intercept=False),
            rows()._replace(covariates={"x": np.arange(6.0), "z": 2 * np.arange(6.0)}),
            r"slopes \['x', 'z'\] of school cannot be told apart: subtract",
        ),
    ],
)
def test_what_cannot_be_told_apart_is_refused(effect, table, match):
    with pytest.raises(ValueError, match=match):
        effect.bind(table)


def test_a_name_is_one_column():
    assert Grouped("school", slopes="age") == Grouped("school", slopes=("age",))
    with pytest.raises(TypeError, match="give a tuple of columns of X"):
        Grouped("school", slopes=b"age")
