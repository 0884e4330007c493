"""Table 2 of the LLFM paper at sizes that take a second: what is tuned, measured, said and named as absent."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder
from typer.testing import CliRunner

from intertwine import FMClassifier, FMRegressor, LocalFMClassifier, LocalFMRegressor
from intertwine.cli.commands import application
from intertwine.datasets import simulate_ratings
from intertwine.reproduce import Measurement, Measurements
from intertwine.reproduce.llfm import classes, models, ratings
from intertwine.reproduce.llfm.classes import Banana, Ijcnn1
from intertwine.reproduce.llfm.models import Effort, Task, measure_machine, times_of
from intertwine.reproduce.llfm.published import METHODS, TABLE_2
from intertwine.reproduce.llfm.ratings import MovieLens


def plane(n=200, **changed):
    """Two rings."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    X, X_test, y, y_test = train_test_split(X, (np.hypot(*X.T) > 1.2).astype(int), random_state=0)
    made = Task(
        X,
        y,
        X_test,
        y_test,
        LocalFMClassifier,
        FMClassifier,
        classes._loss,
        classes._accuracy,
        {"n_components": 2},
    )
    return made._replace(**changed)


def stars():
    drawn = simulate_ratings(30, 20, 250, random_state=0)
    X = OneHotEncoder().fit_transform(drawn.data).tocsr()
    settings = {"n_components": 2, "scaling": None}
    y = drawn.target
    return Task(
        X[:200], y[:200], X[200:], y[200:], LocalFMRegressor, FMRegressor, ratings._rmse, None, settings
    )


pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)  # the machine that is timed

