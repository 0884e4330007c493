"""Why a row of the table does not touch an estimator.

Estimators are named one by one, so that a new one has to answer: it is in the table, or here.
"""

from __future__ import annotations

_INTERACTIONS = "InteractionRegressor InteractionClassifier InteractionCoxPH"
_SEARCHES = "InteractionRegressorCV InteractionClassifierCV InteractionCoxPHCV"
_FM = "FMRegressor FMClassifier"
_LOCAL = "LocalFMRegressor LocalFMClassifier"
_LATENT = "RandomEffectsPCA RandomEffectsVAE LongitudinalVAE"
_WITHOUT_SURVIVAL = (
    "InteractionRegressor InteractionClassifier InteractionRegressorCV InteractionClassifierCV "
    f"{_FM} {_LOCAL} LatentFactorModel MixedModel {_LATENT}"
)
_WITHOUT_GROUPS = f"{_INTERACTIONS} {_FM} {_LOCAL} LatentFactorModel"
_WITHOUT_RATINGS = f"{_INTERACTIONS} {_SEARCHES} {_FM} {_LOCAL} MixedModel {_LATENT}"

# A line of the table, or a whole group: who is not concerned, and why.
REASONS: list[tuple[str, str, str]] = [
    ("arrays: duplicate columns without penalty", _SEARCHES, "strengths are chosen among positive ones"),
    ("arrays: duplicate columns without penalty", _FM, "coefficients share a prior, or start small and stay finite"),
    ("arrays: duplicate columns without penalty", _LOCAL, "descents from small factors stay finite"),
    ("arrays: duplicate columns without penalty", "LatentFactorModel", "X holds ids"),
    ("arrays: duplicate columns without penalty", _LATENT, "columns of X are outcomes: they may be alike"),
    ("arrays: one class; negative, all-zero or NaN weights", _LATENT, "no classes, and no weights"),
    ("survival", _WITHOUT_SURVIVAL, "y is no survival time"),
    ("groups, time, space", _WITHOUT_GROUPS, "no groups, time or space"),
    ("groups, time, space: zero variance", _LATENT, "a variance for every feature: some are zero, and a table shows them"),
    ("groups, time, space: coordinates NaN or latitude > 90", "LongitudinalVAE", "no coordinates"),
    ("groups, time, space: identical coordinates", "LongitudinalVAE", "no coordinates"),
    *(
        (f"groups, time, space: {line}", _SEARCHES, "groups only split rows into folds")
        for line in (
            "1 and '1' mixed",
            "unseen group at predict",
            "one group; all singletons",
            "zero variance",
            "coordinates NaN or latitude > 90",
            "identical coordinates",
            "unsorted time",
            "repeated (id, time)",
            "a subject with nothing observed",
        )
    ),
    ("ratings", _WITHOUT_RATINGS, "X holds features, not ids"),
    ("hyperparameters: divergence", f"{_INTERACTIONS} {_SEARCHES} MixedModel RandomEffectsPCA", "steps that do not go down are not made"),
    ("hyperparameters: max_iter reached", _SEARCHES, "what it refits tells, as the estimator without CV"),
    ("hyperparameters: validation part too small", f"{_INTERACTIONS} {_LOCAL} MixedModel", "nothing is held out"),
    ("hyperparameters: validation part too small", "RandomEffectsPCA RandomEffectsVAE", "nothing is held out"),
    ("interrupted: resume with other data or parameters", "MixedModel", "fits of seconds to minutes: no checkpoint"),
    ("size: all pairs of p = 20,000 as a dense matrix", f"{_FM} {_LOCAL}", "only the strongest pairs are asked for"),
    ("size: all pairs of p = 20,000 as a dense matrix", f"LatentFactorModel MixedModel {_LATENT}", "no pairs of features"),
    ("size: pair index beyond int32", f"LatentFactorModel MixedModel {_LATENT}", "no pairs of features"),
    ("size: n = 10⁵ pairwise distances", f"{_INTERACTIONS} {_SEARCHES} {_FM} LatentFactorModel", "no distances"),
    ("size: n = 10⁵ pairwise distances", _LOCAL, "distances to a few anchors"),
    ("size: n = 10⁵ pairwise distances", "LongitudinalVAE", "courses are state spaces or bases: no distances"),
]  # fmt: skip
