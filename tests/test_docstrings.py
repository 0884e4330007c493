"""Every public name is described: what it takes and gives, its defaults, an example."""

import inspect
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.numpydoc import parse
from docs.reference import public_members, public_names

CALLABLE = {name: value for name, value in public_names().items() if callable(value)}
METHODS = {
    f"{name}.{member}": getattr(value, "__func__", value)
    for name, cls in CALLABLE.items()
    if isinstance(cls, type)
    for member, value in public_members(cls)
}


def arguments(value):
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]


@pytest.mark.parametrize("name", CALLABLE)
def test_every_public_name_says_what_it_takes_and_gives_and_has_an_example(name):
    value = CALLABLE[name]
    documentation = parse(inspect.getdoc(value))
    described = {
        one.strip() for entry in documentation.entries.get("Parameters", []) for one in entry.name.split(",")
    }
    assert set(arguments(value)) == described
    assert isinstance(value, type) or "Returns" in documentation
    assert "Examples" in documentation
    assert documentation.summary.endswith((".", "?"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_described_and_names_its_arguments(name):
    method = METHODS[name]
    if isinstance(method, property):
        assert parse(inspect.getdoc(method.fget)).summary, name
        return
    text = inspect.getdoc(method) or ""
    assert parse(text).summary.endswith((".", "?"))
    usual = {"X", "ax", "palette"}
    unnamed = [one for one in arguments(method) if one not in usual and not re.search(rf"\b{one}\b", text)]
    assert not unnamed


@pytest.mark.parametrize("name", [name for name in CALLABLE if isinstance(CALLABLE[name], type)])
def test_defaults_in_the_text_are_those_of_the_signature(name):
    cls = CALLABLE[name]
    signature = inspect.signature(cls).parameters
    for entry in parse(inspect.getdoc(cls)).entries.get("Parameters", []):
        said = re.search(r"default[= ](.+)$", entry.kind)
        for parameter in (one.strip() for one in entry.name.split(",")):
            default = signature[parameter].default
            if said and default is not inspect.Parameter.empty:
                assert repr(default).replace("'", '"') == said[1].replace("1e-8", "1e-08"), parameter


def test_a_section_that_numpydoc_does_not_know_is_seen():
    with pytest.raises(ValueError, match="not a section: 'Arguments'"):
        parse("Fit.\n\nArguments\n---------\nX : array\n")
    with pytest.raises(ValueError, match="not a section"):
        parse("Fit.\n\nParameters\n---\nX : array\n")
