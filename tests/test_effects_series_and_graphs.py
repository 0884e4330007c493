"""Autoregressions and graphs: precisions against covariances written out, other rows against conditional Gaussians."""

import numpy as np
import pytest
from dense_mixed_model import DenseSystem
from scipy import sparse

from intertwine import MixedModel
from intertwine.effects import AR1, Graph
from intertwine.effects.random import EffectRows, GroupCodes
from intertwine.mixed_effects.base import VarianceComponents
from intertwine.mixed_effects.sparse import SparseSystem

GROUP = np.array([0, 1, 0, 2, 1, 0, 0, 2, 1])
TIME = np.array([3.0, 0.0, 1.0, 2.0, 4.0, 1.0, 8.5, 2.0, 0.5])
PATH = np.array([[0, 1, 0, 0], [1, 0, 2, 0], [0, 2, 0, 1], [0, 0, 1, 0]], dtype=float)


def rows(group=GROUP, time=TIME, n_levels=3):
    groups = {} if group is None else {"who": GroupCodes(np.asarray(group), n_levels)}
    return EffectRows(len(time), groups, time=np.asarray(time, float))


def correlation(one, other, scale):
    """Of (group, time) and (group, time)."""
    same = one[0][:, None] == other[0][None, :]
    return same * np.exp(-abs(one[1][:, None] - other[1][None, :]) / scale)


def test_series_have_the_correlation_of_their_times():
    bound = AR1("who").bind(rows())
    prior = bound.prior(np.array([1.7]))
    K = np.linalg.inv(prior.precision.toarray())
    np.testing.assert_allclose(
        K[np.ix_(bound.level, bound.level)], correlation((GROUP, TIME), (GROUP, TIME), 1.7), atol=1e-12
    )
    np.testing.assert_allclose(prior.log_determinant, -np.linalg.slogdet(K)[1])
    assert bound.n_levels == 7  # two pairs of rows share their time
    assert prior.precision.nnz <= 3 * 7


def test_a_search_begins_at_twice_the_usual_step_between_times():
    typical = np.median([2.0, 5.5, 0.5, 3.5])
    for unit in (1.0, 365.0):
        start = AR1("who").bind(rows(time=unit * TIME)).start_shape()
        np.testing.assert_allclose(start, 2.0 * unit * typical)


def test_length_scales_lie_between_a_fifth_of_a_step_and_ten_durations():
    found = AR1("who").bind(rows(time=100.0 + TIME)).shape_bounds()
    np.testing.assert_allclose(found, [[0.2 * np.median([2.0, 5.5, 0.5, 3.5]), 10.0 * 7.5]])


@pytest.mark.parametrize("restored", [True, False])
def test_other_times_are_conditional_means_with_the_variance_that_is_left(restored):
    effect = AR1("who", rho=0.6)
    bound = effect.bind(rows())
    levels = bound.series, bound.times
    if restored:
        bound = effect.restore(bound.state())
    scale = -1.0 / np.log(0.6)
    assert bound.start_shape()[0] == bound.shape_bounds()[0, 0] == bound.shape_bounds()[0, 1] == scale
    group = np.array([0, 0, 0, 1, 2, -1, 1, 0])
    time = np.array([2.0, 3.0, 10.0, -1.0, 2.5, 1.0, 0.0, 0.2])
    where = bound.locate(rows(group, time), bound.start_shape())
    K = correlation(levels, levels, scale)
    cross = correlation((group, time), levels, scale)
    projection = where.projection.toarray()[where.level]
    np.testing.assert_allclose(projection @ K, cross, atol=1e-12)
    np.testing.assert_allclose(
        where.extra[where.level],
        1.0 - np.einsum("ij,jk,ik->i", cross, np.linalg.inv(K), cross),
        atol=1e-12,
    )


def test_times_that_were_seen_need_no_projection():
    bound = AR1("who").bind(rows())
    where = bound.locate(rows(GROUP[::-1], TIME[::-1]), bound.start_shape())
    np.testing.assert_array_equal(where.level, bound.level[::-1])
    assert where.projection is None


def test_without_groups_it_is_one_series_in_any_order():
    effect = AR1()
    assert effect.needs == ("time",)
    bound = effect.bind(rows(None))
    np.testing.assert_array_equal(bound.times[bound.level], TIME)
    assert (np.diff(bound.times) > 0).all()
    only = EffectRows(len(TIME), {None: GroupCodes(GROUP, 3)}, time=TIME)
    assert effect.bind(only).grouping is not None


def test_a_series_that_begins_when_another_ends_is_another():
    assert AR1("who").bind(rows([0, 0, 1, 1], [0.0, 1.0, 1.0, 2.0], 2)).n_levels == 4


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (AR1(rho=0.5, length_scale=2.0), "same thing"),
        (AR1(rho=1.0), "between 0 and 1"),
        (AR1(length_scale=-1.0), "positive"),
    ],
)
def test_a_series_that_cannot_be_is_refused(effect, message):
    with pytest.raises(ValueError, match=message):
        effect.bind(rows(None))


