"""What a formula may ask for: a file can hold one that nobody would write, to keep whoever reads it busy for years.

Constants are folded before anybody computes them, products of terms are counted before anybody writes them out, and
columns before anybody makes them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any, Final, NoReturn, final

from intertwine.resources import require_memory

__all__ = ["require_bounded"]

_DEPTH = 30  # brackets within brackets
_TERMS = 5_000  # that products of terms may become
_POWER = 100  # of a sum of terms
_SIZE = 10_000  # of a basis
_LARGEST_BITS = 53  # of a constant: whole numbers beyond are no data, and grow without end

_TEXT: Final = object()  # what holds text, or has been made of it
_ARITHMETIC = {
    "PLUS": operator.add,
    "MINUS": operator.sub,
    "STAR": operator.mul,
    "SLASH": operator.truediv,
    "STAR_STAR": operator.pow,
}
_OF_LABELS = ("B", "C", "S", "T", "binary")  # functions of text that give none
_OPENING, _CLOSING = ("LEFT_PAREN", "LEFT_BRACE"), ("RIGHT_PAREN", "RIGHT_BRACE")


def require_bounded(
    part: str, numerical: Mapping[str, Any], levels: Mapping[str, int] | None = None, n_rows: int = 0
) -> None:
    """Refuse a part of a formula that would compute without end.

    Parameters
    ----------
    part : str
        Outcome, fixed effects, or what stands left of a bar.
    numerical : mapping
        Functions by name whose arguments are numbers, not sizes.
    levels : mapping of str to int, optional
        Columns of text, and how many different ones they hold, once that is known.
    n_rows : int, default=0

    Raises
    ------
    ValueError
        Says what is too large.
    MemoryError
        When the columns would not fit.
    """
    from formulae.parser import Parser
    from formulae.scanner import Scanner

    tokens, depth = Scanner(part).scan(), 0
    for token in tokens:
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        if depth > _DEPTH:
            raise ValueError(f"{part[:60]!r} in a formula has more than {_DEPTH} brackets within brackets")
    columns = _Bounds(part, numerical, levels or {}).columns(Parser(tokens).parse())
    require_memory(16.0 * n_rows * columns, f"the {columns:,} columns of {part[:60]!r}", "fewer terms")


@final
class _Bounds:
    """Walks through what `formulae` has parsed."""

    def __init__(self, part: str, numerical: Mapping[str, Any], levels: Mapping[str, int]) -> None:
        self._part, self._numerical, self._levels = part[:60], numerical, levels

    def columns(self, expression: Any) -> int:
        """How many columns terms become."""
        match type(expression).__name__:
            case "Grouping":
                return self.columns(expression.expression)
            case "Unary":
                return self.columns(expression.right)
            case "Call":
                self._folded(expression)
                return self._width(expression)
            case "Variable" | "QuotedName":
                return self._levels.get(_name(expression), 1)
            case "Binary":
                return self._product(expression)
        return 1

    def _product(self, expression: Any) -> int:
        left, kind = self.columns(expression.left), expression.operator.kind
        if kind == "STAR_STAR":
            power = getattr(expression.right, "value", None)
            if not isinstance(power, int) or not 0 < power <= _POWER:
                self._refuse(f"a power of terms that is no whole number from 1 to {_POWER}")
            count = sum(math.comb(left, order) for order in range(1, power + 1))
        else:
            right = self.columns(expression.right)
            crossed = left * right if kind in ("STAR", "SLASH", "COLON") else 0
            count = crossed + (0 if kind == "COLON" else left + right)
        if count > _TERMS and not self._levels:
            self._refuse(f"{count:,} terms" if count < 1e9 else "billions of terms")
        return count

    def _width(self, call: Any) -> int:
        """Columns of a call: the largest size or number of levels among its arguments."""
        widths = [1]
        for argument in call.args:
            value = self._folded(
                getattr(argument, "value", argument) if _is(argument, "Assign") else argument
            )
            widths += [value] if type(value) is int and _callee(call) not in self._numerical else []
            widths += [self._levels.get(_name(argument), 1)]
        return max(widths)

    def _folded(self, expression: Any) -> Any:
        """Value of a constant, what holds text, or None: anything else."""
        match type(expression).__name__:
            case "Literal":
                return _TEXT if isinstance(expression.value, str) else self._bounded(expression.value)
            case "Variable" | "QuotedName":
                return _TEXT if _name(expression) in self._levels else None
            case "Grouping":
                return self._folded(expression.expression)
            case "Unary":
                value = self._folded(expression.right)
                self._require_numbers(value)
                return None if value is None else -value
            case "Binary":
                return self._computed(expression)
            case "Call":
                return self._called(expression)
        return None

    def _computed(self, expression: Any) -> Any:
        left, right = self._folded(expression.left), self._folded(expression.right)
        operation = _ARITHMETIC.get(expression.operator.kind)
        if operation is None:
            return None
        self._require_numbers(left, right)
        if left is None or right is None:
            return None
        whole = isinstance(left, int) and isinstance(right, int)
        if (
            operation is operator.pow
            and whole
            and abs(left) > 1
            and right * math.log2(abs(left)) > _LARGEST_BITS
        ):
            self._refuse_constant()
        try:
            return self._bounded(operation(left, right))
        except ArithmeticError:  # formulae will say so
            return None

    def _called(self, call: Any) -> Any:
        callee, values = _callee(call), []
        for argument in call.args:
            named = _is(argument, "Assign")
            values.append(self._folded(argument.value if named else argument))
            is_size = (
                callee not in self._numerical and callee != "I" and not (named and _name(argument) == "seed")
            )
            if is_size and type(values[-1]) is int and abs(values[-1]) > _SIZE:
                self._refuse(f"{values[-1]:,} in {callee}(…), more than {_SIZE:,}")
        if callee == "I":
            return values[0] if values else None
        return _TEXT if _TEXT in values and callee not in _OF_LABELS else None

    def _bounded(self, value: Any) -> Any:
        if isinstance(value, int) and abs(value) > 2**_LARGEST_BITS:
            self._refuse_constant()
        return None if isinstance(value, complex) else value

    def _require_numbers(self, *values: Any) -> None:
        if _TEXT in values:
            self._refuse("arithmetic with text")

    def _refuse_constant(self) -> NoReturn:
        self._refuse("a whole number beyond 2⁵³; write it as a decimal, as 10.0 for 10")

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"{self._part!r} in a formula has {what}")


def _is(expression: Any, kind: str) -> bool:
    return type(expression).__name__ == kind


def _callee(call: Any) -> str:
    return str(call.callee.name.lexeme)


def _name(expression: Any) -> str:
    """Name of a variable or of an argument; empty for what has none."""
    if _is(expression, "QuotedName"):
        return str(expression.expression.lexeme[1:-1])
    if _is(expression, "Assign"):
        return _name(expression.name)
    return str(expression.name.lexeme) if _is(expression, "Variable") else ""
