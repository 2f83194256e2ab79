"""Examples as pictures: photo, truth and prediction."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from PIL import Image, ImageDraw

from fashionjax import visualize
from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.report.inputs import Panel
from fashionjax.visualize import IGNORE_COLOR, Palette

HEIGHT = 360
"""Height of the pictures in pixels; small photos are enlarged to it."""

KINDS = ("image", "truth", "prediction")
"""The pictures of a panel, in the order that they are shown."""


def panel_file(position: int, kind: str) -> str:
    """Names a picture of a panel."""
    return f"panel-{position:02}-{kind}.png"


def draw_panel(folder: Path, position: int, panel: Panel, palette: Palette) -> None:
    """Writes the pictures of a panel.

    Args:
        folder: Where to write.
        position: Number of the panel on the page.
        panel: What to draw.
        palette: RGB per class.

    Raises:
        ValueError: If photo and maps differ in size or an id has no colour.
    """
    height, width = panel.label.shape
    size = (max(1, round(width * HEIGHT / height)), HEIGHT)
    photo = Image.fromarray(panel.image).resize(size, Image.Resampling.LANCZOS)
    photo.save(folder / panel_file(position, "image"), optimize=True)
    for kind, label, boxes in (
        ("truth", panel.label, panel.boxes),
        ("prediction", panel.pred, panel.pred_boxes),
    ):
        picture = Image.fromarray(
            visualize.overlay(np.asarray(photo), _resize(label, size), palette, 0.65)
        )
        if boxes is not None:
            _draw_boxes(picture, boxes, panel.present, palette)
        picture.save(folder / panel_file(position, kind), optimize=True)


WRONG = "wrong"
"""The picture of a panel that shows where the prediction is wrong."""


def draw_wrong_pixels(folder: Path, position: int, panel: Panel) -> None:
    """Writes where a panel's prediction is wrong, in black.

    Args:
        folder: Where to write.
        position: Number of the panel on the page.
        panel: What to draw.
    """
    height, width = panel.label.shape
    size = (max(1, round(width * HEIGHT / height)), HEIGHT)
    picture = Image.fromarray(visualize.wrong_pixels(panel.label, panel.pred))
    picture = picture.resize(size, Image.Resampling.NEAREST)
    picture.save(folder / panel_file(position, WRONG), optimize=True)


def _resize(
    label: Integer[np.ndarray, "height width"], size: tuple[int, int]
) -> UInt8[np.ndarray, "new_height new_width"]:
    picture = Image.fromarray(np.asarray(label, np.uint8))
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST))


def _draw_boxes(
    picture: Image.Image,
    boxes: Float[np.ndarray, "num_boxes 4"],
    present: Bool[np.ndarray, " num_boxes"] | None,
    palette: Palette,
) -> None:
    """Outlines boxes in their class's colour on a dark rim, to be seen on any photo."""
    draw = ImageDraw.Draw(picture)
    shown = np.ones(len(boxes), bool) if present is None else np.asarray(present, bool)
    scale = np.array([*picture.size, *picture.size]) - 1
    for class_id, box in enumerate(boxes, start=BACKGROUND + 1):
        if not shown[class_id - 1] or not np.isfinite(box).all():
            continue
        x1, y1, x2, y2 = (np.clip(box, 0, 1) * scale).round().astype(int).tolist()
        corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        draw.rectangle(corners, outline=(24, 24, 27), width=4)
        draw.rectangle(corners, outline=tuple(palette[class_id]), width=2)


def shown_classes(panels: Sequence[Panel]) -> list[int]:
    """Lists the class ids that the panels show, `IGNORE_INDEX` last, background not."""
    maps = [m for panel in panels for m in (panel.label, panel.pred)]
    ids = {int(i) for m in maps for i in np.unique(m)}
    return sorted(ids - {BACKGROUND})


def colors_of(
    ids: Iterable[int], class_names: Sequence[str], palette: Palette
) -> dict[str, Sequence[int]]:
    """Returns the colour of each class in a panel, RGB 0..255, by its name."""
    known = dict(enumerate(zip(class_names, palette, strict=True)))
    return dict({IGNORE_INDEX: ("no label", IGNORE_COLOR), **known}[i] for i in ids)


def agreement(panel: Panel) -> float:
    """Returns the part of the labelled pixels that are right; NaN without labels."""
    labelled = panel.label != IGNORE_INDEX
    if not labelled.any():
        return float("nan")
    return float(np.mean(panel.label[labelled] == panel.pred[labelled]))
