"""What a mixed model found: where the variation is, fixed effects, how many levels each effect has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from intertwine.plots._results import columns_of
from intertwine.report.study import Study
from intertwine.report.tables import Table, marks
from intertwine.report.words import decimals_of, number, signed, unsigned

__all__ = ["MixedFindings", "fixed_table", "variance_table"]

_MOST_FIXED = 20
_NOISE = "noise"
_NOTHING = 1e-6  # of the noise's deviation, under which an effect's is zero
_CERTAIN = 0.9999  # correlation


@final
@dataclass(frozen=True)
class MixedFindings:
    """Tables of a fitted mixed model as columns.

    Attributes
    ----------
    fixed, variances, random : dict of arrays
        As `fixed_effects_`, `variance_components_` and `random_effects_` have them.
    effects : list of str
    outputs : list of str
        Names of several outcomes; one empty name for one.
    """

    fixed: dict[str, NDArray[Any]]
    variances: dict[str, NDArray[Any]]
    random: dict[str, NDArray[Any]]
    effects: list[str]
    outputs: list[str]

    @classmethod
    def of(cls, study: Study) -> MixedFindings:
        """Those of a study."""
        estimator = study.estimator
        variances = columns_of(estimator.variance_components_)
        names = [str(name) for name in variances["component"]]
        outputs = list(dict.fromkeys(variances["output"].tolist())) if "output" in variances else [""]
        return cls(
            columns_of(estimator.fixed_effects_),
            variances,
            columns_of(estimator.random_effects_),
            list(dict.fromkeys(name for name in names if name != _NOISE)),
            [str(one) for one in outputs],
        )

    def share(self, component: str, output: str = "") -> float:
        """Share of an effect, or of the noise, in the variance that fixed effects leave."""
        rows = self._rows(component, output)
        return float(np.sum(self.variances["share"][rows].astype(float)))

    def noise(self, output: str = "") -> float:
        """Standard deviation of the noise."""
        return float(self.variances["sd"][self._rows(_NOISE, output)][0])

    def n_levels(self, effect: str) -> int:
        """Levels of an effect."""
        rows = self.random["effect"].astype(str) == effect
        return int(np.unique(self.random["level"][rows].astype(str)).size)

    def at_boundary(self, effect: str) -> list[str]:
        """What of an effect is at the boundary: a variance of zero, a correlation of one."""
        found = []
        for output in self.outputs:
            noise = self.noise(output)
            for i in np.flatnonzero(self._rows(effect, output)):
                term, other = str(self.variances["term"][i]), str(self.variances["other_term"][i])
                of = f" of {output}" if output else ""
                if term == other and float(self.variances["sd"][i]) <= _NOTHING * noise:
                    found.append(f"the variance of its {term}{of} is zero")
                elif term != other and abs(float(self.variances["correlation"][i])) > _CERTAIN:
                    found.append(f"its {term} and {other}{of} are perfectly correlated")
        return found

    def _rows(self, component: str, output: str) -> NDArray[np.bool_]:
        rows = self.variances["component"].astype(str) == component
        return rows & (self.variances["output"].astype(str) == output) if output else rows


def variance_table(findings: MixedFindings, target: str) -> Table:
    """Standard deviations, correlations, and shares of what fixed effects leave."""
    columns = findings.variances
    deviations = [float(value) for value in columns["sd"] if np.isfinite(float(value))]
    decimals = decimals_of([0.1 * value for value in deviations if value > 0], [])
    rows = []
    for i, component in enumerate(columns["component"]):
        term, other = str(columns["term"][i]), str(columns["other_term"][i])
        alone = term == other
        share = float(columns["share"][i])
        rows.append(
            {
                "component": str(component),
                "term": term if alone else f"{term}, {other}",
                "output": str(columns["output"][i]) if "output" in columns else "",
                "sd": unsigned(float(columns["sd"][i]), decimals) if alone else "",
                "correlation": "" if alone else signed(float(columns["correlation"][i]), 2),
                "share": min(max(share, 0.0), 1.0) if share >= 0 else None,
                "negative": signed(100 * share, 0) + "%" if share < 0 else "",
            }
        )
    caption = (
        f"Standard deviations in units of {target}, by how each level differs from the average one, and the share of "
        "each part in the variance that fixed effects leave, on average over the rows (that of two correlated parts "
        "may be negative)."
    )
    return Table(caption=caption, rows=rows, has_class="output" in columns)


def fixed_table(findings: MixedFindings, target: str) -> Table | None:
    """Fixed effects besides the intercept, with 95% intervals."""
    columns = findings.fixed
    shown = np.flatnonzero(columns["term"].astype(str) != "intercept")[:_MOST_FIXED]
    if not shown.size:
        return None
    estimate = columns["estimate"][shown].astype(float)
    error = columns["std_error"][shown].astype(float)
    # one scale for all: each in units of the largest interval that is needed to see it
    low, high, places = marks(estimate / error, np.full(len(shown), 1.96), anchor=0.0)
    rows = [
        {
            "term": str(columns["term"][i]),
            "label": str(columns["output"][i]) if "output" in columns else None,
            "sign": "positive" if estimate[k] >= 0 else "negative",
            "estimate": signed(estimate[k], decimals_of([error[k]], [estimate[k]])),
            "std_error": unsigned(error[k], decimals_of([error[k]], [estimate[k]])),
            "lower": signed(float(columns["lower"][i]), decimals_of([error[k]], [estimate[k]])),
            "upper": signed(float(columns["upper"][i]), decimals_of([error[k]], [estimate[k]])),
            "z": signed(float(columns["z"][i]), 1),
            **places[k],
        }
        for k, i in enumerate(shown)
    ]
    left_out = int(np.sum(columns["term"].astype(str) != "intercept")) - len(shown)
    more = f" {left_out:,} more are left out." if left_out else ""
    caption = (
        f"Change of {target} for one unit of a column, other columns and the group being equal, with 95% intervals. "
        f"The dots are at estimate / standard error, the bars ± 1.96.{more}"
    )
    return Table(
        caption=caption, rows=rows, low=number(low, 2), high=number(high, 2), has_class="output" in columns
    )
