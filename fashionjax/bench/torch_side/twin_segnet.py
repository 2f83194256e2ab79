"""SegNet on VGG16 with BatchNorm."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
import torchvision
from torch import nn

_DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))


class SegNet(nn.Module):
    """A decoder that mirrors the encoder and unpools where that has pooled."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = torchvision.models.vgg16_bn(weights=None).features
        self.decoder = nn.ModuleList()
        channels = 512
        for widths in _DECODER:
            layers: list[nn.Module] = []
            for width in widths:
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                channels = width
            self.decoder.append(nn.Sequential(*layers))
        self.head = nn.Conv2d(channels, num_classes, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits."""
        x, pooled = image, []
        for layer in self.encoder:
            if isinstance(layer, nn.MaxPool2d):
                size = x.shape[2:]
                x, index = F.max_pool2d(x, 2, return_indices=True)
                pooled.append((index, size))
            else:
                x = layer(x)
        for stage, (index, size) in zip(self.decoder, reversed(pooled), strict=True):
            x = stage(F.max_unpool2d(x, index, 2, output_size=size))
        return self.head(x)
