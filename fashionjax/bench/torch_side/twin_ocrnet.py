"""OCRNet on timm's HRNet."""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import timm
import torch
from torch import nn
from twin_layers import conv_norm_relu, resize

_FEATURES = 512
_KEYS = 256


class OCRNet(nn.Module):
    """Pixels attend to the regions of a coarse segmentation."""

    def __init__(self, encoder: str, num_classes: int) -> None:
        super().__init__()
        self.encoder = timm.create_model(
            encoder,
            pretrained=False,
            features_only=True,
            out_indices=(1, 2, 3, 4),
            feature_location="",
        )
        for module in self.encoder.modules():
            # For segmentation the authors' branches are enlarged bilinearly.
            if isinstance(module, nn.Upsample):
                module.mode, module.align_corners = "bilinear", False
        channels = sum(self.encoder.feature_info.channels())
        self.aux = nn.Sequential(
            conv_norm_relu(channels, channels, 1), nn.Conv2d(channels, num_classes, 1)
        )
        self.pixels = conv_norm_relu(channels, _FEATURES, 3)
        self.query, self.key = (
            nn.Sequential(
                conv_norm_relu(_FEATURES, _KEYS, 1), conv_norm_relu(_KEYS, _KEYS, 1)
            )
            for _ in range(2)
        )
        self.value = conv_norm_relu(_FEATURES, _KEYS, 1)
        self.out = conv_norm_relu(_KEYS, _FEATURES, 1)
        self.context = conv_norm_relu(2 * _FEATURES, _FEATURES, 1)
        self.head = nn.Conv2d(_FEATURES, num_classes, 1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns logits and auxiliary logits."""
        maps = self.encoder(image)
        x = torch.cat([resize(x, maps[0]) for x in maps], dim=1)
        aux = self.aux(x)
        pixels = self.pixels(x)
        weights = aux.flatten(2).float().softmax(-1).to(pixels.dtype)
        regions = (weights @ pixels.flatten(2).transpose(1, 2)).transpose(1, 2)
        mixed = self._attend(pixels, regions.unsqueeze(-1))
        context = self.context(torch.cat([self.out(mixed), pixels], dim=1))
        logits = self.head(context)
        return {"logits": resize(logits, image), "aux": resize(aux, image)}

    def _attend(self, pixels: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        query = self.query(pixels).flatten(2).transpose(1, 2)
        key = self.key(regions).flatten(2)
        value = self.value(regions).flatten(2).transpose(1, 2)
        similarity = (query @ key).float() * _KEYS**-0.5
        mixed = similarity.softmax(-1).to(value.dtype) @ value
        return mixed.transpose(1, 2).unflatten(2, pixels.shape[2:])
