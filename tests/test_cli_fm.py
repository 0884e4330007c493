"""Factorization machines from the command line: many labels, levels to come, and what cannot be done said in words."""

import numpy as np
import pandas as pd
import pytest
from small_tables import patients, ratings
from test_cli import MISTAKE, run, works

from intertwine import LocalFMRegressor
from intertwine.cli.table_model import TableModel
from intertwine.compare import families
from intertwine.io import load_state, save_state

ROLES = ["--target", "rating", "--drop", "stars", "--categorical", "user"]
QUICK = ["--quick", "--cv", 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("ratings")
    table = ratings()
    table.to_csv(at / "ratings.csv", index=False)
    table.assign(liked=np.where(table["stars"] > 3, "yes", "no")).to_csv(at / "liked.csv", index=False)
    table.assign(name=[f"n{i}" for i in range(len(table))]).to_csv(at / "names.csv", index=False)
    patients().to_csv(at / "patients.csv", index=False)
    return at


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "fm.intertwine"
    done = works(
        "fit", folder / "ratings.csv", *ROLES, "--model", "fm", "--components", 2, "--output", path, *QUICK
    )
    assert "film=film" in done.stdout
    assert "latent share" not in done.stdout
    return path


def test_a_saved_machine_predicts_with_its_uncertainty(folder, model, tmp_path):
    works("predict", model, folder / "ratings.csv", "--output", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out) == ["prediction", "std"]
    table = ratings()
    assert np.corrcoef(out["prediction"], table["rating"])[0, 1] > 0.9
    assert np.mean(np.abs(out["prediction"] - table["rating"]) < 2 * out["std"]) > 0.9
    fitted = TableModel.load(model)
    assert fitted.estimator.n_components == fitted.family.n_components == 2
    assert not fitted.estimator.verbose
    names = list(fitted.estimator.feature_names_in_)
    assert "user=100" in names
    assert names.count("user=unseen") == 1


def test_a_level_never_seen_is_average_and_less_sure(folder, model, tmp_path):
    table = ratings()
    pd.concat([table.assign(user=999), table]).to_csv(tmp_path / "new.csv", index=False)
    done = works("predict", model, tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    told = " ".join(done.stderr.split())
    assert (
        "'user' holds '999', which the model was not fitted on: those rows count as an average level" in told
    )
    assert told.count("note:") == 1
    new, known = np.split(pd.read_csv(tmp_path / "out.csv")["std"].to_numpy(), 2)
    assert new.mean() > 1.3 * known.mean()


def test_a_report_reads_the_table_as_the_model_did(folder, model, tmp_path):
    done = works("report", model, folder / "ratings.csv", "--output", tmp_path / "r.html")
    assert str(tmp_path / "r.html") in done.stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Factor map" in page
    assert "user=1" in page


def test_ordered_classes_keep_the_order_of_their_numbers(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    roles = ["--target", "stars", "--drop", "rating", "--categorical", "user", "--model", "fm", "--ordinal"]
    works("fit", folder / "ratings.csv", *roles, "--components", 2, "--output", path, *QUICK)
    works("predict", path, folder / "ratings.csv", "--output", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out)[1:] == [f"probability_{star}" for star in range(1, 6)]
    assert np.corrcoef(out["prediction"], ratings()["stars"])[0, 1] > 0.8


def test_a_chain_that_has_not_settled_is_remarked_on(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    roles = [*ROLES, "--model", "fm", "--components", 2, "--output", path]
    done = works("fit", folder / "ratings.csv", *roles, "--sweeps", 20)
    told = " ".join(done.stderr.split())
    assert "the chain had not settled after 20 sweeps" in told
    assert "--sweeps 80 would make the pairs surer" in told
    assert TableModel.load(path).estimator.n_iter_ == 20


def test_machines_stand_beside_what_can_hold_the_table(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(families, "_MOST_ENTRIES", 10_000)
    roles = [*ROLES, "--model", "fm", "--components", 2, "--cv", 2, "--quick", "--jobs", 1]
    done = works("compare", folder / "ratings.csv", *roles, "--output", tmp_path / "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv").groupby("model")["score"].mean()
    assert set(scores.index) == {"factorization machine", "elastic net, main effects", "overall mean"}
    told = " ".join(done.stderr.split())
    assert "The table is too large for RBF kernel, elastic net, all pairs and gradient boosting." in told
    assert scores["factorization machine"] > scores["elastic net, main effects"] + 0.3


def test_local_machines_fit_predict_and_name_their_experts(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(families, "_QUICK_BATCHES", 10)
    path = tmp_path / "m.intertwine"
    roles = ["--target", "ill", "--drop", "y,stage,time,status", "--model", "local-fm", "--components", 2]
    done = works("fit", folder / "patients.csv", *roles, "--output", path, *QUICK)
    assert "expert" in done.stdout
    works("predict", path, folder / "patients.csv", "--output", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert np.mean(out["prediction"] == patients()["ill"]) > 0.6
    assert type(TableModel.load(path).estimator).__name__ == "LocalFMClassifier"


def test_files_of_before_there_were_families_still_load(folder, tmp_path):
    path = tmp_path / "m.intertwine"
    roles = ["--target", "y", "--drop", "ill,stage,time,status"]
    works("fit", folder / "patients.csv", *roles, "--output", path, *QUICK)
    state = load_state(path)
    del state["family"], state["preprocessor"]["settings"]
    save_state(tmp_path / "old.intertwine", state)
    new, old = (works("predict", at, folder / "patients.csv") for at in (path, tmp_path / "old.intertwine"))
    assert new.stdout == old.stdout


MISTAKES = {
    "unknown model": (
        [*ROLES, "--model", "fn"],
        "no model 'fn'; there are interactions, fm, local-fm, latent-factors",
    ),
    "sweeps of another": ([*ROLES, "--sweeps", 50], "--sweeps is for --model fm, not for interactions"),
    "flag of another": (
        [*ROLES, "--components", 3],
        "--components is for --model fm, local-fm, latent-factors, random-effects-pca, random-effects-vae and "
        "longitudinal-vae, not",
    ),
    "order of another": ([*ROLES, "--model", "local-fm", "--ordinal"], "--ordinal is for --model fm"),
    "too many levels": (
        ROLES,
        "'user' has 60 different labels in 900 rows; leave it out with --drop user, or take",
    ),
    "numbers or classes": (["--target", "stars", "--model", "fm"], "--task regression, or --ordinal"),
    "order of text": (
        ["--target", "film", "--model", "fm", "--ordinal"],
        "'film' holds text, whose order is not",
    ),
    "survival": (
        ["--time", "age", "--event", "stars=5", "--model", "fm"],
        "--model fm is for regression and classification, not for survival",
    ),
    "unfinished work": (
        [*ROLES, "--model", "mixed-model", "--groups", "user", "--checkpoint", "unfinished"],
        "--checkpoint is not for --model mixed-model",
    ),
    "no such number": ([*ROLES, "--model", "fm", "--components", 0], "--components"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_words(name, folder, tmp_path, monkeypatch):
    arguments, words = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    done = run("fit", folder / "ratings.csv", *arguments)
    assert done.exit_code == MISTAKE, done.output
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_a_label_for_every_row_teaches_nothing(folder):
    done = run("fit", folder / "names.csv", *ROLES, "--model", "fm")
    assert done.exit_code == MISTAKE
    assert "'name' has 900 different labels in 900 rows, too few for each; leave it out" in done.stderr


def test_an_interrupted_search_over_local_machines_goes_on_where_it_was(tmp_path, monkeypatch):
    """Scores of candidates are kept, so that the second run makes the fits that the first one did not."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"]).assign(
        kind=rng.choice(["u", "v"], 60), y=rng.normal(size=60)
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    command = ["fit", tmp_path / "t.csv", "--target", "y", "--model", "local-fm", "--quick", "--cv", 3]
    plain = [*command, "--output", tmp_path / "plain.intertwine"]
    kept = [*command, "--output", tmp_path / "kept.intertwine", "--checkpoint", tmp_path / "unfinished"]
    whole, fits = LocalFMRegressor.fit, []

    def counted(self, X, y, **rest):
        if len(fits) == 4 and not (tmp_path / "unfinished").exists():
            raise KeyboardInterrupt
        fits.append(self.alpha)
        return whole(self, X, y, **rest)

    monkeypatch.setattr(LocalFMRegressor, "fit", counted)
    assert run(*kept).exit_code == 130
    assert (tmp_path / "unfinished").exists()
    works(*kept)
    assert len(fits) == 2 * 3 + 1  # two strengths in three folds, and the one that is kept
    assert not (tmp_path / "unfinished").exists()
    works(*plain)
    one, other = (TableModel.load(tmp_path / f"{name}.intertwine") for name in ("plain", "kept"))
    assert one.estimator.alpha == other.estimator.alpha
    np.testing.assert_array_equal(*(model.estimator.predict(model.features(table)) for model in (one, other)))
