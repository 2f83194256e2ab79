"""FCN-8s on VGG16, whose convolutions keep the size."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
import torchvision
from torch import nn
from twin_layers import VGGStages

_FEATURES = 4096


class FCN8s(nn.Module):
    """Scores of the deepest map and of two poolings, added on the way up."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = VGGStages(torchvision.models.vgg16(weights=None).features)
        self.fully_connected = nn.Sequential(
            nn.Conv2d(512, _FEATURES, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Conv2d(_FEATURES, _FEATURES, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
        )
        self.score = nn.Conv2d(_FEATURES, num_classes, 1)
        self.score16 = nn.Conv2d(512, num_classes, 1)
        self.score8 = nn.Conv2d(256, num_classes, 1)
        self.up16, self.up8, self.up1 = (
            nn.ConvTranspose2d(
                num_classes, num_classes, 2 * k, stride=k, padding=k // 2, bias=False
            )
            for k in (2, 2, 8)
        )
        # Bilinear interpolation, which is not trained.
        self.up1.weight.requires_grad = False

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits."""
        height, width = image.shape[2:]
        padded = F.pad(image, (0, -width % 32, 0, -height % 32))
        maps = self.encoder(padded)
        x = self.up16(self.score(self.fully_connected(maps[5])))
        x = self.up8(x + self.score16(F.max_pool2d(maps[3], 2)))
        x = self.up1(x + self.score8(F.max_pool2d(maps[2], 2)))
        return x[:, :, :height, :width]