SMALL = Effort((1e-4, 1e-2), (3.0,), n_anchors=3, n_epochs=3, seeds=2, n_sweeps=10)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Banana and ratings that are simulated, IJCNN1 absent."""

    def absent(download):
        raise FileNotFoundError("set INTERTWINE_DATA")

    monkeypatch.setattr(models, "_TIMED_ROWS", 100)
    monkeypatch.setattr(Banana, "task", staticmethod(lambda download: plane(note="Rows were drawn anew.")))
    monkeypatch.setattr(Ijcnn1, "task", staticmethod(absent))
    monkeypatch.setattr(MovieLens, "task", staticmethod(lambda download: stars()))
    for design in (Banana, Ijcnn1, MovieLens):
        monkeypatch.setattr(design, "quick_effort", SMALL)
    return tmp_path / "out"


def test_the_command_sets_both_tables_side_by_side(tiny):
    command = ["reproduce", "llfm", "--quick", "--jobs", "1", "--output", str(tiny)]
    shown = CliRunner().invoke(application, command)
    assert shown.exit_code == 0, shown.output
    html, markdown = (
        (tiny / f"llfm-quick.{ending}").read_text(encoding="utf-8") for ending in ("html", "md")
    )
    for text in (html, markdown):
        for method in METHODS:
            assert f"paper: {method}" in text
            assert f"ours: {method}" in text
        assert "ours: FM, sampled" in text
        assert "IJCNN1 is absent: set INTERTWINE_DATA" in text
        assert "Rows were drawn anew." in text
        assert "load_netflix5k5k(path)" in text
        assert "cannot be root mean squared errors of 1 to 5 stars" in text
        assert "Accuracy of JO in percent on Banana" in text
        assert "smaller than the paper" in text
        assert "IJCNN1 is absent" in text
        assert "A full run has 50 anchors, 4 strengths, 5 seeds; this one 2." in text
    assert html.count("<table>") == 3
    assert html.count('<table class="claims">') == 3


def test_everything_is_tuned_inside_the_rows_to_fit():
    seen, made = [], []

    class Watched(LocalFMClassifier):
        def fit(self, X, y):
            seen.append((len(y), self.alpha, self.gamma))
            made.append(self)
            return super().fit(X, y)

    task = plane(local=Watched)
    loss, facts = measure_machine(task, "DO", SMALL._replace(n_epochs=30), 0)
    n = len(task.y)
    assert [(size, alpha) for size, alpha, _ in seen[:2]] == [(int(0.8 * n), 1e-4), (int(0.8 * n), 1e-2)]
    assert len(seen) == 4  # one more for the distances, one on all rows
    assert seen[2][2] == pytest.approx(3.0 * Watched(**_kind("DO")).fit(*_first(task)).gamma_)
    assert seen[3][:2] == (n, facts["alpha"])
    assert seen[3][2] in ("scale", seen[2][2])
    assert set(facts) == {"train_loss", "times_fm", "alpha", "gamma", "accuracy"}
    assert facts["accuracy"] == made[3].score(task.X_test, task.y_test)
    assert loss == classes._loss(made[3], task.X_test, task.y_test)


def _kind(method):
    return {
        "n_components": 2,
        "n_anchors": 3,
        "solver": "adam",
        "n_epochs": 3,
        "random_state": 0,
    } | models._KINDS[method]


def _first(task):
    X, _, y, _ = train_test_split(task.X, task.y, test_size=0.2, random_state=0, stratify=task.y)
    return X, y


def test_the_last_rows_are_tuned_on_where_rows_follow_one_another_in_time():
    halves = []

    class Watched(LocalFMClassifier):
        def fit(self, X, y):
            halves.append(np.array(X))
            return super().fit(X, y)

    task = plane(local=Watched, in_time=True)
    measure_machine(task, "APL", SMALL, 0)
    np.testing.assert_array_equal(halves[0], task.X[: int(0.8 * len(task.X))])


def test_fewer_rows_and_no_epochs():
    task = plane()
    X, y = models._some_rows(task, 40, 0)
    assert len(y) == 40
    assert {tuple(row) for row in X} <= {tuple(row) for row in task.X}
    assert models._some_rows(task, 10_000, 0)[0] is task.X
    assert models.local_machine(task, "JO", SMALL._replace(n_epochs=None), 0).solver == "lbfgs"


def test_times_are_multiples_of_a_plain_machines(monkeypatch):
    monkeypatch.setattr(models, "_TIMED_ROWS", 100)
    ticks = iter(np.cumsum([0, 4, 0, 2] * models._TIMED_RUNS))
    monkeypatch.setattr(models.time, "perf_counter", lambda: float(next(ticks)))
    task = plane()

    class Model:
        def predict(self, X):
            assert len(X) >= 100

    class Plain(Model):
        def __init__(self, **settings):
            assert settings["n_components"] == 2

        def fit(self, X, y):
            return self

    assert times_of(Model(), task._replace(plain=Plain)) == 2.0


def filled(design, losses, accuracy=0.9):
    measurements = Measurements(None, "")
    for method, values in losses.items():
        for seed, value in enumerate(values):
            facts = {"train_loss": value, "times_fm": 2.0, "accuracy": accuracy}
            measurements.add(Measurement(design.name, design._case, method, seed, value, 1.0, facts))
    return design.read(measurements)


def test_claims_that_fail_are_said_to_fail():
    found = filled(
        Banana(quick=False),
        {"FM": [0.67, 0.68], "DO": [0.2, 0.21], "APL": [0.25, 0.27], "JO": [0.2499, 0.2702]},
    )
    verdicts = {claim.statement: (claim.verdict, claim.why) for claim in found.claims}
    words = "on Banana: {} has a smaller test loss than {}".format
    assert verdicts["Local machines beat a single one " + words("DO", "FM")] == ("better", "")
    assert verdicts["Learnt anchors beat fixed ones " + words("APL", "DO")][0] == "does not hold"
    assert verdicts["Choosing the neighbours of every row beats a fixed number " + words("JO", "APL")] == (
        "does not hold",
        "no difference beyond noise",
    )
    assert verdicts["Test loss of APL on Banana"] == ("does not hold", "not reached")
    said = " ".join(found.findings)
    assert "2.0 to 2.0 times that of a plain machine with as many factors; the paper reports 7 to 23" in said


def test_one_seed_tells_nothing_and_a_cell_that_was_not_measured_is_a_dash():
    found = filled(Ijcnn1(quick=True), {"FM": [0.09], "DO": [0.07]})
    assert {claim.verdict for claim in found.claims} == {"not measured here"}
    assert [claim.why for claim in found.claims[:3]] == [
        "one seed cannot tell",
        *["nothing was measured"] * 2,
    ]
    assert found.claims[3].why == "smaller than the paper's machines"
    assert "20000 of the rows to fit" in found.about
    assert found.ours[-1][1:] == ("–", "–", "–", "–")


def test_a_sampled_machine_is_set_beside_the_best_of_the_others():
    losses = {"FM": [0.95, 0.94], "JO": [0.93, 0.94], "FM, sampled": [0.915, 0.916]}
    said = " ".join(filled(MovieLens(quick=True), losses).findings)
    assert "has 0.9155, below the best of the others, JO with 0.9350" in said
    said = " ".join(filled(MovieLens(quick=True), losses | {"FM, sampled": [0.96]}).findings)
    assert "not below the best" in said


def test_the_full_design_is_the_papers():
    for design in (Banana, Ijcnn1, MovieLens):
        assert (design.effort.n_anchors, design.effort.seeds) == (50, 5)
        assert set(TABLE_2[design.name]) == set(METHODS) <= set(design(quick=False).methods)
        assert design.quick_effort.seeds <= design.effort.seeds
    assert TABLE_2["Banana"]["JO"] == (0.2170, 0.9044)


def test_banana_without_the_authors_files_is_split_anew(monkeypatch):
    rng = np.random.default_rng(0)
    plain = type("Bunch", (), {"data": rng.standard_normal((5300, 2)), "target": rng.integers(2, size=5300)})

    def fetch(split=None, download_if_missing=True):
        if split is not None:
            raise FileNotFoundError
        return plain

    monkeypatch.setattr(classes, "fetch_banana", fetch)
    task = classes._banana.__wrapped__(False)
    assert (len(task.y), len(task.y_test)) == (3533, 1767)
    assert "drawn anew" in task.note
