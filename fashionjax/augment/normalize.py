"""From bytes to the values that an encoder expects."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from fashionjax.types import Image


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of each colour, for images in [0, 1].

    Attributes:
        mean: Subtracted, R, G, B.
        std: Divided by, above 0.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


def normalize(
    image: Shaped[Array, "batch height width 3"], normalization: Normalization
) -> Image:
    """Scales uint8 images to [0, 1], subtracts the mean, divides by the deviation.

    Args:
        image: uint8 RGB images, or float ones in [0, 255].
        normalization: What to subtract and divide by.

    Returns:
        float32 images.
    """
    mean = jnp.asarray(normalization.mean, jnp.float32) * 255
    std = jnp.asarray(normalization.std, jnp.float32) * 255
    return (image.astype(jnp.float32) - mean) / std
