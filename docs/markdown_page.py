"""A page of markdown as HTML: its code is run, its headings get anchors, its tables scroll by themselves."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from docs.code import Notebook

__all__ = ["Page", "anchor", "highlighted", "render_markdown", "render_page"]

#: The page of a name, or None.
Link = Callable[[str], str | None]

#: Words after ``python`` in a fence.
_NOT_RUN = "no-run"


@dataclass
class Page:
    """HTML of the body, the title from its first heading, and its sections as (anchor, text)."""

    title: str
    html: str
    contents: list[tuple[str, str]] = field(default_factory=list)


def anchor(text: str) -> str:
    """The id of a heading.

    Letters of any alphabet stay; everything else becomes a hyphen.
    """
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")


def highlighted(code: str, language: str) -> str:
    """Code with its words marked, for a style sheet to colour."""
    known = {"python", "pycon", "sh", "r"}
    lexer = get_lexer_by_name(language if language in known else "text", stripnl=False)
    marked = highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip()
    return f'<pre class="code" tabindex="0"><code>{marked}</code></pre>'


def render_page(text: str, *, run: bool, strict: bool = False, link: Link = lambda name: None) -> Page:
    """Render a page; with ``run`` its Python is executed, block after block in one namespace.

    With ``strict`` a warning of that code is an error; else those of fits that did not settle are kept quiet. Names in
    the text for which `link` knows a page lead there, the first time each.
    """
    notebook = Notebook(strict) if run else None
    contents: list[tuple[str, str]] = []
    with mock.patch.dict(os.environ):  # a page may show what a variable does
        body = _markdown(notebook, contents, link).render(text)
    title = re.search(r"<h1[^>]*>(.*?)</h1>", body, flags=re.DOTALL)
    return Page(re.sub(r"<[^>]+>", "", title[1]) if title else "intertwine", body, contents)


def render_markdown(text: str) -> str:
    """Render a piece of text, such as a paragraph of a docstring."""
    return _markdown(None, [], lambda name: None).render(text)


def _markdown(notebook: Notebook | None, contents: list[tuple[str, str]], link: Link) -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.add_render_rule("fence", _fence(notebook))
    made.add_render_rule("heading_open", _heading(contents))
    made.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    made.add_render_rule("table_close", lambda *_: "</table></div>\n")
    made.add_render_rule("link_open", _link)
    made.add_render_rule("code_inline", _name(link))
    return made


def _fence(notebook: Notebook | None) -> Any:
    def render(renderer: Any, tokens: list[Token], index: int, options: Any, environment: Any) -> str:
        token = tokens[index]
        language, *words = token.info.split(maxsplit=1) or [""]
        shown = highlighted(token.content, language)
        if notebook is None or language != "python" or _NOT_RUN in words:
            return shown
        caption = words[0] if words else ""
        return shown + notebook.run(token.content, caption)

    return render


def _heading(contents: list[tuple[str, str]]) -> Any:
    def render(renderer: Any, tokens: list[Token], index: int, options: Any, environment: Any) -> str:
        token, text = tokens[index], re.sub(r"[`*]", "", tokens[index + 1].content)
        identifier = anchor(text)
        if token.tag == "h2":
            contents.append((identifier, text))
        for inner in tokens[index + 1].children or []:
            inner.meta["heading"] = True
        return f'<{token.tag} id="{html.escape(identifier)}">'

    return render


def _name(link: Link) -> Any:
    """Code in a text; names that have a page lead there, where they stand in no link or heading themselves."""
    met: set[str] = set()

    def render(renderer: Any, tokens: list[Token], index: int, options: Any, environment: Any) -> str:
        shown = f"<code>{html.escape(tokens[index].content)}</code>"
        target = link(tokens[index].content)
        before = [token.type for token in tokens[:index]]
        inside = before.count("link_open") > before.count("link_close")
        if target is None or target in met or inside or tokens[index].meta.get("heading"):
            return shown
        met.add(target)
        return f'<a class="name-of" href="{target}">{shown}</a>'

    return render


def _link(renderer: Any, tokens: list[Token], index: int, options: Any, environment: Any) -> str:
    """Links to other pages are written to the .md files, so that they work on code hosts as well."""
    target = str(tokens[index].attrGet("href"))
    if "://" not in target:
        target = re.sub(r"^(\.\./|docs/)?pages/", "", target)
        target = re.sub(r"^(\.\./|docs/)?gallery/", "gallery.", target)
        target = re.sub(r"^(\.\./)*(CONTRIBUTING|CHANGELOG|SECURITY)(?=\.md)", lambda m: m[2].lower(), target)
        target = re.sub(r"\.md(?=#|$)", ".html", target)
    return f'<a href="{html.escape(target)}">'
