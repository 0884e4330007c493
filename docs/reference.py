"""The reference: every public name with its signature and docstring, nothing written by hand."""

from __future__ import annotations

import html
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import intertwine
from docs.markdown_page import anchor, highlighted, render_markdown
from docs.numpydoc import Docstring, Entry, parse

__all__ = ["MODULES", "ReferencePage", "public_members", "public_names", "reference_file", "reference_pages"]


#: Modules beside `intertwine` itself, and what of them is for users; without names all of it is. The rest of `compare`
#: and `io` is for those who add a family (CONTRIBUTING.md).
MODULES: dict[str, tuple[str, ...]] = {
    "effects": (),
    "datasets": (),
    "plots": (),
    "pipelines": (),
    "compare": ("Comparison", "compare_models", "task_of"),
    "io": ("LibffmFile", "LibsvmFile"),
}

#: Groups of the estimators on the first page, by how their names begin; what begins otherwise goes to the last.
FAMILIES = {
    "Interactions": ("Interaction", "make_interaction_pipeline", "survival_target"),
    "Factorization machines": ("FM", "LocalFM"),
    "Latent factors": ("LatentFactor",),
    "Mixed models": ("MixedModel",),
    "Latents and random effects": ("RandomEffects",),
    "Longitudinal latents": ("Longitudinal",),
    "Model files": ("",),
}


@dataclass(frozen=True)
class ReferencePage:
    """One page: its file stem, title, body and sections."""

    name: str
    title: str
    html: str
    contents: list[tuple[str, str]]


def public_names() -> dict[str, Any]:
    """Every public name with its object; of modules, what they hold for users."""
    found = {
        name: value
        for name in intertwine.__all__
        if not isinstance(value := getattr(intertwine, name), ModuleType)
    }
    for module, chosen in MODULES.items():
        home = importlib.import_module(f"intertwine.{module}")
        found |= {f"{module}.{name}": getattr(home, name) for name in chosen or home.__all__}
    # make_interaction_pipeline is one function with two names
    return {name: value for name, value in found.items() if not ("." in name and name.split(".")[1] in found)}


@cache
def _files() -> dict[str, str]:
    return {
        name.rpartition(".")[2]: f"reference.{name}.html"
        for name, value in public_names().items()
        if callable(value)
    }


def reference_file(name: str) -> str | None:
    """Page of a name as a text has it, ``MixedModel`` or ``intertwine.load()``; None where it has none."""
    bare = name.removesuffix("()")
    return _files().get(bare.rpartition(".")[2] if bare.startswith("intertwine.") else bare)


