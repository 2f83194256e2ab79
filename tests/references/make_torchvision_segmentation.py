"""Runs torchvision's segmentation models.

`python -m tests.references.make_torchvision_segmentation [NAME…]`
"""

import sys

import torch
import torchvision

from tests.references.torch_side import record

LIBRARY = f"torchvision {torchvision.__version__}"
NUM_CLASSES = 21

# The second size is odd, and large enough for dilated convolutions to see more than
# their centre.
SIZES = ((64, 64), (161, 129))

GRADIENTS = {"fcn_resnet50": ("backbone.conv1.weight", "classifier.4.weight")}
"""Parameters by which the loss is differentiated. Not DeepLabV3's: its pooled branch
normalises two values, of which training mode keeps but the sign."""


def make(name: str) -> None:
    """Logits, and those of the auxiliary head."""
    model = getattr(torchvision.models.segmentation, name)(
        weights=None, weights_backbone=None, num_classes=NUM_CLASSES, aux_loss=True
    )

    def forward(x: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = model(x)
        return {"logits": outputs["out"], "aux_logits": outputs["aux"]}

    record(
        model,
        f"torchvision/{name}",
        library=LIBRARY,
        sizes=SIZES,
        forward=forward,
        gradients=GRADIENTS.get(name, ()),
        num_classes=NUM_CLASSES,
        aux=True,
    )


NAMES = ("fcn_resnet50", "deeplabv3_resnet50")

if __name__ == "__main__":
    torch.manual_seed(0)
    for chosen in sys.argv[1:] or NAMES:
        make(chosen)
