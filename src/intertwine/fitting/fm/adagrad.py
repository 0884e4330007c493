"""The optimum of a factorization machine's penalised loss, by stochastic AdaGrad."""

from __future__ import annotations

import numpy as np

from intertwine.fitting.fm.chunks import labelled_rows
from intertwine.fitting.fm.model import FMModel, FMOutcome, FMSettings, FMShape
from intertwine.fitting.fm.passes import AdaGradSettings
from intertwine.fitting.fm.stream import AdaGradFit, fit_table
from intertwine.fitting.fm.units import AbstractRowLoss, LogisticRows, SquaredRows
from intertwine.fitting.watch import Watch
from intertwine.losses import LogisticLoss, SquaredLoss
from intertwine.structures.fm import FactorizationMachine

__all__ = ["adagrad_settings", "fit_adagrad", "model_of", "structure_of"]

_ROWS_OF: dict[type, AbstractRowLoss] = {SquaredLoss: SquaredRows(), LogisticLoss: LogisticRows()}


def fit_adagrad(
    X, outcome: FMOutcome, previous: FMModel | None, settings: FMSettings, rng, watch: Watch, n_threads=1
) -> FMModel:
    """Find an optimum, or where rows held out say to stop.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, p)
    outcome : FMOutcome
    previous : FMModel or None
        Whose passes to go on with, where it was fitted by them.
    settings : FMSettings
    rng : numpy.random.Generator
        Gives a seed: every pass has an order of its own that depends on it and on the number of the pass.
    watch : Watch
    n_threads : int, default=1

    Returns
    -------
    FMModel
    """
    loss = outcome.loss
    table = labelled_rows(X, outcome.center + outcome.spread * loss.y, loss.sample_weight)
    before = None if previous is None or previous.shape != settings.shape else previous.progress
    fit = fit_table(
        _ROWS_OF[type(loss)],
        table,
        structure_of(settings.shape),
        adagrad_settings(settings, n_threads),
        int(rng.integers(2**31)),
        before,
        watch,
    )
    return model_of(fit, settings.shape)


def structure_of(shape: FMShape) -> FactorizationMachine:
    """The factorization machine of a shape."""
    return FactorizationMachine(shape.n_components, shape.n_triple_components)


def adagrad_settings(settings: FMSettings, n_threads: int) -> AdaGradSettings:
    """What AdaGrad needs of the settings of a fit."""
    return AdaGradSettings(
        learning_rate=settings.learning_rate,
        strengths=(settings.alpha, settings.alpha_factors, settings.alpha_factors),
        rates=(float(settings.shape.intercept), float(settings.shape.linear), 1.0, 1.0),
        validation_fraction=settings.validation_fraction,
        max_iter=settings.max_iter,
        tol=settings.tol,
        n_threads=1 if settings.deterministic else n_threads,
    )


def model_of(fit: AdaGradFit, shape: FMShape) -> FMModel:
    """What a fit predicts with, in the units of the outcome."""
    params = fit.params
    blocks = [params.linear[:, None]] if shape.linear else []
    history = [(row.iteration, row.value, row.optimality) for row in fit.history if row.iteration]
    return FMModel(
        shape=shape,
        intercepts=np.array([params.intercept]),
        tables=np.hstack([*blocks, params.factors, params.triples])[None],
        center=0.0,
        spread=1.0,
        noise=np.zeros(0),
        thresholds=np.zeros((1, 0)),
        history=np.array(history, dtype=float).reshape(-1, 3),
        mixing=1.0 if fit.converged else float("inf"),
        progress=fit,
    )
