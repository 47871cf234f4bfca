"""The text of a terminal as an SVG picture, in light and dark, without a font of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.style import Style
    from rich.text import Text

_COLUMN, _LINE, _MARGIN = 8, 18, 16
# How far below a line's top its letters stand.
_BASELINE = 13
# By the numbers of ANSI; None is that of no colour.
_NAMES = {None: "default", 1: "red", 2: "green", 3: "yellow"}
# In light and in dark.
_COLOURS = {
    "red": ("#b3261e", "#ff7b72"),
    "green": ("#1a6e2e", "#56d364"),
    "yellow": ("#7a5300", "#e3b341"),
    "dim": ("#626a73", "#8b949e"),
    "default": ("#1f2328", "#e6edf3"),
}
_BACKGROUND = ("#ffffff", "#0d1117")
_BORDER = ("#d0d7de", "#30363d")


def drawn(title: str, lines: Iterable[Text], width: int) -> str:
    """The lines as an SVG document; ``title`` is for those who cannot see it, ``width`` columns.

    Each piece of one colour is stretched to its columns, so that every monospaced font fits.
    """
    shown = list(lines)
    pixels = (width * _COLUMN + 2 * _MARGIN, len(shown) * _LINE + 2 * _MARGIN)
    pieces = (piece for number, line in enumerate(shown) for piece in _pieces(number, line))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {pixels[0]} {pixels[1]}"'
            f' width="{pixels[0]}" height="{pixels[1]}" role="img">',
            f"<title>{escape(title)}</title>",
            "<style>",
            "text { font: 13px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace;"
            " white-space: pre }",
            *_rules(0),
            "@media (prefers-color-scheme: dark) {",
            *_rules(1),
            "}",
            "</style>",
            f'<rect x="0.5" y="0.5" width="{pixels[0] - 1}" height="{pixels[1] - 1}" rx="6"/>',
            *pieces,
            "</svg>\n",
        )
    )


def _rules(scheme: int) -> Iterator[str]:
    yield f"rect {{ fill: {_BACKGROUND[scheme]}; stroke: {_BORDER[scheme]} }}"
    for name, colours in _COLOURS.items():
        yield f".{name} {{ fill: {colours[scheme]} }}"


def _pieces(number: int, line: Text) -> Iterator[str]:
    column, top = 0, _MARGIN + number * _LINE + _BASELINE
    for segment in line.render(Console()):
        text = segment.text.removesuffix("\n")
        if text.strip():
            # Blanks at either end are no part of a picture.
            start = column + len(text) - len(text.lstrip())
            shown = text.strip()
            yield (
                f'<text class="{_class(segment.style)}" x="{_MARGIN + start * _COLUMN}" y="{top}"'
                f' textLength="{len(shown) * _COLUMN}" lengthAdjust="spacingAndGlyphs">'
                f"{escape(shown)}</text>"
            )
        column += len(text)


def _class(style: Style | None) -> str:
    if style is not None and style.dim:
        return "dim"
    return _NAMES[style.color.number if style is not None and style.color is not None else None]
