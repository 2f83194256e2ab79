"""Runs U-Nets that have no public implementation, written down again in torch.

From the texts of the papers, in few channels, with our names of the layers.
`python -m tests.references.make_restated`
"""

from collections.abc import Sequence

import torch
from torch import nn

from tests.references.torch_side import record

NUM_CLASSES = 5
FOLDER = "restated"


class ClassicUNet(nn.Module):
    """Ronneberger, Fischer, Brox: U-Net (2015), figure 1."""

    def __init__(self, features: Sequence[int], padding: int, batch_norm: bool):
        super().__init__()
        self.depth = len(features)
        channels = 3
        for level, width in enumerate(features):
            self._double(f"encoder{level}", channels, width, padding, batch_norm)
            channels = width
        for level in reversed(range(self.depth - 1)):
            width = features[level]
            up = nn.ConvTranspose2d(channels, width, 2, 2)
            self.add_module(f"decoder{level}_up", up)
            self._double(f"decoder{level}", 2 * width, width, padding, batch_norm)
            channels = width
        self.head = nn.Conv2d(channels, NUM_CLASSES, 1)

    def _double(
        self, name: str, channels: int, width: int, padding: int, batch_norm: bool
    ) -> None:
        for i in (1, 2):
            layer = nn.Conv2d(channels, width, 3, padding=padding, bias=not batch_norm)
            self.add_module(f"{name}_conv{i}", layer)
            if batch_norm:
                self.add_module(f"{name}_norm{i}", nn.BatchNorm2d(width))
            channels = width

    def _apply_double(self, name: str, x: torch.Tensor) -> torch.Tensor:
        for i in (1, 2):
            x = getattr(self, f"{name}_conv{i}")(x)
            x = getattr(self, f"{name}_norm{i}", nn.Identity())(x).relu()
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for level in range(self.depth):
            if level:
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self._apply_double(f"encoder{level}", x)
        for level in reversed(range(self.depth - 1)):
            x = getattr(self, f"decoder{level}_up")(x)
            skip = skips[level]
            top, left = (
                (a - b) // 2 for a, b in zip(skip.shape[2:], x.shape[2:], strict=True)
            )
            skip = skip[:, :, top : top + x.shape[2], left : left + x.shape[3]]
            x = self._apply_double(f"decoder{level}", torch.cat([skip, x], 1))
        return self.head(x)


class VggUNet(nn.Module):
    """Clothing Co-Parsing with U-Net: VGG16 below, deconvolution and skips above."""

    stage_sizes = (2, 2, 3, 3, 3)

    def __init__(self, widths: Sequence[int], decoder: Sequence[int]):
        super().__init__()
        self.encoder = nn.Module()
        channels = 3
        for block, (count, width) in enumerate(
            zip(self.stage_sizes, widths, strict=True), start=1
        ):
            for i in range(1, count + 1):
                layer = nn.Conv2d(channels, width, 3, padding=1)
                self.encoder.add_module(f"block{block}_conv{i}", layer)
                channels = width
        for stage, (width, skip) in enumerate(
            zip(decoder, reversed(widths), strict=True)
        ):
            up = nn.ConvTranspose2d(channels, width, 2, 2)
            self.add_module(f"decoder{stage}_up", up)
            self.add_module(f"decoder{stage}_conv1", _Unit(width + skip, width))
            self.add_module(f"decoder{stage}_conv2", _Unit(width, width))
            channels = width
        self.head = nn.Conv2d(channels, NUM_CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for block, count in enumerate(self.stage_sizes, start=1):
            for i in range(1, count + 1):
                x = getattr(self.encoder, f"block{block}_conv{i}")(x).relu()
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        for stage, skip in enumerate(reversed(skips)):
            x = getattr(self, f"decoder{stage}_up")(x)
            x = torch.cat([x, skip], 1)
            x = getattr(self, f"decoder{stage}_conv1")(x)
            x = getattr(self, f"decoder{stage}_conv2")(x)
        return self.head(x)


class _Unit(nn.Module):
    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)).relu()


def make(name: str, model: nn.Module, *sizes: tuple[int, int]) -> None:
    """Logits."""
    record(
        model,
        name,
        library=f"torch {torch.__version__}",
        sizes=sizes,
        forward=lambda x: {"logits": model(x)},
        folder=FOLDER,
        num_classes=NUM_CLASSES,
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    FIVE = (4, 6, 8, 10, 12)
    make("classic_unet-same", ClassicUNet(FIVE, 1, batch_norm=True), (32, 48))
    make("classic_unet-valid", ClassicUNet(FIVE, 0, batch_norm=False), (188, 204))
    vgg = VggUNet((4, 8, 16, 32, 32), (32, 16, 16, 8, 4))
    make("unet-vgg16", vgg, (64, 32))
