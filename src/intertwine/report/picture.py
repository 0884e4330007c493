"""A display as two SVG pictures, one for light and one for dark pages, ready to stand inside an HTML file."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any, final

from intertwine.plots import DARK, LIGHT, Palette

__all__ = ["Picture", "scratch_axes", "take_picture"]

# Text stays text (small files, the reader's own font); it is laid out with matplotlib's wider font, so
# nothing collides.
_FONTS = (
    "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', system-ui, sans-serif"
)
_LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")
_FONT_LIST = re.compile(r" font-family: 'DejaVu Sans'(?:, *(?:'[^']*'|[\w-]+))*;?")


@final
@dataclass(frozen=True)
class Picture:
    """A picture in both versions.

    Attributes
    ----------
    light, dark : str
        Data addresses.
    width, height : int
        Size in CSS pixels.
    alt : str
        What it shows, for those who do not see it.
    caption : str
        How to read it.
    title : str
    """

    light: str
    dark: str
    width: int
    height: int
    alt: str
    caption: str
    title: str


def scratch_axes() -> Any:
    """Axes for a first drawing that nobody sees, outside pyplot's list of figures."""
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()


def take_picture(display: Any, *, title: str, alt: str, caption: str) -> Picture:
    """Draw `display` for both kinds of page."""
    light, width, height = _draw(display, LIGHT)
    dark, _, _ = _draw(display, DARK)
    return Picture(_address(light), _address(dark), width, height, alt=alt, caption=caption, title=title)


def _draw(display: Any, palette: Palette) -> tuple[str, int, int]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(palette.rc_params()):
        figure = Figure(figsize=display.figsize, layout="constrained")
        display.plot(figure.subplots(), palette=palette)
        file = io.StringIO()
        # Without a date and with a fixed salt for ids, the same model gives the same file.
        figure.savefig(
            file, format="svg", bbox_inches="tight", pad_inches=0.04, dpi=110, metadata={"Date": None}
        )
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size is not None  # matplotlib always writes it
    points = 96 / 72
    return _shortened(svg), round(float(size[1]) * points), round(float(size[2]) * points)


def _shortened(svg: str) -> str:
    """The same picture in half the bytes: one font rule, coordinates to a hundredth of a point, no indentation."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _FONT_LIST.sub("", svg).replace("</style>", f" text{{font-family:{_FONTS}}}</style>", 1)
    svg = re.sub(
        r"<[^>]*>", lambda tag: _LONG_NUMBER.sub(r"\1", tag.group()), svg
    )  # not the text between tags
    return re.sub(r"\n\s*", " ", svg)


def _address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
