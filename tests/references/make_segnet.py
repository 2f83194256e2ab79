"""Runs SegNet, written down in torch. `python -m tests.references.make_segnet`.

The encoder is torchvision's VGG16 with BatchNorm; pooling and unpooling are torch's.
"""

import torch
import torchvision
from torch import nn

from tests.references.torch_side import record

NUM_CLASSES = 12


class SegNet(nn.Module):
    """Badrinarayanan, Kendall, Cipolla: SegNet (2015)."""

    widths = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.features = torchvision.models.vgg16_bn().features
        self.decoder = nn.ModuleList()
        channels = 512
        for widths in self.widths:
            layers: list[nn.Module] = []
            for width in widths:
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            self.decoder.append(nn.Sequential(*layers))
        self.classifier = nn.Conv2d(channels, NUM_CLASSES, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = []
        for layer in self.encoder.features:
            if isinstance(layer, nn.MaxPool2d):
                size = x.shape[2:]
                x, index = nn.functional.max_pool2d(x, 2, return_indices=True)
                pooled.append((index, size))
            else:
                x = layer(x)
        for block, (index, size) in zip(self.decoder, reversed(pooled), strict=True):
            x = block(nn.functional.max_unpool2d(x, index, 2, output_size=size))
        return self.classifier(x)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = SegNet()
    record(
        model,
        "segnet-vgg16_bn",
        library=f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        sizes=((64, 64), (97, 65)),
        forward=lambda x: {"logits": model(x)},
        gradients=("encoder.features.0.weight", "decoder.4.0.weight"),
        num_classes=NUM_CLASSES,
    )
