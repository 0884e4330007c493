"""Sums over the parts of a table on the workers of a cluster are those over the whole table."""

from itertools import pairwise

import numpy as np
import pytest
from dask_cluster import dask_client
from scipy import sparse

from intertwine.distributed import cluster as cluster_module
from intertwine.distributed.cluster import Cluster, Held
from intertwine.distributed.risk import DistributedRisk, OwnRows
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.minimize import minimize
from intertwine.penalties import ElasticNet
from intertwine.risk import PenalisedRisk, RowRisk
from intertwine.solvers.gauss_newton import GaussNewton
from intertwine.structures.fm import FactorizationMachine, FMParams
from intertwine.structures.latent_factors import FactorScores, LatentFactors
from intertwine.structures.linearization import StackedLayout, StructureScores, SymmetricLayout
from intertwine.structures.mapping import MAPPINGS
from intertwine.structures.pairwise import Pairwise
from intertwine.structures.ratings import RatingTable

N = 120


@pytest.fixture(scope="module")
def cluster():
    with dask_client() as client:
        yield Cluster(client)


@pytest.fixture(params=["light", "tree"])
def how(request, monkeypatch):
    """Small results come directly; large ones up a tree, which is given more than one level."""
    if request.param == "tree":
        monkeypatch.setattr(cluster_module, "_LIGHT", 0)
        monkeypatch.setattr(cluster_module, "_BRANCHES", 2)


def pairwise_risk(rows):
    X, y = rows
    return Held(
        RowRisk(LogisticLoss(y), StructureScores(Pairwise(), X, SymmetricLayout(X.shape[1]))), X.nbytes
    )


def machine_risk(rows):
    X, y = rows
    n_features = X.shape[1]
    layout = StackedLayout(
        FMParams(0.0, np.zeros(n_features), np.zeros((n_features, 2)), np.zeros((n_features, 0)))
    )
    return Held(RowRisk(SquaredLoss(y), StructureScores(FactorizationMachine(2), X, layout)), X.data.nbytes)


def tables(kind):
    """The whole, and three parts of different sizes."""
    rng = np.random.default_rng(0)
    if kind == "pairwise":
        X, y = rng.standard_normal((N, 4)), np.where(rng.random(N) < 0.5, 1.0, -1.0)
    else:
        X, y = sparse.random_array((N, 9), density=0.3, rng=rng, format="csr"), rng.standard_normal(N)
    cuts = [0, 20, 90, N]
    return (X, y), [(X[a:b], y[a:b]) for a, b in pairwise(cuts)]


MAKERS = {"pairwise": pairwise_risk, "machine": machine_risk}


def assert_same_expansion(one, other, v):
    np.testing.assert_allclose(one.value, other.value, rtol=1e-12)
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(one.product(v), other.product(v), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(one.hessian_product(v), other.hessian_product(v), rtol=1e-9, atol=1e-11)
    for first, second in zip(one.blocks(), other.blocks(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-11)
    lines = one.line(v), other.line(v)
    for t in (0.0, 0.7):
        np.testing.assert_allclose(lines[0](t), lines[1](t), rtol=1e-10)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_risk_in_parts_is_the_risk_of_the_whole(cluster, how, kind):
    whole, parts = tables(kind)
    local = MAKERS[kind](whole).value
    spread = DistributedRisk(cluster, cluster.each(MAKERS[kind], parts), local.size)
    theta, v = np.random.default_rng(1).standard_normal((2, local.size)) * 0.3
    assert_same_expansion(spread.expand(theta), local.expand(theta), v)


@pytest.mark.parametrize("mapping", ["identity", "softplus"])
def test_own_coefficients_find_their_places(cluster, how, mapping):
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(12 * 7)[:50], 7)
    y = rng.standard_normal(50)
    structure = LatentFactors(2, mapping=MAPPINGS[mapping])
    # users of no order, one in two parts at once: sums do not mind
    of_parts = [np.array([1, 2, 5, 11]), np.array([0, 3, 4, 5]), np.array([6, 7, 8, 9, 10])]
    part_of = np.array([1, 0, 0, 1, 1, 0, 2, 2, 2, 2, 2, 0])[users]
    part_of[np.flatnonzero(users == 5)[:2]] = 1

    def risk(kept, ids):
        table, order = RatingTable.build(np.searchsorted(ids, users[kept]), items[kept], len(ids), 7)
        return Held(RowRisk(SquaredLoss(y[kept][order]), FactorScores(structure, table)), 1000)

    local = risk(np.ones(50, bool), np.arange(12)).value
    parts = cluster.each(risk, [part_of == part for part in range(3)], of_parts)
    spread = DistributedRisk(cluster, parts, local.size, OwnRows(12, 3, of_parts))
    theta, v = rng.standard_normal((2, local.size))
    assert_same_expansion(spread.expand(theta), local.expand(theta), v)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_solvers_do_not_notice(cluster, kind):
    whole, parts = tables(kind)
    local = MAKERS[kind](whole).value
    spread = DistributedRisk(cluster, cluster.each(MAKERS[kind], parts), local.size)
    start = 0.1 * np.random.default_rng(2).standard_normal(local.size)
    found = [
        minimize(
            PenalisedRisk(risk, ElasticNet(l2=1.0)), GaussNewton(1e-3, cg_iter=3), start, max_iter=3
        ).params
        for risk in (local, spread)
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-9)


def test_rows_of_dask_arrays_and_of_parquet(cluster, tmp_path):
    da = pytest.importorskip("dask.array")
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    whole, _ = tables("pairwise")
    X = da.from_array(whole[0], chunks=(50, -1))
    y = da.from_array(whole[1], chunks=50)
    blocks = list(zip(X.to_delayed().ravel(), y.to_delayed(), strict=True))
    parts = cluster.each(pairwise_risk, [cluster.client.compute(list(block)) for block in blocks])
    theta = np.linspace(-1, 1, 6)
    np.testing.assert_allclose(
        DistributedRisk(cluster, parts, 6).expand(theta).gradient,
        pairwise_risk(whole).value.expand(theta).gradient,
    )
    (table, target), _ = tables("machine")
    lists = np.split(table.indices, table.indptr[1:-1]), np.split(table.data, table.indptr[1:-1])
    columns = {
        "features": [list(own) for own in lists[0]],
        "values": [list(own) for own in lists[1]],
        "y": target,
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=50)

    def read(group):
        rows = pq.ParquetFile(tmp_path / "rows.parquet").read_row_group(group)
        features, values = (rows[name].combine_chunks() for name in ("features", "values"))
        X = sparse.csr_array(
            (values.flatten().to_numpy(), features.flatten().to_numpy(), features.offsets.to_numpy()),
            shape=(len(rows), 9),
        )
        return machine_risk((X, rows["y"].to_numpy()))

    theta = np.random.default_rng(3).standard_normal(1 + 9 + 18)
    spread = DistributedRisk(cluster, cluster.each(read, range(3)), theta.size)
    expected = machine_risk((table, target)).value.expand(theta)
    np.testing.assert_allclose(spread.expand(theta).gradient, expected.gradient, atol=1e-12)
