"""The command that names what users will like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from intertwine.cli.given import require_folder
from intertwine.cli.mistakes import Mistake, did_you_mean
from intertwine.cli.show import Screen
from intertwine.cli.table_options import spread
from intertwine.report.words import count

__all__ = ["recommend"]


def recommend(
    model: Annotated[
        Path, typer.Argument(help="Model file that fit --model latent-factors wrote.", show_default=False)
    ],
    users: Annotated[
        list[str] | None,
        typer.Option(help="For whom: an id; can be repeated, or a,b,c. All by default.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--number", min=1, help="How many items for each.")] = 10,
    items: Annotated[
        list[str] | None,
        typer.Option(help="Recommend these alone; can be repeated, or a,b,c.", show_default=False),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Never recommend these; can be repeated, or a,b,c.", show_default=False),
    ] = None,
    seen: Annotated[bool, typer.Option("--seen", help="Recommend also what a user has rated.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "--out", help="Table to write; standard output by default.", show_default=False
        ),
    ] = None,
) -> None:
    """Name the items that users will rate highest, by a saved model of ratings."""
    from intertwine.cli.reading import write_table_file
    from intertwine.cli.table_model import TableModel

    screen = Screen()
    require_folder(output)
    fitted = TableModel.load(model)
    estimator = fitted.estimator
    if not hasattr(type(estimator), "recommend"):
        raise Mistake(f"{model} is no model of ratings: fit one with --model latent-factors")
    found = estimator.recommend(
        _ids(users, estimator.users_, "user"),
        k,
        exclude_seen=not seen,
        items=_ids(items, estimator.items_, "item"),
        exclude=_ids(exclude, estimator.items_, "item") or (),
    )
    if len(found) == 0:
        screen.note("nothing is left to recommend")
    write_table_file(found, output)
    if output is not None:
        screen.say(f"{count(len(found), 'recommendation')}: {output}")


def _ids(given: list[str] | None, known: np.ndarray, name: str) -> list[Any] | None:
    """Ids as the model has them, from text."""
    if not given:
        return None
    wanted = given if set(given) <= {str(one) for one in known.tolist()} else spread(given)
    spelled = {str(one): one for one in known.tolist()}
    absent = [one for one in wanted if one not in spelled]
    if absent:
        raise Mistake(f"no {name} {absent[0]!r} in the fit; {did_you_mean(absent[0], spelled)}")
    return [spelled[one] for one in wanted]
