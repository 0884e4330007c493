"""What the file of a fitted interaction model must look like."""

from __future__ import annotations

from intertwine.estimators.model_head import CLASSES, HEAD
from intertwine.io.layout import (
    anything,
    choice,
    count,
    either,
    flag,
    floats,
    items,
    labels,
    number,
    optional,
    table_of,
    text,
    whole,
)

__all__ = ["INTERACTIONS", "SEARCH"]

_RANKS = {"quantiles": floats("quantiles", "p"), "references": floats("quantiles")}
_SPLINE = {
    "smooth": whole("smooth", below="p"),
    "feature_of": whole("c", below="p"),
    "knots": either(floats("smooth", "knots+8"), floats(0)),
}
_PREPARATION = {
    "scale": floats("c", least=0.0),
    "center": floats("c"),
    "feature_of": whole("c", below="p"),
    "weights": floats("c"),
    "square_center": floats("s"),
    "square_scale": floats("s", least=0.0),
    "ranks": optional(_RANKS),
}
_EXPLICIT = {
    "kind": choice("explicit"),
    "n_columns": count("c"),
    "j": whole("pairs", below="c"),
    "k": whole("pairs", below="c"),
    **dict.fromkeys(("values", "targets", "center", "scale"), floats("pairs")),
}
_DUAL = {
    "kind": choice("dual"),
    "columns": floats("n", "c"),
    "alpha": floats("n"),
    "strengths": {"ridge": number, "tie": number},
    "targets": items(
        {"name": text, "n_components": count(), "signs?": optional(items(number)), "offset?": anything}
    ),
    "params": optional(floats("*")),
    "order": choice(2, 3),
    "posterior": optional(
        {
            "P": floats("n", "n"),
            "fixed_covariance": floats("f", "f"),
            **dict.fromkeys(("alpha", "scores", "weights"), floats("n")),
            **dict.fromkeys(("scale", "dispersion", "log_evidence"), number),
            "freedom?": optional(number),
        }
    ),
    "written?": optional(
        {
            "theta": floats("c", "c"),
            "variances": optional(floats("pairs")),
            "covariance": optional(floats("pairs", "pairs")),
            "spread?": optional(floats("pairs", "*")),
            "inflation?": number,
        }
    ),
}
_MODEL = {
    "preparation": either(
        _PREPARATION | {"spline": _SPLINE},
        _PREPARATION | {"scale": floats("p"), "spline": choice(None)},
    ),
    "intercept": number,
    "main": floats("c"),
    "main_variance": floats("c"),
    "squares": floats("*"),
    "pairs": either(_EXPLICIT, _DUAL),
    "coordinates": optional(floats("c", "*")),
    "diagnostics": {
        "solver": text,
        "value": number,
        "optimality": number,
        "converged": flag,
        "history": floats("*", 5),
        "spread": items(number),
        "dispersion": number,
        "log_evidence": number,
    },
}
_BASELINE = {
    "strata": either(labels("times"), items(text, "times")),
    "time": floats("times"),
    "cumulative_hazard": floats("times"),
}

INTERACTIONS = HEAD | {
    "solver_reason_": text,
    "labels": items(text),
    "models": items(_MODEL),
    "extra": either({}, {"classes": CLASSES}, _BASELINE),
    "search?": anything,
}
SEARCH = {
    "params": table_of(anything),
    "best_params": table_of(anything),
    "best_score": number,
    "results": table_of(items(either(number, flag, text, choice(None)), "candidates")),
}
