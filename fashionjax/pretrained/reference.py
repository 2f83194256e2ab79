"""What there is to know of one public implementation."""

import dataclasses
from collections.abc import Callable, Mapping

import flax.linen as nn
import numpy as np

from fashionjax.augment import Normalization
from fashionjax.pretrained.rules import Rule, Rules, prefixed

IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""What almost all published weights were trained with."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What a caller asks of a reference.

    Attributes:
        num_classes: Number of classes of the head; for an encoder without its head, of
            no meaning.
        head: Whether a classifier is asked for, not its encoder alone.
        aux: Whether a segmentation model has its optional auxiliary head.
    """

    num_classes: int
    head: bool = False
    aux: bool = False


@dataclasses.dataclass(frozen=True)
class Published:
    """A published file of weights.

    Attributes:
        url: Where it is published: a page for people, or a Hub repository "timm/…".
        sha256: Checksum of the file, or the beginning of it, in hexadecimal digits;
            empty where none is published.
        licence: Licence of the weights, as their publisher states it.
        normalization: Of the images that they were trained with; None for that of the
            reference.
    """

    url: str
    sha256: str = ""
    licence: str = "not stated"
    normalization: Normalization | None = None


@dataclasses.dataclass(frozen=True)
class Reference:
    """A public implementation that one of our modules equals.

    Attributes:
        make: From options to our module.
        rules: From options to the rules for the names of its tensors.
        classes: Names of the tensor whose first axis has a row for each class; a state
            dict has one of them, or none without its head.
        num_classes: Number of classes of the published weights.
        normalization: Of the images that it takes.
        published: Files with its weights.
        image_size: (height, width) of an image that the module takes.
        bgr_kernel: End of the path of the kernel whose input channels are blue, green
            and red, as in Keras; None where images are RGB. See `references.to_rgb`.
    """

    make: Callable[[Options], nn.Module]
    rules: Callable[[Options], Rules]
    classes: tuple[str, ...]
    num_classes: int
    normalization: Normalization = IMAGENET
    published: tuple[Published, ...] = ()
    image_size: tuple[int, int] = (64, 64)
    bgr_kernel: str | None = None

    def has_head(self, state: Mapping[str, np.ndarray]) -> bool:
        """Whether a state dict has the tensor with a row for each class."""
        return any(name in state for name in self.classes)

    def num_classes_of(self, state: Mapping[str, np.ndarray]) -> int:
        """Number of classes of a state dict; that of the published one without head."""
        tensors = [state[name] for name in self.classes if name in state]
        return len(tensors[0]) if tensors and tensors[0].ndim else self.num_classes


def encoder_rules(
    encoder: Rules, head: Rules, dropped: str
) -> Callable[[Options], Rules]:
    """Rules of a classifier, whose head is dropped where it is not asked for.

    Args:
        encoder: Rules of the encoder.
        head: Rules of what `models.Classifier` calls its head.
        dropped: Pattern of the published modules that only the head needs.

    Returns:
        From options to rules.
    """

    def rules(options: Options) -> Rules:
        if options.head:
            return prefixed(encoder, "", "encoder/") + prefixed(head, "", "head/")
        return (*encoder, Rule(dropped, None))

    return rules
