"""Layers that several twins share."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torchvision.models import resnet34


def conv_norm_relu(channels: int, features: int, size: int) -> nn.Sequential:
    """Convolution without bias, BatchNorm, ReLU; the size stays."""
    return nn.Sequential(
        nn.Conv2d(channels, features, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(features),
        nn.ReLU(inplace=True),
    )


def resize(x: torch.Tensor, like: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """Resizes to the height and width of another map, where they differ."""
    size = like.shape[2:]
    return x if x.shape[2:] == size else F.interpolate(x, size, mode=mode)


class ResNetStages(nn.Module):
    """The maps of a ResNet of torchvision: the stem's, then each stage's."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu)
        self.pool = net.maxpool
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Returns five maps, finest first."""
        maps = [self.stem(image)]
        x = self.pool(maps[0])
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def resnet34_stages() -> ResNetStages:
    """Maps of 64, 64, 128, 256 and 512 channels, at strides 2 to 32."""
    return ResNetStages(resnet34(weights=None))


class VGGStages(nn.Module):
    """The maps of a VGG of torchvision before each pooling, and the last one pooled."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        blocks: list[list[nn.Module]] = [[]]
        for layer in features:
            if isinstance(layer, nn.MaxPool2d):
                blocks.append([])
            else:
                blocks[-1].append(layer)
        self.stages = nn.ModuleList(nn.Sequential(*block) for block in blocks[:-1])

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Returns six maps, finest first."""
        maps, x = [], image
        for stage in self.stages:
            maps.append(stage(x))
            x = F.max_pool2d(maps[-1], 2)
        return [*maps, x]
