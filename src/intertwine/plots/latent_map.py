"""Map of the features' latent vectors."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._labels import draw_labels
from intertwine.plots._results import asked_of, columns_of, leading_features
from intertwine.plots._style import LIGHT, Palette
from intertwine.validation.values import is_reserved

__all__ = ["LatentMapDisplay"]


@final
class LatentMapDisplay(AbstractDisplay):
    """Features as points in the plane of their first two latent axes.

    Both axes have the same scale, so that angles (low-rank structures) and distances (distance structures)
    are true. With more than two latent dimensions the map shows two of them: the principal axes for
    structures that do not change under rotation, else the two coordinates that vary most.

    Parameters
    ----------
    vectors : (p, d) array
        Latent vectors.
    features : list of p str
    importance : (p,) array, optional
        Decides which features are labelled, and their size; the length of the vectors by default.
    centred : bool, default False
        True for distance structures: only differences matter, so there are no rays from an origin.
    rotatable : bool, default True
        Whether the structure does not change when all vectors are rotated (False for signed structures).
    n_labels : int, default 15

    Attributes
    ----------
    frame : frame
        ``feature``, ``x``, ``y``, ``importance``.
    share : float
        Part of the vectors' squared length that the two axes show.
    unlabelled : list of str
        Important features that found no room for their label; set by :meth:`plot`.
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> display = LatentMapDisplay(vectors=np.eye(3), features=["a", "b", "c"])
    >>> round(display.share, 3)
    0.667
    """

    figure_: Any
    ax_: Any
    unlabelled: list[str]

    def __init__(
        self,
        *,
        vectors: NDArray[np.float64],
        features: list[str],
        importance: NDArray[np.float64] | None = None,
        centred: bool = False,
        rotatable: bool = True,
        n_labels: int = 15,
    ) -> None:
        vectors = np.atleast_2d(np.asarray(vectors, dtype=float))
        if len(vectors) != len(features):
            raise ValueError(f"{len(vectors)} vectors for {len(features)} features")
        if centred:
            vectors = vectors - vectors.mean(axis=0)
        self.features = list(features)
        self.centred = centred
        self.n_labels = n_labels
        self.one_dimensional = vectors.shape[1] == 1
        self.xy, self.share = _two_axes(vectors, rotatable)
        length = np.hypot(self.xy[:, 0], self.xy[:, 1])
        self.importance = length if importance is None else np.asarray(importance, dtype=float)
        self.frame = make_frame(
            {
                "feature": np.array(self.features, dtype=object),
                "x": self.xy[:, 0],
                "y": self.xy[:, 1],
                "importance": self.importance,
            }
        )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, n_labels: int = 15, ax: Any = None, palette: Palette = LIGHT
    ) -> Self:
        """Draw the latent vectors of a fitted estimator, or the factors of a factorization machine.

        The `n_labels` leading features are named: those with the largest interactions, or the longest factors.

        Raises
        ------
        ValueError
            If the estimator was fitted without latent vectors (``latent=None``) or factors.
        TypeError
            If it is no interaction estimator.
        NotFittedError
            If it is not fitted.
        """
        if hasattr(type(estimator), "components_"):
            return cls._from_factors(estimator, n_labels).plot(ax, palette=palette)
        coordinates = asked_of(estimator, "latent_frame")
        check_is_fitted(estimator)
        if estimator.latent_ is None:
            raise ValueError(
                "the estimator has no latent vectors: fit it with tie > 0 and latent='low_rank', 'signed', "
                "'two_factor' or 'distance'"
            )
        best = getattr(estimator, "best_estimator_", estimator)
        columns = columns_of(coordinates())
        features = [str(name) for name in columns.pop("feature")]
        vectors = np.column_stack([np.asarray(values, dtype=float) for values in columns.values()])
        strong = leading_features(estimator, len(features))
        importance = np.zeros(len(features))
        for rank, name in enumerate(strong):
            importance[features.index(name)] = len(strong) - rank
        structure = getattr(best, "latent", "low_rank")
        return cls(
            vectors=vectors,
            features=features,
            importance=importance,
            centred=structure == "distance",
            rotatable=structure in ("low_rank", "distance"),
            n_labels=n_labels,
        ).plot(ax, palette=palette)

    @classmethod
    def _from_factors(cls, estimator: Any, n_labels: int) -> Self:
        check_is_fitted(estimator)
        vectors = estimator.components_
        if vectors.shape[1] == 0:
            raise ValueError("the estimator has no factors: fit it with n_components > 0")
        names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(len(vectors))])
        kept = [j for j, name in enumerate(names) if not is_reserved(name)]
        return cls(vectors=vectors[kept], features=[str(names[j]) for j in kept], n_labels=n_labels)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        centred: bool = False,
        rotatable: bool = True,
        n_labels: int = 15,
        ax: Any = None,
        palette: Palette = LIGHT,
    ) -> Self:
        """Draw a frame with ``feature``, perhaps ``importance``, and one column for each latent dimension.

        `centred`, `rotatable` and `n_labels` as in the class.
        """
        columns = columns_of(frame)
        features, importance = [str(name) for name in columns.pop("feature")], columns.pop("importance", None)
        vectors = np.column_stack([np.asarray(values, dtype=float) for values in columns.values()])
        display = cls(
            vectors=vectors,
            features=features,
            importance=importance,
            centred=centred,
            rotatable=rotatable,
            n_labels=n_labels,
        )
        return display.plot(ax, palette=palette)

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        return (4.5, 4.2)

    def _paint(self, palette: Palette) -> None:
        order = np.argsort(-self.importance, kind="stable")
        named = order[: min(self.n_labels, int(np.sum(self.importance > 0)) or self.n_labels)]
        others = order[len(named) :]
        if not self.centred:
            self._draw_rays(named, palette)
        self.ax_.scatter(
            *self.xy[others].T,
            s=14,
            color=palette.muted,
            alpha=0.7,
            linewidths=0,
            zorder=2,
            rasterized=len(others) > 200,
        )
        self.ax_.scatter(
            *self.xy[named].T,
            s=34,
            color=palette.series[0],
            edgecolors=palette.surface,
            linewidths=0.8,
            zorder=3,
        )
        self.ax_.set_aspect("equal", adjustable="datalim")
        self.ax_.margins(0.18)
        self.ax_.set_xlabel("latent axis 1")
        self.ax_.set_ylabel("" if self.one_dimensional else "latent axis 2")
        if self.one_dimensional:
            self.ax_.set_yticks([])
        self.unlabelled = draw_labels(
            self.ax_,
            self.xy[order],
            [self.features[i] for i in named],
            color=palette.ink,
            leader=palette.muted,
            backing=palette.surface,
        )

    def _draw_rays(self, named: NDArray[np.intp], palette: Palette) -> None:
        for x, y in self.xy[named]:
            self.ax_.plot([0, x], [0, y], color=palette.faint, linewidth=1.0, zorder=1)
        self.ax_.axhline(0, color=palette.faint, linewidth=0.7, zorder=0)
        self.ax_.axvline(0, color=palette.faint, linewidth=0.7, zorder=0)
        self.ax_.plot(0, 0, "+", color=palette.muted, markersize=7, zorder=1)


def _two_axes(vectors: NDArray[np.float64], rotatable: bool) -> tuple[NDArray[np.float64], float]:
    """Coordinates of the vectors in two axes, and the share of squared length that these show."""
    total = float(np.sum(vectors**2)) or 1.0
    if vectors.shape[1] == 1:
        return np.column_stack([vectors[:, 0], np.zeros(len(vectors))]), 1.0
    if rotatable:
        _, _, axes = np.linalg.svd(vectors, full_matrices=False)
        # A decomposition fixes axes up to sign only: point each towards its largest entry, so that a map is
        # reproducible.
        shown = vectors @ axes[:2].T
        if shown.shape[1] == 1:
            shown = np.column_stack([shown, np.zeros(len(shown))])
        largest = shown[np.argmax(np.abs(shown), axis=0), [0, 1]]
        shown = shown * np.where(largest < 0, -1.0, 1.0)
    else:
        strongest = np.sort(np.argsort(-np.sum(vectors**2, axis=0), kind="stable")[:2])
        shown = vectors[:, strongest]
    return shown, float(np.sum(shown**2)) / total
