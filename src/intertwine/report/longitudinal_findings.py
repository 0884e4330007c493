"""What a fitted model of subjects' visits says of effects, latents and curves, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.plots._results import columns_of
from intertwine.report.study import Study
from intertwine.report.tables import Table
from intertwine.report.words import listed, number, plus_minus

__all__ = [
    "NEGLIGIBLE",
    "TOO_MUCH",
    "LongitudinalFindings",
    "axis_table",
    "basis_table",
    "covariance_rows",
    "covariance_table",
    "effect_table",
    "score_told",
    "shares_told",
]

TOO_MUCH = 0.05  # of a curve's variance that its functions miss
NEGLIGIBLE = 0.01  # share of variance under which an effect is of no consequence
_OWN = ("visit", "noise")  # what is of no effect
_MOST_SHOWN = 2


@final
@dataclass(frozen=True)
class LongitudinalFindings:
    """Frames of the estimator as columns.

    Attributes
    ----------
    by_effect, by_axis, by_feature, axes, basis, covariances : dict of arrays
        As ``explain``, ``axes_``, ``basis_`` and ``own_covariances_`` give them.
    rank : int
        Directions of the latents in which effects can be told from noise.
    """

    by_effect: dict[str, NDArray[Any]]
    by_axis: dict[str, NDArray[Any]]
    by_feature: dict[str, NDArray[Any]]
    axes: dict[str, NDArray[Any]]
    basis: dict[str, NDArray[Any]]
    covariances: dict[str, NDArray[Any]]
    rank: int

    @classmethod
    def of(cls, study: Study) -> LongitudinalFindings:
        """Those of a study."""
        estimator = study.estimator
        return cls(
            columns_of(estimator.explain("effect")),
            columns_of(estimator.explain("axis")),
            columns_of(estimator.explain("feature")),
            columns_of(estimator.axes_),
            columns_of(estimator.basis_),
            columns_of(estimator.own_covariances_),
            int(estimator.rank_),
        )

    @property
    def effects(self) -> list[str]:
        """Titles, without the noise of visits and of values."""
        return [str(one) for one in self.by_effect["effect"] if one not in _OWN]

    @property
    def features(self) -> list[str]:
        """Names of the measurements."""
        return list(dict.fromkeys(map(str, self.by_feature["feature"])))

    def observed(self, effect: str) -> float:
        """Share of an effect in the variance of what is measured."""
        return float(self.by_effect["observed"][self.by_effect["effect"].astype(str) == effect][0])

    def of_feature(self, effect: str) -> NDArray[np.float64]:
        """Share of an effect in the variance of every measurement."""
        return self.by_feature["share"][self.by_feature["effect"].astype(str) == effect].astype(float)

    def most_moved(self, effect: str, n: int) -> list[str]:
        """Measurements of whose variance the effect has the largest shares."""
        order = np.argsort(-self.of_feature(effect), kind="stable")[:n]
        return [self.features[i] for i in order]


def effect_table(findings: LongitudinalFindings) -> Table:
    """Shares of variance by effect, with the measurements that each moves most."""
    columns, rows = findings.by_effect, []
    parts = (columns[name] for name in ("effect", "latent", "observed", "observed_std_error"))
    for effect, latent, observed, error in zip(*parts, strict=True):
        moved = [] if effect in _OWN else findings.most_moved(str(effect), _MOST_SHOWN)
        shares = findings.of_feature(str(effect)) if moved else np.zeros(0)
        told = [f"{name} ({shares[findings.features.index(name)]:.0%})" for name in moved]
        rows.append(
            {
                "effect": _called(str(effect)),
                "latent": None if np.isnan(latent) else float(np.clip(latent, 0.0, 1.0)),
                "observed": float(np.clip(observed, 0.0, 1.0)),
                "std_error": "" if effect == "noise" else f"{100 * error:.1f}%",
                "most": ", ".join(told) if observed >= NEGLIGIBLE else "",
            }
        )
    caption = (
        "Shares of the variance over the visits of the fit that effects are behind: of the latents, and of what is "
        "measured (Shapley values through the decoder; features count alike, or by their variance where they share a "
        "unit). They are of what the posterior says that effects add at these visits, and add up to all of it. "
        "Standard errors are of sampling."
    )
    return Table(caption=caption, rows=rows)


def _called(effect: str) -> str:
    return {"visit": "single visits", "noise": "noise of measurements"}.get(effect, effect)


def axis_table(findings: LongitudinalFindings) -> Table:
    """What is known of each latent, and whether it is identified."""
    axes, rows = findings.axes, []
    for place, axis in enumerate(axes["axis"].tolist()):
        here = findings.by_axis["axis"] == axis
        shares, names = findings.by_axis["share"][here].astype(float), findings.by_axis["effect"][here]
        order = [i for i in np.argsort(-shares, kind="stable")[:_MOST_SHOWN] if shares[i] > NEGLIGIBLE]
        alike = [str(int(one) + 1) for one in str(axes["alike"][place]).split(", ") if one]
        identified = bool(axes["identified"][place])
        told = "yes" if identified else "no: noise"
        told = f"up to rotation with {listed(alike)}" if identified and alike else told
        rows.append(
            {
                "axis": str(axis + 1),
                "effects": float(np.clip(axes["effects_share"][place], 0.0, 1.0)),
                "observed": float(np.clip(axes["observed_share"][place], 0.0, 1.0)),
                "gain": number(float(axes["gain"][place]), 3),
                "mostly": listed([f"{_called(str(names[i]))} ({shares[i]:.0%})" for i in order]),
                "identified": told,
            }
        )
    caption = (
        f"Effects can be told from noise in {findings.rank} of {len(rows)} directions. By convention a latent has "
        "prior variance one, its mean slope of largest magnitude is positive, and latents come in the order of the "
        "variance that effects explain. Of one that is noise the mixed model says nothing."
    )
    return Table(caption=caption, rows=rows)


def basis_table(findings: LongitudinalFindings) -> Table | None:
    """How curves are represented, and what of them is missing."""
    basis, rows = findings.basis, []
    for place, effect in enumerate(basis["effect"].tolist()):
        exact = str(basis["method"][place]) == "state-space"
        missing = float(basis["missing_variance"][place])
        rows.append(
            {
                "effect": str(effect),
                "kernel": str(basis["kernel"][place]),
                "length_scale": number(float(basis["length_scale"][place]), 3),
                "functions": "exact" if exact else f"{int(basis['n_functions'][place]):,}",
                "boundary": "" if exact else f"{float(basis['boundary'][place]):.2f}",
                "missing": "none" if exact or np.isnan(missing) else f"{missing:.1%}",
                "too_much": not exact and missing > TOO_MUCH,
            }
        )
    if not rows:
        return None
    caption = (
        "A curve is a sum of waves in a box around the range of its covariate (its half width, in half ranges, is the "
        f"boundary). Up to about {TOO_MUCH:.0%} of the prior's variance may be missing anywhere in the range; above, "
        "ask for more functions. Length scales are in the unit of the covariate."
    )
    return Table(caption=caption, rows=rows)


def covariance_rows(
    covariances: dict[str, NDArray[Any]], axes: dict[str, NDArray[Any]]
) -> list[dict[str, str]]:
    """How coefficients of subjects go together, on the latents that are told from noise; as a reader sees it.

    Parameters
    ----------
    covariances, axes : dict of arrays
        As ``own_covariances_`` and ``axes_`` give them.
    """
    columns, rows = covariances, []
    identified = set(axes["axis"][axes["identified"].astype(bool)].tolist())
    names = ("axis", "effect", "first", "second", "covariance", "correlation")
    told = list(zip(*(columns[name].tolist() for name in names), strict=True))
    variance = {(axis, effect, one): value for axis, effect, one, other, value, _ in told if one == other}
    for axis, effect, one, other, _, correlation in told:
        if one != other and axis in identified:
            rows.append(
                {
                    "axis": str(axis + 1),
                    "first": _with_deviation(one, variance[axis, effect, one]),
                    "second": _with_deviation(other, variance[axis, effect, other]),
                    "correlation": f"{correlation:+.2f}".replace("-", "−"),
                }
            )
    return rows


def covariance_table(findings: LongitudinalFindings) -> Table | None:
    """How coefficients of subjects go together, where any do."""
    rows = covariance_rows(findings.covariances, findings.axes)
    if not rows:
        return None
    caption = (
        "Coefficients of one subject that are correlated, as lme4's (t | g) has them, with their standard deviations: "
        "a negative correlation of level and slope says that who is high on a latent falls, or rises less. Levels are "
        "at the mean of the covariate, slopes per standard deviation of it. Only latents that are told from noise are "
        "listed."
    )
    return Table(caption=caption, rows=rows)


def _with_deviation(name: str, variance: float) -> str:
    return f"{name} ({number(float(np.sqrt(variance)), 2)})"


def shares_told(findings: LongitudinalFindings) -> str:
    """The shares in a sentence, the largest effects first, those of no consequence by name."""
    known = {name: findings.observed(name) for name in findings.effects}
    large = sorted((name for name in known if known[name] >= NEGLIGIBLE), key=lambda name: -known[name])
    told = [f"{known[name]:.0%} is behind {name}" for name in large[:6]]
    rest = (
        f"{findings.observed('visit'):.0%} is of single visits and {findings.observed('noise'):.0%} is noise"
    )
    idle = [name for name in known if known[name] < NEGLIGIBLE]
    said = f" Less than a hundredth is behind {listed(idle)}." if idle else ""
    return f"Of the variance of what is measured, {', '.join([*told, rest])}.{said}"


def score_told(comparison: Any) -> str:
    """R² with its standard error."""
    return f"{comparison.task.metric} {plus_minus(float(comparison.mean[0]), float(comparison.std_error[0]))}"
