"""Label maps as pictures: colours, overlays and palette PNGs.

NumPy and Pillow only, so that prediction and the report can use it on any machine.
"""

import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from PIL import Image

from fashionjax.constants import BACKGROUND, IGNORE_INDEX

Palette = Sequence[tuple[int, int, int]]
"""RGB per class id, each 0..255; at most 255 classes (255 is `IGNORE_INDEX`)."""

IGNORE_COLOR = (228, 228, 231)
"""White-grey that stands for pixels without a label."""


def _lookup_table(palette: Palette) -> UInt8[np.ndarray, "256 3"]:
    colors = np.asarray(palette, np.int64).reshape(-1, 3)
    if not 0 < len(colors) <= IGNORE_INDEX:
        raise ValueError(f"a palette has 1..{IGNORE_INDEX} colours, not {len(colors)}")
    if colors.min() < 0 or colors.max() > 255:
        raise ValueError(f"palette values lie in 0..255, not {colors.tolist()}")
    table = np.empty((256, 3), np.uint8)
    table[:] = IGNORE_COLOR
    table[: len(colors)] = colors
    return table


def _check_label(
    label: Integer[np.ndarray, "height width"], num_classes: int
) -> UInt8[np.ndarray, "height width"]:
    label = np.asarray(label)
    if label.ndim != 2 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            "a label map is an integer [height, width] array, "
            f"not {label.dtype} {list(label.shape)}"
        )
    unknown = label[((label < 0) | (label >= num_classes)) & (label != IGNORE_INDEX)]
    if unknown.size:
        raise ValueError(
            f"class id {unknown[0]} has no colour: allowed are 0..{num_classes - 1} "
            f"and {IGNORE_INDEX} (ignore)"
        )
    return label.astype(np.uint8)


def colorize(
    label: Integer[np.ndarray, "height width"], palette: Palette
) -> UInt8[np.ndarray, "height width 3"]:
    """Paints every pixel in the colour of its class.

    Args:
        label: Class ids in `[0, len(palette))`, or 255 (ignore).
        palette: RGB per class.

    Returns:
        RGB 0..255; ignored pixels in `IGNORE_COLOR`.

    Raises:
        ValueError: If the map is not integer and 2-D, or an id has no colour.
    """
    return _lookup_table(palette)[_check_label(label, len(palette))]


def wrong_pixels(
    label: Integer[np.ndarray, "height width"],
    pred: Integer[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Paints what was predicted wrongly black and all else white.

    Args:
        label: True class ids, or 255 (ignore).
        pred: Predicted class ids.

    Returns:
        RGB 0..255; ignored pixels in `IGNORE_COLOR`.

    Raises:
        ValueError: If the maps differ in size.
    """
    label, pred = np.asarray(label), np.asarray(pred)
    if label.shape != pred.shape:
        raise ValueError(
            f"a label of {list(label.shape)} and a prediction of {list(pred.shape)}"
            " cannot be compared"
        )
    out = np.full((*label.shape, 3), 255, np.uint8)
    out[label != pred] = 0
    out[label == IGNORE_INDEX] = IGNORE_COLOR
    return out


def _border(
    label: Integer[np.ndarray, "height width"], width: int
) -> Bool[np.ndarray, "height width"]:
    """True within `width` pixels (in steps along rows and columns) of another class."""
    rows = label[1:] != label[:-1]
    columns = label[:, 1:] != label[:, :-1]
    border = np.zeros(label.shape, bool)
    border[1:] |= rows
    border[:-1] |= rows
    border[:, 1:] |= columns
    border[:, :-1] |= columns
    for _ in range(width - 1):
        grown = border.copy()
        grown[1:] |= border[:-1]
        grown[:-1] |= border[1:]
        grown[:, 1:] |= border[:, :-1]
        grown[:, :-1] |= border[:, 1:]
        border = grown
    return border


def overlay(
    image: UInt8[np.ndarray, "height width 3"],
    label: Integer[np.ndarray, "height width"],
    palette: Palette,
    alpha: float = 0.55,
) -> UInt8[np.ndarray, "height width 3"]:
    """Lays the class colours over a photo, each region with a crisp, full border.

    The border lies inside the region, so that pixels of the background (class 0) keep
    the values that they have in the photo.

    Args:
        image: RGB photo, 0..255.
        label: Class ids in `[0, len(palette))`, or 255 (ignore).
        palette: RGB per class.
        alpha: Weight of the class colour in `[0, 1]`; 0 leaves only the borders.

    Returns:
        RGB 0..255, the size of the photo.

    Raises:
        ValueError: If photo and label differ in size, `alpha` lies outside `[0, 1]`
            or an id has no colour.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.shape != (*np.shape(label), 3):
        raise ValueError(
            f"the image must be uint8 {[*np.shape(label), 3]} to fit its label, "
            f"not {image.dtype} {list(image.shape)}"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha lies in [0, 1], not {alpha}")
    colors = colorize(label, palette)
    painted = np.asarray(label) != BACKGROUND
    blend = np.rint((1 - alpha) * image + alpha * colors).astype(np.uint8)
    width = max(1, round(min(image.shape[:2]) / 400))
    out = np.where(painted[..., None], blend, image)
    return np.where((painted & _border(label, width))[..., None], colors, out)


def palette_png(
    path: str | os.PathLike[str],
    label: Integer[np.ndarray, "height width"],
    palette: Palette,
) -> None:
    """Writes a palette PNG: the pixel values are class ids, the colours the palette's.

    Args:
        path: File to write; an existing one is replaced.
        label: Class ids in `[0, len(palette))`, or 255 (ignore).
        palette: RGB per class.

    Raises:
        ValueError: If the map is not integer and 2-D, or an id has no colour.
        OSError: If the file cannot be written.
    """
    picture = Image.fromarray(_check_label(label, len(palette)), mode="L")
    picture.putpalette(_lookup_table(palette).tobytes())
    picture.save(path, format="PNG", optimize=True)
