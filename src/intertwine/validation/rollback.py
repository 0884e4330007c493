"""A fit either completes or leaves the estimator as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator


@contextmanager
def restored_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Undo every attribute set on `estimator` when the block raises, Ctrl-C included.

    Without it a fit that fails after its checks would leave ``n_features_in_`` behind, and
    ``predict`` would then miss an attribute instead of raising NotFittedError.

    Parameters
    ----------
    estimator : estimator

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> model = Ridge()
    >>> try:
    ...     with restored_on_failure(model):
    ...         model.n_features_in_ = 3
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt:
    ...     hasattr(model, "n_features_in_")
    False
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
