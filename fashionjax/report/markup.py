"""Pieces of HTML that all pages are put together from."""

import html
import math
from collections.abc import Mapping, Sequence

from fashionjax.report.style import STYLE


def text(value: object) -> str:
    """Escapes text for the page."""
    return html.escape(str(value))


def percent(value: float) -> str:
    """Writes a fraction in percent, an undefined one as an en dash."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def document(title: str, body: str, style: str = "") -> str:
    """Returns a whole page.

    Args:
        title: Plain text.
        body: HTML.
        style: CSS after that of all pages.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def section(title: str, note: str, content: str) -> str:
    """Returns a part of the page under a heading.

    Args:
        title: Plain text.
        note: Plain text below the heading.
        content: HTML.
    """
    return (
        f"<section><h2>{text(title)}</h2>"
        f'<p class="note">{text(note)}</p>{content}</section>'
    )


def card(name: str, value: str, hint: str) -> str:
    """Returns a number to stand out, with what it is above and below it."""
    return (
        f'<div class="card"><span class="name">{text(name)}</span>'
        f'<span class="value">{text(value)}</span>'
        f'<span class="hint">{text(hint)}</span></div>'
    )


def facts(values: Mapping[str, str]) -> str:
    """Returns a list of names and what they stand for."""
    rows = [
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>"
        for name, value in values.items()
    ]
    return f'<dl class="facts">{"".join(rows)}</dl>'


def chip(color: Sequence[int]) -> str:
    """Returns a small square in an RGB colour, 0..255."""
    red, green, blue = (int(value) for value in color)
    return f'<i class="chip" style="background:rgb({red},{green},{blue})"></i>'


def legend(colors: Mapping[str, Sequence[int]]) -> str:
    """Returns a list of names, each behind a square in its RGB colour, 0..255."""
    entries = [f"<li>{chip(color)}{text(name)}</li>" for name, color in colors.items()]
    return f'<ul class="legend">{"".join(entries)}</ul>'


def picture(light: str, dark: str, alt: str) -> str:
    """Returns a figure in the theme of the reader.

    Args:
        light: Address of the picture for the light theme.
        dark: That for the dark one.
        alt: What it shows, plain text.
    """
    return (
        f'<picture><source srcset="{dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{text(alt)}" loading="lazy"></picture>'
    )


def bar_cell(number: str, length: float | None) -> str:
    """Returns a table cell with a number and a bar.

    Args:
        number: Plain text.
        length: Of the bar, as part of the room for it, cut to 0..1; None: no bar.
    """
    cell = f'<span class="number">{text(number)}</span>'
    if length is None:
        return f"<td>{cell}</td>"
    width = 100 * min(1.0, max(0.0, length))
    return f'<td>{cell}<span class="bar"><b style="width:{width:.1f}%"></b></span></td>'
