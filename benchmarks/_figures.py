"""The pictures of the benchmarks: drawn from the results, into the folder of the results."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from _results import FOLDER, mean_and_error

# Okabe and Ito's colours, in an order that also differs in grey; the dash tells the lines apart in print.
STYLES = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#000000", ":", "D"))


def curves(rows: list[dict], x: str, y: str, by: str) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each value of ``by``: positions, means and standard errors over the seeds."""
    found = {}
    for name in dict.fromkeys(row[by] for row in rows):
        here = [row for row in rows if row[by] == name]
        positions = sorted({row[x] for row in here})
        stats = [mean_and_error([row[y] for row in here if row[x] == position]) for position in positions]
        found[name] = (
            np.array(positions, dtype=float),
            *(np.array(part) for part in zip(*stats, strict=True)),
        )
    return found


def draw_curves(found: dict, axes: object) -> None:
    """Lines with error bars, one style each."""
    for (name, (positions, means, errors)), (colour, dash, marker) in zip(
        found.items(), STYLES * 3, strict=False
    ):
        axes.errorbar(
            positions,
            means,
            np.nan_to_num(errors),
            label=name,
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=4,
        )


def save(figure: object, name: str) -> Path:
    """Write a PNG of modest size and close the figure."""
    import matplotlib.pyplot as plt

    path = FOLDER / f"{name}.png"
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _new_axes() -> tuple[object, object]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(6.4, 4.0))


def tie_curve(rows: list[dict], name: str) -> None:
    """AUC against the strength of the tie: an optimum between none and an FM says that both are too stiff."""
    ties = {row["method"]: float(re.sub("^tie = ", "", row["method"])) for row in rows}
    if len(ties) < 2:
        return
    inner = sorted(tie for tie in ties.values() if 0 < tie < np.inf)
    # The two ends have no place on a logarithmic axis: they get the next decades, under their own labels.
    places = {0.0: inner[0] / 10, np.inf: inner[-1] * 10}
    marked = [
        {**row, "at": places.get(ties[row["method"]], ties[row["method"]]), "all": "test AUC"} for row in rows
    ]
    figure, axes = _new_axes()
    draw_curves(curves(marked, "at", "value", "all"), axes)
    axes.set_xscale("log")
    axes.set_xticks([places[0.0], *inner, places[np.inf]], ["none", *(f"{tie:g}" for tie in inner), "∞ (FM)"])
    axes.minorticks_off()
    axes.set_xlabel("strength of the latent tie")
    axes.set_ylabel("test AUC")
    axes.set_title(f"p = {rows[0]['p']}: the best tie is neither none nor infinite", loc="left", fontsize=10)
    save(figure, f"{name}_tie")


def transition(rows: list[dict], n_rows: int, name: str) -> None:
    """RMSE through the number of features at which parameters outnumber the rows."""
    if not rows:
        return
    figure, axes = _new_axes()
    draw_curves(curves(rows, "p", "value", "method"), axes)
    critical = (1 + np.sqrt(8 * n_rows - 7)) / 2 - 1
    axes.axvline(critical, color="0.6", linewidth=1)
    axes.annotate(f"1 + p + p(p−1)/2 = {n_rows}", (critical, axes.get_ylim()[1]), rotation=90, fontsize=8, color="0.4",
                  ha="right", va="top")  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("features p")
    axes.set_ylabel("test RMSE")
    axes.legend(frameon=False, fontsize=8)
    save(figure, f"{name}_transition")


def maps(found: dict[str, np.ndarray], is_donor: np.ndarray, names: list[str], name: str) -> None:
    """Several maps of the same antigens side by side, all turned onto the first."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.6), squeeze=False)
    for axes, (title, places) in zip(panels[0], found.items(), strict=True):
        for members, (colour, _, marker), label in (
            (is_donor, STYLES[0], "donor"),
            (~is_donor, STYLES[1], "recipient"),
        ):
            axes.scatter(*places[members].T, s=14, color=colour, marker=marker, label=label)
        for place, text in zip(places, names, strict=True):
            axes.annotate(text.split()[-1], place, fontsize=5, xytext=(2, 2), textcoords="offset points")
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
    panels[0][0].legend(frameon=False, fontsize=7)
    save(figure, f"{name}_maps")


def growth(rows: list[dict], name: str) -> None:
    """Seconds and added memory against one size, on logarithmic axes: a panel for each thing that grows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = list(dict.fromkeys(row["curve"] for row in rows))
    if not kinds:
        return
    figure, panels = plt.subplots(1, len(kinds), figsize=(4.2 * len(kinds), 3.6), squeeze=False)
    for axes, kind in zip(panels[0], kinds, strict=True):
        here = [row for row in rows if row["curve"] == kind]
        draw_curves(curves(here, "size", "seconds", "method"), axes)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(kind)
        axes.set_ylabel("seconds")
        axes.legend(frameon=False, fontsize=7)
    save(figure, f"{name}_growth")
