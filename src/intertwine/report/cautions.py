"""What to be careful about, each point only where it applies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.report.diagnostics import calibration_slope, close_pairs, proportional_hazards_z
from intertwine.report.findings import Findings, tie_trial
from intertwine.report.study import Study
from intertwine.report.words import compact, count, listed, number

_MISSING = 0.3  # of the entries of a feature
_NOTABLE = 0.05  # of a slope; with many rows less is beyond chance, and of no consequence

__all__ = ["Caution", "calibrated", "cautions", "missing_entries", "not_causes", "preparation"]


@final
@dataclass(frozen=True)
class Caution:
    """One point: a few words, and what they mean here."""

    title: str
    text: str


def cautions(study: Study, findings: Findings, predictions: dict[str, NDArray[Any]] | None) -> list[Caution]:
    """Collect the points that apply to `study`."""
    points = [*_size(study, findings), *_many_pairs(findings), *_tie(study), *_converged(study)]
    if study.has_data:
        points += [*_collinear(study), *_constant(study)]
        if predictions is not None:
            points += calibrated(study, predictions)
    points += preparation(study)
    points += _weighted(study)
    points.append(
        Caution(
            "Shrinkage",
            "Estimates are pulled towards zero and towards the latent structure, so they are smaller than an "
            "unpenalised fit would give, and their standard errors do not contain that bias.",
        )
    )
    return [*points, not_causes()]


def _weighted(study: Study) -> Iterator[Caution]:
    params = getattr(study.estimator, "best_params_", None) or study.estimator.get_params(deep=False)
    if params.get("relevance", 0.0) != 0.0:
        yield Caution(
            "Relevance weights",
            "Features were weighted by how well each predicts alone. That helps predictions, but a pair whose features "
            "have no effect of their own is pulled to zero together with its standard error: for inference on single "
            "pairs, fit again with relevance 0.",
        )


def _size(study: Study, findings: Findings) -> Iterator[Caution]:
    if study.n_rows is None or study.y is None or findings.n_pairs == 0:
        return
    unit, n = "rows", study.n_rows
    if study.task.name == "survival":
        unit, n = "events", int(np.sum(study.y["event"]))
    if n < 10 * findings.n_pairs:
        yield Caution(
            "Many pairs, few " + unit,
            f"{count(findings.n_pairs, 'pair')} share {n:,} {unit}, {number(n / findings.n_pairs, 2)} for each. "
            "No single pair is well determined by the data alone: what is shown leans on the penalty "
            "and on the latent structure.",
        )


def _many_pairs(findings: Findings) -> Iterator[Caution]:
    if findings.n_pairs > 1 and findings.has_errors:
        chance = 0.0455 * findings.n_pairs
        yield Caution(
            "Many comparisons",
            f"Among {count(findings.n_pairs, 'pair')}, about {number(chance, 2)} would pass |z| > 2 by chance if none "
            f"interacted and nothing were shrunken. {count(findings.n_clear, 'pair')} pass a false "
            "discovery rate of 10%.".replace(". no ", ". No "),
        )


def _tie(study: Study) -> Iterator[Caution]:
    found = tie_trial(study.estimator)
    if found is None:
        return
    gain, error, tie = found.loss_without - found.loss_with, found.std_error, compact(found.tie)
    losses = (
        f"{number(found.loss_without)} without a tie, {number(found.loss_with)} with the best one ({tie})"
    )
    if found.accepted:
        yield Caution(
            "The latent tie was accepted",
            f"The held-out loss is {losses}: tying pairs to latent vectors helps by more than the standard error of "
            "the difference. The choice was made on these rows, so the gain on new ones will be smaller.",
        )
    elif gain > 0:
        yield Caution(
            "The latent tie was not accepted",
            f"The held-out loss is {losses}, a difference within its standard error (losses themselves: ± "
            f"{number(error, 2)}). The model is the simpler one: every pair on its own, no latent map.",
        )
    else:
        yield Caution(
            "The latent tie was not accepted",
            f"The held-out loss is {losses}: a latent structure predicts no better. Every pair stands on its own, "
            "and there is no latent map.",
        )


def _converged(study: Study) -> Iterator[Caution]:
    violation = getattr(study.estimator, "optimality_", None)
    tolerance = 100 * float(getattr(study.chosen, "tol", 1e-6))
    if violation is not None and np.max(violation) > max(tolerance, 1e-4):
        yield Caution(
            "Not fully converged",
            f"The optimality conditions are violated by {np.max(violation):.1e}; raise max_iter.",
        )


def _collinear(study: Study) -> Iterator[Caution]:
    close = close_pairs(study.table)
    if close:
        names = study.names
        told = [
            f"{names[j]} and {names[k]} ({correlation:+.2f})".replace("-", "−") for j, k, correlation in close
        ]
        yield Caution(
            "Near copies",
            f"{count(len(close), 'pair')} of features {'is' if len(close) == 1 else 'are'} correlated "
            f"beyond 0.9: {listed(told, limit=4)}. "
            "An interaction of one could as well be credited to the other.",
        )


def _constant(study: Study) -> Iterator[Caution]:
    constant = np.ptp(study.table, axis=0) == 0
    if np.any(constant):
        names = [name for name, is_constant in zip(study.names, constant, strict=True) if is_constant]
        verb = "varies, so its effect is" if len(names) == 1 else "vary, so their effects are"
        yield Caution("Constant columns", f"{listed(names)} never {verb} 0.")


def preparation(study: Study) -> list[Caution]:
    """What was done to the data before."""
    return [Caution("Data preparation", note) for note in study.notes]


def missing_entries(study: Study, known: str) -> list[Caution]:
    """Features of which much is missing, taken as missing at random given what is `known`."""
    if study.X is None:
        return []
    missing = np.isnan(study.table).mean(axis=0)
    gaps = [
        f"{name} ({share:.0%})" for name, share in zip(study.names, missing, strict=True) if share > _MISSING
    ]
    if not gaps:
        return []
    return [
        Caution("Missing entries", f"{listed(gaps, limit=5)}: taken as missing at random, given {known}.")
    ]


def not_causes() -> Caution:
    """What no model of observations tells."""
    return Caution(
        "Not causes",
        "An interaction says that predictions depend on two features together, "
        "not that changing them has that effect.",
    )


def calibrated(study: Study, predictions: dict[str, NDArray[Any]]) -> list[Caution]:
    """Whether held-out predictions are of the right size."""
    y = study.y
    assert y is not None
    if study.task.name == "survival":
        z = proportional_hazards_z(
            y["time"],
            y["event"],
            predictions["risk"],
            y["entry"] if "entry" in (y.dtype.names or ()) else None,
        )
        if abs(z) > 2:
            trend = "fades" if z < 0 else "grows"
            return [
                Caution(
                    "Hazards are not proportional",
                    f"The predicted risk {trend} over time (Schoenfeld residuals, z = {number(z, 2)}): "
                    "curves far from the middle of the follow-up can be off.",
                )
            ]
        return [
            Caution(
                "Proportional hazards",
                f"No drift of the predicted risk over time was seen (Schoenfeld residuals, z = {number(z, 2)}).",
            )
        ]
    slope, error = calibration_slope(y, predictions)
    if abs(slope - 1) > max(2 * error, _NOTABLE):
        direction = "too extreme" if slope < 1 else "too timid"
        return [
            Caution(
                "Calibration",
                f"Held-out predictions are {direction}: their calibration slope is {slope:.2f} ± "
                f"{error:.2f}, where 1 is right.",
            )
        ]
    return [
        Caution(
            "Calibration",
            f"Held-out predictions are of the right size: calibration slope {slope:.2f} ± {error:.2f}, "
            "where 1 is right.",
        )
    ]
