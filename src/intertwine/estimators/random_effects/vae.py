"""Variational autoencoder of rows that share groups, time or space.

x_i = f(u_i) + Σ_t (Z_t B_t)_i + e_i, or for columns of 0 and 1 and of counts the logit or logarithm of what is expected
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, final

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from intertwine.effects.random import AbstractRandomEffect
from intertwine.estimators.extras import require_deep
from intertwine.estimators.long_work import seed_of
from intertwine.estimators.random_effects.base import AbstractRandomEffectsEstimator
from intertwine.estimators.random_effects.units import FeatureUnits, LinkedUnits
from intertwine.fitting.random_effects.latent import AbstractLatentModel, LatentRows
from intertwine.fitting.watch import Watch

__all__ = ["RandomEffectsVAE"]

_STARTS = {"auto": ("manifold", "principal"), "manifold": ("manifold",), "principal": ("principal",)}
_WITHOUT = "; RandomEffectsPCA, with a linear decoder, works without"
_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")


@final
class RandomEffectsVAE(AbstractRandomEffectsEstimator):
    """Variational autoencoder with random effects of groups, time or space on every feature.

    x_i = f(u_i) + Σ_t (Z_t B_t)_i + e_i: few latents u_i ~ N(0, I) of each row, decoded by a network f, coefficients
    B_t that the rows of a level share, with variances of their own for every feature, and noise. The random effects
    are integrated out exactly; the latents by an encoder, which is shown the row less what the other rows of its
    groups say of its effects. What is maximised is a lower bound of the likelihood, in networks (Adam on mini-batches)
    and variances (EM), from several starts that order the rows differently.

    Columns of 0 and 1, and of counts, have f(u_i) + Σ_t (Z_t B_t)_i as their logit, or as the logarithm of what is
    expected: effects, their variances and `random_effects_` are on that scale. The log-likelihood of an entry has a
    quadratic lower bound, through which it counts for the effects as a measurement with a precision of its own; given
    these the effects are integrated out exactly again.

    With a linear f use `RandomEffectsPCA`, which is exact and faster; it is the baseline to beat. Latents of a network
    are determined only up to a bend that keeps them normal.

    Parameters
    ----------
    n_components : int, default=2
        Number of latents d.
    effects : effect or sequence of effects, default=None
        Such as ``[Grouped("school"), Spatial()]``; see `intertwine.effects`. None: a level of its own for every group
        of every column of ``groups``.
    likelihood : {"gaussian", "bernoulli", "poisson"}, a sequence or a dict, default="gaussian"
        Of all columns; or one for each; or of some, by name or position, where the others are Gaussian. "bernoulli"
        columns hold 0 and 1, "poisson" ones counts.
    inference : {"collapsed", "amortised"}, default="collapsed"
        "collapsed" integrates the effects out. "amortised" lets a second encoder guess them from single rows, as in
        the paper, for comparison only: what it optimises depends on which rows share a mini-batch and is no bound of
        the likelihood, rows of small levels pass their features around the latents, and unseen levels are zero. It
        takes effects with independent levels and Gaussian columns; ``batches``, ``init``, ``n_init`` and ``refine`` are
        not for it.
    hidden_layer_sizes : sequence of int, default=(128, 64)
        Of the encoder; the decoder has them in reverse. Units are silu.
    scale : bool, default=True
        Fit features of variance one; everything is reported in the units of X all the same.
    max_iter : int, default=None
        Epochs. None: as many as make 6000 steps, at least 30 and at most 300.
    batch_size : int, default=500
    learning_rate : float, default=0.003
        At the beginning; it falls to zero as half a cosine over the epochs.
    batches : {"rows", "groups"}, default="rows"
        Mini-batches of rows at random, for any effects; or of whole groups, whose effects are integrated out inside
        the step: one effect with independent levels, and Gaussian columns.
    beta_latents, beta_effects : float, default=1.0
        Weights of the divergences of latents and of effects from their priors; 1 is the bound of the likelihood. That
        of effects is for Gaussian columns.
    init : {"auto", "manifold", "principal"}, default="auto"
        How starts order the rows: along a graph of neighbouring cluster centres, or along principal axes; "auto" takes
        turns.
    n_init : int, default=2
        Number of starts. All run for a quarter of the epochs; the one with the best bound goes on.
    refine : bool, default=True
        Let latents be the most probable ones given the row, found from the encoder's guess; False: that guess.
        Rows of unseen groups, or with other entries missing than in the fit, need it.
    unseen : {"warn", "raise", "ignore"}, default="warn"
        What becomes of levels that were not in the fit: they have mean zero and the variance of the population.
    random_state : int, RandomState or None, default=None
        A number makes fits on one machine identical.
    n_jobs : int, default=None
        Threads of the algebra of effects. Networks use those that JAX was started with, and a GPU where it sees one.
    verbose : int, default=False
    checkpoint : path, default=None
        File to keep the progress in: an interrupted fit goes on from it, to the same result.

    Attributes
    ----------
    bound_ : float
        Lower bound of the log-likelihood of all rows, in the units of X, at the end of the fit; with
        ``inference="amortised"`` its objective, which is no bound.
    starts_ : list of (str, float)
        Starts and their bounds at the end of the race, in the units of X.
    variance_components_, random_effects_ : frame
        In the units of X; of logits and of logarithms where columns are not Gaussian, whose "noise" is zero: what
        makes a 0 or 1 of a probability has no variance on that scale. Standard errors count what is open of latents and
        of means; see Notes.
    history_ : frame
        One row per epoch, in the units of the fit: bound (at draws of u, as the epoch left them; that of the last row
        is over all of q), divergence of the latents per row, root mean square of the noise, seconds.
    shapes_ : dict
        Learnt length scales and autocorrelations of the effects that have them, found with f = 0.
    n_iter_ : int
    n_features_in_, feature_names_in_

    See Also
    --------
    RandomEffectsPCA : The same with a linear decoder.

    Notes
    -----
    In the bound latents and effects are independent given the rows, though the mean of the latents of a level's rows
    and its effects may stand for each other. Once the fit has ended, the decoder is taken as linear about the latents
    that were found, and latents and effects are solved for together: of one effect with independent levels means and
    standard errors are those of the joint Gaussian posterior (Laplace's approximation); with several effects
    ``std_error`` has what one would have alone added, and in space, on a graph or along a series the latents count as
    noise of each feature, which makes it rather too large. All count that means of features are estimated. Decoder
    and variances are taken as known: in drawn tables 95% intervals held 81% to 100% of the true effects.

    ``transform`` is the mode of p(u_i | x_i), ``score_samples`` an importance-weighted estimate of log p(x_i) with 64
    draws: on average a lower bound. Expected values of columns that are not Gaussian are averages over what is open
    about their effects, so that a probability at an unseen level is nearer to one half than at an average one
    (``include_effects=False``). Needs JAX and optax: ``pip install 'intertwine[deep]'``.

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes (2014). Simchoni & Rosset, random effects in variational
    autoencoders (arXiv 2412.16899). Jaakkola & Jordan, Bayesian parameter estimation via variational methods (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from intertwine import RandomEffectsVAE
    >>> rng = np.random.default_rng(0)
    >>> school = np.arange(600) % 30
    >>> angle = rng.uniform(0, 3, 600)
    >>> X = np.column_stack([np.cos(angle), np.sin(angle), angle, angle**2 / 3])
    >>> X += rng.standard_normal((30, 4))[school] + 0.1 * rng.standard_normal((600, 4))
    >>> model = RandomEffectsVAE(
    ...     1, hidden_layer_sizes=(16,), learning_rate=0.01, max_iter=150, batch_size=60, random_state=0
    ... )
    >>> model = model.fit(X[:400], groups=school[:400])
    >>> again = model.reconstruct(X[400:], groups=school[400:])
    >>> bool(np.mean((X[400:] - again) ** 2) < 0.1 * X.var())
    True
    """

    _model: Any  # a VAEModel, whose module needs JAX
    _parameter_constraints: ClassVar[dict] = {
        "n_components": [_COUNT],
        "effects": [AbstractRandomEffect, "array-like", None],
        "likelihood": [str, Mapping, "array-like"],
        "inference": [StrOptions({"collapsed", "amortised"})],
        "hidden_layer_sizes": ["array-like"],
        "scale": ["boolean"],
        "max_iter": [_COUNT, None],
        "batch_size": [_COUNT],
        "learning_rate": [_POSITIVE],
        "batches": [StrOptions({"rows", "groups"})],
        "beta_latents": [_POSITIVE],
        "beta_effects": [_POSITIVE],
        "init": [StrOptions(set(_STARTS))],
        "n_init": [_COUNT],
        "refine": ["boolean"],
        "unseen": [StrOptions({"warn", "raise", "ignore"})],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "checkpoint": [str, PathLike, None],
    }

    def __init__(
        self,
        n_components=2,
        *,
        effects=None,
        likelihood="gaussian",
        inference="collapsed",
        hidden_layer_sizes=(128, 64),
        scale=True,
        max_iter=None,
        batch_size=500,
        learning_rate=0.003,
        batches="rows",
        beta_latents=1.0,
        beta_effects=1.0,
        init="auto",
        n_init=2,
        refine=True,
        unseen="warn",
        random_state=None,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        self.n_components = n_components
        self.effects = effects
        self.likelihood = likelihood
        self.inference = inference
        self.hidden_layer_sizes = hidden_layer_sizes
        self.scale = scale
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.batches = batches
        self.beta_latents = beta_latents
        self.beta_effects = beta_effects
        self.init = init
        self.n_init = n_init
        self.refine = refine
        self.unseen = unseen
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.checkpoint = checkpoint

    def _fit_latent(
        self, rows: LatentRows, effects: Sequence[AbstractRandomEffect], watch: Watch
    ) -> AbstractLatentModel:
        require_deep("RandomEffectsVAE", _WITHOUT)
        from intertwine.fitting.random_effects.vae import fit_random_effects_vae
        from intertwine.fitting.random_effects.vae_problem import VAESettings

        settings = VAESettings(
            n_components=int(self.n_components),
            hidden=_widths(self.hidden_layer_sizes),
            max_iter=None if self.max_iter is None else int(self.max_iter),
            batch_size=min(int(self.batch_size), len(rows.X)),
            learning_rate=float(self.learning_rate),
            beta_latents=float(self.beta_latents),
            beta_effects=float(self.beta_effects),
            starts=tuple(islice(cycle(_STARTS[self.init]), self.n_init)),
            whole_groups=self.batches == "groups",
        )
        rng = np.random.default_rng(seed_of(self, watch))
        try:
            if self.inference == "amortised":
                from intertwine.fitting.random_effects.vae_amortised_fit import fit_amortised_vae

                return fit_amortised_vae(rows, effects, settings, rng, watch)
            return fit_random_effects_vae(rows, effects, settings, rng, watch, refine=bool(self.refine))
        except FloatingPointError as error:
            raise ValueError(str(error)) from error

    def _model_from_state(self, state: dict[str, Any]) -> AbstractLatentModel:
        require_deep("RandomEffectsVAE", _WITHOUT)
        from intertwine.fitting.random_effects.vae_model import VAEModel

        return VAEModel.from_state(state, self._effects)

    def _units_of(self, values: np.ndarray) -> FeatureUnits | LinkedUnits:
        if isinstance(self.likelihood, str) and self.likelihood == "gaussian":
            return FeatureUnits.of(values, self.scale)
        require_deep("RandomEffectsVAE", _WITHOUT)
        from intertwine.likelihoods.kinds import column_kinds
        from intertwine.likelihoods.local_columns import LocalColumns

        kinds = column_kinds(self.likelihood, values.shape[1], self._column_names)
        if set(kinds) == {"gaussian"}:
            return FeatureUnits.of(values, self.scale)
        if self.inference == "amortised":
            raise ValueError("inference='amortised' is for Gaussian columns: use inference='collapsed'")
        return LinkedUnits.of(values, self.scale, LocalColumns.of(values, kinds, self._column_names))

    @property
    def bound_(self) -> float:
        """Lower bound of the log-likelihood of all rows at the end, in the units of X."""
        check_is_fitted(self, "_model")
        return self._bound_in_units_of_X(self._model.found.bound)

    @property
    def starts_(self) -> list[tuple[str, float]]:
        """Starts and their bounds at the end of the race, in the units of X."""
        check_is_fitted(self, "_model")
        return [(name, self._bound_in_units_of_X(bound)) for name, bound in self._model.found.bounds]

    def _bound_in_units_of_X(self, bound: float) -> float:
        return bound - self._log_units


def _widths(sizes: Any) -> tuple[int, ...]:
    widths = tuple(sizes)
    wrong = [
        width for width in widths if not isinstance(width, Integral) or isinstance(width, bool) or width < 1
    ]
    if wrong:
        raise ValueError(
            f"hidden_layer_sizes holds {wrong[0]!r}; every width must be a whole number from 1 on"
        )
    return tuple(int(width) for width in widths)
