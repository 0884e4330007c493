"""Which covariate moves what: shares of variance by effect, and curves of features along covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from intertwine.estimators.longitudinal.contributions import (
    drawn_contributions,
    latent_shares,
    observed_shares,
)
from intertwine.estimators.longitudinal.covariate_data import CovariateData
from intertwine.estimators.longitudinal.curves import Curve, drawn_curves
from intertwine.estimators.longitudinal.tables import VISIT_NOISE, LongitudinalTables
from intertwine.estimators.longitudinal.visits import SeenVisits, some_subjects
from intertwine.frames import make_frame

if TYPE_CHECKING:
    from intertwine.fitting.longitudinal.model import AbstractLongitudinalModel

__all__ = ["NOISE", "LongitudinalExplanations"]

Array = NDArray[np.float64]

NOISE = "noise"  # what tables call the noise of values given latents
_LATENT_DRAWS = 20


class LongitudinalExplanations(LongitudinalTables):
    """Frames that are drawn from the posterior of a fit."""

    _model: AbstractLongitudinalModel
    _data: CovariateData
    _visits: SeenVisits
    _frame_library: str | None

    def explain(
        self,
        by: Literal["effect", "axis", "feature"] = "effect",
        *,
        n_draws: int = 16,
        max_visits: int = 400,
        random_state: Any = 0,
    ) -> Any:
        """Shares of variance by effect, over visits of the fit.

        Shares are realised ones, of what the posterior says that effects add at these visits, and they add up to one:
        Shapley values of the variance of what is made of a set of effects, the others being zero. An effect that works
        against others can have a share below zero. "visit" is the noise of the latents of single visits, "noise" that
        of values given their latents.

        Parameters
        ----------
        by : {"effect", "axis", "feature"}, default="effect"
            "effect": of latents and of what is observed, over all axes and features; "axis": of each latent axis;
            "feature": of each feature.
        n_draws : int, default=16
            Of what effects add; with each, one random order of the effects and its reverse.
        max_visits : int, default=400
            Subjects are drawn until they have as many visits.
        random_state : int, RandomState or None, default=0

        Returns
        -------
        frame
            "effect": effect, latent (share; axes count by what they change of what is observed), observed (share;
            features count by their variance, or all alike where each has noise of its own), observed_std_error (of
            sampling). "axis": axis, effect, variance (of what the effect adds), share. "feature": feature, effect,
            variance (Shapley value), share, std_error.
        """
        check_is_fitted(self, "_model")
        if by not in ("effect", "axis", "feature"):
            raise ValueError(f"by must be 'effect', 'axis' or 'feature', got {by!r}")
        _check_counts(n_draws=n_draws, max_visits=max_visits)
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        visits = self._visits.take(some_subjects(self._visits.subject, max_visits, rng))
        n_wanted = max(n_draws, _LATENT_DRAWS)
        mean, parts = drawn_contributions(self._model, visits, rng, n_wanted)
        names = np.array([*self._effect_titles, VISIT_NOISE], dtype=object)
        variance, latent = latent_shares(parts)
        if by == "axis":
            n_axes = variance.shape[1]
            columns = {
                "axis": np.repeat(np.arange(n_axes), len(names)),
                "effect": np.tile(names, n_axes),
                "variance": variance.T.ravel(),
                "share": latent.T.ravel(),
            }
            return make_frame(columns, self._frame_library)
        found = observed_shares(self._model, mean[:n_draws], parts[:n_draws], rng)
        total = found.variance.sum(axis=0) + found.noise
        total = np.where(total > 0.0, total, 1.0)
        names = np.append(names, NOISE)
        shares = np.vstack([found.variance, found.noise]) / total
        if by == "feature":
            p = shares.shape[1]
            errors = _errors(found.pairs / total)
            columns = {
                "feature": np.repeat(np.array(self._features, dtype=object), len(names)),
                "effect": np.tile(names, p),
                "variance": np.vstack([found.variance, found.noise]).T.ravel(),
                "share": shares.T.ravel(),
                "std_error": np.vstack([errors, np.zeros((1, p))]).T.ravel(),
            }
            return make_frame(columns, self._frame_library)
        weight = total / total.sum() if self._of_one_unit else np.full(len(total), 1.0 / len(total))
        axes = self._axis_weights()
        axes = axes / axes.sum() if axes.sum() > 0.0 else np.full(len(axes), 1.0 / len(axes))
        columns = {
            "effect": names,
            "latent": np.append(latent @ axes, np.nan),
            "observed": shares @ weight,
            "observed_std_error": np.append(_errors((found.pairs / total) @ weight), 0.0),
        }
        return make_frame(columns, self._frame_library)

    def covariate_effect(
        self,
        feature: Any,
        covariate: Any,
        *,
        values: Any = None,
        at: Mapping[Any, Any] | None = None,
        by: Any = None,
        n_values: int = 40,
        n_draws: int = 50,
        max_visits: int = 40,
        level: float = 0.95,
        random_state: Any = 0,
    ) -> Any:
        """How features change along a covariate, all else alike.

        The expected value of a subject without effects of its own, averaged over visits of the fit whose other
        covariates stay as they are; bands are of the posterior of the shared coefficients, the networks being held.

        Parameters
        ----------
        feature : str, int or sequence of them, or None
            None: all features.
        covariate : str or int
            A covariate that an effect reads; "time" for ``time=``.
        values : array-like, optional
            Where to evaluate. By default ``n_values`` steps over the range of the fit, or all categories.
        at : dict, optional
            Values at which other covariates are held.
        by : str or int, optional
            Another covariate that is a category: a curve for each of its labels.
        n_values : int, default=40
        n_draws : int, default=50
            Of the coefficients.
        max_visits : int, default=40
            Over which curves are averaged; drawn among those where the covariate applies.
        level : float, default=0.95
            Of the bands.
        random_state : int, RandomState or None, default=0

        Returns
        -------
        frame
            feature, covariate, value (a number or a label), by (name) and level (label) where ``by`` is given, mean,
            lower, upper.

        Raises
        ------
        ValueError
            For a covariate that only effects of single subjects read, or none does.
        """
        check_is_fitted(self, "_model")
        _check_counts(n_values=n_values, n_draws=n_draws, max_visits=max_visits)
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must be between 0 and 1, got {level!r}")
        if at is not None and not isinstance(at, Mapping):
            raise TypeError(f"at={at!r} is no dict of covariates and their values")
        positions = self._feature_positions(feature)
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        curve = Curve(covariate, values, n_values, dict(at or {}), by)
        found = drawn_curves(self._model, self._data, self._visits, curve, rng, n_draws, max_visits)
        tail = 0.5 * (1.0 - level)
        parts: dict[str, list[Any]] = {}

        def add(**columns: Any) -> None:
            for name, column in columns.items():
                parts.setdefault(name, []).append(column)

        for label, grid, drawn in found:
            names = np.array(self._features, dtype=object)[positions]
            n_grid, chosen = len(grid), drawn[:, :, positions]
            lower, upper = np.quantile(chosen, [tail, 1.0 - tail], axis=0)
            add(
                feature=np.repeat(names, n_grid),
                covariate=np.full(n_grid * len(names), covariate, dtype=object),
                value=np.tile(grid, len(names)),
            )
            if by is not None:
                add(
                    by=np.full(n_grid * len(names), by, dtype=object),
                    level=np.full(n_grid * len(names), label, dtype=object),
                )
            add(mean=chosen.mean(axis=0).T.ravel(), lower=lower.T.ravel(), upper=upper.T.ravel())
        return make_frame({name: np.concatenate(part) for name, part in parts.items()}, self._frame_library)

    def _feature_positions(self, feature: Any) -> NDArray[np.int64]:
        names = list(self._features)
        if feature is None:
            return np.arange(len(names))
        many = isinstance(feature, Sequence | np.ndarray) and not isinstance(feature, str)
        wanted = list(feature) if many else [feature]
        positions = []
        for one in wanted:
            if isinstance(one, str) and one in names:
                positions.append(names.index(one))
            elif isinstance(one, int | np.integer) and not isinstance(one, bool) and 0 <= one < len(names):
                positions.append(int(one))
            else:
                raise ValueError(f"{one!r} is no feature; there are {len(names)}: {names[0]!r}, …")
        return np.array(positions, dtype=np.int64)


def _errors(pairs: Array) -> Array:
    """Standard errors of means over the first axis."""
    if len(pairs) < 2:
        return np.full(pairs.shape[1:], np.nan)
    return pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))


def _check_counts(**counts: Any) -> None:
    for name, count in counts.items():
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or count < 1:
            raise ValueError(f"{name} must be a whole number from 1 on, got {count!r}")
