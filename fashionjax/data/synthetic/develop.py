"""From the painted canvas to RGB: colour lookup, shadows, blur and grain."""

import numpy as np

from fashionjax.data.synthetic.canvas import Canvas
from fashionjax.data.synthetic.streams import Stream
from fashionjax.data.synthetic.texture import FOLD, GRAIN, grain_tile, uneven_light

_SHARP = 0.5  # a photo made this much smaller shows its edges within a pixel


def _box_blur(image: np.ndarray, radius: int) -> np.ndarray:
    """Sums int32 [..., height, width] over squares of 2 * radius + 1, edges padded."""
    width = 2 * radius + 1
    for axis in (-1, -2):
        pads = [(0, 0)] * image.ndim
        pads[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(image, pads, mode="edge"), axis=axis, dtype=np.int32)
        if axis == -1:
            image = total[..., width:] - total[..., :-width]
        else:
            image = total[..., width:, :] - total[..., :-width, :]
    return image


def _join_edges(planes: np.ndarray, *, centre: int) -> np.ndarray:
    """A [1 centre 1] blur along both axes; planes uint16 [3, height, width] < 4096."""
    bits = np.uint16((centre + 2).bit_length() - 1)
    soft = planes.copy()
    soft[:, :, 1:-1] *= centre
    soft[:, :, 1:-1] += planes[:, :, 2:] + planes[:, :, :-2]
    soft[:, :, 1:-1] >>= bits
    joined = soft.copy()
    joined[:, 1:-1] *= centre
    joined[:, 1:-1] += soft[:, 2:] + soft[:, :-2]
    joined[:, 1:-1] >>= bits
    return joined


def _shade(canvas: Canvas, owner: np.ndarray, stream: Stream) -> np.ndarray:
    """Light with soft contact shadows and dark outlines, uint16 in 12..255."""
    light = canvas.light
    heights = np.array(canvas.heights, np.int32)[owner]
    radius = max(1, round(4 * canvas.scale[0]))
    around = _box_blur(heights, radius) // (2 * radius + 1) ** 2
    around -= heights
    np.maximum(around, 0, out=around)
    light -= (around * 4).astype(np.int16)
    strength = np.int16(18 + stream.below(22))
    down = owner[1:] != owner[:-1]
    across = owner[:, 1:] != owner[:, :-1]
    light[1:] -= down * strength
    light[:, 1:] -= across * strength
    height, width = owner.shape
    rows = np.arange(height) * 256 // height // 2 + stream.below(FOLD)
    columns = np.arange(width) * 256 // width // 2 + stream.below(FOLD)
    light += uneven_light()[np.ix_(rows % FOLD, columns % FOLD)]
    return np.clip(light, 12, 255).astype(np.uint16)


def develop(canvas: Canvas, stream: Stream, first_figure: int) -> np.ndarray:
    """Turns the canvas into a photo.

    Args:
        canvas: The painted scene; its light is used up.
        stream: Draws the settings of the camera.
        first_figure: The first node that is not background.

    Returns:
        RGB, uint8 [height, width, 3].
    """
    owner = canvas.index >> 2
    light = _shade(canvas, owner, stream)
    palette = np.array(canvas.palette, np.uint16).reshape(-1, 3).T.copy()
    planes = palette.take(canvas.index, axis=1)
    planes *= light
    planes >>= 7
    if stream.chance(0.85):  # the figure is in focus, what is behind it is not
        radius = max(1, round(stream.uniform(2.0, 5.0) * canvas.scale[0]))
        blurred = _box_blur(planes.astype(np.int32), radius) // (2 * radius + 1) ** 2
        haze = 70 + stream.below(120)
        blurred = (blurred * 3 + haze) >> 2
        np.copyto(planes, blurred.astype(np.uint16), where=owner < first_figure)
    planes = _join_edges(planes, centre=2 if canvas.scale[0] > _SHARP else 6)
    gains = [235 + stream.below(42) for _ in range(3)]
    lift = stream.below(14)
    image = planes.astype(np.int32)
    image *= np.array(gains, np.int32)[:, None, None]
    image >>= 8
    height, width = owner.shape
    rows = (np.arange(height) + stream.below(GRAIN)) % GRAIN
    for plane in image:
        columns = (np.arange(width) + stream.below(GRAIN)) % GRAIN
        plane += grain_tile()[np.ix_(rows, columns)]
    image += lift
    np.clip(image, 0, 255, out=image)
    return np.ascontiguousarray(image.astype(np.uint8).transpose(1, 2, 0))
