"""Runs timm's models. `python -m tests.references.make_timm [NAME…]`."""

import sys
from collections.abc import Callable, Mapping

import timm
import torch

from tests.references.make_torchvision import SIZES, resnet_outputs
from tests.references.torch_side import record

LIBRARY = f"timm {timm.__version__}"

Outputs = dict[str, torch.Tensor]


def _hrnet(model: torch.nn.Module, x: torch.Tensor) -> Outputs:
    """Feature maps, finest first, and class logits."""
    branches = []
    hook = model.stage4.register_forward_hook(lambda *args: branches.extend(args[-1]))
    head = model(x)
    hook.remove()
    return {f"map{i}": m for i, m in enumerate(branches)} | {"head": head}


# HRNet adds maps that it has doubled: both sides must be divisible by 32.
HRNET_SIZES = ((64, 64), (96, 32))

CLASSIFIERS: Mapping[str, tuple[Callable, tuple[tuple[int, int], ...]]] = {
    "hrnet_w18": (_hrnet, HRNET_SIZES),
    "resnext101_32x4d": (resnet_outputs, SIZES),
}


def make_classifier(name: str) -> None:
    """Feature maps, finest first, and class logits."""
    model = timm.create_model(name, pretrained=False)
    forward, sizes = CLASSIFIERS[name]
    record(
        model,
        f"timm/{name}",
        library=LIBRARY,
        sizes=sizes,
        forward=lambda x: forward(model, x),
    )


if __name__ == "__main__":
    for chosen in sys.argv[1:] or CLASSIFIERS:
        make_classifier(chosen)
