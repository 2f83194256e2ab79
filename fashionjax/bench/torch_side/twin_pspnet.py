"""PSPNet on a dilated encoder of segmentation_models_pytorch."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import torch
import torch.nn.functional as F  # noqa: N812
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn
from twin_layers import conv_norm_relu

_FEATURES = 512
_GRIDS = (1, 2, 3, 6)


class PSPNet(nn.Module):
    """The deepest map, at stride 8, beside its averages over coarser grids."""

    def __init__(self, encoder: str, num_classes: int) -> None:
        super().__init__()
        self.encoder = get_encoder(encoder, weights=None, output_stride=8)
        channels = self.encoder.out_channels[-1]
        share = channels // len(_GRIDS)
        self.pools = nn.ModuleList(
            # A single value is not normalised.
            nn.Sequential(nn.Conv2d(channels, share, 1), nn.ReLU(inplace=True))
            if grid == 1
            else conv_norm_relu(channels, share, 1)
            for grid in _GRIDS
        )
        self.project = nn.Sequential(
            conv_norm_relu(channels + share * len(_GRIDS), _FEATURES, 1),
            nn.Dropout2d(0.2),
            nn.Conv2d(_FEATURES, num_classes, 3, padding=1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits."""
        x = self.encoder(image)[-1]
        pooled = [
            _enlarge(pool(F.adaptive_avg_pool2d(x, grid)), x.shape[2:])
            for grid, pool in zip(_GRIDS, self.pools, strict=True)
        ]
        return _enlarge(self.project(torch.cat([*pooled, x], dim=1)), image.shape[2:])


def _enlarge(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=True)
