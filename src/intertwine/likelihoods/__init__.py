"""Likelihoods of a decoder's outputs: Gaussian, Bernoulli, ordinal, Poisson, or mixed by column.

Beside random effects of the columns 0 and 1 and counts go through `local_bounds`, mixed by column in `local_columns`.
"""

from intertwine.likelihoods.base import AbstractLikelihood, Noise, Units
from intertwine.likelihoods.bernoulli import Bernoulli
from intertwine.likelihoods.columns import ColumnLikelihood
from intertwine.likelihoods.gaussian import Gaussian
from intertwine.likelihoods.kinds import KINDS, column_kinds
from intertwine.likelihoods.ordinal import Ordinal
from intertwine.likelihoods.poisson import Poisson

__all__ = [
    "KINDS",
    "AbstractLikelihood",
    "Bernoulli",
    "ColumnLikelihood",
    "Gaussian",
    "Noise",
    "Ordinal",
    "Poisson",
    "Units",
    "column_kinds",
]
