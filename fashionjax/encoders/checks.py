"""What encoders refuse."""

import jax


def check_image_size(image: jax.Array, smallest: int) -> None:
    """Refuses images that halving would leave without a pixel.

    Args:
        image: NHWC images.
        smallest: Height and width that they need at least.

    Raises:
        ValueError: If a side is shorter.
    """
    height, width = image.shape[1:3]
    if min(height, width) < smallest:
        raise ValueError(
            f"the image is {height}×{width}; this encoder needs at least"
            f" {smallest}×{smallest}"
        )
