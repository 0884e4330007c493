"""Checks of what users pass: loud, and precise about the columns and rows at fault."""

from intertwine.validation.columns import check_column_selection, check_numeric_columns, eager_frame
from intertwine.validation.features import check_features
from intertwine.validation.parameters import COX_CONSTRAINTS, INTERACTION_CONSTRAINTS, check_choices
from intertwine.validation.rank import check_unpenalized_rank
from intertwine.validation.rollback import restored_on_failure
from intertwine.validation.rows import check_same_rows
from intertwine.validation.survival import check_strata, check_survival_target, survival_target
from intertwine.validation.targets import (
    check_class_sizes,
    check_classification_target,
    check_regression_target,
    order_classes,
)
from intertwine.validation.values import sums_of_squares_overflow
from intertwine.validation.weights import check_weights, rows_that_count

__all__ = [
    "COX_CONSTRAINTS",
    "INTERACTION_CONSTRAINTS",
    "check_choices",
    "check_class_sizes",
    "check_classification_target",
    "check_column_selection",
    "check_features",
    "check_numeric_columns",
    "check_regression_target",
    "check_same_rows",
    "check_strata",
    "check_survival_target",
    "check_unpenalized_rank",
    "check_weights",
    "eager_frame",
    "order_classes",
    "restored_on_failure",
    "rows_that_count",
    "sums_of_squares_overflow",
    "survival_target",
]
