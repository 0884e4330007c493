"""scikit-learn's contract, held by the latent-factor model."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import LatentFactorModel

STEPS = "a row of weight two takes one longer step, two rows take two: the same objective, but not the same passes"
HELD_OUT = "ratings that are held out to stop by are others where rows are repeated"
# repeated rows are measurements here: the checks repeat rows, and take any numbers for ids
SETTINGS = {"n_components": 2, "duplicates": "keep"}
LIMITS = {"sgd": STEPS, "gauss_newton": HELD_OUT}
ESTIMATORS = [
    LatentFactorModel(solver="variational", **SETTINGS),
    LatentFactorModel(solver="als", **SETTINGS),
    LatentFactorModel(solver="gauss_newton", max_iter=10, **SETTINGS),
    LatentFactorModel(solver="sgd", max_iter=20, **SETTINGS),
    LatentFactorModel(solver="gibbs", max_iter=30, n_samples=10, **SETTINGS),
]


def known_limits(estimator):
    """What need not hold, and why."""
    name = "check_sample_weight_equivalence_on_dense_data"
    return {name: LIMITS[estimator.solver]} if estimator.solver in LIMITS else {}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=known_limits)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
