"""The operators of a module's formulas, each turned round: + and −, a leading minus, · and /, < and >."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

_TURNED = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.Lt: ("<", ">"),
    ast.Gt: (">", "<"),
    ast.LtE: ("<=", ">="),
    ast.GtE: (">=", "<="),
}
# Their arguments are sizes and positions: wrong ones end in an error, not in a wrong number.
_SIZES = frozenset(
    {"range", "prange", "reshape", "zeros", "ones", "empty", "full", "arange", "require_memory"}
)
_TEXTS = (ast.JoinedStr, ast.List, ast.ListComp, ast.Tuple, ast.Dict)


class Edit(NamedTuple):
    """Bytes of the source that are replaced."""

    start: int
    stop: int
    text: bytes


@dataclass(frozen=True)
class Mutant:
    """One operator turned round.

    Attributes
    ----------
    path : str
        Of the module, in the package.
    line : int
        From one.
    where : str
        Name of the function, with its class.
    before, after : str
        The line, stripped.
    edit : Edit
    nth : int
        Of the lines of the function that read the same; from one.
    at_import : bool
        It is in no function: what it gives is there once the module is imported.
    """

    path: str
    line: int
    where: str
    before: str
    after: str
    edit: Edit
    nth: int
    at_import: bool

    @property
    def is_sign(self) -> bool:
        """It is a sign: + for −, or the other way round."""
        return self.edit.text in {b"+", b"-"}

    @property
    def key(self) -> str:
        """A name that stays when lines above are added."""
        again = f"::{self.nth}" if self.nth > 1 else ""
        return f"{self.path}::{self.where}::{self.after}{again}"

    def apply(self, source: bytes) -> bytes:
        """The module with this formula broken."""
        return source[: self.edit.start] + self.edit.text + source[self.edit.stop :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    found: list[Mutant] = []
    alike: Counter[tuple[str, str]] = Counter()
    for edit, where, at_import in sorted(finder.edits):
        changed = source[: edit.start] + edit.text + source[edit.stop :]
        line = source.count(b"\n", 0, edit.start)
        before, after = (text.decode().split("\n")[line].strip() for text in (source, changed))
        alike[where, after] += 1
        found.append(Mutant(path, line + 1, where, before, after, edit, alike[where, after], at_import))
    return found


class _Finder(ast.NodeVisitor):
    """Walks the formulas and leaves out what is none: messages, annotations, sizes, positions, and counting."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0]
        for line in source.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._scope: list[str] = []
        self._functions = 0
        self.edits: list[tuple[Edit, str, bool]] = []

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def _found(self, start: int, stop: int, text: bytes) -> None:
        self.edits.append((Edit(start, stop, text), ".".join(self._scope), self._functions == 0))

    def _turn(self, left: ast.expr, operator: ast.AST, right: ast.expr, suffix: str = "") -> None:
        turned = _TURNED.get(type(operator))
        if turned is None:
            return
        before, after = turned
        start = self._at(left.end_lineno or 0, left.end_col_offset or 0)
        stop = self._at(right.lineno, right.col_offset)
        # What lies between two operands: brackets, spaces, comments, and the operator.
        between = self._source[start:stop]
        position = between.find((before + suffix).encode())
        if b"#" not in between and position >= 0:
            self._found(start + position, start + position + len(before), after.encode())

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not any(isinstance(side, _TEXTS) or _is_text(side) for side in (node.left, node.right)):
            self._turn(node.left, node.op, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        counts = isinstance(node.value, ast.Constant) and isinstance(node.value.value, int)
        if not counts and not isinstance(node.value, _TEXTS):
            self._turn(node.target, node.op, node.value, "=")
        self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
            self._turn(left, operator, right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        position = isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int)
        if isinstance(node.op, ast.USub) and not position:
            start = self._at(node.lineno, node.col_offset)
            self._found(start, start + 1, b"+")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        refuses = isinstance(node.body[-1], ast.Raise)  # a check of input, held by the tables of bad inputs
        for child in ast.iter_child_nodes(node):
            if not (refuses and child is node.test):
                self.visit(child)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in _SIZES:
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope.append(node.name)
        self._functions += 1
        for statement in node.body:
            self.visit(statement)
        self._functions -= 1
        self._scope.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._functions += 1
        self.visit(node.body)
        self._functions -= 1

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._scope.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        pass

    visit_JoinedStr = visit_Assert = visit_Raise


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
