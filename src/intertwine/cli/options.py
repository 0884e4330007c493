"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Categorical",
    "Components",
    "Coords",
    "Covariates",
    "Data",
    "Drop",
    "Duplicates",
    "Entry",
    "Event",
    "Folds",
    "Formula",
    "Groups",
    "Implicit",
    "Item",
    "ItemFeatures",
    "Jobs",
    "Measurements",
    "Model",
    "Ordinal",
    "Quick",
    "Scale",
    "Seed",
    "Smooth",
    "Solver",
    "Subject",
    "Sweeps",
    "Target",
    "Task",
    "Time",
    "User",
    "UserFeatures",
]

Data = Annotated[
    Path, typer.Argument(help="Table with a header: .csv, .tsv (also .gz) or .parquet.", show_default=False)
]
Target = Annotated[
    str | None,
    typer.Option(help="Column to predict; mixed-model: also several, A,B.", show_default=False),
]
Time = Annotated[
    str | None,
    typer.Option(
        help="Survival: column with the time to the event or to censoring. mixed-model: column over which the levels "
        "of the first group change. longitudinal-vae: column with the times of visits.",
        show_default=False,
    ),
]
Event = Annotated[
    str | None,
    typer.Option(
        help="Survival: column that says whether the event was seen (0/1), or COLUMN=VALUE.",
        show_default=False,
    ),
]
Entry = Annotated[
    str | None,
    typer.Option(help="Survival: column with the time of entry, if it was not 0.", show_default=False),
]
Task = Annotated[str, typer.Option(help="auto, regression, classification or survival.")]
Drop = Annotated[
    list[str] | None, typer.Option(help="Column to leave out; can be repeated, or a,b,c.", show_default=False)
]
Categorical = Annotated[
    list[str] | None,
    typer.Option(help="Column of numbers to treat as labels; can be repeated, or a,b,c.", show_default=False),
]
Model = Annotated[
    str,
    typer.Option(
        help="interactions: every pair of columns; fm: factorization machine, for labels of many levels; "
        "local-fm: one for each part of the table; latent-factors: who rates what how; mixed-model: what rows of a "
        "group, a person or a place share; random-effects-pca, random-effects-vae: latents of many columns beside it; "
        "longitudinal-vae: many measurements at visits of subjects."
    ),
]
Components = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="fm, local-fm, latent-factors: factors; 10, 5 and 20. random-effects-…: latents; 2. longitudinal-vae: "
        "latents; half as many as measurements, up to 8.",
        show_default=False,
    ),
]
Sweeps = Annotated[
    int | None, typer.Option(min=10, help="fm: sweeps of the sampler; 500.", show_default=False)
]
Ordinal = Annotated[bool, typer.Option("--ordinal", help="fm: the target's numbers are ordered classes.")]
Folds = Annotated[int, typer.Option(min=2, max=50, help="Folds of the cross-validation.")]
Quick = Annotated[bool, typer.Option("--quick", help="Smaller grids and fewer bootstrap refits.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Jobs = Annotated[int, typer.Option(min=-1, help="Processes; -1: one for each core.")]
User = Annotated[
    str | None,
    typer.Option(
        help="latent-factors: column of the users; the first besides the target.", show_default=False
    ),
]
Item = Annotated[
    str | None,
    typer.Option(help="latent-factors: column of the items; the next one.", show_default=False),
]
UserFeatures = Annotated[
    list[str] | None,
    typer.Option(
        help="latent-factors: column that tells of users; can be repeated, or a,b,c.", show_default=False
    ),
]
ItemFeatures = Annotated[
    list[str] | None,
    typer.Option(
        help="latent-factors: column that tells of items; can be repeated, or a,b,c.", show_default=False
    ),
]
Implicit = Annotated[bool, typer.Option("--implicit", help="latent-factors: also learn from who rated what.")]
Solver = Annotated[
    str | None,
    typer.Option(help="latent-factors: variational, gibbs, als, gauss_newton or sgd.", show_default=False),
]
Scale = Annotated[
    str | None,
    typer.Option(
        help="latent-factors: LOW,HIGH of the ratings; others are refused, predictions stay inside.",
        show_default=False,
    ),
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        help="mixed-model, random-effects-…: column of labels whose levels differ; can be repeated, or a,b,c.",
        show_default=False,
    ),
]
Coords = Annotated[
    list[str] | None,
    typer.Option(help="mixed-model, random-effects-…: columns of coordinates, LAT,LON.", show_default=False),
]
Formula = Annotated[
    str | None,
    typer.Option(
        help="mixed-model: 'y ~ x + (1 + t | g)', in place of --target, --groups and --time.",
        show_default=False,
    ),
]
Subject = Annotated[
    str | None,
    typer.Option(
        help="longitudinal-vae: column that says whose visit a row is; one called subject, patient or id.",
        show_default=False,
    ),
]
Covariates = Annotated[
    list[str] | None,
    typer.Option(
        help="longitudinal-vae: column whose effect is wanted, a,b,c; labels, and what never changes within a subject.",
        show_default=False,
    ),
]
Measurements = Annotated[
    list[str] | None,
    typer.Option(
        help="longitudinal-vae: column to explain, a,b,c; all other numbers.",
        show_default=False,
    ),
]
Smooth = Annotated[
    list[str] | None,
    typer.Option(
        help="longitudinal-vae: covariate with a curve in place of a line; can be repeated, or a,b,c.",
        show_default=False,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="latent-factors: Dask scheduler, such as tcp://host:8786, whose workers read the Parquet files.",
        show_default=False,
    ),
]
Duplicates = Annotated[
    str | None,
    typer.Option(
        help="latent-factors: what a pair rated twice becomes: mean, last or keep.", show_default=False
    ),
]
