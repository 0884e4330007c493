"""The two data sets: MovieLens 1M and a core of Yelp's stars."""

from __future__ import annotations

from functools import cache
from typing import final

from intertwine.datasets import fetch_movielens_1m, fetch_yelp_core40
from intertwine.reproduce.sslf.models import Effort, Task
from intertwine.reproduce.sslf.table import AbstractTable

__all__ = ["MovieLens1M", "Yelp"]

_STARS = (1.0, 5.0)
_RHOS = (0.03, 0.1, 0.3, 1.0)


@cache
def _movielens(download: bool) -> Task:
    ids, stars = fetch_movielens_1m(return_X_y=True, download_if_missing=download)
    return Task.of(ids, stars, _STARS)


@cache
def _yelp() -> Task:
    ids, stars = fetch_yelp_core40(return_X_y=True)
    return Task.of(ids, stars, _STARS)


@final
class MovieLens1M(AbstractTable):
    """Root mean squared error of stars for films."""

    name = "MovieLens 1M"
    title = "MovieLens 1M: root mean squared error"
    about = "1,000,209 ratings of 6040 users and 3706 films."
    effort = Effort(_RHOS, (0.0025, 0.005, 0.01), (0.001, 0.002, 0.005), max_iter=200, seeds=3)
    quick_effort = Effort((0.1, 0.3), (0.005, 0.01), (0.002, 0.005), max_iter=200, seeds=3, one_user_of=10)
    size = 10.0

    @staticmethod
    def task(download: bool) -> Task:
        """All ratings."""
        return _movielens(download)


@final
class Yelp(AbstractTable):
    """Root mean squared error of stars for businesses."""

    name = "Yelp"
    title = "Yelp, a core: root mean squared error"
    about = (
        "Users and businesses with at least 40 ratings of one another (100,409 of 1355 and 1272 where the file is "
        "ours): not the paper's part of Yelp's data, which we do not know."
    )
    effort = Effort(_RHOS, (0.0025, 0.005, 0.01), (0.001, 0.002, 0.005), max_iter=200, seeds=3)
    quick_effort = Effort((0.1, 0.3), (0.005,), (0.002, 0.005), max_iter=200, seeds=3)

    @staticmethod
    def task(download: bool) -> Task:
        """All ratings."""
        return _yelp()
