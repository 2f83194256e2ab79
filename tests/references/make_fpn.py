"""Restates the feature pyramid network for fashion images in torch, and runs it.

`python -m tests.references.make_fpn`. The document has no public implementation; this
one is written from its description and shares nothing with ours but the names.
"""

import torch
import torchvision
from torch import nn
from torch.nn import functional

from tests.references.torch_side import record

NUM_CLASSES = 25
CHANNELS = (256, 512, 1024, 2048)
STRIDE = 32


class FashionFPN(nn.Module):
    """ResNeXt50 32x4d, 1×1 laterals, nearest upsampling, concatenation, two layers."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = torchvision.models.resnext50_32x4d(weights=None)
        del self.encoder.fc
        self.laterals = nn.ModuleList(nn.Conv2d(c, 256, 1) for c in CHANNELS)
        self.conv1 = nn.Conv2d(4 * 256, 128, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128, num_classes, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2:]
        x = functional.pad(image, (0, -width % STRIDE, 0, -height % STRIDE))
        padded = x.shape[2:]
        encoder = self.encoder
        x = encoder.maxpool(encoder.relu(encoder.bn1(encoder.conv1(x))))
        c2 = encoder.layer1(x)
        c3 = encoder.layer2(c2)
        c4 = encoder.layer3(c3)
        c5 = encoder.layer4(c4)
        f2, f3, f4, f5 = (
            lateral(c)
            for lateral, c in zip(self.laterals, (c2, c3, c4, c5), strict=True)
        )
        p5 = f5
        p4 = functional.interpolate(p5, scale_factor=2, mode="nearest") + f4
        p3 = functional.interpolate(p4, scale_factor=2, mode="nearest") + f3
        p2 = functional.interpolate(p3, scale_factor=2, mode="nearest") + f2
        levels = [functional.interpolate(p, p2.shape[2:]) for p in (p2, p3, p4, p5)]
        x = torch.cat(levels, dim=1)
        x = self.conv2(functional.relu(self.bn1(self.conv1(x))))
        x = functional.interpolate(x, padded, mode="bilinear", align_corners=False)
        return x[:, :, :height, :width]


def make() -> None:
    """Logits, without softmax before the upsampling."""
    model = FashionFPN(NUM_CLASSES)
    record(
        model,
        "fpn-resnext50",
        library=f"own restatement on torchvision {torchvision.__version__}",
        sizes=((64, 64), (97, 65)),
        forward=lambda x: {"logits": model(x)},
        gradients=("encoder.conv1.weight", "conv2.weight"),
        num_classes=NUM_CLASSES,
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    make()
