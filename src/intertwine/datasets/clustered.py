"""Real tables of many features whose rows share groups, places or subjects.

Every loader takes the keyword arguments

* split (None, "random", "unknown" or "future"): name test rows, ``train`` and ``test``: a random part of the rows, all
  rows of a random part of the groups, or, where there is a time, the rows with the largest times,
* test_size (default 0.2) and random_state (default None), of that split,
* standardize (default True): features have mean 0 and variance 1 over the training rows (over all rows without a
  split); the numbers are kept as ``center`` and ``scale``,
* as_frame (default False): give ``data`` as a data frame (pandas where it is installed, else polars),
* download_if_missing (default True),

and returns a :class:`sklearn.utils.Bunch` with ``data`` (n, p), NaN where something was not measured,
``feature_names``, ``groups``: labels (n,) by the name of the grouping, what else the loader names, and ``DESCR``. It
raises FileNotFoundError, saying what to do, when a table cannot be had, and ValueError when the file on this machine
holds something else or for an unknown split. Where tables are looked for is told in
:mod:`intertwine.datasets.store`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intertwine.datasets.clustered_files import read_columns
from intertwine.datasets.clustered_tables import AUDIO, BATTING, CLUSTERED, COUNTY_SHARES, LABORATORY
from intertwine.datasets.grouped_bunch import Request, Seed, split_bunch
from intertwine.datasets.row_splits import Split

__all__ = [
    "fetch_baseball",
    "fetch_counties",
    "fetch_pbcseq",
    "fetch_spotify",
]

_RENAMED_COUNTIES = {2158: 2270, 46102: 46113}  # Kusilvak and Oglala Lakota were Wade Hampton and Shannon
_DAYS_OF_A_YEAR = 365.25
_EARTH_RADIUS = 6.371  # thousands of kilometres


def fetch_counties(
    *,
    split: Split | None = None,
    test_size: float = 0.2,
    standardize: bool = True,
    random_state: Seed = None,
    as_frame: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load what 3219 counties of the United States are like: people, work, income, ways to work. 3219 × 31.

    The coordinates are no features: what a model knows of a place, it knows from ``coords``.

    Parameters
    ----------
    split, test_size, standardize, random_state, as_frame, download_if_missing
        See :mod:`intertwine.datasets.clustered`; "unknown" holds out whole states.

    Returns
    -------
    sklearn.utils.Bunch
        Features are percentages, and logarithms of the population and of two incomes. ``groups``: "state";
        ``coords`` (n, 2): the centroid in thousands of kilometres east and north of 96° W, 37.5° N, by the equal-area
        projection of the Geological Survey; ``lat_long`` (n, 2) in degrees; ``names`` (n,). One share of poor children
        is missing; one county of Alaska, Skagway, has no centroid and is left out.

    Notes
    -----
    Source: United States Census Bureau, American Community Survey 2017 (5-year estimates), public domain.

    Examples
    --------
    Where the table is at hand::

        counties = fetch_counties(split="unknown", random_state=0)
    """
    columns, places = (
        read_columns(CLUSTERED[name], download_if_missing=download_if_missing)
        for name in ("acs2017_county", "us_county_centroids")
    )
    known = {int(code): index for index, code in enumerate(places["fips"])}
    codes = [int(code) for code in columns["CountyId"]]
    position = np.array([known.get(_RENAMED_COUNTIES.get(code, code), -1) for code in codes])
    columns = {name: column[position >= 0] for name, column in columns.items()}
    position = position[position >= 0]
    latitude, longitude = places["lat"][position], places["long"][position]
    population = columns["TotalPop"]
    features = {
        "log_population": np.log(population),
        "log_income": np.log(columns["Income"]),
        "log_income_per_head": np.log(columns["IncomePerCap"]),
        **{
            name: 100.0 * columns[source] / population
            for name, source in (("Men", "Men"), ("VotingAge", "VotingAgeCitizen"), ("Employed", "Employed"))
        },
        "MeanCommute": columns["MeanCommute"],
        **{name: columns[name] for name in COUNTY_SHARES},
    }
    return split_bunch(
        features,
        {"state": columns["State"]},
        fetch_counties.__doc__,
        Request(split, test_size, standardize, random_state, as_frame),
        level="state",
        coords=_equal_area(latitude, longitude),
        lat_long=np.column_stack([latitude, longitude]),
        names=columns["County"],
    )


