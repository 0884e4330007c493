"""The options that several commands share, one by one; those of a table are in ``table_options``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsGiven", "Data", "Folds", "Jobs", "Minutes", "Model", "Models", "Quick", "Scheduler", "Seed"]

Data = Annotated[
    Path, typer.Argument(help="Table with a header: .csv, .tsv (also .gz) or .parquet.", show_default=False)
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
Models = Annotated[
    list[str] | None,
    typer.Option(
        help="Family, as in fit; can be repeated, or a,b,c. All that apply to the table by default.",
        show_default=False,
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        help="What a comparison of families may take, roughly; slower models are left out and "
        "named. 60, with --quick 10.",
        show_default=False,
    ),
]
AsGiven = Annotated[
    bool,
    typer.Option("--as-given", help="Take up no role of a column that was not given, however plain it is."),
]
Folds = Annotated[int, typer.Option(min=2, max=50, help="Folds of the cross-validation.")]
Quick = Annotated[bool, typer.Option("--quick", help="Smaller grids and fewer bootstrap refits.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Jobs = Annotated[int, typer.Option(min=-1, help="Processes; -1: one for each core.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="latent-factors: Dask scheduler, such as tcp://host:8786, whose workers read the Parquet files.",
        show_default=False,
    ),
]
