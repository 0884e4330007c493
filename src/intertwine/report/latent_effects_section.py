"""The section of latents beside random effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from intertwine.compare import CENTRED_PCA, PLAIN_PCA, Comparison
from intertwine.plots import LatentsDisplay
from intertwine.plots._groups import group_labels
from intertwine.plots._results import columns_of, variance_shares
from intertwine.report.cautions import Caution, missing_entries, preparation
from intertwine.report.fit_code import effects_code
from intertwine.report.picture import Picture, scratch_axes, take_picture
from intertwine.report.section import AbstractSection, fit_settings, headline_of
from intertwine.report.study import Study
from intertwine.report.tables import Table, score_table
from intertwine.report.words import count, listed, number, plus_minus

__all__ = ["LatentEffectsSection", "latent_effects_section"]

_MOST_FEATURES = 30


@final
@dataclass(frozen=True, kw_only=True)
class LatentEffectsSection(AbstractSection):
    """Latents, and what lies between levels of random effects.

    Attributes
    ----------
    unit_scores : Table or None
        On whole groups or regions.
    unit : str
        What the groups are called.
    components : list of str
        Of the variance of a feature.
    shares : Table
    latent_pictures : list of Picture
    """

    template: ClassVar[str] = "latent_effects.html"

    unit_scores: Table | None
    unit: str
    components: list[str]
    shares: Table
    latent_pictures: list[Picture]


def latent_effects_section(
    study: Study, identifier: str, on_step: Callable[[str], None]
) -> LatentEffectsSection:
    """The section of a latent model with random effects."""
    on_step(f"{study.title}: pictures")
    features, components, shares = variance_shares(columns_of(study.estimator.variance_components_))
    average = {name: float(value) for name, value in zip(components, shares.mean(axis=0), strict=True)}
    sentences = _verdict(study, average)
    return LatentEffectsSection(
        study=study,
        id=identifier,
        facts=_facts(study, features),
        headline=headline_of(study),
        strongest=sentences[-1] if sentences else "",
        verdict=sentences,
        scores=score_table(study.comparison),
        unit_scores=score_table(study.by_unit),
        unit=study.unit,
        components=components,
        shares=_share_table(features, shares),
        latent_pictures=_latents(study),
        sureness=_sureness(study),
        cautions=list(_cautions(study, features)),
        code=effects_code(study),
        fit=[("components", str(study.estimator.n_components)), *fit_settings(study)],
    )


def _facts(study: Study, features: Sequence[str]) -> list[tuple[str, str]]:
    facts = []
    if study.X is not None:
        facts += [("Rows", f"{len(study.X):,}"), ("Missing entries", f"{np.isnan(study.table).mean():.1%}")]
    facts.append(("Features", f"{len(features):,}"))
    if study.groups is not None:
        facts.append(("Groups", f"{np.unique(group_labels(study.groups).astype(str)).size:,}"))
    facts += [("Latents", str(study.estimator.n_components)), ("Model", type(study.estimator).__name__)]
    return facts


def _verdict(study: Study, average: dict[str, float]) -> list[str]:
    sentences = []
    if study.comparison is not None:
        sentences.append(_again(study.comparison, "rows of what is known"))
        sentences += [_gain(study.comparison, name) for name in (PLAIN_PCA, CENTRED_PCA)]
        sentences.append(_better(study.comparison))
    if study.by_unit is not None:
        sentences.append(_again(study.by_unit, f"new {study.unit}"))
        sentences.append(_on_new_units(study.by_unit))
    told = [f"{share:.0%} {_part(name)}" for name, share in average.items()]
    sentences.append(f"Of the variance of a feature, on average, {listed(told)}.")
    return [sentence for sentence in sentences if sentence]


def _part(component: str) -> str:
    known = {"latent": "is told by latents", "noise": "is noise"}
    return known.get(component, f"lies between levels of {component}")


def _again(comparison: Comparison, what: str) -> str:
    score = plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))
    return (
        f"Of held-out {what}, latents and effects give {max(float(comparison.mean[0]), 0):.0%} of the variance again "
        f"({comparison.task.metric} {score}, on average over features)."
    )


def _gain(comparison: Comparison, name: str) -> str:
    if name not in comparison.names:
        return ""
    row = comparison.names.index(name)
    gain, error = -float(comparison.difference[row]), float(comparison.difference_std_error[row])
    size = f"{gain:+.3f} ± {error:.3f}".replace("-", "−")
    if abs(gain) <= 2 * error:
        return f"That cannot be told from {name} with as many components ({size})."
    return f"That is {'better' if gain > 0 else 'worse'} than {name} with as many components ({size})."


def _on_new_units(comparison: Comparison) -> str:
    if PLAIN_PCA not in comparison.names:
        return ""
    row = comparison.names.index(PLAIN_PCA)
    gain, error = float(comparison.difference[row]), float(comparison.difference_std_error[row])
    if gain <= 2 * error:
        return ""
    return (
        f"There PCA gives more again ({gain:+.3f} ± {error:.3f}): its components also hold what sets groups apart, "
        "which here is left to effects, and of new groups these are not known."
    )


def _better(comparison: Comparison) -> str:
    if len(comparison.names) < 2:
        return ""
    best = 1 + int(np.nanargmax(comparison.mean[1:]))
    gain, error = float(comparison.difference[best]), float(comparison.difference_std_error[best])
    name = comparison.names[best]
    if name in (PLAIN_PCA, CENTRED_PCA) or gain <= 2 * error:
        return ""
    return (
        f"{name[0].upper()}{name[1:]} gives more again, by {gain:.3f} ± {error:.3f}: take the simpler model."
    )


def _share_table(features: Sequence[str], shares: Any) -> Table:
    order = np.argsort(-shares[:, 0], kind="stable")[:_MOST_FEATURES]
    rows = [{"feature": features[i], "shares": [float(value) for value in shares[i]]} for i in order]
    more = f" {len(features) - len(rows):,} more are left out." if len(features) > len(rows) else ""
    caption = (
        "Share of latents, of each effect and of noise in the variance of every feature, those first that latents tell "
        f"most of.{more}"
    )
    return Table(caption=caption, rows=rows)


def _latents(study: Study) -> list[Picture]:
    if study.X is None:
        return []
    given = {name: getattr(study, name) for name in ("groups", "time", "coords")}
    given = {name: values for name, values in given.items() if values is not None}
    display = LatentsDisplay.from_estimator(study.estimator, study.X, ax=scratch_axes(), **given)
    pictures = [_picture(display, "Latents by group" if "groups" in given else "Latents")]
    features, _, shares = variance_shares(columns_of(study.estimator.variance_components_))
    leading = features[int(np.argmax(shares[:, 0]))]
    if leading in study.names:
        values = study.table[:, study.names.index(leading)]
        known = np.where(np.isnan(values), np.nanmean(values), values)
        by_value = LatentsDisplay.from_estimator(
            study.estimator, study.X, by=known, by_name=leading, ax=scratch_axes(), **given
        )
        if by_value.is_number:
            pictures.append(_picture(by_value, f"Latents by {leading}"))
    return pictures


def _picture(display: LatentsDisplay, title: str) -> Picture:
    told = f"; told apart are {listed(display.groups, limit=8)}" if display.groups else ""
    told = f"; coloured by {display.by_name}" if display.is_number else told
    reach = f"the first from {number(float(display.x.min()), 2)} to {number(float(display.x.max()), 2)}"
    meaning = (
        "Rows that are alike, what they share with their group being taken away, lie together. If groups still "
        "form clusters, latents hold what the effects do not."
        if display.groups
        else "The feature that latents tell most of; missing values are shown as the mean."
    )
    return take_picture(
        display,
        title=title,
        alt=f"{count(display.x.size, 'row')} by {'two latents' if display.has_two else 'one latent'}, {reach}{told}.",
        caption=meaning,
    )


def _sureness(study: Study) -> list[str]:
    if hasattr(study.estimator, "bound_"):
        return [
            "Random effects were integrated out exactly at every step; latents by an encoder, so what was maximised is "
            f"a lower bound of the likelihood. Of {count(len(study.estimator.starts_), 'start')}, the one with the "
            "best bound went on.",
            "Latents of a network are determined only up to a bend: read neighbourhoods, not distances.",
        ]
    return [
        "Latents and random effects were integrated out; the parameters are those of the greatest likelihood.",
        "Axes of latents are principal ones, up to their sign.",
    ]


def _cautions(study: Study, features: Sequence[str]) -> Iterator[Caution]:
    yield from missing_entries(study, "what is there of the row and its group")
    yield from preparation(study)
    if len(features) <= 2 * study.estimator.n_components:
        yield Caution(
            "Few features",
            f"{study.estimator.n_components} latents of {count(len(features), 'feature')} give nearly every row again, "
            "noise included.",
        )
    yield Caution(
        "Reconstruction",
        "A row is seen through its own latents, so errors say how much they hold, not how well an absent row would be "
        "foretold. Effects are those of the fit: nothing of a held-out row goes into them.",
    )
    yield Caution(
        "Levels not seen",
        "A group that was not in the fit counts as an average one; what it has of its own then goes into its latents.",
    )
    yield Caution("Not causes", "Latents are summaries. They have the names that readers give them.")
