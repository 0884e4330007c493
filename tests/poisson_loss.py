"""A loss written by the rules of CONTRIBUTING.md alone: counts, whose loss grows like an exponential."""

from typing import final

import numpy as np
from scipy.special import gammaln

from intertwine.losses import AbstractDiagonalLoss, AbstractLikelihoodLoss


@final
class PoissonLoss(AbstractDiagonalLoss, AbstractLikelihoodLoss):
    """Negative log-likelihood of counts whose mean is e^f."""

    def _losses(self, f):
        return np.exp(f) - self.y * f + gammaln(self.y + 1.0)

    def _slopes(self, f):
        return np.exp(f) - self.y

    def _curvatures(self, f):
        return np.exp(f)

    def start_score(self) -> float:
        """Log of the mean."""
        return float(np.log(self.sample_weight @ self.y / self.total_weight))

    def inverse_link(self, f):
        """Mean count."""
        return np.exp(np.asarray(f, dtype=np.float64))