def fetch_spotify(
    *,
    split: Split | None = None,
    test_size: float = 0.2,
    standardize: bool = True,
    random_state: Seed = None,
    as_frame: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load how songs sound, by artist, album and playlist. 5130 × 13, 3069 different songs of 97 artists.

    A song stands once for each playlist that it is in, with the same numbers, so that a split by row would leak: a
    random split here holds out songs with all their rows.

    Parameters
    ----------
    split, test_size, standardize, random_state, as_frame, download_if_missing
        See :mod:`intertwine.datasets.clustered`; "unknown" holds out whole artists, "future" the newest albums.

    Returns
    -------
    sklearn.utils.Bunch
        Twelve properties of the sound as Spotify computes them, and the popularity. ``groups``: "artist", "album",
        "playlist" and "subgenre"; ``songs`` (n,) numbers the different songs; ``time`` (n,): year of the album with its
        decimals; ``target`` (n,): one of six genres, which are those of the playlist.

    Notes
    -----
    Source: C. Thompson, J. Parry, D. Phipps and T. Wolff by way of TidyTuesday (21 January 2020), CC0; the artists with
    more than 30 rows.

    Examples
    --------
    Where the table is at hand::

        songs = fetch_spotify(split="random", random_state=0)
    """
    columns = read_columns(CLUSTERED["spotify_songs"], download_if_missing=download_if_missing)
    artist, name = columns["track_artist"], columns["track_name"]
    titles = np.array([f"{who}\n{what}" for who, what in zip(artist, name, strict=True)])
    songs = np.unique(titles, return_inverse=True)[1]
    groups = {
        "artist": artist,
        "album": columns["track_album_name"],
        "playlist": columns["playlist_name"],
        "subgenre": columns["playlist_subgenre"],
    }
    return split_bunch(
        {name: columns[name] for name in (*AUDIO, "track_popularity")},
        groups,
        fetch_spotify.__doc__,
        Request(split, test_size, standardize, random_state, as_frame),
        level="artist",
        unit=songs,
        time=np.array([_decimal_year(date) for date in columns["track_album_release_date"]]),
        songs=songs,
        target=columns["playlist_genre"],
    )


def fetch_baseball(
    *,
    split: Split | None = None,
    test_size: float = 0.2,
    standardize: bool = True,
    random_state: Seed = None,
    as_frame: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load the seasons of 1228 baseball players, at least 15 seasons each, from 1871 to 2007. 21,699 × 17.

    Parameters
    ----------
    split, test_size, standardize, random_state, as_frame, download_if_missing
        See :mod:`intertwine.datasets.clustered`; "unknown" holds out whole players, "future" the latest of all careers.

    Returns
    -------
    sklearn.utils.Bunch
        Features are square roots of a season's counts: games, at bats, runs, hits, …; those that were not counted in
        the early years are missing. ``groups``: "player", "team" and "league"; ``time`` (n,): years since the player's
        first season; ``year`` (n,).

    Notes
    -----
    Source: S. Lahman's baseball database by way of H. Wickham's R package plyr, MIT.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        seasons = fetch_baseball(split="future", random_state=0)
    """
    columns = read_columns(CLUSTERED["baseball"], download_if_missing=download_if_missing)
    player, year = columns["id"], columns["year"]
    codes = np.unique(player, return_inverse=True)[1]
    first = np.full(codes.max() + 1, np.inf)
    np.minimum.at(first, codes, year)
    return split_bunch(
        {name: np.sqrt(columns[name]) for name in BATTING},
        {"player": player, "team": columns["team"], "league": columns["lg"]},
        fetch_baseball.__doc__,
        Request(split, test_size, standardize, random_state, as_frame),
        level="player",
        time=year - first[codes],
        year=year,
    )


def fetch_pbcseq(
    *,
    split: Split | None = None,
    test_size: float = 0.2,
    standardize: bool = True,
    random_state: Seed = None,
    as_frame: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load the visits of 312 patients with primary biliary cirrhosis, with what was not measured missing. 1945 × 12.

    Parameters
    ----------
    split, test_size, standardize, random_state, as_frame, download_if_missing
        See :mod:`intertwine.datasets.clustered`; "unknown" holds out whole patients.

    Returns
    -------
    sklearn.utils.Bunch
        Features are laboratory values, of those that are skewed the logarithm, and four signs of the disease.
        ``groups``: "patient"; ``time`` (n,): years since the first visit; ``covariates`` (n, 3): age at the first
        visit, 1 for women, 1 for D-penicillamine; ``target`` (n,): 1 where the patient died, at the end of
        ``follow_up`` (n,) years.

    Notes
    -----
    Source: Mayo clinic trial, by way of T. Therneau's R package survival, LGPL.

    Examples
    --------
    Where the table is at hand, or can be downloaded::

        visits = fetch_pbcseq(split="unknown", random_state=0)
    """
    columns = read_columns(CLUSTERED["pbcseq"], download_if_missing=download_if_missing)
    skewed = ("bili", "chol", "alk.phos", "ast", "platelet", "protime")
    covariates = [columns["age"], columns["sex"] == "f", columns["trt"] == 1.0]
    return split_bunch(
        {
            f"log_{name}" if name in skewed else name: np.log(columns[name])
            if name in skewed
            else columns[name]
            for name in LABORATORY
        },
        {"patient": columns["id"].astype(np.int64)},
        fetch_pbcseq.__doc__,
        Request(split, test_size, standardize, random_state, as_frame),
        level="patient",
        time=columns["day"] / _DAYS_OF_A_YEAR,
        covariates=np.column_stack(covariates).astype(np.float64),
        target=(columns["status"] == 2.0).astype(np.int64),
        follow_up=columns["futime"] / _DAYS_OF_A_YEAR,
    )


def _decimal_year(date: str) -> float:
    """Of "2019-06-14"; about the middle of "2019" or "2019-06"."""
    year, month, day = [int(part) for part in date.split("-")] + [7, 15][date.count("-") :]
    return year + (month - 1) / 12 + (day - 1) / _DAYS_OF_A_YEAR


def _equal_area(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Albers' conic projection with standard parallels 29.5° and 45.5°, in thousands of kilometres.

    Source: J. Snyder, Map Projections: A Working Manual (1987), chapter 14, on the sphere.
    """
    first, second, origin = np.deg2rad([29.5, 45.5, 37.5])
    n = (np.sin(first) + np.sin(second)) / 2
    c = np.cos(first) ** 2 + 2 * n * np.sin(first)
    rho = np.sqrt(c - 2 * n * np.sin(np.deg2rad(latitude))) / n
    angle = n * np.deg2rad(longitude + 96.0)
    east, north = rho * np.sin(angle), np.sqrt(c - 2 * n * np.sin(origin)) / n - rho * np.cos(angle)
    return _EARTH_RADIUS * np.column_stack([east, north])
