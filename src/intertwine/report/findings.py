"""What the model found, read once from the estimator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from intertwine.compare.contender import told_seconds
from intertwine.compare.time_limit import OutOfTime, at_most
from intertwine.plots._results import columns_of
from intertwine.report.study import Study

__all__ = ["Findings", "InteractionRow", "MainEffectRow", "TieTrial", "discoveries", "find", "tie_trial"]

_RATE = 0.1
_LONGEST = 1000


@final
@dataclass(frozen=True)
class InteractionRow:
    """One pair of features; numbers that are not known are NaN.

    `std_error_conditional` holds latent vectors fixed, `expert` is that of a local model, `n_rows` how many rows hold
    both features.
    """

    term: str
    first: str
    second: str
    label: Any
    estimate: float
    std_error: float
    z: float
    target_share: float
    std_error_bootstrap: float
    lower: float
    upper: float
    rank_stability: float
    std_error_conditional: float = math.nan
    expert: int | None = None
    n_rows: int | None = None


@final
@dataclass(frozen=True)
class MainEffectRow:
    """One feature on its own."""

    term: str
    label: Any
    estimate: float
    std_error: float
    z: float


@final
@dataclass(frozen=True)
class Findings:
    """Everything that the tables and the sentences of one section draw on.

    Attributes
    ----------
    interactions : list of InteractionRow
        The largest, in descending order of absolute value.
    main_effects : list of MainEffectRow
        All, in descending order of absolute value.
    n_pairs : int
        Pairs that the model holds (times the number of classes, where each has its own).
    n_clear : int
        Pairs that stand out when the number of pairs is taken into account (false discovery rate 10%).
    has_errors : bool
        Whether the solver gives standard errors; without them `n_clear` is 0.
    has_bootstrap : bool
    no_bootstrap : str
        Why there is none, where one was asked for.
    """

    interactions: list[InteractionRow]
    main_effects: list[MainEffectRow]
    n_pairs: int
    n_clear: int
    has_errors: bool
    has_bootstrap: bool
    no_bootstrap: str


def find(study: Study, k: int = 15, on_step: Callable[[str], None] | None = None) -> Findings:
    """Read the results of `study`'s estimator, with the bootstrap if the study asks for one."""
    estimator = study.estimator
    top = columns_of(estimator.top_interactions(k))
    bootstrap: Mapping[str, NDArray[Any]] = {}
    no_bootstrap = ""
    if study.n_bootstrap > 0:
        if on_step is not None:
            on_step("bootstrap")
        try:
            with at_most(study.seconds):
                bootstrap = columns_of(estimator.bootstrap_interactions(n_bootstrap=study.n_bootstrap, k=k))
        except OutOfTime:
            told = told_seconds(study.seconds)
            no_bootstrap = f"There is no bootstrap: {study.n_bootstrap} refits were not finished in {told}."
        except ValueError as error:  # a sparse fit, or a model read from a file: the estimator says which
            no_bootstrap = f"There is no bootstrap: {error}."
    main = columns_of(estimator.main_effects())
    p = len(study.names)
    n_sets = (
        len(np.unique(columns_of(estimator.top_interactions(_LONGEST))["class"])) if "class" in top else 1
    )
    n_pairs = n_sets * p * (p - 1) // 2
    has_errors = bool(np.any(np.isfinite(top["std_error"].astype(float))))
    strongest = (
        columns_of(estimator.top_interactions(min(_LONGEST, max(n_pairs, 1)), by="z")) if has_errors else top
    )
    order = np.argsort(-np.abs(main["estimate"].astype(float)), kind="stable")
    return Findings(
        interactions=_interactions(top, bootstrap),
        main_effects=[
            MainEffectRow(
                str(main["term"][i]),
                _at(main, "class", i),
                float(main["estimate"][i]),
                float(main["std_error"][i]),
                float(main["z"][i]),
            )
            for i in order
        ],
        n_pairs=n_pairs,
        n_clear=discoveries(strongest["z"].astype(float), n_pairs),
        has_errors=has_errors,
        has_bootstrap=bool(bootstrap),
        no_bootstrap=no_bootstrap,
    )


@final
@dataclass(frozen=True)
class TieTrial:
    """What the search found about the latent tie: held-out losses of the best model without and with one."""

    accepted: bool
    tie: float
    loss_without: float
    loss_with: float
    std_error: float


def tie_trial(estimator: Any) -> TieTrial | None:
    """Read the trial from a ``…CV`` estimator; None where no tie was tried."""
    if getattr(estimator, "cv_results_", None) is None:
        return None
    results = columns_of(estimator.cv_results_)
    loss, tied = results["mean_test_loss"].astype(float), results["stage"] == "latent target"
    without = np.flatnonzero(np.isfinite(loss) & np.isin(results["stage"], ["preparation", "refinement"]))
    within = np.flatnonzero(np.isfinite(loss) & tied)
    if not len(within) or not len(without):
        return None
    plain, best = without[np.argmin(loss[without])], within[np.argmin(loss[within])]
    chosen = np.flatnonzero(results["chosen"] & tied)
    if len(chosen):  # a stronger tie that loses less than a standard error is kept
        best = chosen[0]
    return TieTrial(
        accepted=len(chosen) > 0,
        tie=float(results["tie"][best]),
        loss_without=float(loss[plain]),
        loss_with=float(loss[best]),
        std_error=float(results["std_error"][best]),
    )


def discoveries(z: NDArray[np.float64], n_tests: int) -> int:
    """Count those of `n_tests` statistics that stand out at a false discovery rate of 10%.

    Parameters
    ----------
    z : (k,) array
        The largest of the statistics in absolute value, k ≤ `n_tests`; the others count as no discovery.
    n_tests : int

    Source: Benjamini and Hochberg (1995).

    Examples
    --------
    >>> discoveries(np.array([8.0, 6.0, 1.0]), 1000)
    2
    """
    known = np.sort(np.abs(z[np.isfinite(z)]))[::-1]
    if known.size == 0 or n_tests == 0:
        return 0
    p_values = 2 * norm.sf(known)
    passed = np.flatnonzero(p_values <= _RATE * np.arange(1, known.size + 1) / n_tests)
    return int(passed[-1]) + 1 if passed.size else 0


def _interactions(
    top: Mapping[str, NDArray[Any]], bootstrap: Mapping[str, NDArray[Any]]
) -> list[InteractionRow]:
    # With several classes, the bootstrap is that of the first.
    first = _at(top, "class", 0) if len(top["term"]) else None
    place = {(term, first): i for i, term in enumerate(bootstrap.get("term", ()))}
    rows = []
    for i, term in enumerate(top["term"]):
        spread = place.get((term, _at(top, "class", i)))

        def of_bootstrap(column: str, at: int | None = spread) -> float:
            return math.nan if at is None else float(bootstrap[column][at])

        rows.append(
            InteractionRow(
                term=str(term),
                first=str(top["feature_1"][i]),
                second=str(top["feature_2"][i]),
                label=_at(top, "class", i),
                estimate=float(top["estimate"][i]),
                std_error=float(top["std_error"][i]),
                z=float(top["z"][i]),
                target_share=float(top["target_share"][i]),
                std_error_bootstrap=of_bootstrap("std_error_bootstrap"),
                lower=of_bootstrap("lower"),
                upper=of_bootstrap("upper"),
                rank_stability=of_bootstrap("rank_stability"),
                std_error_conditional=float(top["std_error_conditional"][i]),
            )
        )
    return rows


def _at(columns: Mapping[str, NDArray[Any]], name: str, i: int) -> Any:
    return columns[name][i] if name in columns else None
