"""What happens to a batch of bytes between the host and the model."""

import dataclasses

from jaxtyping import Array, PRNGKeyArray, Shaped

from fashionjax.augment.flip import random_horizontal_flip
from fashionjax.augment.normalize import Normalization, normalize
from fashionjax.ops.targets import make_targets
from fashionjax.types import Image, LabelMap, Targets


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Turns raw images and labels into model input and targets, on the accelerator.

    Attributes:
        num_classes: Number of classes, background included.
        normalization: Mean and deviation of the encoder's images.
        horizontal_flip: Probability of mirroring a training example.
    """

    num_classes: int
    normalization: Normalization
    horizontal_flip: float = 0.0

    def __call__(
        self,
        image: Shaped[Array, "batch height width 3"],
        label: LabelMap,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Image, Targets]:
        """Prepares a batch.

        Args:
            image: uint8 RGB images.
            label: Class ids, or the ignore index.
            key: Random key for augmentation; None to leave the examples as they are.

        Returns:
            Normalised images, and targets read off the augmented labels.
        """
        if key is not None and self.horizontal_flip > 0:
            image, label = random_horizontal_flip(
                key, image, label, probability=self.horizontal_flip
            )
        return normalize(image, self.normalization), make_targets(
            label, self.num_classes
        )
