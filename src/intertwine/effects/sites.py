"""Sites: the distinct places among the coordinates of rows, on a plane or on the globe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from intertwine.validation.wording import rows_where

__all__ = ["EARTH_RADIUS_KM", "as_places", "distinct_sites", "extent", "nearest_spacing"]

Array = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG

_SPACING_SAMPLE = 2000


def as_places(coords: Array | None, geographic: bool) -> Array:
    """Points (n, d) whose Euclidean distances a kernel may use.

    Latitude and longitude become points of a sphere in three dimensions: the length of the straight line between them
    (the chord) keeps every kernel positive definite, which the distance along the surface does not, and differs from
    that by .4% at 2,000 km and 0.001% at 100 km.

    Parameters
    ----------
    coords : ndarray (n, d) or None
        As the user has them; latitude and longitude in degrees, in this order, where geographic.
    geographic : bool

    Returns
    -------
    points : ndarray (n, d), or (n, 3) in kilometres

    Examples
    --------
    >>> import numpy as np
    >>> poles = as_places(np.array([[90.0, 0.0], [-90.0, 20.0], [90.0, 77.0]]), geographic=True)
    >>> bool(np.array_equal(poles[0], poles[2])), int(poles[0, 2])
    (True, 6371)
    """
    if coords is None:
        raise ValueError("Spatial needs the coordinates of the rows; pass coords=")
    coords = np.asarray(coords, dtype=np.float64)
    if coords.ndim == 1:
        coords = coords[:, None]
    bad = np.any(~np.isfinite(coords), axis=1)
    if bad.any():
        raise ValueError(f"coords contains NaN or infinity in {rows_where(bad)}")
    if not geographic:
        return coords + 0.0  # −0 and 0 are one place
    if coords.shape[1] != 2:
        raise ValueError(f"geographic coords are latitude and longitude: 2 columns, got {coords.shape[1]}")
    beyond = np.abs(coords[:, 0]) > 90.0
    if beyond.any():
        raise ValueError(
            f"coords has latitudes beyond 90 degrees in {rows_where(beyond)}; "
            "latitude is the first column, longitude the second"
        )
    beyond = np.abs(coords[:, 1]) > 360.0
    if beyond.any():
        raise ValueError(f"coords has longitudes beyond 360 degrees in {rows_where(beyond)}")
    latitude = np.radians(coords[:, 0])
    longitude = np.radians(np.where(np.abs(coords[:, 0]) == 90.0, 0.0, coords[:, 1] % 360.0))
    across = np.where(np.abs(coords[:, 0]) == 90.0, 0.0, np.cos(latitude))
    return EARTH_RADIUS_KM * np.column_stack(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)]
    )


def distinct_sites(points: Array) -> tuple[Array, NDArray[np.int64]]:
    """Places that rows share, (q, d) in lexical order, and the place of each row."""
    sites, level = np.unique(points, axis=0, return_inverse=True)
    return sites, np.asarray(level, dtype=np.int64).reshape(-1)


def extent(sites: Array) -> float:
    """Diagonal of the box around the sites."""
    return float(np.linalg.norm(np.ptp(sites, axis=0)))


def nearest_spacing(sites: Array) -> float:
    """Median distance to the nearest other site."""
    some = sites[:: max(1, len(sites) // _SPACING_SAMPLE)]
    distance, _ = cKDTree(sites).query(some, k=2)
    return float(np.median(distance[:, 1]))
