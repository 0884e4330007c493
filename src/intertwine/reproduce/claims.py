"""What a paper claims beside what was measured, and a verdict by one rule for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from intertwine.reproduce.measurements import mean_and_error

__all__ = ["RULE", "VERDICTS", "Claim", "Verdict", "exceeds", "noise", "reaches", "tally", "unmeasured"]

Verdict = Literal["holds", "better", "does not hold", "not measured here"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_LEVEL = 0.05  # of what counts as beyond noise, both sides together
_SLACK = 2.0  # standard errors that a figure may fall short by
_MOST_PLACES = 5
_NO_FIGURE = "–"
_IN_NOISE = "no difference beyond noise"


def noise(n_seeds: int) -> float:
    """Standard errors that a difference must exceed to count: Student's t, for so many seeds.

    Examples
    --------
    >>> [round(noise(n), 1) for n in (2, 3, 5)]
    [12.7, 4.3, 2.8]
    """
    return float(stats.t.ppf(1.0 - _LEVEL / 2.0, n_seeds - 1))


#: The rule of all verdicts, as the page states it.
RULE = (
    "Every verdict is computed from measurements, by one rule; none is written by hand. A standard "
    f"error is that of the mean over seeds. Beyond noise is more than t of them, Student's t at {_LEVEL:.0%}, which "
    f"grows as seeds get few: {noise(2):.1f} for two seeds, {noise(3):.1f} for three, {noise(5):.1f} for five.",
    "A figure (an error, an accuracy) is better where ours is ahead of the paper's beyond noise; it holds where "
    f"ours is ahead by less, or short of it by no more than {_SLACK:g} standard errors; else it does not hold. Half a "
    "unit of the paper's last digit is allowed for: papers print no more.",
    "A comparison (this method beats that one) is measured as a difference, seed by seed on the same rows, positive in "
    "the claim's favour. It holds where the difference is beyond noise; better, where it also exceeds the paper's own "
    "difference beyond noise. Else it does not hold, and the reason says whether the difference is lost in noise, "
    "which with two or three seeds means little, or points the other way.",
    "A claim with fewer than two seeds is not decided. Where a quick run is smaller than the paper's design, its "
    "figures are not set beside the paper's, and only comparisons are judged.",
    "What a run does not measure is judged by recorded rows where there are any: those of benchmarks at the papers' "
    "own sizes, which come with the package. Such claims are marked as recorded, with the command that measures them "
    "anew; all others were measured in this run.",
    "Sizes, strengths and epochs of the quick designs were settled while earlier quick runs were looked at, on some of "
    "the same seeds: a quick verdict is a first look, and a full run, whose designs are the papers', the proof.",
)


@final
@dataclass(frozen=True)
class Claim:
    """One claim of a paper, judged.

    Attributes
    ----------
    statement : str
        In words.
    verdict : {"holds", "better", "does not hold", "not measured here"}
    why : str
        Of the verdict, where it does not go without saying.
    published : str
        What the paper prints; a dash where we know of no figure.
    ours : str
        Mean ± standard error.
    mean, std_error : float
        NaN where there are none.
    n_seeds : int
    recorded : str
        The commands that measured it, where it was not measured in this run.
    """

    statement: str
    verdict: Verdict
    why: str = ""
    published: str = _NO_FIGURE
    ours: str = _NO_FIGURE
    mean: float = float("nan")
    std_error: float = float("nan")
    n_seeds: int = 0
    recorded: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether there is a verdict on what was measured."""
        return self.verdict != "not measured here"

    @property
    def in_noise(self) -> bool:
        """Whether it does not hold for want of a difference beyond noise, not because it is the other way round."""
        return self.why == _IN_NOISE

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: None for numbers there are none of."""
        numbers = {"mean": self.mean, "std_error": self.std_error}
        return {
            "statement": self.statement,
            "verdict": self.verdict,
            "why": self.why,
            "published": self.published,
            **{name: None if np.isnan(value) else value for name, value in numbers.items()},
            "n_seeds": self.n_seeds,
            "recorded": self.recorded,
        }


def unmeasured(statement: str, why: str, published: str = _NO_FIGURE) -> Claim:
    """A claim there are no measurements for.

    Parameters
    ----------
    statement : str
    why : str
        What keeps it from being measured.
    published : str
    """
    return Claim(statement, "not measured here", why, published)


def reaches(
    statement: str,
    published: float,
    values: ArrayLike,
    *,
    lower_is_better: bool,
    places: int,
    incomparable: str = "",
    absent: str = "",
) -> Claim:
    """Judge a figure.

    Parameters
    ----------
    statement : str
    published : float
        The paper's figure.
    values : array-like
        Ours, one for each seed.
    lower_is_better : bool
    places : int
        Decimals that the paper prints.
    incomparable : str
        Why our values are not of the paper's design, where that is so: they are shown and not judged.
    absent : str
        What to say where there are no values.

    Examples
    --------
    >>> reaches("The error is 1.28.", 1.28, [1.07, 1.08, 1.09], lower_is_better=True, places=2).verdict
    'better'
    >>> reaches("The error is 1.28.", 1.28, [1.3, 1.4, 1.2], lower_is_better=True, places=2).verdict
    'holds'
    >>> reaches("The error is 1.28.", 1.28, [1.31, 1.32, 1.33], lower_is_better=True, places=2).verdict
    'does not hold'
    """
    printed = f"{published:.{places}f}".replace("-", "−")
    found = _finite(values)
    if len(found) == 0:
        return unmeasured(statement, absent or "nothing was measured", printed)
    mean, error = mean_and_error(found)
    ours = _with_error(mean, error, places)
    verdict: Verdict = "not measured here"
    why = incomparable or "one seed cannot tell"
    if len(found) > 1 and not incomparable:
        gain = published - mean if lower_is_better else mean - published
        rounding = 0.5 * 10.0**-places
        verdict, why = "does not hold", "not reached"
        if gain >= -_SLACK * error - rounding:
            verdict, why = "holds", ""
        if gain > noise(len(found)) * error + rounding:
            verdict = "better"
    return Claim(statement, verdict, why, printed, ours, mean, error, len(found))


def exceeds(
    statement: str,
    advantages: ArrayLike,
    *,
    places: int,
    published: float | None = None,
    comparable: bool = True,
    absent: str = "",
) -> Claim:
    """Judge a comparison.

    Parameters
    ----------
    statement : str
    advantages : array-like
        Differences in the claim's favour, one for each seed.
    places : int
        Decimals that are shown.
    published : float, optional
        The paper's difference.
    comparable : bool
        Whether ours is of the paper's size, so that it can be larger than the paper's.
    absent : str
        What to say where there are no values.

    Examples
    --------
    >>> exceeds("This beats that.", [0.10, 0.11, 0.12], places=2).verdict
    'holds'
    >>> claim = exceeds("This beats that.", [0.1, -0.1, 0.2], places=2)
    >>> claim.verdict, claim.why
    ('does not hold', 'no difference beyond noise')
    """
    printed = _NO_FIGURE if published is None else _signed(published, places)
    found = _finite(advantages)
    if len(found) == 0:
        return unmeasured(statement, absent or "nothing was measured", printed)
    mean, error = mean_and_error(found)
    verdict: Verdict = "not measured here"
    why = "one seed cannot tell"
    if len(found) > 1:
        margin = noise(len(found)) * error
        verdict, why = "does not hold", _IN_NOISE
        if mean < -margin:
            why = "the other way round"
        if mean > margin:
            verdict, why = "holds", ""
            if published is not None and comparable and mean - published > margin + 0.5 * 10.0**-places:
                verdict = "better"
    return Claim(
        statement,
        verdict,
        why,
        printed,
        _with_error(mean, error, places, signed=True),
        mean,
        error,
        len(found),
    )


def tally(claims: Iterable[Claim]) -> dict[Verdict, int]:
    """How many there are of each verdict.

    Examples
    --------
    >>> tally([unmeasured("It is so.", "nobody knows")])
    {'holds': 0, 'better': 0, 'does not hold': 0, 'not measured here': 1}
    """
    counted = Counter(claim.verdict for claim in claims)
    return {verdict: counted[verdict] for verdict in VERDICTS}


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
    return numbers[np.isfinite(numbers)]


def _with_error(mean: float, error: float, places: int, *, signed: bool = False) -> str:
    """As many decimals as the paper prints, and more where the standard error would read as zero."""
    if error > 0:
        places = max(places, min(_MOST_PLACES, -int(np.floor(np.log10(error)))))
    text = _signed(mean, places)
    if not signed:
        text = text.removeprefix("+")
    return text if np.isnan(error) else f"{text} ± {error:.{places}f}"


def _signed(value: float, places: int) -> str:
    text = f"{value:+.{places}f}".replace("-", "−")
    return text if float(text.replace("−", "-")) else text[1:]
