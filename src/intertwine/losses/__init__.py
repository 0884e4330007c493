"""Losses: functions of the scores, bound to the outcome."""

from .base import AbstractCurvature, AbstractLoss, DiagonalCurvature
from .concordance import concordance_index
from .cox import BreslowLoss, CoxLoss, CumulativeHazard, EfronLoss
from .cox_curvature import CoxCurvature
from .logistic import LogisticLoss
from .squared import SquaredLoss

__all__ = [
    "AbstractCurvature",
    "AbstractLoss",
    "BreslowLoss",
    "CoxCurvature",
    "CoxLoss",
    "CumulativeHazard",
    "DiagonalCurvature",
    "EfronLoss",
    "LogisticLoss",
    "SquaredLoss",
    "concordance_index",
]
