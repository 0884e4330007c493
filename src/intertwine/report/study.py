"""What one section of a report is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from intertwine.compare import AbstractTask, Comparison, task_of
from intertwine.frames import feature_names
from intertwine.plots._results import gives_sizes

__all__ = ["Study"]


@final
@dataclass(frozen=True)
class Study:
    """A fitted model, the data it was fitted on, and how it compares.

    Parameters
    ----------
    estimator : fitted interaction estimator
        With or without ``CV``.
    X : frame or (n, p) array, optional
        The features as the estimator saw them.  Without data, pictures that need rows are left out.
    y : (n,) array, optional
        The target; for survival with fields ``time`` and ``event``.
    title : str
    target : str, default "the target"
        Name of the target column.
    about : str, default ""
        Where the data come from, in a sentence.
    time_unit : str, optional
        Unit of survival times.
    comparison : Comparison, optional
        Nested cross-validation, whose first model is this one.
    notes : sequence of str
        What was done to the data before; each becomes a caution.
    n_bootstrap : int, default 30
        Refits behind the bootstrap intervals; 0 leaves them out.
    seconds : float, default=inf
        What these may take together; where they take longer, they are left out, and that is said.
    units : mapping of str to (mean, standard deviation)
        Of columns that were standardised before, so that pictures can speak in the units of the data.
    groups, time, coords : optional
        What a model with random effects was given beside `X`.
    covariates, subject : optional
        What a model of subjects' visits was given beside `X` and `time`.
    by_unit : Comparison, optional
        Cross-validation with whole groups, or regions, held out.
    unit : str, default ""
        What these are called: "levels of school".
    """

    estimator: Any
    X: Any = None
    y: NDArray[Any] | None = None
    title: str = "What interacts"
    target: str = "the target"
    about: str = ""
    time_unit: str | None = None
    comparison: Comparison | None = None
    notes: Sequence[str] = field(default=())
    n_bootstrap: int = 30
    seconds: float = math.inf
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    groups: Any = None
    time: Any = None
    coords: Any = None
    covariates: Any = None
    subject: Any = None
    by_unit: Comparison | None = None
    unit: str = ""

    @property
    def task(self) -> AbstractTask:
        """Regression, classification or survival."""
        return task_of(self.estimator)

    @property
    def chosen(self) -> Any:
        """The estimator with its hyperparameters fixed: the one that a ``…CV`` picked, or itself."""
        return getattr(self.estimator, "best_estimator_", self.estimator)

    @property
    def curved(self) -> bool:
        """Whether features were expanded in splines: a pair is then a surface, and its estimate a size."""
        return gives_sizes(self.estimator)

    @property
    def has_data(self) -> bool:
        """Whether rows are at hand."""
        return self.X is not None and self.y is not None

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        if self.X is not None:
            return [str(name) for name in feature_names(self.X)]
        known = getattr(self.estimator, "feature_names_in_", None)
        return (
            [f"x{j}" for j in range(self.estimator.n_features_in_)]
            if known is None
            else [str(name) for name in known]
        )

    @property
    def n_rows(self) -> int | None:
        """Rows of the data, if at hand."""
        return None if self.y is None else len(self.y)

    @property
    def first_class(self) -> Any:
        """The class whose experts are shown, where each class has its own."""
        classes = getattr(self.estimator, "classes_", None)
        return None if classes is None or len(classes) <= 2 else classes[0]

    @property
    def table(self) -> NDArray[np.float64]:
        """The features as an array (n, p)."""
        return np.asarray(nw.to_native(self.X, pass_through=True), dtype=float)

    @property
    def columns(self) -> sparse.csc_array:
        """The features as sparse columns (n, p)."""
        native = nw.to_native(self.X, pass_through=True)
        if hasattr(native, "sparse"):  # a pandas frame of sparse columns
            native = native.sparse.to_coo()
        return sparse.csc_array(native if sparse.issparse(native) else self.table)

    @property
    def is_sparse(self) -> bool:
        """Whether the features are a sparse matrix, or a frame of sparse columns."""
        return sparse.issparse(self.X) or hasattr(nw.to_native(self.X, pass_through=True), "sparse")

    def take(self, rows: NDArray[np.intp]) -> Any:
        """Some rows of the features; a frame of sparse columns becomes a sparse matrix, for speed."""
        if self.is_sparse:
            return self.columns.tocsr()[rows]
        if isinstance(self.X, np.ndarray):
            return self.X[rows]
        return nw.from_native(self.X, eager_only=True)[rows].to_native()

    @property
    def fingerprint(self) -> bytes:
        """Bytes that tell one table of features from another."""
        native = nw.to_native(self.X, pass_through=True)
        if not self.is_sparse and np.asarray(native).dtype.kind in "OUS":  # ids of users and items
            return "\x1f".join(map(str, np.asarray(native).ravel().tolist())).encode()
        if not self.is_sparse:
            return np.ascontiguousarray(self.table).tobytes()
        columns = self.columns
        return b"".join(part.tobytes() for part in (columns.data, columns.indices, columns.indptr))
