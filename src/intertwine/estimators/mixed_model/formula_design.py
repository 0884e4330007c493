"""Design matrices of a formula, by `formulae`, at the rows of a fit and at others.

Only numerical functions can be called in a formula: it may come from a file, which never runs anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, final

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from intertwine.effects import Grouped
from intertwine.estimators.effect_rows.group_labels import missing_labels
from intertwine.estimators.mixed_model.formula_bounds import require_bounded
from intertwine.estimators.mixed_model.formula_terms import in_brackets, parse_formula
from intertwine.validation.columns import eager_frame, is_categorical
from intertwine.validation.wording import counted, listed, rows_where

__all__ = ["FormulaDesign", "formula_table"]

Array = NDArray[np.float64]

_NUMERICAL = (
    *("abs", "ceil", "cos", "cosh", "exp", "expm1", "floor", "log", "log10", "log1p", "log2"),
    *("maximum", "minimum", "round", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh"),
)
_FUNCTIONS = {name: getattr(np, name) for name in _NUMERICAL}
_NUMBERS_OF = {f"{module}{name}": function for name, function in _FUNCTIONS.items() for module in ("", "np.")}
_CALLABLE = {
    "BQNAME",
    "IDENTIFIER",
    "RIGHT_BRACKET",
    "RIGHT_PAREN",
}  # what may stand before the bracket of a call
_MOST_SHOWN = 200  # letters of a formula in a message
_REFUSED = ("offset", "prop", "proportion", "p", "hsgp")  # terms that are no columns of coefficients


def formula_table(data: Any) -> dict[str, Any]:
    """Columns of a frame by name; categories with their order.

    Raises
    ------
    ValueError
        For anything that is not a frame.
    """
    frame = eager_frame(data)
    if frame is None:
        raise ValueError("a formula needs column names: pass X as a frame")
    if not frame.columns:
        raise ValueError("X is a frame without columns: nothing says how many rows there are")
    return {str(name): frame[name] for name in frame.columns}


@final
class FormulaDesign:
    """Columns of fixed effects and of random slopes, and how to make them of other rows.

    Parameters
    ----------
    formula : str
    table : mapping of str to column
        Columns of a frame, or what `to_state` gave.

    Attributes
    ----------
    outcome : str
        Left of ~; empty where the formula names none.
    variables : tuple of str
        Columns that other rows must have.
    names : tuple of str
        Of the fixed effects.
    fixed : ndarray of shape (n, c)
    effects : tuple of Grouped
        The random terms, whose slopes are of columns of ``slopes``.
    slope_names : tuple of str
    slopes : ndarray of shape (n, k)

    Raises
    ------
    ImportError
        Without ``formulae``.
    ValueError
        For a formula that cannot be read, for columns that are missing or have gaps, and for terms that are not finite.
    """

    def __init__(self, formula: str, table: Mapping[str, Any]) -> None:
        self._formulae = _library()
        terms = parse_formula(formula)
        self.formula, self.outcome = formula, terms.outcome
        parts = [in_brackets(part) for part in (terms.fixed, *(term.columns for term in terms.random))]
        described = [self._variables(part) for part in parts]
        groups = {name for term in terms.random for name in term.group}
        self._fixed_columns = tuple(sorted(described[0]))
        self._columns = tuple(sorted(set().union(*described)))
        self.variables = tuple(sorted(set(self._columns) | groups))
        self._data = _pandas(table, self._columns)
        designs = [self._evaluated(part, self._data) for part in parts]
        self._common = designs[0]
        self.fixed, self.names = _matrix(designs[0], len(self._data))
        self._slope_designs = designs[1:]
        columns, effects = [np.empty((len(self._data), 0))], []
        names: list[str] = []
        for term, design in zip(terms.random, designs[1:], strict=True):
            matrix, own = _matrix(design, len(self._data))
            if not own:
                raise ValueError(f"({term.columns} | {':'.join(term.group)}) has nothing that varies")
            slopes = tuple(name for name in own if name != "intercept")
            columns.append(matrix[:, [own.index(name) for name in slopes]])
            names += slopes
            group = term.group[0] if len(term.group) == 1 else term.group
            effects.append(Grouped(group, slopes, "intercept" in own, term.correlated))
        self.effects = tuple(effects)
        self.slopes, self.slope_names = np.hstack(columns), tuple(names)

    def outcome_in(self, data: Any) -> Any:
        """The outcome that the formula names, of a frame; None where it names none."""
        table = formula_table(data)
        if self.outcome not in table:
            return self.outcome_of(table) if self.outcome else None
        return table[self.outcome].to_native()

    def outcome_of(self, table: Mapping[str, Any]) -> Array:
        """What stands left of ~, (n,)."""
        data = _pandas(table, tuple(sorted(self._variables(self.outcome))))
        require_bounded(self.outcome, _NUMBERS_OF, _levels(data), len(data))
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused below
                design = self._formulae.design_matrices(
                    f"{self.outcome} ~ 1", data, na_action="pass", env=self._environment()
                )
        except Exception as error:
            raise _unreadable(self.outcome, error) from error
        outcome = np.asarray(design.response.design_matrix, dtype=np.float64)
        _require_finite(outcome.reshape(len(data), -1), [self.outcome])
        return outcome

    def fixed_at(self, table: Mapping[str, Any]) -> Array:
        """Columns of fixed effects at other rows, which need no columns of random terms.

        Raises
        ------
        ValueError
            As in ``at``.
        """
        return self._at(self._common, self._other_rows(table, self._fixed_columns))

    def at(self, table: Mapping[str, Any]) -> tuple[Array, Array]:
        """Columns of fixed effects, and of slopes, at other rows.

        Raises
        ------
        ValueError
            For columns that are missing, for categories that were not in fit, and for terms that are not finite.
        """
        data = self._other_rows(table, self._columns)
        slopes = [np.empty((len(data), 0))]
        for design in self._slope_designs:
            kept = [k for k, name in enumerate(_names(design)) if name != "intercept"]
            slopes.append(self._at(design, data)[:, kept])
        return self._at(self._common, data), np.hstack(slopes)

    def to_state(self) -> dict[str, Any]:
        """The rows of the fit, from which everything is made again."""
        columns = {}
        for name in self._columns:
            column = self._data[name]
            if hasattr(column, "cat"):
                columns[name] = {
                    "categories": np.array(column.cat.categories, dtype=object),
                    "codes": np.asarray(column.cat.codes, dtype=np.int64),
                }
            else:
                columns[name] = column.to_numpy()
        return {"formula": self.formula, "columns": columns, "n_rows": len(self._data)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FormulaDesign:
        """The design that `to_state` wrote."""
        return cls(state["formula"], dict(state["columns"]) or {"": np.zeros(state["n_rows"])})

    def _variables(self, part: str) -> set[str]:
        try:
            _require_known_calls(part)
            require_bounded(part, _NUMBERS_OF)
            return set(self._formulae.model_description(part).var_names) - {""}  # what it says of literals
        except Exception as error:
            raise _unreadable(part, error) from error

    def _other_rows(self, table: Mapping[str, Any], names: tuple[str, ...]) -> Any:
        """Columns of other rows, whose categories are among those of the fit."""
        data = _pandas(table, names)
        for name in names:
            if hasattr(fitted := self._data[name], "cat") or fitted.dtype.kind == "O":
                new = ~data[name].isin(fitted.unique()).to_numpy()
                if new.any():
                    raise ValueError(
                        f"{name!r} has categories {listed(list(data[name][new].unique()))} in {rows_where(new)}, which "
                        "no row of the fit had: they have no coefficient"
                    )
        return data

    def _at(self, design: Any, data: Any) -> Array:
        if design is None:
            return np.empty((len(data), 0))
        try:
            with np.errstate(all="ignore"):
                new = design.evaluate_new_data(data)
        except Exception as error:
            raise _unreadable(self.formula, error) from error
        matrix = np.asarray(new.design_matrix, dtype=np.float64).reshape(len(data), -1)
        _require_finite(matrix, _names(design))
        return matrix

    def _evaluated(self, part: str, data: Any) -> Any:
        require_bounded(part, _NUMBERS_OF, _levels(data), len(data))
        try:
            with np.errstate(all="ignore"):
                design = self._formulae.design_matrices(part, data, na_action="pass", env=self._environment())
        except Exception as error:
            raise _unreadable(part, error) from error
        if design.response is not None or design.group is not None:
            raise ValueError(f"{part!r} in a formula is no sum of columns")
        common = design.common
        for name, term in ({} if common is None else common.terms).items():
            if term.kind == "offset" or (name.split("(")[0] in _REFUSED and "(" in name):
                raise ValueError(
                    f"{name} in a formula is not supported: make a column of it, or leave it out"
                )
        return common

    def _environment(self) -> Any:
        from formulae.environment import Environment

        return Environment([{"np": SimpleNamespace(**_FUNCTIONS), **_FUNCTIONS}])


def _library() -> Any:
    try:
        import formulae
    except ImportError as error:
        raise ImportError(
            "formulas are read by formulae: pip install 'intertwine[formula]'; or pass X, groups and effects="
        ) from error
    return formulae


def _require_known_calls(part: str) -> None:
    """Refuse calls of anything but functions known by name: from a dotted name one gets to all of Python."""
    from formulae.scanner import Scanner
    from formulae.transforms import TRANSFORMS

    known = {*TRANSFORMS, *_NUMBERS_OF}
    for callee, bracket in pairwise(Scanner(part).scan()):
        called = bracket.kind == "LEFT_PAREN" and callee.kind in _CALLABLE
        if called and callee.lexeme not in known:
            raise KeyError(callee.lexeme)


def _levels(data: Any) -> dict[str, int]:
    """Columns that hold no numbers, and how many different labels they have."""
    numbers = data.select_dtypes(["number", "bool"]).columns
    return {name: int(data[name].nunique()) for name in data.columns if name not in numbers}


def _pandas(table: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The columns that a formula names, as a pandas frame."""
    import pandas as pd

    if absent := [name for name in names if name not in table]:
        raise ValueError(f"the formula names {listed(absent)}, but X has columns {listed(list(table))}")
    first = next(iter(table.values()))
    n_rows = len(first["codes"] if isinstance(first, Mapping) else first)
    columns = {name: _column(table[name], name, pd) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(n_rows))


