"""How a comparison is made: folds, seed, and what it may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Plan", "minutes_of", "plan_words"]

MINUTES, QUICK_MINUTES = 60.0, 10.0
_FOLDS, _QUICK_FOLDS = 5, 3  # in which a model chooses its settings
_REFITS, _QUICK_REFITS = 30, 10
_STUDY_SHARE = 0.25  # of the time that is allowed, which refits for a report may take


@dataclass(frozen=True)
class Plan:
    """How models are compared.

    Parameters
    ----------
    cv : int
    quick : bool
    seed : int
    jobs : int or None
    minutes : float
    """

    cv: int = 5
    quick: bool = False
    seed: int = 0
    jobs: int | None = None
    minutes: float = MINUTES

    @property
    def inner(self) -> int:
        """Folds in which a model chooses its settings."""
        return _QUICK_FOLDS if self.quick else _FOLDS

    @property
    def refits(self) -> int:
        """How many say in a report how sure its findings are."""
        return _QUICK_REFITS if self.quick else _REFITS

    @property
    def seconds(self) -> float:
        """The minutes in seconds."""
        return 60.0 * self.minutes

    @property
    def study_seconds(self) -> float:
        """What refits for a report may take of them."""
        return _STUDY_SHARE * self.seconds

    @property
    def told_minutes(self) -> str:
        """The minutes in words.

        Examples
        --------
        >>> Plan(minutes=1.0).told_minutes, Plan(minutes=0.5).told_minutes
        ('1 minute', '0.5 minutes')
        """
        return f"{self.minutes:g} minute{'' if self.minutes == 1 else 's'}"


def minutes_of(given: float | None, quick: bool) -> float:
    """What a comparison may take, where nobody said."""
    return given if given is not None else QUICK_MINUTES if quick else MINUTES


def plan_words(plan: Plan) -> list[str]:
    """The options that make this plan."""
    words = [] if plan.cv == 5 else ["--cv", str(plan.cv)]
    words += ["--quick"] if plan.quick else []
    words += [] if plan.seed == 0 else ["--seed", str(plan.seed)]
    usual = QUICK_MINUTES if plan.quick else MINUTES
    return words + ([] if plan.minutes == usual else ["--minutes", f"{plan.minutes:g}"])
