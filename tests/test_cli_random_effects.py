"""Latents beside random effects from the command line: latents, filled tables, comparison, report, mistakes."""

import numpy as np
import pandas as pd
import pytest
from test_cli import MISTAKE, run, works
from test_report import Page

from intertwine import RandomEffectsPCA
from intertwine.cli.table_model import TableModel
from intertwine.compare import CENTRED_PCA, PLAIN_PCA, ReconstructionTask
from intertwine.compare.latent_effects import ComponentsFromTable
from intertwine.effects import Grouped

pytest.importorskip("pyarrow")

MODEL = ["--model", "random-effects-pca", "--groups", "clinic", "--components", 1]


def labs(n=200, n_clinics=20, seed=0):
    """Columns a … e of numbers, which share one latent and differ between clinics; text, and a few gaps."""
    rng = np.random.default_rng(seed)
    clinic = np.arange(n) % n_clinics
    values = (
        rng.standard_normal((n, 1)) @ rng.uniform(0.5, 1.5, (1, 5))
        + rng.standard_normal((n_clinics, 5))[clinic]
    )
    values += 0.3 * rng.standard_normal((n, 5))
    values[rng.uniform(size=values.shape) < 0.05] = np.nan
    table = pd.DataFrame(values, columns=list("abcde"))
    return table.assign(clinic=[f"clinic {one}" for one in clinic], remark="none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("labs")
    labs().to_csv(at / "labs.csv", index=False)
    labs().to_parquet(at / "labs.parquet", index=False)
    labs().assign(a=np.inf).to_csv(at / "endless.csv", index=False)
    labs()[["a", "clinic"]].to_csv(at / "thin.csv", index=False)
    return at


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "labs.intertwine"
    done = works("fit", folder / "labs.csv", *MODEL, "--output", path)
    assert "200 rows of 5 features, 20 levels of clinic" in done.stdout
    assert "Shares of the variance of the features" in done.stdout
    assert "Columns without numbers were left out: remark" in " ".join(done.stderr.split())
    return path


def test_predict_writes_latents(folder, model, tmp_path):
    for name in ("labs.csv", "labs.parquet"):
        works("predict", model, folder / name, "--output", tmp_path / "out.csv")
        out = pd.read_csv(tmp_path / "out.csv")
        assert list(out) == ["latent_1"]
        given = labs()
        expected = RandomEffectsPCA(1, effects=[Grouped("clinic")], random_state=0).fit(
            given[list("abcde")], groups=given[["clinic"]]
        )
        latents = expected.transform(given[list("abcde")], groups=given[["clinic"]])
        np.testing.assert_allclose(out.to_numpy(), latents, atol=1e-8)


def test_impute_fills_gaps_and_nothing_else(folder, model, tmp_path):
    done = works("predict", model, folder / "labs.parquet", "--impute", "--output", tmp_path / "full.parquet")
    assert "200 rows without gaps" in done.stdout
    full, given = pd.read_parquet(tmp_path / "full.parquet"), labs()
    assert list(full) == list(given)
    assert not full.isna().any().any()
    there = given[list("abcde")].notna().to_numpy()
    np.testing.assert_array_equal(
        full[list("abcde")].to_numpy()[there], given[list("abcde")].to_numpy()[there]
    )


def test_models_are_compared_and_reported(folder, tmp_path):
    out, page = tmp_path / "scores.csv", tmp_path / "r.html"
    quick = ["--cv", 3, "--quick", "--jobs", 1]
    works("compare", folder / "labs.csv", *MODEL, *quick, "--output", out)
    mean = pd.read_csv(out).groupby(["held_out", "model"])["score"].mean()
    assert mean["rows", "random-effects PCA"] > mean["rows", PLAIN_PCA] + 0.1
    assert mean["rows", "means of the features"] < 0.01
    assert mean["levels of clinic", "random-effects PCA"] < mean["rows", "random-effects PCA"] - 0.1
    assert CENTRED_PCA in set(mean.index.get_level_values("model"))
    works("fit", folder / "labs.csv", *MODEL, *quick, "--report", page, "--output", tmp_path / "m.intertwine")
    read = Page(page)
    assert read.open == []
    for heading in (
        "How much is given again",
        "Where the variation is",
        "Latents by group",
        "How sure we are",
    ):
        assert heading in read.headings
    assert all(len(image["alt"]) > 30 for image in read.images)
    assert "What rows share in labs.csv" in read.text
    assert "RandomEffectsPCA(" in read.text
    works("report", tmp_path / "m.intertwine", folder / "labs.csv", "--output", page)
    assert "That is better than PCA with as many components" in Page(page).text


def test_principal_components_about_group_means():
    given = labs()
    found = ComponentsFromTable(1, list("abcde"), "clinic").fit(given)
    new = given.assign(clinic="elsewhere")
    assert np.isfinite(found.predict(new)).all()
    score = {
        name: ReconstructionTask().score(given[list("abcde")].to_numpy(), {"mean": model.predict(given)})
        for name, model in {
            "means": ComponentsFromTable(0, list("abcde")).fit(given),
            "groups": ComponentsFromTable(0, list("abcde"), "clinic").fit(given),
            "both": found,
        }.items()
    }
    assert abs(score["means"]) < 1e-9
    assert 0.2 < score["groups"] < score["both"] - 0.2


@pytest.mark.filterwarnings("ignore:stopped after 2 iterations")
def test_the_network_works_through_the_same_door(folder, tmp_path):
    pytest.importorskip("jax")
    from intertwine import RandomEffectsVAE

    given = labs()
    settings = {"hidden_layer_sizes": (4,), "n_init": 1, "batch_size": 64, "random_state": 0, "max_iter": 2}
    estimator = RandomEffectsVAE(1, effects=[Grouped("clinic")], **settings)
    kept = TableModel.load(works_fit(folder, tmp_path))
    kept.estimator = estimator.fit(given[list("abcde")], groups=given[["clinic"]])
    kept.save(tmp_path / "v.intertwine")
    works("predict", tmp_path / "v.intertwine", folder / "labs.csv", "--output", tmp_path / "out.csv")
    assert np.isfinite(pd.read_csv(tmp_path / "out.csv")["latent_1"]).all()
    works("report", tmp_path / "v.intertwine", folder / "labs.csv", "--output", tmp_path / "r.html")
    assert "lower bound of the likelihood" in Page(tmp_path / "r.html").text


@pytest.mark.filterwarnings("ignore:stopped after 30 iterations")
def test_yes_and_no_and_counts_are_taken_for_what_they_are(folder, tmp_path):
    pytest.importorskip("jax")
    given = labs(90, 9)
    given = given.assign(a=(given["a"] > 0).astype(int), b=given["b"].abs().fillna(0).round())
    given.to_csv(tmp_path / "kinds.csv", index=False)
    network = ["--model", "random-effects-vae", "--groups", "clinic", "--counts", "b"]
    done = works(
        "fit", tmp_path / "kinds.csv", *network, "--quick", "--output", tmp_path / "m.intertwine", "--jobs", 1
    )
    assert "Features of 0 and 1 only are taken as no and yes: a" in " ".join(done.stderr.split())
    model = TableModel.load(tmp_path / "m.intertwine").estimator
    assert model.likelihood == {"a": "bernoulli", "b": "poisson"}
    for column, says in (("c", "holds other numbers than 0, 1, 2"), ("clinic", "no such column of numbers")):
        refused = run("fit", tmp_path / "kinds.csv", *network[:-1], column)
        assert refused.exit_code == MISTAKE
        assert says in " ".join(refused.stderr.split())
    refused = run("fit", tmp_path / "kinds.csv", *MODEL, "--counts", "b")
    assert refused.exit_code == MISTAKE
    assert "--counts is for --model random-effects-vae" in " ".join(refused.stderr.split())


def works_fit(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    works("fit", folder / "labs.csv", *MODEL, "--output", path)
    return path


@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("labs.csv", [*MODEL, "--target", "a"], "explains all columns alike: leave out --target"),
        ("labs.csv", [*MODEL[:2], "--groups", "clinik"], "did you mean 'clinic'?"),
        ("labs.csv", [*MODEL[:2], "--time", "a"], "--time needs --groups"),
        ("labs.csv", [*MODEL, "--event", "a"], "--event: not for --model random-effects-pca"),
        ("endless.csv", MODEL, "infinite values in a"),
        ("thin.csv", MODEL, "two columns of numbers at least"),
    ],
)
def test_mistakes_are_told_in_a_line(folder, tmp_path, file, arguments, words):
    done = run("fit", folder / file, *arguments, "--output", tmp_path / "m.intertwine")
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.split())


def test_only_these_models_impute(folder, model, tmp_path):
    given = labs().drop(columns=["remark"]).dropna()
    given.to_csv(tmp_path / "t.csv", index=False)
    path = tmp_path / "m.intertwine"
    works(
        "fit",
        tmp_path / "t.csv",
        "--model",
        "mixed-model",
        "--target",
        "a",
        "--groups",
        "clinic",
        "--output",
        path,
    )
    done = run("predict", path, tmp_path / "t.csv", "--impute")
    assert done.exit_code == MISTAKE
    assert "--impute is for --model random-effects-pca" in " ".join(done.stderr.split())
    done = run("predict", model, tmp_path / "t.csv", "--at", 3)
    assert done.exit_code == MISTAKE
