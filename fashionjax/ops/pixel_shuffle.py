"""Upsampling that moves channels to pixels."""

from jaxtyping import Array, Shaped


def pixel_shuffle(
    x: Shaped[Array, "batch height width channels_in"], factor: int = 2
) -> Shaped[Array, "batch height_out width_out channels_out"]:
    """Spreads channels over `factor` by `factor` pixels, as torch's `PixelShuffle`.

    Channel `(c * factor + i) * factor + j` of a pixel becomes channel `c` of the pixel
    `i` further down and `j` further right (Shi et al., Real-Time Single Image and Video
    Super-Resolution, 2016).

    Args:
        x: Feature maps, NHWC.
        factor: How many times larger the result is along both axes.

    Returns:
        Feature maps with `factor**2` times fewer channels.

    Raises:
        ValueError: If the number of channels is not divisible by `factor**2`.
    """
    batch, height, width, channels = x.shape
    if channels % factor**2:
        raise ValueError(f"{channels} channels cannot be spread over {factor}² pixels")
    x = x.reshape(batch, height, width, -1, factor, factor).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(batch, height * factor, width * factor, -1)
