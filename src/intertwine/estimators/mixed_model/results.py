"""What a fitted mixed model can be asked: fixed effects, random effects, variances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.random import AbstractBoundEffect
from intertwine.estimators.effect_rows.names import effect_names, level_labels
from intertwine.estimators.mixed_model.formula_design import FormulaDesign
from intertwine.estimators.mixed_model.rows import FixedColumns
from intertwine.estimators.model_head import NamedFeatures
from intertwine.fitting.mixed_model import MixedModelData, MixedModelFit
from intertwine.frames import make_frame

__all__ = ["MixedModelResults"]


class MixedModelResults(NamedFeatures):
    """Tables of a fitted model."""

    _fit: MixedModelFit
    _rows: MixedModelData
    _columns: FixedColumns | FormulaDesign
    _effects: Sequence[Any]
    _data: Any
    _effect_rows: Any
    _outcomes: list[str]
    _is_vector: bool
    _frame_library: str | None

    @property
    def fixed_effects_(self) -> Any:
        """Fixed effects with standard errors and 95% confidence limits; see ``confidence_intervals``."""
        return self.confidence_intervals()

    def confidence_intervals(self, level: float = 0.95) -> Any:
        """Fixed effects, with limits between which a share ``level`` of them lies.

        Standard errors hold the variances fixed, and limits are those of the normal distribution: with few groups
        both are a little too small.

        Parameters
        ----------
        level : float, default=0.95

        Returns
        -------
        frame
            term, output (where there are several), estimate, std_error, z, lower, upper.

        Raises
        ------
        ValueError
        """
        check_is_fitted(self, "_fit")
        if not 0.0 < level < 1.0:
            raise ValueError(f"level={level!r} must lie between 0 and 1")
        posterior = self._fit.posterior
        c, p = posterior.fixed.shape
        error = np.sqrt(np.einsum("maa->am", posterior.fixed_covariance))
        half = norm.ppf(0.5 + level / 2.0) * error
        columns = {
            "term": np.tile(np.array(self._columns.names, dtype=object), p),
            "output": np.repeat(np.array(self._outcomes, dtype=object), c),
            "estimate": posterior.fixed.T.ravel(),
            "std_error": error.T.ravel(),
            "z": (posterior.fixed / error).T.ravel(),
            "lower": (posterior.fixed - half).T.ravel(),
            "upper": (posterior.fixed + half).T.ravel(),
        }
        return self._table(columns)

    @property
    def random_effects_(self) -> Any:
        """Coefficients of every effect at every level, given all rows.

        Returns
        -------
        frame
            effect, level (as the user labelled it), term, output (where there are several), estimate, std_error:
            mean and standard deviation given the rows and the variances.
        """
        check_is_fitted(self, "_fit")
        posterior = self._fit.posterior
        parts: dict[str, list[Any]] = {
            name: [] for name in ("effect", "level", "term", "output", "estimate", "std_error")
        }
        outcomes = np.array(self._outcomes, dtype=object)
        names = effect_names(self._effects, self._data)
        for t, (bound, name) in enumerate(zip(self._rows.effects, names, strict=True)):
            mean = posterior.effects[t]  # (q, r, p)
            q, r, p = mean.shape
            spread = np.sqrt(np.maximum(np.einsum("qmaa->qam", posterior.level_covariance(t)), 0.0))
            labels = level_labels(self._effects[t], bound, self._data, self._effect_rows)
            parts["effect"].append(np.full(mean.size, name, dtype=object))
            parts["level"].append(np.repeat(labels, r * p))
            parts["term"].append(np.tile(np.repeat(np.array(self._terms(bound), dtype=object), p), q))
            parts["output"].append(np.tile(outcomes, q * r))
            parts["estimate"].append(mean.ravel())
            parts["std_error"].append(spread.ravel())
        return self._table({name: _joined(part) for name, part in parts.items()})

    @property
    def variance_components_(self) -> Any:
        """Variances, and how much of the outcome's they are.

        Returns
        -------
        frame
            component (the name of an effect, or "noise"); term and other_term (alike for a variance, different for a
            covariance); output (where there are several); variance (or covariance); sd (NaN for a covariance);
            correlation (NaN for a variance); share: of what effects and noise together contribute to the variance of
            the outcome, on average over the rows.
        """
        check_is_fitted(self, "_fit")
        names = effect_names(self._effects, self._data)
        variances, p = self._fit.variances, len(self._outcomes)
        parts: list[tuple[str, str, str, Any, Any, Any]] = []
        for bound, name, Sigma in zip(self._rows.effects, names, variances.effects, strict=True):
            square = _mean_products(bound.basis)
            sd = np.sqrt(np.einsum("maa->ma", Sigma))
            terms = self._terms(bound)
            for a, term in enumerate(terms):
                for b, other in enumerate(terms[: a + 1]):
                    covariance = Sigma[:, a, b]
                    contribution = (1.0 if a == b else 2.0) * square[a, b] * covariance
                    if a == b:
                        parts.append((name, term, term, covariance, np.full(p, np.nan), contribution))
                    elif bound.correlated:
                        with np.errstate(invalid="ignore", divide="ignore"):
                            correlation = covariance / (sd[:, a] * sd[:, b])
                        parts.append((name, other, term, covariance, correlation, contribution))
        parts.append(("noise", "", "", variances.noise, np.full(p, np.nan), variances.noise))
        total = sum(contribution for *_, contribution in parts)
        text = [
            np.repeat(np.array(list(column), dtype=object), p)
            for column in list(zip(*parts, strict=True))[:3]
        ]
        variance = np.concatenate([part[3] for part in parts])
        is_variance = text[1] == text[2]
        columns = {
            "component": text[0],
            "term": text[1],
            "other_term": text[2],
            "output": np.tile(np.array(self._outcomes, dtype=object), len(parts)),
            "variance": variance,
            "sd": np.sqrt(np.where(is_variance, variance, np.nan)),
            "correlation": np.concatenate([part[4] for part in parts]),
            "share": np.concatenate([part[5] / total for part in parts]),
        }
        return self._table(columns)

    @property
    def shapes_(self) -> dict[str, dict[str, float]]:
        """What the covariance between the levels of each effect depends on: length scale, autocorrelation."""
        check_is_fitted(self, "_fit")
        names = effect_names(self._effects, self._data)
        found = zip(names, self._rows.effects, self._fit.shapes, strict=True)
        return {
            name: dict(zip(bound.shape_names, map(float, shape), strict=True))
            for name, bound, shape in found
            if len(shape)
        }

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Coefficients of the columns of X, (p,) or (n_outputs, p); zero for those that are constant."""
        check_is_fitted(self, "_fit")
        fixed = self._fit.posterior.fixed.T
        if isinstance(self._columns, FixedColumns):
            coefficients = np.zeros((len(fixed), self.n_features_in_))
            coefficients[:, self._columns.kept] = fixed[:, self._columns.intercept :]
        else:
            coefficients = fixed[:, [name != "intercept" for name in self._columns.names]]
        return coefficients[0] if self._is_vector else coefficients

    @property
    def intercept_(self) -> Any:
        """The intercept, one for each outcome; zero where there is none."""
        check_is_fitted(self, "_fit")
        names, fixed = self._columns.names, self._fit.posterior.fixed
        values = fixed[names.index("intercept")] if "intercept" in names else np.zeros(fixed.shape[1])
        return float(values[0]) if self._is_vector else values

    @property
    def log_likelihood_(self) -> Any:
        """The restricted log-likelihood, or with ``method="ml"`` the log-likelihood, of each outcome."""
        check_is_fitted(self, "_fit")
        return self._by_output(self._fit.log_likelihood)

    @property
    def aic_(self) -> Any:
        """Akaike's criterion; between models of different fixed effects only with ``method="ml"``."""
        check_is_fitted(self, "_fit")
        return self._by_output(2.0 * self._n_parameters() - 2.0 * self._fit.log_likelihood)

    @property
    def bic_(self) -> Any:
        """Schwarz's criterion; between models of different fixed effects only with ``method="ml"``."""
        check_is_fitted(self, "_fit")
        size = np.log(self._n_entries())
        return self._by_output(size * self._n_parameters() - 2.0 * self._fit.log_likelihood)

    @property
    def converged_(self) -> Any:
        """Whether the search of variances ended by itself."""
        check_is_fitted(self, "_fit")
        return bool(self._fit.converged[0]) if self._is_vector else self._fit.converged

    @property
    def n_iter_(self) -> int:
        """Iterations of the search of variances, at most over outcomes."""
        check_is_fitted(self, "_fit")
        return max(1, int(np.max(self._fit.n_iter)))

    @property
    def history_(self) -> Any:
        """One row per iteration: iteration, log_likelihood (summed over outcomes), gain, seconds."""
        check_is_fitted(self, "_fit")
        rows = self._fit.history
        columns = {
            "iteration": np.array([row.iteration for row in rows]),
            "log_likelihood": np.array([-row.value for row in rows]),
            "gain": np.array([row.optimality for row in rows]),
            "seconds": np.array([row.seconds for row in rows]),
        }
        return make_frame(columns, self._frame_library)

    @property
    def effects_(self) -> list[Any]:
        """The random effects of the fit, those of a formula first."""
        check_is_fitted(self, "_fit")
        return list(self._effects)

    @property
    def outcome_names_(self) -> list[str]:
        """Names of the outcomes, as tables have them."""
        check_is_fitted(self, "_fit")
        return list(self._outcomes)

    def spatial_sites(self, effect: Any = None) -> tuple[NDArray[np.float64], tuple[str, ...], bool, str]:
        """Where the rows of a spatial effect stand.

        Parameters
        ----------
        effect : str, optional
            Its name in ``random_effects_``; the first by default.

        Returns
        -------
        sites : ndarray of shape (q, d)
            Distinct coordinates.
        names : tuple of str
            Of the coordinates.
        geographic : bool
            Whether they are latitude and longitude in degrees.
        effect : str
            Its name.

        Raises
        ------
        ValueError
            Where no effect, or not this one, reads coordinates.
        """
        check_is_fitted(self, "_fit")
        names = effect_names(self._effects, self._data)
        spatial = {name: one for name, one in zip(names, self._effects, strict=True) if "coords" in one.needs}
        chosen = next(iter(spatial), None) if effect is None else effect
        if chosen not in spatial:
            raise ValueError(
                f"effect={effect!r} is no spatial effect of the model, which has {list(spatial) or 'none'}"
            )
        sites = np.unique(self._effect_rows.coords, axis=0)
        given = self._data.coordinate_names
        labels = tuple(given) if given else tuple(f"coordinate {k + 1}" for k in range(sites.shape[1]))
        return sites, labels, bool(getattr(spatial[chosen], "geographic", False)), chosen

    def _terms(self, bound: AbstractBoundEffect) -> list[str]:
        """Names of basis functions; a slope of a column that was given by number has the column's name."""
        numbers = {str(key): position for key, position in self._data.covariates if not isinstance(key, str)}
        return [self._features[numbers[name]] if name in numbers else name for name in bound.basis_names]

    def _n_parameters(self) -> int:
        variances = sum(
            bound.n_basis * (bound.n_basis + 1) // 2 if bound.correlated else bound.n_basis
            for bound in self._rows.effects
        )
        free = sum(int(np.sum(np.ptp(bound.shape_bounds(), axis=1) > 0)) for bound in self._rows.effects)
        return len(self._columns.names) + variances + free + 1

    def _n_entries(self) -> NDArray[np.float64]:
        weights, (n, p) = self._rows.weights, self._rows.y.shape
        if weights is None:
            return np.full(p, float(n))
        return np.broadcast_to((weights > 0).sum(axis=0).astype(float), (p,))

    def _by_output(self, values: NDArray[np.float64]) -> Any:
        return float(values[0]) if self._is_vector else np.array(values)

    def _table(self, columns: dict[str, Any]) -> Any:
        if self._is_vector:
            del columns["output"]
        return make_frame(columns, self._frame_library)


def _joined(parts: list[Any]) -> NDArray[Any]:
    if not parts:
        return np.empty(0)
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1:  # numbers of one effect beside text of another
        parts = [
            np.array(list(map(str, part)), dtype=object) if part.dtype.kind != "f" else part for part in parts
        ]
    return np.concatenate(parts)


def _mean_products(basis: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Mean over rows of the products of basis functions (r, r)."""
    return np.ones((1, 1)) if basis is None else basis.T @ basis / len(basis)
