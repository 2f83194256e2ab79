"""Brightness and contrast in logit space, as fastai v1 changes them.

After `fastai.vision.transform` (`brightness`, `contrast`): both act on the logits of
the pixels, so that highlights and shadows are compressed instead of cut off.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON = 1e-7
"""Pixels are kept this far from 0 and 1, whose logits are infinite; fastai's value."""


def adjust_lighting(
    image: Float[Array, "batch height width 3"],
    change: Float[Array, " batch"],
    scale: Float[Array, " batch"],
) -> Float[Array, "batch height width 3"]:
    """Computes sigmoid(scale * (logit(image) + logit(change))).

    Args:
        image: Images in [0, 1].
        change: Brightness in (0, 1): what mid-grey becomes; 0.5 changes nothing.
        scale: Contrast, above 0; 1 changes nothing.

    Returns:
        float32 images in [0, 1]. Where neither changes anything they differ from the
        given ones by rounding.
    """
    change, scale = (value[:, None, None, None] for value in (change, scale))
    logit = jax.scipy.special.logit(jnp.clip(image, EPSILON, 1 - EPSILON))
    return jax.nn.sigmoid(scale * (logit + jax.scipy.special.logit(change)))