def _column(column: Any, name: str, pd: Any) -> Any:
    if isinstance(column, Mapping):
        return pd.Categorical.from_codes(column["codes"], list(column["categories"]), ordered=True)
    if isinstance(column, np.ndarray):
        return column
    values = column.to_numpy()
    if values.dtype.kind in "mM":
        raise ValueError(f"{name!r} holds dates or durations; turn it into numbers in a unit of your choice")
    if (missing := missing_labels(values)).any():
        raise ValueError(
            f"X contains NaN in [{name!r}]; impute it first, or drop the {counted(missing.sum(), 'row', 'rows')}"
        )
    if is_categorical(column.dtype):
        categories = _categories(column)
        if categories is None:
            return values.astype(object)
        return pd.Categorical(values, categories, ordered=True)  # formulae sorts those of others
    if values.dtype.kind == "O" and not any(isinstance(value, str) for value in values[:1]):
        return np.array(values.tolist())
    return values


def _categories(column: Any) -> list[Any] | None:
    """Categories that occur, in their order; None of plain text."""
    if isinstance(column.dtype, nw.String):
        return None
    occur = set(column.unique().to_list())  # a category without rows has no coefficient
    known: Any = getattr(getattr(column.to_native(), "cat", None), "categories", None)  # of pandas
    if isinstance(column.dtype, nw.Enum):
        known = column.dtype.categories
    return sorted(occur) if known is None else [category for category in known if category in occur]


