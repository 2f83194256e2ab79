"""Runs torchvision's models. `python -m tests.references.make_torchvision [NAME…]`."""

import sys
from collections.abc import Sequence
from typing import Any

import torch
import torchvision

from tests.references.torch_side import record

LIBRARY = f"torchvision {torchvision.__version__}"
SIZES = ((64, 64), (97, 65))


def resnet_outputs(model: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Feature maps, finest first, and class logits, of torchvision and timm."""
    layers = [model.layer1, model.layer2, model.layer3, model.layer4]
    # timm's stem has an activation by another name.
    stem = getattr(model, "relu", None) or model.act1
    return _run(model, x, [stem, *layers])


def _densenet_outputs(
    model: torch.nn.Module, x: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The maps that segmentation_models_pytorch takes."""
    transitions = [model.features.get_submodule(f"transition{i}") for i in (1, 2, 3)]
    rectified = [model.features.relu0, *(t.relu for t in transitions)]
    return _run(model, x, [*rectified, model.features.norm5])


def _vgg_outputs(model: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    layers = list(model.features)
    pools = [i for i, x in enumerate(layers) if isinstance(x, torch.nn.MaxPool2d)]
    return _run(model, x, [*(layers[i - 1] for i in pools), layers[-1]])


def _run(
    model: torch.nn.Module, x: torch.Tensor, layers: Sequence[torch.nn.Module]
) -> dict[str, torch.Tensor]:
    """What the layers return first in a pass, and what the model returns."""
    maps: dict[str, torch.Tensor] = {}
    hooks = []
    for i, layer in enumerate(layers):

        def keep(*args: Any, name: str = f"map{i}") -> None:
            # A copy: the next layer may change it in place.
            maps.setdefault(name, args[-1].clone())

        hooks.append(layer.register_forward_hook(keep))
    head = model(x)
    for hook in hooks:
        hook.remove()
    return maps | {"head": head}


def make_classifier(name: str) -> None:
    """Feature maps, finest first, and class logits."""
    model = getattr(torchvision.models, name)(weights=None)
    forward = CLASSIFIERS[name]
    record(
        model,
        f"torchvision/{name}",
        library=LIBRARY,
        sizes=SIZES,
        forward=lambda x: forward(model, x),
    )


CLASSIFIERS = {
    "vgg16": _vgg_outputs,
    "vgg16_bn": _vgg_outputs,
    "vgg19": _vgg_outputs,
    "vgg19_bn": _vgg_outputs,
    "densenet121": _densenet_outputs,
    "densenet169": _densenet_outputs,
    "resnet18": resnet_outputs,
    "resnet34": resnet_outputs,
    "resnet50": resnet_outputs,
    "resnet101": resnet_outputs,
    "resnext50_32x4d": resnet_outputs,
    "resnext101_32x8d": resnet_outputs,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or CLASSIFIERS:
        make_classifier(chosen)
