"""How well a model predicts beside what one would use instead: nested cross-validation on the same folds."""

from intertwine.compare.base import FACTORIZATION, MAIN_EFFECTS, OURS, AbstractTask
from intertwine.compare.classification import ClassificationTask
from intertwine.compare.comparison import Comparison
from intertwine.compare.effects_family import AbstractEffectsFamily, AbstractUnitsFamily
from intertwine.compare.families import FAMILIES, SETTLED, InteractionsFamily
from intertwine.compare.family import AbstractFamily, Shape
from intertwine.compare.forecast import ForecastTask
from intertwine.compare.latent_effects import (
    CENTRED_PCA,
    PLAIN_PCA,
    AbstractLatentEffectsFamily,
)
from intertwine.compare.latent_factors import LEVELS, NO_FEATURES, LatentFactorsFamily
from intertwine.compare.longitudinal import LongitudinalFamily
from intertwine.compare.mixed_model import FIXED_ALONE, GROUP_COLUMNS, MixedModelFamily
from intertwine.compare.race import compare_models
from intertwine.compare.reconstruction import ReconstructionTask
from intertwine.compare.regression import RegressionTask
from intertwine.compare.survival import SurvivalTask
from intertwine.compare.task_of import task_of

__all__ = [
    "CENTRED_PCA",
    "FACTORIZATION",
    "FAMILIES",
    "FIXED_ALONE",
    "GROUP_COLUMNS",
    "LEVELS",
    "MAIN_EFFECTS",
    "NO_FEATURES",
    "OURS",
    "PLAIN_PCA",
    "SETTLED",
    "AbstractEffectsFamily",
    "AbstractFamily",
    "AbstractLatentEffectsFamily",
    "AbstractTask",
    "AbstractUnitsFamily",
    "ClassificationTask",
    "Comparison",
    "ForecastTask",
    "InteractionsFamily",
    "LatentFactorsFamily",
    "LongitudinalFamily",
    "MixedModelFamily",
    "ReconstructionTask",
    "RegressionTask",
    "Shape",
    "SurvivalTask",
    "compare_models",
    "task_of",
]
