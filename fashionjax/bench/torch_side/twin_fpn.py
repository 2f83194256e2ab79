"""The feature pyramid network for fashion images."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
import torchvision
from torch import nn
from twin_layers import ResNetStages, conv_norm_relu, resize

_STRIDE = 32


class FPN(nn.Module):
    """A top-down pyramid over a ResNeXt, its levels concatenated."""

    def __init__(self, encoder: str, num_classes: int) -> None:
        super().__init__()
        net = getattr(torchvision.models, encoder)(weights=None)
        self.encoder = ResNetStages(net)
        self.laterals = nn.ModuleList(nn.Conv2d(256 * 2**i, 256, 1) for i in range(4))
        self.head = nn.Sequential(
            conv_norm_relu(1024, 128, 3),
            nn.Conv2d(128, num_classes, 3, padding=1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits at the image's size."""
        height, width = image.shape[2:]
        padded = F.pad(image, (0, -width % _STRIDE, 0, -height % _STRIDE))
        maps = self.encoder(padded)[1:]
        laterals = [layer(x) for layer, x in zip(self.laterals, maps, strict=True)]
        levels = laterals[3:]
        for lateral in laterals[2::-1]:
            levels.insert(0, lateral + resize(levels[0], lateral, "nearest"))
        levels = [resize(level, levels[0], "nearest") for level in levels]
        logits = resize(self.head(torch.cat(levels, dim=1)), padded)
        return logits[:, :, :height, :width]
