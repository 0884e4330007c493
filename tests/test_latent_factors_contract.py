"""scikit-learn's contract, held by the latent-factor model."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from intertwine import LatentFactorModel

DRAWS = (
    "a row of weight two and two rows are the same posterior, but not the same draws from it: tested in "
    "distribution in test_fm_gibbs.py"
)
SPARSE = "a sparse X holds the ratings themselves, so that it is refused beside y"
# repeated rows are measurements here: the checks repeat rows, and take any numbers for ids
SAMPLER = LatentFactorModel(solver="gibbs", n_components=2, max_iter=30, n_samples=10, duplicates="keep")


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [SAMPLER],
    expected_failed_checks=lambda e: {"check_sample_weight_equivalence_on_dense_data": DRAWS},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
