"""Small tables as people keep them: text, gaps and one true interaction, for the tests of the front door."""

import numpy as np
import pandas as pd


def patients(n=90, seed=0):
    """Columns age, dose, weight, sex, site; the outcomes y, ill, stage, time and status hang on age × dose."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(60, 10, n).round(1),
            "dose": rng.normal(2, 0.5, n).round(2),
            "weight": rng.normal(80, 12, n).round(1),
            "sex": rng.choice(["female", "male"], n),
            "site": rng.choice(["Ulm", "Brno", "Pécs"], n),
        }
    )
    age, dose = (table["age"] - 60) / 10, (table["dose"] - 2) / 0.5
    score = 0.5 * age + 1.5 * age * dose + 0.5 * (table["sex"] == "male")
    table["y"] = score + 0.3 * rng.normal(size=n)
    table["ill"] = np.where(score + rng.logistic(size=n) > 0, "yes", "no")
    table["stage"] = np.digitize(score, [-0.7, 0.7]) + 1
    event_time, censoring = rng.exponential(np.exp(-score)), rng.exponential(2.0, n)
    table["time"] = np.minimum(event_time, censoring).round(3) + 0.001
    table["status"] = np.where(event_time <= censoring, "dead", "alive")
    table.loc[[3, 17, 40], "weight"] = np.nan
    table.loc[[5, 6], "site"] = None
    return table


OUTCOMES = ("y", "ill", "stage", "time", "status")


def only(table, *outcomes):
    """The features and the named outcomes."""
    return table.drop(columns=[name for name in OUTCOMES if name not in outcomes])
