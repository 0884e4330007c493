"""Small tables as people keep them, for the tests of the front door: text, gaps, a true interaction; many labels."""

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


def ratings(n=900, n_users=60, n_films=30, seed=0):
    """Columns user (numbers), film (text), age; the outcomes rating, from 1 to 5, and stars, rounded, are taste."""
    rng = np.random.default_rng(seed)
    user, film = rng.integers(n_users, size=n), rng.integers(n_films, size=n)
    taste, kind = rng.standard_normal(n_users), rng.standard_normal(n_films)
    score = 3 + 0.4 * kind[film] + taste[user] * kind[film] + 0.3 * rng.standard_normal(n)
    return pd.DataFrame(
        {
            "user": user + 100,
            "film": [f"film {i}" for i in film],
            "age": 20 + 5 * (user % 9),
            "rating": score.clip(1, 5),
            "stars": score.round().clip(1, 5).astype(int),
        }
    )


OUTCOMES = ("y", "ill", "stage", "time", "status")


def only(table, *outcomes):
    """The features and the named outcomes."""
    return table.drop(columns=[name for name in OUTCOMES if name not in outcomes])


def pupils(n=240, n_schools=24, seed=0):
    """Columns age, sex, school (with its place lat, lon), week; the outcomes mark and second differ between schools."""
    rng = np.random.default_rng(seed)
    school = np.arange(n) % n_schools
    level, place = rng.standard_normal(n_schools), rng.uniform(-1, 1, (n_schools, 2))
    table = pd.DataFrame(
        {
            "age": rng.uniform(8, 12, n).round(1),
            "sex": rng.choice(["f", "m"], n),
            "school": [f"school {one}" for one in school],
            "lat": place[school, 0].round(3) + 47,
            "lon": place[school, 1].round(3) + 8,
            "week": np.arange(n) // n_schools,
        }
    )
    course = 0.1 * rng.standard_normal(n_schools)[school] * (table["week"] - 4.5)
    table["mark"] = 0.3 * table["age"] + level[school] + course + 0.5 * rng.standard_normal(n)
    table["second"] = table["mark"] - level[school] + 0.5 * rng.standard_normal(n)
    return table
