"""The options that several commands share, one by one; those of a table are in ``table_options``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsGiven", "Data", "Folds", "Jobs", "Minutes", "Model", "Models", "Quick", "Scheduler", "Seed"]

Data = Annotated[
    Path,
    typer.Argument(help="Table with a header: .csv, .tsv, .txt (also .gz) or .parquet.", show_default=False),
]
Model = Annotated[
    str,
    typer.Option(
        help="interactions: an effect of every pair of columns. fm: a factorization machine, for labels of many "
        "levels. local-fm: one for each part of the table. latent-factors: who rates what how. mixed-model: what rows "
        "of a group, a person or a place share. random-effects-pca, random-effects-vae: a few latents behind many "
        "columns, beside what rows share. longitudinal-vae: many measurements at visits of subjects. intertwine "
        "compare says which suit a table."
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        help="Only these families, of those that fit --help describes; can be repeated, or a,b,c. By default all that "
        "apply to the table.",
        show_default=False,
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        help="What comparing models may take: those that take too long are ended, and named. By default 60, or 10 "
        "where it is quick.",
        show_default=False,
    ),
]
AsGiven = Annotated[
    bool,
    typer.Option(
        "--as-given",
        help="Guess nothing: without it, ids, times, places and counters of rows are told by their values, and by "
        "names in English; options such as --groups and --time name those in other languages.",
    ),
]
Folds = Annotated[
    int,
    typer.Option(min=2, max=50, help="Parts of the rows; each is predicted by models fitted on the others."),
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="Sooner and rougher: fewer settings are tried, fewer refits say how sure it is."
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Of all that is drawn at random: the same seed, the same result.")
]
Jobs = Annotated[int, typer.Option(min=-1, help="How many processes work at once; -1: one for each core.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="latent-factors: a Dask scheduler, such as tcp://host:8786, whose workers read the Parquet files.",
        show_default=False,
    ),
]
