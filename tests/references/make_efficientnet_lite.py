"""Runs EfficientNet-Lite0. `python -m tests.references.make_efficientnet_lite`."""

import importlib.metadata

import torch
from efficientnet_lite_pytorch import EfficientNet

from tests.references.torch_side import record

TAPS = (2, 4, 10, 15)
"""Blocks whose outputs are feature maps, behind the stem's."""


def _forward(model: EfficientNet, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Feature maps, finest first, and class logits."""
    maps = [model._swish(model._bn0(model._conv_stem(x)))]
    hooks = [
        model._blocks[tap].register_forward_hook(lambda *args: maps.append(args[-1]))
        for tap in TAPS
    ]
    head = model(x)
    for hook in hooks:
        hook.remove()
    return {f"map{i}": m for i, m in enumerate(maps)} | {"head": head}


if __name__ == "__main__":
    model = EfficientNet.from_name("efficientnet-lite0")
    record(
        model,
        "efficientnet_lite0",
        library="efficientnet-lite-pytorch "
        + importlib.metadata.version("efficientnet-lite-pytorch"),
        sizes=((64, 64), (97, 65)),
        forward=lambda x: _forward(model, x),
    )
