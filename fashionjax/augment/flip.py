"""Random flips of image and label together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, Shaped

from fashionjax.types import LabelMap

Images = Shaped[Array, "batch height width channels"]


def random_horizontal_flip(
    key: PRNGKeyArray, image: Images, label: LabelMap, *, probability: float = 0.5
) -> tuple[Images, LabelMap]:
    """Mirrors each example left to right with the given probability.

    Args:
        key: Random key; example `i` of the batch flips or not by (key, i) alone.
        image: Images of any type, NHWC.
        label: Label maps of the same height and width.
        probability: Share of examples that flip, in [0, 1].

    Returns:
        Images and label maps, flipped alike.
    """
    flip = jax.random.bernoulli(key, probability, (image.shape[0],))
    image = jnp.where(flip[:, None, None, None], image[:, :, ::-1], image)
    label = jnp.where(flip[:, None, None], label[:, :, ::-1], label)
    return image, label