def test_series_of_one_time_are_refused():
    with pytest.raises(ValueError, match="one time"):
        AR1("who").bind(rows(np.arange(3), np.zeros(3)))


def nodes(codes, n=4):
    return EffectRows(len(codes), {None: GroupCodes(np.asarray(codes), n)})


@pytest.mark.parametrize("adjacency", [PATH, sparse.csr_array(PATH), PATH + np.diag([5.0, 0, 0, 1])])
@pytest.mark.parametrize("kind", ["car", "laplacian"])
def test_precision_of_a_graph(kind, adjacency):
    bound = Graph(adjacency=adjacency, kind=kind).bind(nodes([0, 1, 3]))
    prior = bound.prior(np.array([0.7]))
    D = np.diag(PATH.sum(axis=1))
    expected = D - 0.7 * PATH if kind == "car" else 0.3 * np.eye(4) + 0.7 * (D - PATH)
    np.testing.assert_allclose(prior.precision.toarray(), expected)
    np.testing.assert_allclose(prior.log_determinant, np.linalg.slogdet(expected)[1])
    assert bound.n_levels == 4  # the node that no row has is a level as well


def test_a_node_outside_the_graph_has_the_mean_variance():
    effect = Graph(adjacency=PATH, rho=0.5)
    bound = effect.restore(effect.bind(nodes([0, 1, 2, 3])).state())
    where = bound.locate(nodes([2, -1]), np.array([0.5]))
    np.testing.assert_array_equal(where.level, [2, 4])
    K = np.linalg.inv(bound.prior(np.array([0.5])).precision.toarray())
    assert where.extra[4] == pytest.approx(np.trace(K) / 4, rel=0.2)
    assert not where.extra[:4].any()
    np.testing.assert_array_equal(where.projection.toarray(), np.eye(5, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adjacency": None}, "needs adjacency"),
        ({"adjacency": PATH[:3, :3]}, "4 levels"),
        ({"adjacency": -PATH}, "negative"),
        ({"adjacency": np.triu(PATH)}, "not symmetric"),
        ({"adjacency": np.diag([1.0, 1, 1, 1]), "kind": "laplacian"}, "no edges"),
        ({"adjacency": np.pad(PATH[:3, :3], (0, 1))}, "no neighbours"),
        ({"kind": "carr"}, "choose"),
        ({"rho": 1.0}, "below 1"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Graph(**{"adjacency": PATH, **changes}).bind(nodes([0, 1, 3]))


def test_a_sum_of_a_series_and_a_graph_by_the_engine():
    """Interpolated times and a node without rows, against dense matrices."""
    rng = np.random.default_rng(0)
    n = 30
    table = EffectRows(
        n, {"who": GroupCodes(rng.integers(0, 3, n), 3), "where": GroupCodes(rng.integers(0, 3, n), 4)}
    )._replace(time=rng.integers(0, 12, n).astype(float))
    effects = [effect.bind(table) for effect in (AR1("who"), Graph("where", PATH))]
    shapes = [np.array([2.5]), np.array([0.8])]
    y, variances = rng.normal(size=(n, 1)), VarianceComponents(np.ones(1), (np.full((1, 1, 1), 2.0),) * 2)
    other = table._replace(
        n_rows=5,
        groups={key: GroupCodes(np.array([0, 1, 2, 0, 1]), value[1]) for key, value in table.groups.items()},
        time=np.array([0.5, 20.0, 3.0, 7.3, 1.0]),
    )
    located = [effect.locate(other, shape) for effect, shape in zip(effects, shapes, strict=True)]
    got, expected = (
        kind(effects, shapes, np.ones((n, 1))).posterior(y, variances).predict(located, np.ones((5, 1)))
        for kind in (SparseSystem, DenseSystem)
    )
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-9)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-9)


def test_nodes_name_the_rows_of_the_adjacency_in_any_order():
    """Through the estimator: a node without rows is predicted from its neighbours."""
    names = np.array(["d", "b", "a", "c"])  # the path d – b – a – c
    rng = np.random.default_rng(0)
    labels, X = rng.choice(names[[0, 1, 3]], 60), rng.normal(size=(60, 1))
    height = {"d": 0.0, "b": 2.0, "c": 4.0}
    y = np.array([height[label] for label in labels]) + 0.1 * rng.normal(size=60)
    effect = Graph(adjacency=PATH, nodes=names, rho=0.99)
    model = MixedModel(effects=[effect]).fit(X, y, groups=labels)
    found = model.predict(np.zeros((4, 1)), groups=["d", "b", "a", "c"])
    np.testing.assert_allclose(found[[0, 1, 3]], [0.0, 2.0, 4.0], atol=0.2)
    assert found[2] == pytest.approx((2 * found[1] + found[3]) / 3, abs=0.1)  # "b" weighs twice
    with pytest.raises(ValueError, match="every label must be a node"):
        MixedModel(effects=[effect]).fit(X, y, groups=np.where(labels == "d", "e", labels))
    with pytest.raises(TypeError, match="1 is not '1'"):
        MixedModel(effects=[effect]).fit(X, y, groups=rng.integers(0, 4, 60))
