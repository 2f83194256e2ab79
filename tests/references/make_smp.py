"""Runs segmentation_models_pytorch. `python -m tests.references.make_smp [NAME…]`."""

import sys
from collections.abc import Mapping

import segmentation_models_pytorch as smp
import torch

from tests.references.torch_side import record

LIBRARY = f"segmentation_models_pytorch {smp.__version__}"
NUM_CLASSES = 9

ARCHITECTURES = {
    "unet": smp.Unet,
    "linknet": smp.Linknet,
    "fpn": smp.FPN,
    "deeplabv3": smp.DeepLabV3,
    "deeplabv3plus": smp.DeepLabV3Plus,
    "pspnet": smp.PSPNet,
}

SECOND_SIZES: Mapping[str, tuple[int, int]] = {
    "unet": (97, 65),
    "linknet": (96, 64),
    "fpn": (96, 64),
    # Large enough for dilated convolutions to see more than their centre.
    "deeplabv3": (160, 128),
    "deeplabv3plus": (160, 128),
    # Maps of 13×9, which no grid divides.
    "pspnet": (104, 72),
}
"""Besides 64×64; most take multiples of 32 alone."""

NAMES = (
    "unet-resnet34",
    "unet-vgg16",
    "unet-vgg16_bn",
    "unet-vgg19",
    "linknet-resnet34",
    "fpn-resnet34",
    "deeplabv3-resnet34",
    "deeplabv3plus-resnet34",
    "pspnet-resnet34",
)

GRADIENTS: Mapping[str, tuple[str, ...]] = {
    "unet-resnet34": ("encoder.conv1.weight", "segmentation_head.0.weight"),
}
"""Parameters by which the loss is differentiated, where training mode is checked."""


def make(name: str) -> None:
    """Logits."""
    architecture, _, encoder = name.partition("-")
    model = ARCHITECTURES[architecture](
        encoder, encoder_weights=None, classes=NUM_CLASSES
    )
    record(
        model,
        f"smp/{name}",
        library=LIBRARY,
        sizes=((64, 64), SECOND_SIZES[architecture]),
        forward=lambda x: {"logits": model(x)},
        gradients=GRADIENTS.get(name, ()),
        num_classes=NUM_CLASSES,
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    for chosen in sys.argv[1:] or NAMES:
        make(chosen)
