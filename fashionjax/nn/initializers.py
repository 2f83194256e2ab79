"""Initial weights as the reference implementations draw them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

HE_NORMAL = nn.initializers.he_normal()
"""Of decoders: variance 2 / fan-in."""

HE_UNIFORM = nn.initializers.he_uniform()
"""Of segmentation_models_pytorch's decoders."""

XAVIER_UNIFORM = nn.initializers.xavier_uniform()
"""Of segmentation_models_pytorch's heads."""

TORCH_DEFAULT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""Of torch's convolutions where nobody says otherwise: ±1 / sqrt(fan-in)."""


def bilinear_kernel(
    key: jax.Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32
) -> Float[Array, "height width in_channels out_channels"]:
    """The transposed convolution that interpolates every channel by itself.

    With a kernel of size `2 * stride` it is bilinear interpolation, but for the edges,
    beyond which there are zeros (Long et al., Fully Convolutional Networks, 2015).

    Args:
        key: Not used: there is nothing random.
        shape: (size, size, channels, channels).
        dtype: Type of the result.

    Returns:
        A kernel that is zero from any channel to another one.

    Raises:
        ValueError: If the kernel is not square, or the numbers of channels differ.
    """
    del key
    size, width, in_channels, out_channels = shape
    if size != width or in_channels != out_channels:
        raise ValueError(
            f"shape {shape}: a bilinear kernel is square and keeps the channels"
        )
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 else factor - 0.5
    weights = 1 - np.abs(np.arange(size) - center) / factor
    taps = np.outer(weights, weights)
    return jnp.asarray(taps[:, :, None, None] * np.eye(in_channels), dtype)
