"""Visits of subjects from the command line: roles of columns, gaps filled, visits foretold, mistakes."""

from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from test_cli import MISTAKE, run, works

from intertwine.cli.longitudinal_table import pose_visits
from intertwine.cli.show import Screen
from intertwine.cli.table_model import TableModel
from intertwine.compare import ForecastTask, LongitudinalFamily
from intertwine.compare.family import Shape
from intertwine.effects import BySubject, Correlated, Linear

pytest.importorskip("jax")

LABS = ["pulse", "weight", "sodium", "fever"]
ROLES = dict.fromkeys(["target", "time", "event", "entry"]) | {"task": "auto", "drop": [], "categorical": []}


def clinic(n_subjects=12, seed=0):
    """Four measurements at two to five visits: one of 0 and 1, and gaps; sex, age at the first visit, dose."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n_subjects), rng.integers(2, 6, n_subjects))
    level, week = (
        rng.standard_normal(n_subjects)[who],
        np.concatenate([[0.0], rng.uniform(1, 9, len(who) - 1)]),
    )
    values = level[:, None] + 0.3 * rng.standard_normal((len(who), 4))
    values[:, 3] = values[:, 3] > 0
    values[rng.uniform(size=values.shape) < 0.1] = np.nan
    values[0] = [0.1, 0.2, 0.3, 0.0]
    table = pd.DataFrame(values, columns=LABS)
    table.insert(0, "patient", [f"p{one}" for one in who])
    return table.assign(
        week=week.round(2),
        sex=np.where(who % 2 == 0, "f", "m"),
        age=50.0 + who,
        dose=rng.integers(0, 3, len(who)).astype(float),
        remark=[f"note {i}" for i in range(len(who))],
    )


def posed(table, **settings):
    roles = ROLES | {name: settings.pop(name) for name in ROLES.keys() & settings.keys()}
    return pose_visits(table, roles=roles, family=LongitudinalFamily(**settings))


def tiny(family, task, shape, **how):
    """The model of the family, smaller and less trained."""
    model = LongitudinalFamily.made(family, task, shape, **how)
    few = {"hidden_layer_sizes": (4,), "max_iter": 1, "warm_up": 1, "decoder_iter": 0, "batch_size": 32}
    model.estimator.set_params(**few)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("clinic")
    clinic().to_csv(at / "clinic.csv", index=False)
    return at


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "clinic.intertwine"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LongitudinalFamily, "made", LongitudinalFamily.estimator, raising=False)
        patched.setattr(LongitudinalFamily, "estimator", tiny)
        done = works(
            "fit",
            folder / "clinic.csv",
            *["--model", "longitudinal-vae", "--drop", "dose", "--components", 2, "--output", path],
        )
    told = " ".join(done.stderr.split())
    assert "Shares of the variance of visits by effect" in done.stdout
    assert "subject × time" in done.stdout
    assert "'patient' was taken as subject" in told
    return path


def test_columns_find_their_roles():
    family = posed(clinic()).family
    assert (family.subject, family.time) == ("patient", "week")
    assert family.covariates == ["sex", "age"]
    assert family.labels == ["sex"]
    assert family.measurements == [*LABS, "dose"]
    assert family.yes_or_no == ["fever"]
    assert family.n_components == 2


def test_named_columns_come_first():
    problem = posed(
        clinic().rename(columns={"patient": "who"}),
        subject="who",
        time="week",
        covariates=["sex", "dose"],
        measurements=["pulse", "weight"],
        smooth=["dose"],
    )
    assert problem.family.columns.covariates == ["dose", "sex"]
    assert problem.family.measurements == ["pulse", "weight"]
    titles = [effect.title for effect in problem.family.effects()]
    assert titles == ["subject", "time", "subject × time", "dose", "sex"]
    assert list(problem.X) == ["who", "week", "dose", "sex", "pulse", "weight"]


def test_products_kinds_and_networks_reach_the_model():
    family = posed(
        clinic(),
        smooth=["age"],
        interactions=["sex*age", "sex * week"],
        likelihood=["dose=poisson", "fever=ordinal"],
        architecture="linear",
    ).family
    titles = [effect.title for effect in family.effects()]
    assert titles == ["subject", "time", "subject × time", "age", "sex", "sex × age", "sex × time"]
    shape = Shape(20, [], [], 0)
    model = family.estimator(ForecastTask(), shape, cv=2, quick=True, random_state=0).estimator
    assert model.architecture == "linear"
    assert model.likelihood == {"fever": "ordinal", "dose": "poisson"}
    assert [effect.title for effect in model.effects] == titles
    assert LongitudinalFamily(**family.settings()).settings() == family.settings()
    counts = posed(clinic(), likelihood=["dose=poisson"]).family.kinds()
    assert counts == {"fever": "bernoulli", "dose": "poisson"}


def test_subjects_have_slopes_where_they_are_asked_for():
    family = posed(clinic(), slopes=["week", "dose"], covariates=["sex", "dose"]).family
    own, *rest = family.effects()
    assert own == Correlated([BySubject(), BySubject(Linear("time")), BySubject(Linear("dose"))])
    assert [effect.title for effect in rest] == [
        "time",
        "dose",
        "sex",
    ]  # no curve beside the line of a subject
    assert LongitudinalFamily(**family.settings()).slopes == ["week", "dose"]
    (own, *rest) = posed(clinic(), slopes=["dose"], covariates=["dose"]).family.effects()
    assert [effect.title for effect in rest] == ["time", "subject × time", "dose"]


def test_a_file_of_the_model_poses_the_same_problem(model, folder):
    kept = TableModel.load(model)
    first = posed(clinic(), drop=["dose"], n_components=2)
    assert kept.family.settings() == first.family.settings()
    again = pose_visits(clinic(), roles=kept.roles, family=kept.family)
    pd.testing.assert_frame_equal(again.X, first.X)
    assert not [note for note in again.notes if "taken as subject" in note]


def test_gaps_are_filled_and_visits_foretold(model, folder, tmp_path):
    table = clinic()
    last = table.groupby("patient").tail(1).index
    table.loc[last, LABS] = np.nan
    table.to_csv(tmp_path / "later.csv", index=False)
    works("predict", model, tmp_path / "later.csv", "--output", tmp_path / "out.csv")
    out, given = pd.read_csv(tmp_path / "out.csv"), table[LABS].to_numpy()
    assert list(out) == [*LABS, *(f"std_{name}" for name in LABS)]
    there = ~np.isnan(given)
    np.testing.assert_allclose(out[LABS].to_numpy()[there], given[there])
    assert np.isfinite(out[LABS].to_numpy()).all()
    std = out[[f"std_{name}" for name in LABS]].to_numpy()
    np.testing.assert_array_equal(np.isfinite(std).all(axis=1), np.isnan(given).all(axis=1))
    estimator = TableModel.load(model).estimator
    seen = table[LABS].notna().any(axis=1)

    def told(rows):
        covariates = rows[["age", "sex"]]
        return {"covariates": covariates, "subject": rows["patient"], "time": rows["week"].to_numpy()}

    subjects = estimator.condition(table.loc[seen, LABS], known="replace", **told(table[seen]))
    np.testing.assert_allclose(out.loc[~seen, LABS], subjects.forecast(**told(table[~seen])), atol=1e-6)


def test_subjects_without_measurements_have_those_of_the_fit(model, tmp_path):
    ahead = clinic().groupby("patient").head(1).drop(columns=LABS).assign(week=12.0)
    ahead.to_csv(tmp_path / "ahead.csv", index=False)
    works("predict", model, tmp_path / "ahead.csv", "--output", tmp_path / "out.csv")
    estimator = TableModel.load(model).estimator
    given = {"covariates": ahead[["age", "sex"]], "subject": ahead["patient"], "time": ahead["week"]}
    mean, std = estimator.forecast(return_std=True, **given)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "out.csv"), np.hstack([mean, std]), atol=1e-6)


def test_impute_keeps_the_other_columns(model, folder, tmp_path):
    works("predict", model, folder / "clinic.csv", "--impute", "--output", tmp_path / "full.csv")
    full = pd.read_csv(tmp_path / "full.csv")
    assert list(full) == list(clinic())
    assert not full[LABS].isna().any().any()


def drop(*names):
    return lambda table: table.drop(columns=list(names))


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        (drop("patient"), {}, "say whose visits the rows are: --subject NAME"),
        (drop(), {"subject": "pacient"}, "did you mean 'patient'?"),
        (drop(), {"target": "pulse"}, "leave out --target"),
        (drop(), {"time": "sex"}, "'sex' holds text, where numbers are needed"),
        (drop(), {"covariates": ["week"]}, "'week' is named twice"),
        (drop(), {"measurements": ["sex", "pulse"]}, "--measurements sex: it holds text"),
        (drop(), {"smooth": ["sex"]}, "--smooth sex: labels have no curve"),
        (drop(), {"smooth": ["pulse"], "covariates": ["age"]}, "--smooth pulse: no covariate"),
        (drop(), {"slopes": ["sex"]}, "--slopes sex: labels have no slope"),
        (drop(), {"slopes": ["wek"]}, "--slopes wek: no covariate, nor the time; did you mean 'week'?"),
        (drop(), {"slopes": ["week", "week"]}, "--slopes week: it is named twice"),
        (drop(), {"slopes": ["age"]}, "--slopes age: it never changes within a subject"),
        (drop(), {"interactions": ["sex"]}, "--interactions sex: it is a product of two columns"),
        (drop(), {"interactions": ["sex*agee"]}, "'agee' is no covariate, nor the time; did you mean 'age'?"),
        (drop(), {"likelihood": ["pulse"]}, "--likelihood pulse: it is COLUMN=KIND"),
        (drop(), {"likelihood": ["puls=poisson"]}, "no measurement; did you mean 'pulse'?"),
        (drop("weight", "sodium", "fever", "dose"), {}, "two measurements at least"),
        (lambda table: table.groupby("patient").head(1), {}, "no subject has two visits"),
        (lambda table: table[table["patient"] == "p1"], {}, "there is one subject"),
        (lambda table: table.assign(pulse=np.inf), {}, "infinite values in pulse"),
        (lambda table: table.assign(week=pd.Timestamp("2020-01-01")), {"time": "week"}, "holds dates"),
    ],
)
def test_mistakes_are_told_in_a_line(change, settings, words):
    from intertwine.cli.mistakes import Mistake

    with pytest.raises(Mistake) as told:
        posed(change(clinic()), **settings)
    assert words in str(told.value)


def test_what_a_prediction_needs_is_told(model, tmp_path):
    clinic().drop(columns="age").to_csv(tmp_path / "t.csv", index=False)
    done = run("predict", model, tmp_path / "t.csv")
    assert done.exit_code == MISTAKE
    assert "the table lacks 'age'" in " ".join(done.stderr.split())
    clinic().assign(patient=None).to_csv(tmp_path / "t.csv", index=False)
    done = run("predict", model, tmp_path / "t.csv")
    assert "'patient' is missing in rows 1, 2" in " ".join(done.stderr.split())


def test_options_are_for_this_model(folder, tmp_path):
    done = run("fit", folder / "clinic.csv", "--subject", "patient", "--target", "pulse")
    assert done.exit_code == MISTAKE
    assert "--subject is for --model longitudinal-vae" in " ".join(done.stderr.split())


@pytest.mark.parametrize("correlated", [True, False])
def test_the_terminal_lists_correlations_of_a_subjects_coefficients(correlated):
    told = {
        "effect": ["subject + slope"] * 6,
        "axis": [0, 0, 0, 1, 1, 1],
        "first": ["subject", "subject", "slope"] * 2,
        "second": ["subject", "slope", "slope"] * 2,
        "covariance": [4.0, -0.5, 0.25, 1.0, 0.7, 1.0],
        "correlation": [1.0, -0.5, 1.0, 1.0, 0.7, 1.0],
    }
    shares = {"effect": ["subject", "noise"], "latent": [0.5, np.nan], "observed": [0.4, 0.6]}
    estimator = SimpleNamespace(
        explain=lambda: pd.DataFrame(shares | {"observed_std_error": [0.1, 0.1]}),
        own_covariances_=pd.DataFrame(told)[: 6 * correlated],
        axes_=pd.DataFrame({"axis": [0, 1], "identified": [True, False]}),
        rank_=1,
        n_components=2,
        n_iter_=5,
    )
    shown = StringIO()
    Screen(output=Console(file=shown, width=120)).visits(estimator)
    (*_, last) = shown.getvalue().splitlines()
    expected = (
        ["1", "subject", "(2.0)", "slope", "(0.50)", "−0.50"] if correlated else ["noise", "60.0%", "10.0%"]
    )
    assert last.split() == expected  # the second latent is not told from noise
