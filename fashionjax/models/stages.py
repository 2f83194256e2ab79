"""The stages by which a decoder goes from the deepest map back to the image's size."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Array, Float

Features = Float[Array, "batch height width channels"]


class Stage(NamedTuple):
    """One stage of a decoder.

    Attributes:
        factor: How many times larger its result is than its input: 2, or 1 between the
            dilated stages of an encoder.
        size: (height, width) of its result.
        skip: The encoder's map of that size; None where there is none, or none wanted.
    """

    factor: int
    size: tuple[int, int]
    skip: Features | None


def decoder_stages(
    maps: Sequence[Features],
    reductions: Sequence[int],
    image_size: tuple[int, ...],
    *,
    full_size_skip: bool,
) -> tuple[Stage, ...]:
    """Plans a decoder for an encoder: a stage for each map, and on to the full size.

    Args:
        maps: The encoder's maps, finest first.
        reductions: Image size divided by the size of each map.
        image_size: (height, width).
        full_size_skip: Whether a map of the image's own size is used as skip.

    Returns:
        Stages from coarse to fine; the last one's size is that of the image.

    Raises:
        ValueError: If a map's size is neither that of the next one nor twice that.
    """
    stages = []
    reduction = reductions[-1]
    for finer, skip in zip(reversed(reductions[:-1]), reversed(maps[:-1]), strict=True):
        factor = reduction // finer
        if factor * finer != reduction or factor not in (1, 2):
            raise ValueError(
                f"maps at reductions {tuple(reductions)}: a decoder with skips needs"
                " each to be its neighbour's or twice that"
            )
        height, width = skip.shape[1:3]
        wanted = finer > 1 or full_size_skip
        stages.append(Stage(factor, (height, width), skip if wanted else None))
        reduction = finer
    while reduction > 1:
        reduction //= 2
        height, width = (-(-length // reduction) for length in image_size)
        stages.append(Stage(2, (height, width), None))
    return tuple(stages)