def public_members(cls: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties that we wrote, inherited ones included, in alphabetical order.

    Effects have none: they are written down and handed to an estimator, which calls what they have.
    """
    if cls.__module__.startswith("intertwine.effects."):
        return
    for name in sorted(dir(cls)):
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(cls, name)
        inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        inner = value.fget if isinstance(value, property) else inner
        if (getattr(inner, "__module__", None) or "").startswith("intertwine") and callable(inner):
            yield name, value


def reference_pages() -> list[ReferencePage]:
    """A page with all names, and one for each class and function."""
    pages, groups = [], {}
    for name, value in public_names().items():
        if not callable(value):  # a constant, such as a palette: its class has the page
            kind = type(value).__name__
            file = _files()[kind].removesuffix(".html")
            groups.setdefault(_group(name), []).append((name, file, f"A `{kind}`."))
            continue
        documentation = parse(inspect.getdoc(value))
        file = "reference." + name
        groups.setdefault(_group(name), []).append((name, file, documentation.summary))
        pages.append(_page(name, file, value, documentation))
    body = "<h1>Reference</h1><p>Everything public, from the docstrings.</p>"
    contents = []
    for group in [*FAMILIES, *(f"intertwine.{module}" for module in MODULES)]:
        contents.append((anchor(group), group))
        body += f'<h2 id="{anchor(group)}">{group}</h2><dl class="names">'
        for name, file, summary in groups[group]:
            body += f'<dt><a href="{file}.html">{name.rpartition(".")[2]}</a></dt><dd>{_inline(summary)}</dd>'
        body += "</dl>"
    return [ReferencePage("reference", "Reference", body, contents), *pages]


def _group(name: str) -> str:
    """Heading on the first page that a name stands under."""
    module, _, bare = name.rpartition(".")
    if module:
        return f"intertwine.{module}"
    return next(family for family, starts in FAMILIES.items() if bare.startswith(starts))


def _page(name: str, file: str, value: Any, documentation: Docstring) -> ReferencePage:
    contents: list[tuple[str, str]] = []
    word = "class" if isinstance(value, type) else ""
    body = f"<h1>{html.escape(name.rpartition('.')[2])}</h1>"
    body += _signature(f"{word} intertwine.{name}".strip(), value) + _sections(documentation)
    if isinstance(value, type):
        members = list(public_members(value))
        for title, chosen in (
            ("Methods", [one for one in members if not isinstance(one[1], property)]),
            ("Results", [one for one in members if isinstance(one[1], property)]),
        ):
            if chosen:
                contents.append((title.lower(), title))
                body += f'<h2 id="{title.lower()}">{title}</h2>' + "".join(_member(*one) for one in chosen)
    return ReferencePage(file, f"intertwine.{name}", body, contents)


def _member(name: str, value: Any) -> str:
    is_property = isinstance(value, property)
    inner = value.fget if is_property else getattr(value, "__func__", value)
    text = _sections(parse(inspect.getdoc(value.fget if is_property else inner)))
    signature = (
        f'<pre class="signature">{html.escape(name)}</pre>' if is_property else _signature(name, inner)
    )
    return f'<section class="member" id="{html.escape(name)}">{signature}{text}</section>'


def _signature(name: str, value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return f'<pre class="signature">{html.escape(name)}</pre>'
    shown = [
        str(one.replace(annotation=inspect.Parameter.empty))
        for one in signature.parameters.values()
        if one.name not in ("self", "cls")
    ]
    if any(one.kind is inspect.Parameter.KEYWORD_ONLY for one in signature.parameters.values()):
        first = next(
            i
            for i, one in enumerate(p for p in signature.parameters.values() if p.name not in ("self", "cls"))
            if one.kind is inspect.Parameter.KEYWORD_ONLY
        )
        shown.insert(first, "*")
    return f'<pre class="signature" tabindex="0"><b>{html.escape(name)}</b>({html.escape(", ".join(shown))})</pre>'


def _sections(documentation: Docstring) -> str:
    body = f"<p>{_inline(documentation.summary)}</p>" + _prose(documentation.prose)
    for section, entries in documentation.entries.items():
        body += f"<h3>{section}</h3><dl class='entries'>" + "".join(map(_entry, entries)) + "</dl>"
    for section, text in documentation.texts.items():
        body += f"<h3>{section}</h3>" + (_examples(text) if section == "Examples" else _prose(text))
    return body


def _entry(entry: Entry) -> str:
    kind = f' <span class="kind">{_inline(entry.kind)}</span>' if entry.kind else ""
    return f"<dt><code>{html.escape(entry.name)}</code>{kind}</dt><dd>{_prose(entry.text)}</dd>"


def _prose(text: str) -> str:
    return render_markdown(_as_markdown(text)) if text.strip() else ""


def _inline(text: str) -> str:
    return re.sub(r"^<p>|</p>\s*$", "", render_markdown(_as_markdown(text)).strip())


def _table(lines: list[str]) -> list[str]:
    """Rows of a simple table of reStructuredText, rules and all, as markdown; a row with one cell goes on the last."""
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"=+( +=+)+", line)]
    starts = [found.start() for found in re.finditer(r"=+", lines[rules[0]])]
    rows: list[list[str]] = []
    for line in (line for i, line in enumerate(lines) if i not in rules):
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        if rows and not all(cells):
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    shown = [f"| {' | '.join(cells)} |" for cells in rows]
    return [shown[0], "|" + "---|" * len(starts), *shown[1:]]


def _as_markdown(text: str) -> str:
    """Docstrings use a little of reStructuredText: roles, double backticks, literal blocks, simple tables."""
    text = re.sub(
        r"^=+ +=[= ]+\n.*?^=+ +=[= ]+\n.*?^=+ +=[= ]+$",
        lambda found: "\n".join(_table(found[0].splitlines())),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    text = re.sub(r"::\n", ":\n", text)
    return text.replace("*args", r"\*args").replace("**", r"\*\*")


def _examples(text: str) -> str:
    """Prose and doctests, apart."""
    body, block = "", []
    for part in re.split(r"\n\s*\n", text):
        if part.lstrip().startswith(">>>"):
            block.append(part)
            continue
        if block:
            body += highlighted("\n".join(block), "pycon")
            block = []
        body += _prose(part)
    return body + (highlighted("\n".join(block), "pycon") if block else "")
