"""Runs torchvision's models. `python -m tests.references.make_torchvision [NAME…]`."""

import sys

import torch
import torchvision

from tests.references.torch_side import record

LIBRARY = f"torchvision {torchvision.__version__}"
SIZES = ((64, 64), (97, 65))


def _resnet_maps(model: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    x = model.relu(model.bn1(model.conv1(x)))
    maps = [x]
    x = model.maxpool(x)
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = layer(x)
        maps.append(x)
    outputs = {f"map{i}": m for i, m in enumerate(maps)}
    outputs["head"] = model.fc(x.mean(dim=(2, 3)))
    return outputs


def make_classifier(name: str) -> None:
    """Feature maps, finest first, and class logits."""
    model = getattr(torchvision.models, name)(weights=None)
    maps = {"resnet": _resnet_maps, "resnex": _resnet_maps}[name[:6]]
    record(
        model,
        f"torchvision/{name}",
        library=LIBRARY,
        sizes=SIZES,
        forward=lambda x: maps(model, x),
    )


CLASSIFIERS = ("resnet34", "resnet50", "resnext50_32x4d", "resnext101_32x8d")

if __name__ == "__main__":
    torch.manual_seed(0)
    for chosen in sys.argv[1:] or CLASSIFIERS:
        make_classifier(chosen)
