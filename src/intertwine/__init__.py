"""Which features interact, how much, and how sure we are."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

__version__ = "0.1.0"

# Where each public name lives. Nothing is imported before it is asked for (PEP 562), so that
# `import intertwine` costs milliseconds; a new family adds its lines here.
_ESTIMATORS = {
    "FMClassifier": "intertwine.estimators.fm.models",
    "FMRegressor": "intertwine.estimators.fm.models",
    "InteractionClassifier": "intertwine.estimators.interactions.models",
    "InteractionClassifierCV": "intertwine.estimators.interactions.models_cv",
    "InteractionCoxPH": "intertwine.estimators.interactions.models",
    "InteractionCoxPHCV": "intertwine.estimators.interactions.models_cv",
    "InteractionRegressor": "intertwine.estimators.interactions.models",
    "InteractionRegressorCV": "intertwine.estimators.interactions.models_cv",
    "LatentFactorModel": "intertwine.estimators.latent_factors.model",
    "LocalFMClassifier": "intertwine.estimators.local_fm.models",
    "LocalFMRegressor": "intertwine.estimators.local_fm.models",
    "LongitudinalVAE": "intertwine.estimators.longitudinal.vae",
    "MixedModel": "intertwine.estimators.mixed_model.model",
    "RandomEffectsPCA": "intertwine.estimators.random_effects.pca",
    "RandomEffectsVAE": "intertwine.estimators.random_effects.vae",
}
_FUNCTIONS = {
    "make_interaction_pipeline": "intertwine.pipelines",
    "survival_target": "intertwine.validation",
}
_SUBMODULES = ("datasets", "plots")

__all__ = [
    *_ESTIMATORS,
    *_FUNCTIONS,
    *_SUBMODULES,
    "load",
]


def load(path: str | PathLike[str]) -> Any:
    """Read an estimator that its ``save(path)`` wrote.

    Only the classes of this package can come out, and nothing in the file is ever executed.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    estimator
        Fitted; it predicts the same to the bit.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is no model file, is damaged, or was written by a newer version.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from intertwine import InteractionRegressor, load
    >>> X = np.random.default_rng(0).standard_normal((30, 3))
    >>> model = InteractionRegressor(latent=None).fit(X, X[:, 0] * X[:, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model")
    ...     again = load(f"{folder}/model")
    >>> bool(np.all(again.predict(X) == model.predict(X)))
    True
    """
    from intertwine.io import load_state

    state = load_state(path)
    name = state.get("class")
    if name == "Checkpoint":
        raise ValueError(
            f"{path} is the checkpoint of an unfinished fit; pass it as checkpoint= to go on with the fit"
        )
    if not isinstance(name, str) or name not in _ESTIMATORS:
        raise ValueError(f"{path}: holds {name!r}, which this version of intertwine does not know")
    kind = getattr(import_module(_ESTIMATORS[name]), name)
    try:
        return kind._from_state(state)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # its checksum is right, so that it was written otherwise than by save()
        raise ValueError(f"{path} holds no {name} that could be restored: {error}") from error


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    home = _ESTIMATORS.get(name) or _FUNCTIONS.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
