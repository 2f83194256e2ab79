"""The Extended U-Net: a U-Net on ResNet34 with a tag branch and a box branch."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from twin_layers import resize, resnet34_stages

_HIDDEN = 512


def _conv_relu_norm(channels: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, features, 3, padding=1, bias=False),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(features),
    )


def _branch(channels: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, _HIDDEN),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(_HIDDEN),
        nn.Dropout(0.5),
        nn.Linear(_HIDDEN, features),
    )


class MultitaskUNet(nn.Module):
    """Both branches' logits are constant maps beside the last map of the decoder."""

    def __init__(self, num_classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        num_tags = num_classes - 1
        height, width = (-(-length // 32) for length in size)
        self.encoder = resnet34_stages()
        self.tag_branch = _branch(2 * 512, num_tags)
        self.box_branch = _branch(512 * height * width, 4 * num_tags)
        self.middle = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.ReLU(),
            _conv_relu_norm(512, 1024),
            _conv_relu_norm(1024, 512),
        )
        self.norms, self.convs = nn.ModuleList(), nn.ModuleList()
        channels = 512
        for features, skip in zip((512, 384, 256, 96), (256, 128, 64, 64), strict=True):
            self.norms.append(nn.BatchNorm2d(skip))
            self.convs.append(
                nn.Sequential(
                    _conv_relu_norm(channels + skip, features),
                    _conv_relu_norm(features, features),
                )
            )
            channels = features
        self.num_maps = channels + 3
        channels = self.num_maps + 5 * num_tags
        self.residual1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.residual2 = _conv_relu_norm(channels, channels)
        self.head = nn.Conv2d(channels, num_classes, 1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns logits and those of the branches."""
        *skips, deepest = self.encoder(image)
        pooled = (deepest.amax((2, 3)), deepest.mean((2, 3)))
        tags = self.tag_branch(torch.cat(pooled, dim=1))
        boxes = self.box_branch(deepest.flatten(1))
        x = self.middle(deepest)
        for norm, conv, skip in zip(
            self.norms, self.convs, reversed(skips), strict=True
        ):
            x = resize(x, skip, "nearest")
            x = conv(F.relu(torch.cat([x, norm(skip)], dim=1)))
        # As ours: joined as it is, a float32 image would make all behind it float32.
        x = torch.cat([resize(x, image, "nearest"), image.to(x.dtype)], dim=1)
        constants = torch.cat([tags, boxes], dim=1)
        residual = self.residual2(self.norm1(F.relu(self._inject(x, constants))))
        tiled = constants[:, :, None, None].expand(-1, -1, *x.shape[2:])
        logits = self.head(torch.cat([x, tiled.to(x.dtype)], dim=1) + residual)
        return {"logits": logits, "tags": tags, "boxes": boxes}

    def _inject(self, x: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
        """The convolution of maps and constants, the latter's without arithmetic.

        As ours does: a constant map convolved takes one value inside, and one on each
        edge and corner.
        """
        kernel = self.residual1.weight
        inside = F.conv2d(x, kernel[:, : self.num_maps], padding=1)
        small = constants[:, :, None, None].expand(-1, -1, 3, 3)
        small = F.conv2d(small, kernel[:, self.num_maps :], padding=1)
        for axis, length in ((2, x.shape[2]), (3, x.shape[3])):
            first, middle, last = small.split(1, dim=axis)
            repeats = [-1] * 4
            repeats[axis] = length - 2
            small = torch.cat([first, middle.expand(repeats), last], dim=axis)
        return inside + small
