"""Which effect moves what: shares of variance, of all, of each latent axis, or of each feature."""

from __future__ import annotations

from typing import Any, Literal, Self, final

import numpy as np
from sklearn.utils.validation import check_is_fitted

from intertwine.frames import make_frame
from intertwine.plots._display import AbstractDisplay
from intertwine.plots._labels import shortened
from intertwine.plots._results import columns_of, require_method
from intertwine.plots._style import LIGHT, Palette

__all__ = ["VarianceSharesDisplay"]

_ERRORS = 1.96
_SMALL = 0.01  # a share below is written in grey: the effect is of no consequence
_PRINTED = 400  # cells up to which each has its number


@final
class VarianceSharesDisplay(AbstractDisplay):
    """Shares of variance by effect: bars for the model as a whole, a heat map for its axes or its features.

    Bars are of the latents (hollow) and of what is observed (filled, with 1.96 standard errors of sampling). Names of
    effects that make less than a hundredth of either are grey. Cells have the share in percent; a dot stands for less
    than half a percent.

    Parameters
    ----------
    effect : (n,) array
        Of each row.
    share : (n,) array
        Rows where it is NaN, as noise has no share of latents, are left out.
    of : (n,) array
        What it is a share of: "latent" and "observed", or axes, or features.
    std_error : (n,) array, optional
    of_name : str, default ""
        What the rows of a heat map are; "" draws bars.

    Attributes
    ----------
    frame : frame
        ``effect``, ``of``, ``share``, ``std_error``.
    effects, kinds : list
    figure_, ax_
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = VarianceSharesDisplay(
    ...     effect=["age", "location", "noise"], share=[0.6, 0.001, 0.4], of=["observed"] * 3
    ... )
    >>> display.effects, display.negligible
    (['age', 'location', 'noise'], ['location'])
    """

    figure_: Any
    ax_: Any

    def __init__(self, *, effect: Any, share: Any, of: Any, std_error: Any = None, of_name: str = "") -> None:
        share = np.asarray(share, dtype=float)
        std_error = np.full(share.size, np.nan) if std_error is None else np.asarray(std_error, dtype=float)
        there = np.isfinite(share)
        self.effect, self.of = np.asarray(effect).astype(str)[there], np.asarray(of).astype(str)[there]
        self.share, self.std_error = share[there], std_error[there]
        self.of_name = of_name
        self.effects = list(dict.fromkeys(self.effect.tolist()))
        self.kinds = list(dict.fromkeys(self.of.tolist()))
        self.negligible = [
            one for one in self.effects if np.max(np.abs(self.share[self.effect == one])) < _SMALL
        ]
        self.frame = make_frame(
            {"effect": self.effect, "of": self.of, "share": self.share, "std_error": self.std_error}
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        by: Literal["effect", "axis", "feature"] = "effect",
        *,
        features: Any = None,
        n_features: int = 20,
        ax: Any = None,
        palette: Palette = LIGHT,
        **given: Any,
    ) -> Self:
        """Draw what ``explain`` of a fitted model says.

        Parameters
        ----------
        estimator : fitted LongitudinalVAE
        by : {"effect", "axis", "feature"}, default "effect"
        features : sequence of str, optional
            Which, for "feature"; by default the `n_features` with the smallest share of noise, in their own order.
        n_features : int, default 20
        ax : matplotlib axes, optional
        palette : Palette, default LIGHT
        **given
            Further arguments of ``explain``.

        Raises
        ------
        TypeError
            If it has no effects of covariates.
        ValueError
            For features that are not there.
        NotFittedError
        """
        require_method(estimator, "covariate_effect", "LongitudinalVAE")
        check_is_fitted(estimator)
        columns = columns_of(estimator.explain(by, **given))
        if by == "feature":
            columns = _chosen(columns, features, n_features)
        return cls.from_frame(columns, ax=ax, palette=palette)

    @classmethod
    def from_frame(cls, frame: Any, *, ax: Any = None, palette: Palette = LIGHT) -> Self:
        """Draw a frame as ``explain`` gives it, by effect, axis or feature; or as ``frame`` is."""
        columns: dict[str, Any] = columns_of(frame)
        if "of" in columns:
            return cls(**columns).plot(ax, palette=palette)
        if "latent" in columns:
            n = columns["effect"].size
            return cls(
                effect=np.tile(columns["effect"], 2),
                share=np.concatenate([columns["latent"], columns["observed"]]),
                of=np.repeat(["latent", "observed"], n),
                std_error=np.concatenate([np.full(n, np.nan), columns["observed_std_error"]]),
            ).plot(ax, palette=palette)
        kind = "axis" if "axis" in columns else "feature"
        of = [f"latent {int(one) + 1}" for one in columns["axis"]] if kind == "axis" else columns["feature"]
        display = cls(
            effect=columns["effect"],
            share=columns["share"],
            of=of,
            std_error=columns.get("std_error"),
            of_name="axis" if kind == "axis" else "feature",
        )
        return display.plot(ax, palette=palette)

    @property
    def is_map(self) -> bool:
        """Whether it is a heat map."""
        return bool(self.of_name) or not set(self.kinds) <= {"latent", "observed"}

    @property
    def figsize(self) -> tuple[float, float]:
        """Size in inches of a figure of its own."""
        if self.is_map:
            return (1.9 + 0.52 * len(self.effects), 1.2 + 0.27 * max(len(self.kinds), 2))
        return (5.4, 0.9 + 0.36 * max(len(self.effects), 3))

    def _paint(self, palette: Palette) -> None:
        if self.is_map:
            self._draw_map(palette)
        else:
            self._draw_bars(palette)

    def _draw_bars(self, palette: Palette) -> None:
        place = -np.arange(len(self.effects), dtype=float)
        both = len(self.kinds) > 1
        widest = float(np.max(self.share))
        looks = {
            "latent": {"facecolor": "none", "edgecolor": palette.series[0], "linewidth": 1.0},
            "observed": {"color": palette.series[0], "linewidth": 0.0},
        }
        for kind in self.kinds:
            rows = np.flatnonzero(self.of == kind)
            share, error = self.share[rows], np.nan_to_num(_ERRORS * self.std_error[rows])
            height, aside = (0.34, 0.19 if kind == "latent" else -0.19) if both else (0.6, 0.0)
            at = aside - np.array(
                [self.effects.index(one) for one in self.effect[rows].tolist()], dtype=float
            )
            name = {"latent": "of the latents", "observed": "of what is observed"}[kind]
            self.ax_.barh(at, share, height=height, label=name, **looks[kind])
            known = error > 0
            self.ax_.hlines(
                at[known], (share - error)[known], (share + error)[known], color=palette.ink, linewidth=1.1
            )
            for y, one, end in zip(at, share, np.maximum(share + error, 0.0), strict=True):
                self.ax_.annotate(
                    _percent(one),
                    (end, y),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize="x-small",
                    color=palette.muted if abs(one) < _SMALL else palette.ink,
                )
        self.ax_.axvline(0.0, color=palette.muted, linewidth=0.8)
        self.ax_.set_yticks(place, [shortened(one) for one in self.effects])
        for text, one in zip(self.ax_.get_yticklabels(), self.effects, strict=True):
            text.set_color(palette.muted if one in self.negligible else palette.ink)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.spines["left"].set_visible(False)
        self.ax_.set_xlim(min(0.0, 1.15 * float(np.min(self.share))), 1.18 * widest)
        self.ax_.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        self.ax_.set_xlabel("share of variance")
        if both:
            self.ax_.legend(fontsize="small", loc="lower right")

    def _draw_map(self, palette: Palette) -> None:
        cells = np.full((len(self.kinds), len(self.effects)), np.nan)
        for effect, kind, share in zip(self.effect.tolist(), self.of.tolist(), self.share, strict=True):
            cells[self.kinds.index(kind), self.effects.index(effect)] = share
        colours, top = palette.sequential_map(), max(float(np.nanmax(cells)), 1e-12)
        image = self.ax_.imshow(cells, cmap=colours, vmin=0.0, vmax=top, aspect="auto")
        image.set_zorder(0)
        if cells.size <= _PRINTED:
            for (row, column), value in np.ndenumerate(cells):
                if np.isfinite(value):
                    strong = value > 0.55 * top
                    self.ax_.text(
                        column,
                        row,
                        "·" if abs(value) < 0.005 else f"{100 * value:.0f}".replace("-", "−"),
                        ha="center",
                        va="center",
                        fontsize="small",
                        color=palette.surface if strong else palette.ink,
                    )
        self.ax_.set_xticks(
            range(len(self.effects)),
            [shortened(one, 22) for one in self.effects],
            rotation=40,
            ha="left",
            rotation_mode="anchor",
        )
        for text, one in zip(self.ax_.get_xticklabels(), self.effects, strict=True):
            text.set_color(palette.muted if one in self.negligible else palette.ink)
        self.ax_.xaxis.tick_top()
        self.ax_.set_yticks(range(len(self.kinds)), [shortened(one) for one in self.kinds], fontsize="small")
        self.ax_.tick_params(length=0)
        for side in ("left", "bottom"):
            self.ax_.spines[side].set_visible(False)
        self.ax_.set_xlabel("share of variance, percent")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if abs(share) < 0.0995 else f"{100 * share:.0f}%"


def _chosen(columns: dict[str, Any], features: Any, n_features: int) -> dict[str, Any]:
    """Rows of some features, in the order in which they were named, or in their own."""
    names = columns["feature"].astype(str)
    known = list(dict.fromkeys(names.tolist()))
    if features is None:
        noise = {
            name: columns["share"][(names == name) & (columns["effect"].astype(str) == "noise")][0]
            for name in known
        }
        least = set(sorted(known, key=lambda name: noise[name])[:n_features])
        wanted = [name for name in known if name in least]
    else:
        wanted = [str(one) for one in features]
        if absent := [one for one in wanted if one not in known]:
            raise ValueError(f"no feature {absent[0]!r}; there are {len(known)}: {known[0]!r}, …")
    rows = np.concatenate([np.flatnonzero(names == name) for name in wanted])
    return {name: values[rows] for name, values in columns.items()}
