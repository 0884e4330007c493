"""A fitted model as plain arrays, and back: what model files hold."""

from __future__ import annotations

import numpy as np

from intertwine.basis import NormalScores, SplineBasis
from intertwine.coefficients import DualCoefficients, ExplicitCoefficients, WrittenPairs
from intertwine.fitting.interactions.latent_search import TargetPoint, history_rows, history_table
from intertwine.fitting.interactions.model import Diagnostics, InteractionModel
from intertwine.mixed_model import Posterior
from intertwine.objective import Strengths
from intertwine.preparation import Preparation
from intertwine.projection import DenseProjection

__all__ = ["model_from_state", "model_to_state"]

_LARGEST_POSTERIOR = 3000  # width of the matrix behind standard errors up to which it is saved (72 MB)
_PLAIN = ("center", "scale", "feature_of", "weights", "square_center", "square_scale")
_POSTERIOR = ("fixed_covariance", "alpha", "scores", "weights")
_EXPLICIT = ("j", "k", "values", "targets", "center", "scale")


def model_to_state(model: InteractionModel) -> dict:
    """State of one fitted model."""
    preparation = model.preparation
    diagnostics = model.diagnostics._asdict()
    diagnostics["history"] = history_table(diagnostics["history"])
    diagnostics["spread"] = [float(value) for value in diagnostics["spread"]]
    return {
        "preparation": {name: getattr(preparation, name) for name in _PLAIN}
        | {name: _optional(getattr(preparation, name)) for name in ("ranks", "spline")},
        "intercept": model.intercept,
        "main": model.main,
        # files hold finite numbers only: a variance that does not exist is written as −1
        "main_variance": np.where(np.isnan(model.main_variance), -1.0, model.main_variance),
        "squares": model.squares,
        "pairs": _pairs_to_state(model.pairs),
        "coordinates": model.coordinates,
        "diagnostics": diagnostics,
    }


def _optional(part):
    return None if part is None else part.to_state()


def _pairs_to_state(pairs) -> dict:
    if isinstance(pairs, ExplicitCoefficients):
        return {"kind": "explicit", "n_columns": pairs.n_columns} | {n: getattr(pairs, n) for n in _EXPLICIT}
    point: dict = {"targets": [], "params": None}
    if pairs.target is not None:
        point = TargetPoint(pairs.target, pairs.params).to_state()
    return {
        "kind": "dual",
        "columns": pairs.columns,
        "alpha": pairs.alpha,
        "strengths": pairs.strengths._asdict(),
        **point,
        "order": pairs.order,
        "posterior": _posterior_to_state(pairs),
        "written": _written_to_state(pairs.written),
    }


def _posterior_to_state(pairs) -> dict | None:
    """What variances need where they are not written out."""
    posterior = pairs.posterior
    if pairs.written is not None or posterior is None or posterior.P.n_rows > _LARGEST_POSTERIOR:
        return None
    state = {"P": posterior.P.dense()} | {name: getattr(posterior, name) for name in _POSTERIOR}
    state |= {name: float(getattr(posterior, name)) for name in ("scale", "dispersion", "log_evidence")}
    return state | {"freedom": posterior.freedom if np.isfinite(posterior.freedom) else None}


def _written_to_state(written: WrittenPairs | None) -> dict | None:
    if written is None:
        return None
    large = written.covariance is None or len(written.covariance) > _LARGEST_POSTERIOR
    kept = {"covariance": None, "spread": None} if large else {}
    return written._asdict() | {"inflation": float(written.inflation)} | kept


def model_from_state(state: dict) -> InteractionModel:
    """The model that ``model_to_state`` wrote; it predicts the same to the bit."""
    prepared = dict(state["preparation"])
    ranks, spline = prepared.pop("ranks"), prepared.pop("spline")
    diagnostics = dict(state["diagnostics"])
    diagnostics["history"] = history_rows(diagnostics["history"])
    return InteractionModel(
        preparation=Preparation(
            **prepared,
            ranks=None if ranks is None else NormalScores.from_state(ranks),
            spline=None if spline is None else SplineBasis.from_state(spline),
        ),
        intercept=state["intercept"],
        main=state["main"],
        main_variance=np.where(state["main_variance"] < 0, np.nan, state["main_variance"]),
        squares=state["squares"],
        pairs=_pairs_from_state(state["pairs"]),
        coordinates=state["coordinates"],
        diagnostics=Diagnostics(**diagnostics),
    )


def _pairs_from_state(state):
    if state["kind"] == "explicit":
        return ExplicitCoefficients(state["n_columns"], *(state[name] for name in _EXPLICIT))
    target, params = None, None
    if state["targets"]:
        target, params = TargetPoint.from_state(state, state["columns"].shape[1])
    if not (strengths := Strengths(**state["strengths"])).deviation > 0.0:
        raise ValueError("a strength of pairs is not positive")
    posterior, written = state["posterior"], state.get("written")
    if posterior is not None:
        freedom = posterior.get("freedom")
        changed = {"P": DenseProjection(posterior["P"]), "freedom": np.inf if freedom is None else freedom}
        posterior = Posterior(**posterior | changed)
    return DualCoefficients(
        state["columns"],
        state["alpha"],
        strengths,
        target,
        params,
        state["order"],
        posterior,
        None if written is None else WrittenPairs(**written),
    )