def _matrix(common: Any, n_rows: int) -> tuple[Array, list[str]]:
    if common is None:
        return np.empty((n_rows, 0)), []
    matrix, names = np.asarray(common.design_matrix, dtype=np.float64).reshape(n_rows, -1), _names(common)
    _require_finite(matrix, names)
    return matrix, names


def _require_finite(matrix: Array, names: Sequence[str]) -> None:
    """Refuse a transformation that is not defined for all values of its column, as log of negative ones."""
    for name, column in zip(names, matrix.T, strict=True):
        if not (finite := np.isfinite(column)).all():
            what = "NaN" if np.isnan(column[~finite]).all() else "NaN or infinite"
            raise ValueError(
                f"{name} of the formula is {what} in {rows_where(~finite)}: drop those rows, or transform otherwise"
            )


def _names(common: Any) -> list[str]:
    if common is None:
        return []
    return ["intercept" if n == "Intercept" else str(n) for n in common.as_dataframe().columns]


def _unreadable(part: str, error: Exception) -> Exception:
    """The error of a formula: what formulae says, in words of ours where it says a key or nothing."""
    if len(part) > _MOST_SHOWN:
        part = f"{part[:_MOST_SHOWN]} …"
    if isinstance(error, RecursionError):
        return ValueError(
            f"{part!r} in a formula has too many terms: give them as columns of X, with effects="
        )
    if isinstance(error, ValueError):
        return error
    if isinstance(error, KeyError | AttributeError):
        known = ", ".join(sorted(_FUNCTIONS))
        return ValueError(
            f"{part!r} in a formula names {error}, which is neither a column nor a function; functions are those "
            f"of formulae (bs, C, center, poly, scale, standardize) and {known}"
        )
    return ValueError(f"{part!r} in a formula cannot be read: {error}")
