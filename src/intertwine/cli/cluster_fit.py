"""The fit of a table that stays on the workers of a Dask cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intertwine.cli.mistakes import Mistake, did_you_mean
from intertwine.cli.rating_table import RatingPreparation
from intertwine.cli.show import Screen
from intertwine.cli.table_model import TableModel
from intertwine.compare import LatentFactorsFamily, RegressionTask
from intertwine.distributed.cluster import Cluster
from intertwine.distributed.sources import open_source
from intertwine.estimators.latent_factors.model import LatentFactorModel

__all__ = ["fit_on_cluster"]

_SECONDS = "20s"  # to wait for the scheduler


def fit_on_cluster(
    data: Path, scheduler: str, roles: dict[str, Any], family: Any, seed: int, screen: Screen
) -> TableModel:
    """Fit latent factors where the ratings are.

    Raises
    ------
    Mistake
        For other models, columns that do not exist, and a scheduler that does not answer.
    """
    if not isinstance(family, LatentFactorsFamily):
        raise Mistake(f"--scheduler is for --model latent-factors, not for {family.name}")
    if roles["target"] is None:
        raise Mistake("say which column holds the ratings: --target NAME")
    try:
        from distributed import Client
    except ImportError as error:
        raise Mistake("--scheduler needs Dask: pip install 'intertwine[scale]'") from error
    with Client(scheduler, timeout=_SECONDS) as client:
        names = open_source(data, Cluster(client)).names
        for name in (roles["target"], *roles["drop"], *family.columns):
            if name not in names:
                raise Mistake(f"no column {name!r}; {did_you_mean(name, names)}")
        taken = {roles["target"], *roles["drop"], *family.columns}
        free = [name for name in names if name not in taken]
        user = family.user or (free.pop(0) if free else None)
        item = family.item or (free.pop(0) if free else None)
        if user is None or item is None:
            raise Mistake("a table of ratings needs a column of users and one of items besides the target")
        chosen = LatentFactorsFamily(**(family.settings() | {"user": user, "item": item}))
        estimator = LatentFactorModel(
            n_components=chosen.n_components,
            solver=chosen.solver,
            implicit=chosen.implicit,
            user_column=user,
            item_column=item,
            user_features=tuple(chosen.user_features),
            item_features=tuple(chosen.item_features),
            rating_scale=None if chosen.rating_scale is None else tuple(chosen.rating_scale),
            duplicates=chosen.duplicates,
            random_state=seed,
        )
        with screen.collecting_warnings():
            estimator.fit_distributed(data, rating=roles["target"], client=client)
    screen.say(
        f"ratings of {len(estimator.items_):,} items by {len(estimator.users_):,} users, fitted on {scheduler}"
    )
    preparation = RatingPreparation.of_ids({user: estimator.users_, item: estimator.items_})
    return TableModel(preparation, estimator, RegressionTask(), roles["target"], roles, chosen, [])
