"""A formula taken apart: its outcome, its fixed part, and its random terms, (1 + t | g)."""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple

__all__ = ["FormulaTerms", "RandomTerm", "in_brackets", "parse_formula"]

_MOST_LETTERS = 50_000
_AT_ONCE = 16  # names that are added in one bracket
_MOST_RANDOM = 100
_NAME = r"[^\W\d][\w.]*"
_ALONE = re.compile(_NAME)
_FACTOR = re.compile(rf"\s*{_NAME}(\s*[:/]\s*{_NAME})*\s*")


class RandomTerm(NamedTuple):
    """One random term.

    Attributes
    ----------
    columns : str
        What stands left of the bar.
    group : tuple of str
        Columns whose combinations are the groups.
    correlated : bool
        One bar, not two.
    """

    columns: str
    group: tuple[str, ...]
    correlated: bool


class FormulaTerms(NamedTuple):
    """What a formula says.

    Attributes
    ----------
    outcome : str
        Empty where the formula names none.
    fixed : str
    random : tuple of RandomTerm
    """

    outcome: str
    fixed: str
    random: tuple[RandomTerm, ...]


def parse_formula(formula: str) -> FormulaTerms:
    """Take a formula apart.

    Parameters
    ----------
    formula : str
        In the notation of lme4.

    Returns
    -------
    FormulaTerms

    Raises
    ------
    ValueError
        Says which part cannot be read.

    Examples
    --------
    >>> terms = parse_formula("y ~ x + (1 + t | school / class) + (0 + x || town)")
    >>> terms.outcome, terms.fixed
    ('y', 'x')
    >>> for term in terms.random:
    ...     print(term.columns, term.group, term.correlated)
    1 + t ('school',) True
    1 + t ('school', 'class') True
    0 + x ('town',) False
    """
    if len(formula) > _MOST_LETTERS:
        raise ValueError(f"the formula has {len(formula):,} letters, more than {_MOST_LETTERS:,}")
    if formula.count("~") > 1:
        raise ValueError(f"the formula {formula!r} has more than one ~")
    outcome, tilde, right = formula.rpartition("~")
    if tilde and not right.strip():
        raise ValueError(f"the formula {formula!r} says nothing right of ~; write ~ 1 for an intercept")
    random: list[RandomTerm] = []
    fixed, position = "", 0
    while position < len(right):
        if right[position] == "(" and (end := _closing(right, position, formula)) is not None:
            inner = right[position + 1 : end]
            if _bar(inner) is not None:
                fixed = _without_plus(fixed, formula)
                random += _random_terms(inner)
            else:
                fixed += right[position : end + 1]
            position = end + 1
            continue
        if right[position] == "|":
            raise ValueError(f"a random term stands in brackets, (1 | group), in the formula {formula!r}")
        fixed += right[position]
        position += 1
    if len(random) > _MOST_RANDOM:
        raise ValueError(f"the formula has {len(random):,} random terms, more than {_MOST_RANDOM}")
    fixed = fixed.strip().removeprefix("+").strip()
    return FormulaTerms(outcome.strip(), fixed or "1", tuple(random))


def in_brackets(part: str) -> str:
    """A long sum of names with brackets in it, so that a parser need not go as deep as the sum is long.

    What else is added stays where it is.

    Examples
    --------
    >>> in_brackets("a + log(b) + c")
    'a + log(b) + c'
    >>> bracketed = in_brackets("log(a) + " + " + ".join(f"x{i}" for i in range(40)))
    >>> bracketed[:17], bracketed.count("(")
    ('log(a) + (x0 + x1', 4)
    """
    if any(letter in part for letter in "-~|`'\""):  # what is taken away, or a sign within a name
        return part
    terms, start, depth = [], 0, 0
    for place, letter in enumerate(part):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "+" and depth == 0:
            terms.append(part[start:place].strip())
            start = place + 1
    terms.append(part[start:].strip())
    if len(terms) <= _AT_ONCE:
        return part
    told: list[str] = []
    for is_name, run in groupby(terms, key=lambda term: _ALONE.fullmatch(term) is not None):
        some = list(run)
        told += [_bracketed(some)] if is_name else some
    return " + ".join(told)


def _bracketed(terms: list[str]) -> str:
    """Terms added in brackets of brackets."""
    while len(terms) > _AT_ONCE:
        parts = [terms[k : k + _AT_ONCE] for k in range(0, len(terms), _AT_ONCE)]
        terms = [f"({' + '.join(some)})" for some in parts]
    return " + ".join(terms)


def _closing(text: str, start: int, formula: str) -> int:
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    raise ValueError(f"a bracket is not closed in the formula {formula!r}")


def _bar(inner: str) -> int | None:
    """Where the bar stands that no inner bracket holds."""
    depth = 0
    for place, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            return place
    return None


def _without_plus(fixed: str, formula: str) -> str:
    """What stands before a random term, which must be added to it."""
    before = fixed.rstrip()
    if before and not before.endswith("+"):
        raise ValueError(f"random terms are added with +, in the formula {formula!r}")
    return before.removesuffix("+").rstrip()


def _random_terms(inner: str) -> list[RandomTerm]:
    bar = _bar(inner)
    assert bar is not None
    doubled = inner[bar : bar + 2] == "||"
    columns, factor = inner[:bar].strip(), inner[bar + 1 + doubled :]
    if not columns or not _FACTOR.fullmatch(factor):
        raise ValueError(
            f"({inner}) is no random term: left of the bar stands what varies, right of it the group, "
            "as g, g:h (combinations) or g/h (h within g)"
        )
    nested = [tuple(name.strip() for name in part.split(":")) for part in factor.split("/")]
    if len(nested) > _MOST_RANDOM:
        raise ValueError(f"a random term of the formula is nested more than {_MOST_RANDOM} times")
    return [RandomTerm(columns, sum(nested[: k + 1], ()), correlated=not doubled) for k in range(len(nested))]
