"""How models of several families stand on the same folds, and which to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from intertwine.compare.comparison import Comparison

__all__ = ["Ranking"]

#: How a model stands to the best one.
BEST, AS_GOOD, PERHAPS, WORSE, UNSTEADY = "best", "as good", "perhaps worse", "worse", "unsteady"
_NEAR, _CLEAR = (
    1.0,
    2.0,
)  # standard errors of a difference up to which it is none, and from which on it counts
_ROUNDING = 1e-9  # of scores
_QUICK, _AS_QUICK = (
    1.0,
    3.0,
)  # seconds of a fit that matter to nobody, and times the quickest that are as quick


@dataclass(frozen=True)
class Ranking:
    """How models stand on the same folds.

    Parameters
    ----------
    comparison : Comparison or None
        Of the models that got through all folds, the best one first; None where none did.
    families : mapping of str to str
        Names of the models that belong to a family, and of these.
    failed : mapping of str to str
        Models that failed, and with which error.
    given_up : mapping of str to str
        Models that were not run to the end, and why.
    said : mapping of str to sequence of str
        What models of families warned of in every fold.
    out_of_fold : mapping of str to mapping
        Predictions of the families' models for every row, from the fold that held it out.
    """

    comparison: Comparison | None
    families: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    given_up: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    out_of_fold: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Models in their order."""
        return [] if self.comparison is None else self.comparison.names

    def word(self, i: int) -> str:
        """Say of the model in place `i` how it stands to the best one.

        Unsteady: far behind, by the standard error of the best one, in folds that differ too much to be sure of it.
        """
        assert self.comparison is not None
        if i == 0:
            return BEST
        apart, error = self.comparison.difference[i], self.comparison.difference_std_error[i]
        if apart + _NEAR * error >= 0:
            behind = max(_CLEAR * float(self.comparison.std_error[0]), _ROUNDING)
            return UNSTEADY if apart < -behind else AS_GOOD
        return PERHAPS if apart + _CLEAR * error >= 0 else WORSE

    def as_good(self) -> list[str]:
        """Models that are as good as the best one, which is left out."""
        return [name for i, name in enumerate(self.names) if self.word(i) == AS_GOOD]

    @property
    def choice(self) -> str:
        """The model to use: of those as good as the best, and about as quick as the quickest of them, the best."""
        assert self.comparison is not None
        seconds = dict(zip(self.names, self.comparison.seconds.mean(axis=1), strict=True))
        near = [self.names[0], *self.as_good()]
        enough = max(_QUICK, _AS_QUICK * min(seconds[name] for name in near))
        return next(name for name in near if seconds[name] <= enough)

    def why_out(self, name: str) -> str:
        """Why a model has no scores."""
        return f"failed: {self.failed[name]}" if name in self.failed else self.given_up.get(name, "")

    def about(self, name: str) -> Comparison:
        """The same scores with another model first, as a report on that model has them."""
        assert self.comparison is not None
        first = self.names.index(name)
        order = [first, *(i for i in range(len(self.names)) if i != first)]
        found = dict(self.out_of_fold[name]) if name in self.out_of_fold else None
        return self.comparison.in_order(order, found)
