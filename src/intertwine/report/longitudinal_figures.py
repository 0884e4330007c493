"""Pictures of a model of subjects' visits, and the words beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from intertwine.plots import (
    BasisDisplay,
    CovariateEffectsDisplay,
    LatentsDisplay,
    VarianceSharesDisplay,
    VisitsDisplay,
)
from intertwine.plots._groups import group_labels
from intertwine.plots._results import columns_of
from intertwine.report.longitudinal_findings import NEGLIGIBLE, LongitudinalFindings
from intertwine.report.picture import Picture, scratch_axes, take_picture
from intertwine.report.study import Study
from intertwine.report.words import count, listed, number

__all__ = [
    "pictures_of_basis",
    "pictures_of_curves",
    "pictures_of_latents",
    "pictures_of_shares",
    "pictures_of_visits",
]

_CURVES, _CURVES_EACH = 4, 2
_PANELS = 3
_FEATURES = 20
_MAPS = 2


def pictures_of_visits(study: Study, findings: LongitudinalFindings) -> list[Picture]:
    """Visits of a few subjects: the first half given, the second foretold; none where subjects have few visits."""
    if study.X is None or study.subject is None or study.time is None:
        return []
    labels = group_labels(study.subject)
    sizes = np.unique(labels.astype(str), return_counts=True)[1]
    n_given = int(max(1, np.sort(sizes)[::-1][:_PANELS].min() // 2))
    if sizes.max() < 2 * n_given or sizes.max() < 3:
        return []
    well_told = _well_told(findings)
    display = VisitsDisplay.from_estimator(
        study.estimator,
        study.X,
        covariates=study.covariates,
        subject=study.subject,
        time=study.time,
        n_given=n_given,
        n_subjects=_PANELS,
        features=well_told[:_PANELS],
        ax=scratch_axes(),
    )
    covered = "" if np.isnan(display.covered) else f" {display.covered:.0%} of the hollow dots lie in it."
    return [
        take_picture(
            display,
            title="Visits foretold",
            alt=f"Measurements {listed(display.features)} of {count(len(display.subjects), 'subject')} "
            f"({listed([str(one) for one in display.subjects])}) over {display.time_name}, the first "
            f"{count(n_given, 'visit')} given and the others foretold with a 95% band.{covered}",
            caption="The subjects with the most visits, and the measurements that are best explained. Filled dots were "
            f"given, the first {count(n_given, 'visit')} of each; hollow ones were not. The band is of a single "
            f"measurement, 95%.{covered} The networks have met these visits in the fit; scores above are of visits "
            "that they have not.",
        )
    ]


def _well_told(findings: LongitudinalFindings) -> list[str]:
    """Measurements, those with the least noise first."""
    noise = findings.of_feature("noise")
    return [findings.features[i] for i in np.argsort(noise, kind="stable")]


def pictures_of_shares(study: Study, findings: LongitudinalFindings) -> list[Picture]:
    """Shares of variance of single measurements."""
    chosen = sorted(_well_told(findings)[:_FEATURES], key=findings.features.index)
    keep = np.isin(findings.by_feature["feature"].astype(str), chosen)
    frame = {name: values[keep] for name, values in findings.by_feature.items()}
    display = VarianceSharesDisplay.from_frame(frame, ax=scratch_axes())
    first = max(findings.effects, key=findings.observed, default="noise")
    leading = findings.most_moved(first, 1)[0]
    of_all = "" if len(chosen) == len(findings.features) else f" of {len(findings.features):,}"
    some = ", those with the least noise" if of_all else ""
    return [
        take_picture(
            display,
            title="By measurement",
            alt=f"Shares of {count(len(display.effects), 'effect')} in the variance of "
            f"{count(len(chosen), 'measurement')}{of_all}; {first} has its largest share in {leading} "
            f"({findings.of_feature(first).max():.0%}).",
            caption=f"Shares of the variance of each measurement in percent{some}. "
            "Rows add up to a hundred; a dot stands for less than half a percent.",
        )
    ]


def pictures_of_curves(study: Study, findings: LongitudinalFindings) -> list[Picture]:
    """What covariates that all subjects share move, those with the largest shares first."""
    pictures = []
    for covariate in _leading_covariates(findings)[:_CURVES]:
        try:
            display = CovariateEffectsDisplay.from_estimator(
                study.estimator, covariate, n_features=_CURVES_EACH, ax=scratch_axes()
            )
        except ValueError:  # only effects of single subjects read it
            continue
        told = []
        for name in display.features:
            here = display.feature == name
            low, high = float(display.mean[here].min()), float(display.mean[here].max())
            told.append(f"{name} from {number(low)} to {number(high)}")
        pictures.append(
            take_picture(
                display,
                title=f"Along {covariate}" if display.is_number else f"By {covariate}",
                alt=f"Expected values of {count(len(display.features), 'measurement')} by {covariate}: {listed(told)}.",
                caption=f"The measurements that {covariate} moves furthest, all else alike: of a subject without "
                "anything of its own, averaged over visits of the fit. Bands, 95%, are of the coefficients, the "
                "networks being held.",
            )
        )
    return pictures


def _leading_covariates(findings: LongitudinalFindings) -> list[str]:
    """Covariates of shared effects by the share of these, of consequence only."""
    share: dict[str, float] = {}
    for effect in findings.effects:
        parts = effect.split(" × ")
        if parts[0] == "subject" or findings.observed(effect) < NEGLIGIBLE:
            continue
        for part in parts:
            share[part] = share.get(part, 0.0) + findings.observed(effect)
    return sorted(share, key=lambda name: -share[name])


def pictures_of_latents(study: Study, findings: LongitudinalFindings) -> list[Picture]:
    """Visits by their first two latents, coloured by the covariates that move most."""
    if study.X is None:
        return []
    given = {name: getattr(study, name) for name in ("covariates", "subject", "time")}
    given = {name: values for name, values in given.items() if values is not None}
    columns = {} if study.covariates is None else columns_of(study.covariates)
    if study.time is not None:
        columns["time"] = np.asarray(study.time, dtype=float)
    latents = np.asarray(study.estimator.transform(study.X, **given))
    pictures = []
    known = [one for one in _leading_covariates(findings) if one in columns]
    for name in known[:_MAPS] or [""]:
        display = _map(latents, columns.get(name), name)
        told = (
            f"coloured by {name}"
            if display.is_number
            else f"told apart are {listed(display.groups, limit=8)}"
        )
        pictures.append(
            take_picture(
                display,
                title=f"Visits by {name}" if name else "Visits",
                alt=f"{count(len(latents), 'visit')} by {'two latents' if display.has_two else 'one latent'}"
                f"{f'; {told}' if name else ''}.",
                caption="Visits that are alike lie together; each is known by all visits of its subject."
                + (f" If {name} moves these two, its values lie apart." if name else ""),
            )
        )
    return pictures


def _map(latents: Any, by: Any, name: str) -> LatentsDisplay:
    second = latents[:, 1] if latents.shape[1] > 1 else None
    return LatentsDisplay(x=latents[:, 0], y=second, by=by, by_name=name)


def pictures_of_basis(study: Study, findings: LongitudinalFindings) -> Iterator[Picture]:
    """Variance that curves miss, by the number of functions; none where all are exact."""
    try:
        display = BasisDisplay.from_frame(findings.basis, ax=scratch_axes())
    except ValueError:
        return
    worst = float(np.nanmax(display.frame["missing_variance"]))
    yield take_picture(
        display,
        title="Functions of curves",
        alt=f"Largest missing share of variance of {count(len(display.effect), 'curve')} by the number of functions; "
        f"at those of the fit it is {worst:.1%} at most.",
        caption="Dots: the fit. Where a line is level, a wider boundary would help, and more functions would not. In "
        "the shaded region more functions are wanted.",
    )
