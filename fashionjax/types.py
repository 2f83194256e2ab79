"""The contracts that hold the project together: `Targets`, `Outputs`, `TagPrior`."""

from typing import TypeAlias

import flax.struct
from jaxtyping import Array, Bool, Float, Int

Image: TypeAlias = Float[Array, "batch height width channels"]
"""Normalised RGB image, NHWC."""

LabelMap: TypeAlias = Int[Array, "batch height width"]
"""Class ids in `[0, num_classes)`, or `constants.IGNORE_INDEX`."""

Logits: TypeAlias = Float[Array, "batch height width num_classes"]
"""Unnormalised class scores of each pixel."""

Scalar: TypeAlias = Float[Array, ""]


@flax.struct.dataclass
class Targets:
    """What a loss compares a model's outputs with.

    Attributes:
        label: Class ids, int32.
        tags: Whether each class but background is in the image.
        boxes: (x1, y1, x2, y2) divided by (W, H, W, H), in [0, 1], the far edges
            exclusive; zeros where the class is absent.
    """

    label: LabelMap
    tags: Bool[Array, "batch num_tags"]
    boxes: Float[Array, "batch num_tags 4"]


@flax.struct.dataclass
class Outputs:
    """What every model returns; branches that a model lacks are None.

    Attributes:
        logits: Class scores at the size of the input, float32.
        aux_logits: Class scores of an auxiliary head, float32.
        tag_logits: Scores of "this class is in the image", float32, one for each
            class but background.
        box_logits: Box coordinates before the sigmoid, float32; see `Targets.boxes`.
    """

    logits: Logits
    aux_logits: Logits | None = None
    tag_logits: Float[Array, "batch num_tags"] | None = None
    box_logits: Float[Array, "batch num_tags 4"] | None = None


@flax.struct.dataclass
class TagPrior:
    """What is known of the classes in an image before it is looked at.

    A batch axis of length 1 stands for the same knowledge of every image.

    Attributes:
        present: Classes, background left out, that are known to be in the image.
        absent: Classes that are known not to be; of the others nothing is known.
        boxes: Where the present classes are, see `Targets.boxes`; None if that is not
            known.
    """

    present: Bool[Array, "batch num_tags"]
    absent: Bool[Array, "batch num_tags"]
    boxes: Float[Array, "batch num_tags 4"] | None = None
