"""What happens to a batch of bytes between the host and the model."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray, UInt8

from fashionjax.augment.augmentation import NO_AUGMENTATION, Augmentation
from fashionjax.augment.normalize import Normalization, normalize
from fashionjax.ops.targets import make_targets
from fashionjax.types import Image, Targets


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Turns raw images and labels into model input and targets, on the accelerator.

    Attributes:
        num_classes: Number of classes, background included.
        normalization: Mean and deviation of the encoder's images.
        augmentation: What training examples go through.
    """

    num_classes: int
    normalization: Normalization
    augmentation: Augmentation = NO_AUGMENTATION

    def __call__(
        self,
        image: UInt8[Array, "batch height width 3"],
        label: UInt8[Array, "batch height width"],
        key: PRNGKeyArray | None = None,
        example_index: Int[Array, " batch"] | None = None,
    ) -> tuple[Image, Targets]:
        """Prepares a batch.

        Args:
            image: RGB images, 0..255.
            label: Class ids, or the ignore index.
            key: Random key of the step; None to leave the examples as they are.
            example_index: What tells the examples apart, see `Augmentation`; required
                with a key.

        Returns:
            Normalised images, and targets read off the augmented labels.

        Raises:
            ValueError: If there is a key but no index.
        """
        pixels: Array = image
        if key is not None:
            if example_index is None:
                raise ValueError("to augment, a key needs an example_index beside it")
            pixels, label = self.augmentation(image, label, key, example_index)
        return normalize(pixels, self.normalization), make_targets(
            label, self.num_classes
        )

    def augment(
        self,
        image: UInt8[Array, "batch height width 3"],
        label: UInt8[Array, "batch height width"],
        key: PRNGKeyArray,
        example_index: Int[Array, " batch"],
    ) -> tuple[
        UInt8[Array, "batch height width 3"], UInt8[Array, "batch height width"]
    ]:
        """Augments a batch as training does, for pictures.

        Args:
            image: RGB images, 0..255.
            label: Class ids, or the ignore index.
            key: Random key of the step.
            example_index: What tells the examples apart, see `Augmentation`.

        Returns:
            Images rounded to 0..255, and labels.
        """
        pixels, label = self.augmentation(image, label, key, example_index)
        return jnp.round(pixels).astype(jnp.uint8), label
