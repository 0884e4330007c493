"""Principal components of rows that share groups, time or space.

x_i = μ + W u_i + Σ_t (Z_t B_t)_i + e_i
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, final

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.random_effects.base import AbstractRandomEffectsEstimator
from intertwine.estimators.random_effects.units import FeatureUnits
from intertwine.fitting.random_effects.latent import LatentRows
from intertwine.fitting.random_effects.pca import PCASettings, fit_random_effects_pca
from intertwine.fitting.random_effects.pca_model import PCAModel
from intertwine.fitting.watch import Watch

__all__ = ["RandomEffectsPCA"]


@final
class RandomEffectsPCA(AbstractRandomEffectsEstimator):
    """Principal components with random effects of groups, time or space on every feature.

    x_i = μ + W u_i + Σ_t (Z_t B_t)_i + e_i: few latents u_i ~ N(0, I) of each row, coefficients B_t that the rows of a
    level share, with variances of their own for every feature, and noise. Latents and effects are integrated out;
    variances are those of maximum likelihood.

    With one effect (or none) the likelihood that is maximised is exact. With several effects, or with entries missing
    beside an effect in space, on a graph or of very many levels times features, it is a lower bound, in which what is
    known of latents and effects is independent; it understates the variance of effects of levels that have few rows.
    ``objective_`` says which.

    What sets groups apart is left to the effects, which of a group that was not in the fit are not known: rows of such
    groups are rebuilt from few latents more closely by components that hold it, those of a fit without effects.

    Latents are turned as in PCA: the columns of W are orthogonal (in the units of the fit), those that explain most
    come first, and the largest loading of each is positive. Without effects this is factor analysis, or, with
    ``noise="isotropic"``, probabilistic PCA.

    Parameters
    ----------
    n_components : int, default=2
        Number of latents d.
    effects : effect or sequence of effects, default=None
        Such as ``[Grouped("school"), Spatial()]``; see `intertwine.effects`. None: a level of its own for every group
        of every column of ``groups``.
    noise : {"diagonal", "isotropic"}, default="diagonal"
        Whether every feature has a noise variance of its own.
    scale : bool, default=True
        Fit features of variance one; everything is reported in the units of X all the same. With "diagonal" noise it
        changes nothing but the axes that latents are turned to.
    unseen : {"warn", "raise", "ignore"}, default="warn"
        What becomes of levels that were not in the fit: they have mean zero and the variance of the population.
    max_iter : int, default=500
    tol : float, default=1e-06
        Gain of the log-likelihood in an iteration, for each row, under which the fit has settled.
    random_state : int, RandomState or None, default=None
        Nothing in this fit is random; for pipelines that set it everywhere.
    n_jobs : int, default=None
        Threads of the linear algebra. None leaves them as they are.
    verbose : int, default=False
    checkpoint : path, default=None
        File to keep the progress in.

    Attributes
    ----------
    components_ : ndarray (n_components, p)
        Loadings Wᵀ, in the units of X.
    mean_ : ndarray (p,)
    noise_variance_ : ndarray (p,)
    explained_variance_ : ndarray (n_components,)
        Sum over features of the variance that each latent explains, in the units of the fit.
    variance_components_, random_effects_, history_ : frame
    shapes_ : dict
        Learnt length scales and autocorrelations of the effects that have them.
    log_likelihood_ : float
        At the end of the fit, of all rows, in the units of X; the lower bound where ``objective_`` says so.
    objective_ : {"exact", "bound"}
    n_iter_ : int
    n_features_in_, feature_names_in_

    See Also
    --------
    RandomEffectsVAE : The same with a decoder that is not linear.

    References
    ----------
    Tipping & Bishop, Probabilistic Principal Component Analysis (1999). Laird & Ware, Random-Effects Models for
    Longitudinal Data (1982).

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import RandomEffectsPCA
    >>> rng = np.random.default_rng(0)
    >>> school = np.repeat(np.arange(20), 40)
    >>> taste = rng.standard_normal(800)
    >>> X = np.outer(taste, [2.0, -1.0, 1.0, 0.5]) + 3.0 * rng.standard_normal((20, 4))[school]
    >>> X += 0.5 * rng.standard_normal((800, 4))
    >>> model = RandomEffectsPCA(n_components=1).fit(X[::2], groups=school[::2])
    >>> latents = model.transform(X[1::2], groups=school[1::2])
    >>> bool(abs(np.corrcoef(latents[:, 0], taste[1::2])[0, 1]) > 0.95)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "effects": [AbstractRandomEffect, "array-like", None],
        "noise": [StrOptions({"diagonal", "isotropic"})],
        "scale": ["boolean"],
        "unseen": [StrOptions({"warn", "raise", "ignore"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "checkpoint": [str, PathLike, None],
    }
    _model: PCAModel

    def __init__(
        self,
        n_components=2,
        *,
        effects=None,
        noise="diagonal",
        scale=True,
        unseen="warn",
        max_iter=500,
        tol=1e-6,
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.n_components = n_components
        self.effects = effects
        self.noise = noise
        self.scale = scale
        self.unseen = unseen
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    def _units_of(self, values: np.ndarray) -> FeatureUnits:
        return FeatureUnits.of(values, self.scale)

    def _fit_latent(
        self, rows: LatentRows, effects: Sequence[AbstractRandomEffect], watch: Watch
    ) -> PCAModel:
        n_features = rows.X.shape[1]
        if self.n_components > n_features:
            raise ValueError(f"n_components={self.n_components} is more than n_features={n_features}")
        isotropic = self.noise == "isotropic"
        settings = PCASettings(self.n_components, isotropic, self.max_iter, self.tol)
        return fit_random_effects_pca(rows, effects, settings, watch)

    @property
    def components_(self) -> np.ndarray:
        """Loadings of the latents, (n_components, p), in the units of the features."""
        check_is_fitted(self, "_model")
        return self._model.params.loadings.T * self._units.spread

    @property
    def mean_(self) -> np.ndarray:
        """Means of the features, (p,), at the average level."""
        check_is_fitted(self, "_model")
        return self._units.outside(self._model.params.mean)

    @property
    def noise_variance_(self) -> np.ndarray:
        """Variances of the noise, (p,), in the squared units of the features."""
        check_is_fitted(self, "_model")
        return self._model.noise * self._units.spread**2

    @property
    def explained_variance_(self) -> np.ndarray:
        """What each latent contributes to the variance of the features in the units of the fit, (n_components,)."""
        check_is_fitted(self, "_model")
        return np.sum(self._model.params.loadings**2, axis=0)

    @property
    def objective_(self) -> str:
        """What the fit maximised: the likelihood, or a bound of it."""
        check_is_fitted(self, "_model")
        return self._model.objective

    @property
    def log_likelihood_(self) -> float:
        """Log-likelihood of the rows of the fit, or its bound, in the units of X."""
        check_is_fitted(self, "_model")
        return self._model.history["log_likelihood"][-1] - self._log_units

    def _model_from_state(self, state: dict[str, Any]) -> PCAModel:
        return PCAModel.from_state(state, self._effects)
