"""How a comparison is made: folds, seed, and what it may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Plan", "minutes_of", "plan_words"]

MINUTES, QUICK_MINUTES = 60.0, 10.0


@dataclass(frozen=True)
class Plan:
    """How a comparison is made.

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
