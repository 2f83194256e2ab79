"""Photos and labels as small JPEG files that stand in the page itself."""

import base64
import io

import numpy as np
from jaxtyping import Bool, Real, UInt8
from PIL import Image, ImageDraw

from fashionjax import visualize
from fashionjax.constants import BACKGROUND
from fashionjax.visualize import Palette

HEIGHT = 216
"""Height of the pictures in pixels."""

_MAX_RATIO = 3.0
_ALPHA = 0.65
_QUALITY = 82
_DARK, _BRIGHT = (24, 24, 27), (255, 214, 10)


def photo(
    image: UInt8[np.ndarray, "height width 3"],
    boxes: Real[np.ndarray, "boxes 4"] | None = None,
) -> bytes:
    """Draws a photo.

    Args:
        image: RGB, 0..255.
        boxes: (x1, y1, x2, y2) in pixels of the image, to outline.

    Returns:
        A JPEG file of the height `HEIGHT`.
    """
    picture = _resized(Image.fromarray(image), Image.Resampling.BOX)
    scale = np.array([picture.width / image.shape[1], picture.height / image.shape[0]])
    draw = ImageDraw.Draw(picture)
    for box in () if boxes is None else boxes:
        corners = (np.reshape(box, (2, 2)) * scale).round().astype(int).ravel()
        draw.rectangle(tuple(corners.tolist()), outline=_DARK, width=4)
        draw.rectangle(tuple(corners.tolist()), outline=_BRIGHT, width=2)
    return _jpeg(picture)


def photo_and_label(
    image: UInt8[np.ndarray, "height width 3"],
    label: UInt8[np.ndarray, "label_height label_width"],
    palette: Palette,
    class_id: int | None = None,
) -> bytes:
    """Draws a photo and, to its right, the photo under its label.

    Args:
        image: RGB, 0..255.
        label: Class ids, or 255; where it has another size, it is stretched.
        palette: RGB per class id.
        class_id: The only class to show; None for all.

    Returns:
        A JPEG file of the height `HEIGHT`.
    """
    small = _resized(Image.fromarray(image), Image.Resampling.BOX)
    if class_id is not None:
        label = np.where(label == class_id, label, BACKGROUND).astype(np.uint8)
    mask = Image.fromarray(label).resize(small.size, Image.Resampling.NEAREST)
    pixels = np.asarray(small)
    painted = visualize.overlay(pixels, np.asarray(mask), palette, _ALPHA)
    return _jpeg(Image.fromarray(np.concatenate([pixels, painted], axis=1)))


def data_uri(data: bytes, kind: str = "jpeg") -> str:
    """Returns a picture as an address that a page can show without any file."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def draw_rows(
    candidates: Bool[np.ndarray, " images"], number: int, rng: np.random.Generator
) -> list[int]:
    """Draws some of the rows that are true, all if they are few; ascending."""
    rows = np.flatnonzero(candidates)
    return sorted(rng.choice(rows, min(number, len(rows)), replace=False).tolist())


def _resized(picture: Image.Image, method: Image.Resampling) -> Image.Image:
    # A banner must not become wider than the page.
    width = min(_MAX_RATIO * HEIGHT, picture.width * HEIGHT / picture.height)
    return picture.resize((max(1, round(width)), HEIGHT), method, reducing_gap=3.0)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
