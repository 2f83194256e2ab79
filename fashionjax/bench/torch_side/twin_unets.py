"""The U-Net on VGG of Clothing Co-Parsing, and fastai's DynamicUnet."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
import torchvision
from torch import nn
from twin_layers import VGGStages, conv_norm_relu, resize, resnet34_stages


class VGGUNet(nn.Module):
    """VGG below; deconvolution, skip and two convolutions in each stage above."""

    def __init__(self, encoder: str, num_classes: int) -> None:
        super().__init__()
        vgg = getattr(torchvision.models, encoder)(weights=None)
        self.encoder = VGGStages(vgg.features)
        self.ups, self.convs = nn.ModuleList(), nn.ModuleList()
        channels = 512
        for features, skip in zip(
            (512, 256, 128, 64, 32), (512, 512, 256, 128, 64), strict=True
        ):
            self.ups.append(nn.ConvTranspose2d(channels, features, 2, stride=2))
            self.convs.append(
                nn.Sequential(
                    conv_norm_relu(features + skip, features, 3),
                    conv_norm_relu(features, features, 3),
                )
            )
            channels = features
        self.head = nn.Conv2d(channels, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits."""
        *skips, x = self.encoder(image)
        for up, conv, skip in zip(self.ups, self.convs, reversed(skips), strict=True):
            x = conv(torch.cat([up(x), skip], dim=1))
        return self.head(x)


class _PixelShuffle(nn.Sequential):
    """1×1 convolution, ReLU, pixel shuffle."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__(
            nn.Conv2d(channels, 4 * features, 1),
            nn.ReLU(inplace=True),
            nn.PixelShuffle(2),
        )


def _conv_relu(channels: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, features, 3, padding=1), nn.ReLU(inplace=True)
    )


class DynamicUNet(nn.Module):
    """ResNet34 below, pixel shuffle above, biases for norms, the image joined last."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = resnet34_stages()
        self.middle = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.ReLU(),
            _conv_relu(512, 1024),
            _conv_relu(1024, 512),
        )
        self.ups, self.norms, self.convs = (nn.ModuleList() for _ in range(3))
        channels, skips = 512, (256, 128, 64, 64)
        for stage, skip in enumerate(skips):
            width = channels // 2 + skip
            features = width // 2 if stage == len(skips) - 1 else width
            self.ups.append(_PixelShuffle(channels, channels // 2))
            self.norms.append(nn.BatchNorm2d(skip))
            self.convs.append(
                nn.Sequential(
                    _conv_relu(width, features), _conv_relu(features, features)
                )
            )
            channels = features
        self.final_up = _PixelShuffle(channels, channels)
        channels += 3
        self.residual = nn.Sequential(
            _conv_relu(channels, channels), _conv_relu(channels, channels)
        )
        self.head = nn.Conv2d(channels, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits."""
        *skips, x = self.encoder(image)
        x = self.middle(x)
        for up, norm, conv, skip in zip(
            self.ups, self.norms, self.convs, reversed(skips), strict=True
        ):
            x = resize(up(x), skip, "nearest")
            x = conv(F.relu(torch.cat([x, norm(skip)], dim=1)))
        x = resize(self.final_up(x), image, "nearest")
        # As ours: joined as it is, a float32 image would make all behind it float32.
        x = torch.cat([x, image.to(x.dtype)], dim=1)
        return self.head(x + self.residual(x))
