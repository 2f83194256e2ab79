"""Colour jitter: brightness, contrast, saturation and hue.

After torchvision's `ColorJitter` on float images (`transforms.functional`).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "batch height width 3"]
Factors = Float[Array, " batch"]

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)
"""What R, G and B count in a grey picture (ITU-R BT.601); torchvision's digits."""


def adjust_brightness(image: Images, factor: Factors) -> Images:
    """Multiplies images in [0, 1] by a factor from 0 (black) on; 1 changes nothing."""
    return _blend(image, jnp.float32(0), factor)


def adjust_contrast(image: Images, factor: Factors) -> Images:
    """Moves images in [0, 1] away from the mean of their grey version.

    Args:
        image: Images in [0, 1].
        factor: From 0 on: 0 gives an even grey, 1 changes nothing.

    Returns:
        Images in [0, 1].
    """
    # Whole levels of grey, as torchvision averages them in uint8 images: integers have
    # the same sum in any order, so that no bit depends on how a batch is spread.
    levels = jnp.round(255 * _to_gray(image)).astype(jnp.int32)
    total = jnp.sum(levels, axis=(1, 2, 3), keepdims=True)
    mean = total.astype(jnp.float32) / (255 * image.shape[1] * image.shape[2])
    return _blend(image, mean, factor)


def adjust_saturation(image: Images, factor: Factors) -> Images:
    """Moves images in [0, 1] away from their grey version.

    Args:
        image: Images in [0, 1].
        factor: From 0 on: 0 gives a grey picture, 1 changes nothing.

    Returns:
        Images in [0, 1].
    """
    return _blend(image, _to_gray(image), factor)


def adjust_hue(image: Images, turns: Factors) -> Images:
    """Shifts the hue of images in [0, 1], in HSV.

    Args:
        image: Images in [0, 1].
        turns: Shift as a share of the colour circle, in [-0.5, 0.5].

    Returns:
        Images in [0, 1].
    """
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    value = jnp.max(image, axis=-1)
    chroma = value - jnp.min(image, axis=-1)
    divisor = jnp.where(chroma > 0, chroma, 1)  # greys have no hue: 0
    # By order, not by equality with the maximum: a compiler that computes a channel
    # twice may round it twice. Where two channels tie, both formulas agree.
    sixths = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) / divisor,
        jnp.where(
            green >= blue,
            2 + (blue - red) / divisor,
            4 + (red - green) / divisor,
        ),
    )
    sixths = sixths + 6 * turns[:, None, None]

    def channel(start: int) -> Float[Array, "batch height width"]:
        place = start + sixths
        place = place - 6 * jnp.floor(place / 6)  # far cheaper than the exact mod
        return value - chroma * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)

    return jnp.stack([channel(5), channel(3), channel(1)], axis=-1)


def _to_gray(image: Images) -> Float[Array, "batch height width 1"]:
    red, green, blue = GRAY_WEIGHTS
    gray = red * image[..., 0] + green * image[..., 1] + blue * image[..., 2]
    return gray[..., None]


def _blend(image: Images, other: Float[Array, "..."], factor: Factors) -> Images:
    factor = factor[:, None, None, None]
    return jnp.clip(factor * image + (1 - factor) * other, 0, 1)
