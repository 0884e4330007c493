"""How far predicted ratings are off, by how much is known of the user and of the item."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._results import columns_of, require_factors
from intertwine.plots._style import LIGHT, Palette

__all__ = ["ErrorByActivityDisplay"]

_LOOKS = (("o", "-"), ("s", (0, (5, 2))))  # of users and of items
_FEWEST = 20  # ratings in a group that is shown


@final
class ErrorByActivityDisplay(AbstractDisplay):
    """Root mean squared error by the number of ratings of the user, and of the item, with standard errors.

    Parameters
    ----------
    side : (b,) array of str
        "user" or "item".
    low, high : (b,) arrays of int
        Fewest and most ratings that an id of the group has.
    rmse, std_error : (b,) arrays
        Of the ratings whose user, or item, is in the group.
    n : (b,) array of int
        How many these are.

    Attributes
    ----------
    frame : frame
        ``side``, ``low``, ``high``, ``rmse``, ``std_error``, ``n``.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = ErrorByActivityDisplay(
    ...     side=["user", "user"], low=[1, 10], high=[9, 80], rmse=[1.0, 0.8], std_error=[0.1, 0.05], n=[90, 90]
    ... )
    >>> display.frame.shape
    (2, 6)
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, side: Any, low: Any, high: Any, rmse: Any, std_error: Any, n: Any) -> None:
        self.side = np.array([str(one) for one in side], dtype=object)
        self.low, self.high = np.asarray(low).astype(int), np.asarray(high).astype(int)
        self.rmse, self.std_error = np.asarray(rmse, dtype=float), np.asarray(std_error, dtype=float)
        self.n = np.asarray(n).astype(int)
        self.frame = make_frame(
            {
                "side": self.side,
                "low": self.low,
                "high": self.high,
                "rmse": self.rmse,
                "std_error": self.std_error,
                "n": self.n,
            }
        )

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, n_bins: int = 6, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw the errors of `estimator`, a fitted latent-factor model, on ratings `y` of other pairs `X`.

        The number of ratings is that in its fit: none for an id that was not in it. `n_bins` is the number of groups.

        Raises
        ------
        TypeError
            If it is no latent-factor model.
        NotFittedError
        """
        require_factors(estimator)
        users, user_counts, items, item_counts = columns_of(estimator.activity(X)).values()
        return cls.from_predictions(
            y,
            estimator.predict(X),
            users,
            items,
            user_counts=user_counts,
            item_counts=item_counts,
            n_bins=n_bins,
            ax=ax,
            palette=palette,
        )

    @classmethod
    def from_predictions(
        cls,
        observed: Any,
        predicted: Any,
        users: Any,
        items: Any,
        *,
        user_counts: Any = None,
        item_counts: Any = None,
        n_bins: int = 6,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw the errors of predictions.

        Parameters
        ----------
        observed, predicted : (n,) arrays
            Of ratings that the model was not fitted on.
        users, items : (n,) arrays of ids
            Errors of one id are alike, and the standard errors allow for it.
        user_counts, item_counts : (n,) arrays of int, optional
            Ratings that the model had seen of the user, and of the item, of each row; by default, as many as here.
        n_bins : int, default 6
            Groups of about as many rows each.
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        """
        squares = (np.asarray(observed, dtype=float) - np.asarray(predicted, dtype=float)) ** 2
        rows: list[dict[str, Any]] = []
        for side, ids, counts in (("user", users, user_counts), ("item", items, item_counts)):
            _, codes, times = np.unique(np.asarray(ids), return_inverse=True, return_counts=True)
            known = times[codes] if counts is None else np.asarray(counts).astype(int)
            rows += [{"side": side, **group} for group in _groups(squares, codes, known, n_bins)]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        return cls(**columns).plot(ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame with ``side``, ``low``, ``high``, ``rmse``, ``std_error`` and ``n``."""
        return cls(**columns_of(frame)).plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.8, 3.3)

    def _paint(self, palette: Palette) -> None:
        for place, side in enumerate(dict.fromkeys(self.side)):
            these = self.side == side
            marker, line = _LOOKS[place % len(_LOOKS)]
            middle = np.sqrt(self.low[these] * self.high[these])  # on a logarithmic axis
            self.ax_.errorbar(
                middle,
                self.rmse[these],
                xerr=[middle - self.low[these], self.high[these] - middle],
                yerr=np.nan_to_num(self.std_error[these]),
                color=palette.series[place % len(palette.series)],
                marker=marker,
                linestyle=line,
                markersize=5,
                linewidth=1.3,
                elinewidth=0.9,
                capsize=2,
                label=f"of the {side}",
            )
        if (self.low == 0).any():
            self.ax_.set_xscale("symlog", linthresh=1)
            self.ax_.set_xlim(left=-0.15)
        else:
            self.ax_.set_xscale("log")
        self.ax_.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        self.ax_.set(xlabel="number of ratings", ylabel="root mean squared error")
        self.ax_.legend(fontsize="small", loc="best")


def _groups(
    squares: NDArray[np.float64], codes: NDArray[np.intp], counts: NDArray[np.intp], n_bins: int
) -> list[dict[str, Any]]:
    """Errors of groups of rows whose ids have about as many ratings, about equally large; none of very few rows."""
    most = max(1, min(n_bins, squares.size // _FEWEST))
    edges = np.unique(np.quantile(counts, np.linspace(0, 1, most + 1)[1:-1], method="lower"))
    group = np.searchsorted(edges, counts, side="left")
    group[counts == 0] = -1  # what is said of ids without ratings is a matter of its own
    found = []
    for place in np.unique(group):
        rows = group == place
        if rows.sum() < min(_FEWEST, squares.size):
            continue  # says nothing, and would set the scale
        rmse, std_error = _clustered(squares[rows], codes[rows])
        found.append(
            {
                "low": int(counts[rows].min()),
                "high": int(counts[rows].max()),
                "rmse": rmse,
                "std_error": std_error,
                "n": int(rows.sum()),
            }
        )
    return found


def _clustered(squares: NDArray[np.float64], codes: NDArray[np.intp]) -> tuple[float, float]:
    """Root mean square and its standard error, when the rows of an id go together (linearised)."""
    mean = float(squares.mean())
    _, of_id = np.unique(codes, return_inverse=True)
    excess = np.bincount(of_id, squares - mean)
    n_ids = excess.size
    if n_ids < 2 or mean == 0:
        return float(np.sqrt(mean)), float("nan")
    variance = float(np.sum(excess**2)) / squares.size**2 * n_ids / (n_ids - 1)
    return float(np.sqrt(mean)), float(np.sqrt(variance) / (2 * np.sqrt(mean)))
