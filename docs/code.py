"""Run the code of a page and show what comes out: text, tables, pictures."""

from __future__ import annotations

import ast
import contextlib
import html
import io
import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

__all__ = ["Notebook"]

_ROWS = 12


class Notebook:
    """Blocks that share a namespace; in a strict one a warning is an error."""

    def __init__(self, strict: bool = False) -> None:
        self._strict = strict
        self._names: dict[str, Any] = {"__name__": "__docs__"}

    def run(self, code: str, caption: str) -> str:
        """Run a block; HTML of what it printed and of the value of its last expression.

        Parameters
        ----------
        code : str
        caption : str
            Under a picture, and what it shows for those who do not see it.
        """
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            if self._strict:
                warnings.simplefilter("error", UserWarning)
            else:
                warnings.simplefilter("ignore", ConvergenceWarning)
            exec(compile(tree, "<page>", "exec"), self._names)
            value = None
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<page>", "eval"), self._names)
        text = printed.getvalue()
        shown = f'<pre class="output" tabindex="0">{html.escape(text.rstrip())}</pre>' if text.strip() else ""
        return shown + ("" if value is None else _shown(value, caption))


def _shown(value: Any, caption: str) -> str:
    if hasattr(value, "figsize") and hasattr(value, "plot"):
        return _picture(value, caption)
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return _table(value)
    return f'<pre class="output" tabindex="0">{html.escape(repr(value))}</pre>'


def _picture(display: Any, caption: str) -> str:
    import matplotlib.pyplot as plt

    from intertwine.report.picture import take_picture

    picture = take_picture(display, title="", alt=caption, caption=caption)
    plt.close("all")  # what the display drew by itself
    return (
        f'<figure style="max-width: {max(picture.width, 420)}px"><picture>'
        f'<source srcset="{picture.dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{picture.light}" width="{picture.width}" height="{picture.height}" alt="{html.escape(caption)}">'
        f"</picture><figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _table(frame: Any) -> str:
    shown = frame.head(_ROWS)
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in shown.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in shown.itertuples(index=False)
    )
    more = f'<p class="note">{_ROWS} of {len(frame)} rows</p>' if len(frame) > _ROWS else ""
    table = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="scroll" tabindex="0"><table class="output">{table}</table></div>{more}'


def _cell(value: Any) -> str:
    if isinstance(value, float):
        digits = f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
        return "" if value != value else digits.replace("-", "−")
    return str(value)
