"""Losses: functions of the scores, bound to the outcome."""

from .base import (
    AbstractCurvature,
    AbstractLikelihoodLoss,
    AbstractLoss,
    DiagonalCurvature,
    LossOverflowError,
)
from .concordance import concordance_index
from .cox import BreslowLoss, CoxLoss, CumulativeHazard, EfronLoss
from .cox_curvature import CoxCurvature
from .diagonal import AbstractDiagonalLoss, AbstractErrorLoss, best_constant
from .logistic import LogisticLoss
from .squared import SquaredLoss

__all__ = [
    "AbstractCurvature",
    "AbstractDiagonalLoss",
    "AbstractErrorLoss",
    "AbstractLikelihoodLoss",
    "AbstractLoss",
    "BreslowLoss",
    "CoxCurvature",
    "CoxLoss",
    "CumulativeHazard",
    "DiagonalCurvature",
    "EfronLoss",
    "LogisticLoss",
    "LossOverflowError",
    "SquaredLoss",
    "best_constant",
    "concordance_index",
]
