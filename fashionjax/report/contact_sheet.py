"""Training examples beside what augmentation makes of them, as one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image, ImageDraw, ImageFont

from fashionjax import visualize
from fashionjax.report.inputs import AugmentedExample
from fashionjax.visualize import Palette

CONTACT_SHEET = "augmentation.png"
"""Name of the picture."""

HEIGHT = 256
"""Height of a photo in pixels; small photos are enlarged to it."""

_GAP = 8
_GAP_AFTER_ORIGINAL = 28
_HEADING = 30
_FONT_SIZE = 17
_INK = (128, 128, 138, 255)
"""Grey that can be read on the white page and on the dark one: the sheet has no ground
of its own."""
_ALPHA = 0.45  # both the colours of the label and those of the photo can be told


def draw_contact_sheet(
    folder: Path, examples: Sequence[AugmentedExample], palette: Palette
) -> None:
    """Writes `augmentation.png`: a row for each example, the original first.

    Args:
        folder: Where to write.
        examples: At least one.
        palette: RGB per class.

    Raises:
        ValueError: If there is no example, a photo and its label differ in size or an
            id has no colour.
    """
    if not examples:
        raise ValueError("a contact sheet needs at least one example")
    rows = [
        [_draw(*pair, palette) for pair in ((e.image, e.label), *e.versions)]
        for e in examples
    ]
    cell = max(picture.width for row in rows for picture in row)
    columns = max(len(row) for row in rows)
    lefts = [0] + [
        cell + _GAP_AFTER_ORIGINAL + i * (cell + _GAP) for i in range(columns - 1)
    ]
    size = (lefts[-1] + cell, _HEADING + len(rows) * (HEIGHT + _GAP) - _GAP)
    sheet = Image.new("RGBA", size)
    _write_headings(sheet, lefts)
    for i, row in enumerate(rows):
        for left, picture in zip(lefts, row, strict=False):
            place = (left + (cell - picture.width) // 2, _HEADING + i * (HEIGHT + _GAP))
            sheet.paste(picture, place)
    sheet.save(folder / CONTACT_SHEET, optimize=True)


def _draw(
    image: UInt8[np.ndarray, "height width 3"],
    label: Integer[np.ndarray, "height width"],
    palette: Palette,
) -> Image.Image:
    """A photo under its label."""
    height, width = label.shape
    size = (max(1, round(width * HEIGHT / height)), HEIGHT)
    photo = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    mask = Image.fromarray(np.asarray(label, np.uint8)).resize(
        size, Image.Resampling.NEAREST
    )
    painted = visualize.overlay(np.asarray(photo), np.asarray(mask), palette, _ALPHA)
    return Image.fromarray(painted)


def _write_headings(sheet: Image.Image, lefts: Sequence[int]) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    for left, text in zip(lefts, ("original", "augmented"), strict=False):
        draw.text((left, _HEADING - 8), text, fill=_INK, font=font, anchor="ls")
