"""``intertwine fit --scheduler``: the workers read the table, and the model is that of a local fit."""

import numpy as np
import pandas as pd
import pytest
from dask_cluster import dask_client
from typer.testing import CliRunner

from intertwine.cli.commands import application

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def client():
    with dask_client() as client:
        yield client


def run(*arguments):
    return CliRunner().invoke(application, [str(part) for part in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def ratings(tmp_path):
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(40 * 20)[:400], 20)
    table = pd.DataFrame(
        {"when": 1, "who": [f"u{u}" for u in users], "what": items, "stars": rng.random(400)}
    )
    table.to_parquet(tmp_path / "ratings.parquet", row_group_size=100)
    return tmp_path / "ratings.parquet"


def options(ratings, output, *more):
    return ("fit", ratings, "--model", "latent-factors", "--target", "stars", "--drop", "when", "--components", 2,
            "--solver", "gauss_newton", "--output", output, *more)  # fmt: skip


def test_it_is_the_model_of_a_local_fit(client, ratings, tmp_path):
    done = run(*options(ratings, tmp_path / "there", "--scheduler", client.cluster.scheduler_address))
    assert done.exit_code == 0, done.output
    assert "20 items by 40 users" in done.output
    assert run(*options(ratings, tmp_path / "here")).exit_code == 0
    tables = []
    for name in ("there", "here"):
        assert run("predict", tmp_path / name, ratings, "--output", tmp_path / "p.csv").exit_code == 0
        tables.append(pd.read_csv(tmp_path / "p.csv"))
    np.testing.assert_allclose(tables[0]["prediction"], tables[1]["prediction"], atol=1e-6)
    told = run("recommend", tmp_path / "there", "--users", "u1")
    assert told.exit_code == 2
    assert "stayed on the cluster" in told.output
    assert run("recommend", tmp_path / "there", "--users", "u1", "--seen").exit_code == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--model", "fm", "--target", "stars"), "--scheduler is for --model latent-factors"),
        (("--model", "latent-factors"), "say which column holds the ratings"),
        (("--model", "latent-factors", "--target", "star"), "did you mean 'stars'?"),
        (
            ("--model", "latent-factors", "--target", "stars", "--solver", "als"),
            "needs solver='gauss_newton'",
        ),
        (("--model", "latent-factors", "--target", "stars", "--report", "r.html"), "leave them out"),
    ],
)
def test_mistakes_are_told_in_a_line(client, ratings, given, message):
    done = run("fit", ratings, "--scheduler", client.cluster.scheduler_address, *given)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
