"""Training steps in torch, one for each line of standard input.

A script for an interpreter with torch, which need not have this project: it imports
torch and its libraries alone.
"""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import argparse
import json
import sys
import time

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

_WARM_UP = 2


class FPN(nn.Module):
    """The pyramid of `fashionjax.models.FPN`, over torchvision's ResNeXt50."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        from torchvision.models import resnext50_32x4d

        net = resnext50_32x4d(weights=None)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
        self.laterals = nn.ModuleList(nn.Conv2d(256 * 2**i, 256, 1) for i in range(4))
        self.head = nn.Sequential(
            nn.Conv2d(1024, 128, 3, padding=1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, num_classes, 3, padding=1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits at the image's size."""
        x, maps = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        laterals = [layer(x) for layer, x in zip(self.laterals, maps, strict=True)]
        levels = laterals[3:]
        for lateral in laterals[2::-1]:
            coarser = F.interpolate(levels[0], lateral.shape[2:], mode="nearest")
            levels.insert(0, lateral + coarser)
        size = levels[0].shape[2:]
        levels = [F.interpolate(level, size, mode="nearest") for level in levels]
        logits = self.head(torch.cat(levels, dim=1))
        return F.interpolate(logits, image.shape[2:], mode="bilinear")


def build(model: str, num_classes: int) -> tuple[nn.Module, str]:
    """Returns a model and the versions of the libraries that it comes from."""
    version = f"torch {torch.__version__}"
    if model == "fpn-resnext50":
        return FPN(num_classes), version
    import segmentation_models_pytorch as smp

    unet = smp.Unet("resnet34", encoder_weights=None, classes=num_classes)
    return unet, f"{version}, smp {smp.__version__}"


def main() -> None:
    """Answers each line with the seconds of a step, after a line about itself."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=("unet-resnet34", "fpn-resnext50"))
    for name in ("batch", "height", "width", "classes", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, version = build(options.model, options.classes)
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    size = (options.height, options.width)
    image = torch.randn(options.batch, 3, *size, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    label = torch.randint(options.classes, (options.batch, *size), device=device)

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(image), label).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for _ in range(_WARM_UP):
        step()
    num_params = sum(p.numel() for p in model.parameters())
    print(json.dumps({"num_params": num_params, "version": version}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"seconds": step()}), flush=True)


if __name__ == "__main__":
    main()
