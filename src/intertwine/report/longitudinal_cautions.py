"""What to be careful about in a model of subjects' visits, each point only where it applies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intertwine.plots._groups import group_labels
from intertwine.report.cautions import Caution, missing_entries, preparation
from intertwine.report.longitudinal_findings import TOO_MUCH, LongitudinalFindings
from intertwine.report.study import Study
from intertwine.report.words import count, listed

__all__ = ["longitudinal_cautions"]

_FEW = 30  # subjects, under which variances between them are hardly known


def longitudinal_cautions(study: Study, findings: LongitudinalFindings) -> list[Caution]:
    """Collect the points that apply."""
    points = [
        *_axes(findings),
        *_basis(findings),
        *_few(study),
        *missing_entries(study, "what else is known of the subject"),
    ]
    points += preparation(study)
    points += [
        Caution(
            "Shares",
            "They are of the visits of the fit. Effects whose covariates go together share what they explain; one that "
            "works against others can have less than nothing, shown as none.",
        ),
        Caution(
            "Bands",
            "They hold the networks as they are: what another fit would make of the data is not in them. Towards the "
            "ends of a covariate's range they are of few visits, and beyond it of the prior.",
        ),
        Caution(
            "Visits that are missing",
            "When a subject is seen, and when it is no longer, is taken to say nothing of what would be measured.",
        ),
        Caution(
            "Not causes",
            "That measurements go with a covariate says nothing of why. Latents have the names that readers give them.",
        ),
    ]
    return points


def _axes(findings: LongitudinalFindings) -> Iterator[Caution]:
    axes = findings.axes
    noise = [str(int(axis) + 1) for axis in axes["axis"][~axes["identified"].astype(bool)]]
    if noise:
        which = f"Latent {noise[0]} is" if len(noise) == 1 else f"Latents {listed(noise)} are"
        yield Caution(
            "Latents of noise",
            f"{which} not told from noise by any effect: read nothing into "
            f"{'it' if len(noise) == 1 else 'them'}; fewer components may do.",
        )
    if any(str(one) for one in axes["alike"]):
        yield Caution(
            "Rotation",
            "Some latents have the same proportions of variances: any rotation among them fits as well. Their span has "
            "a meaning, each by itself has none.",
        )


def _basis(findings: LongitudinalFindings) -> Iterator[Caution]:
    missing = findings.basis["missing_variance"].astype(float)
    bad = [str(name) for name, one in zip(findings.basis["effect"], missing, strict=True) if one > TOO_MUCH]
    if bad:
        yield Caution(
            "Too few functions",
            f"{listed(bad)}: the functions miss more than {TOO_MUCH:.0%} of the prior's variance; raise n_functions or "
            "the boundary of Smooth.",
        )


def _few(study: Study) -> Iterator[Caution]:
    if study.subject is None:
        return
    n_subjects = np.unique(group_labels(study.subject).astype(str)).size
    if n_subjects < _FEW:
        yield Caution(
            "Few subjects",
            f"With {count(n_subjects, 'subject')} how much they differ is hardly known, and with it how wide forecasts "
            "for new ones should be.",
        )
