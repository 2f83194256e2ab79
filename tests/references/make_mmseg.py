"""Runs mmsegmentation's models. `python -m tests.references.make_mmseg`.

Needs mmsegmentation 1.2.2, mmcv-lite 2.1.0 and setuptools<80. mmcv-lite lacks the
compiled operators that other models of mmsegmentation import; empty classes stand in.
"""

import importlib.machinery
import sys
import types
from pathlib import Path
from typing import Any

import torch

from tests.references.torch_side import record


class _Operators(types.ModuleType):
    """A module that has a class of every name."""

    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


_operators = _Operators("mmcv.ops")
_operators.__spec__ = importlib.machinery.ModuleSpec("mmcv.ops", None)
sys.modules["mmcv.ops"] = _operators

import mmseg.models  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

NUM_CLASSES = 47
CONFIG = ".mim/configs/_base_/models/ocrnet_hr18.py"


def _without_sync(config: Any) -> Any:
    """The same config with the BatchNorm that runs in one process."""
    if isinstance(config, dict):
        config = {key: _without_sync(value) for key, value in config.items()}
        return config | {"type": "BN"} if config.get("type") == "SyncBN" else config
    if isinstance(config, list):
        return [_without_sync(value) for value in config]
    return config


def _build() -> torch.nn.Module:
    init_default_scope("mmseg")
    config = Config.fromfile(Path(mmseg.__file__).parent / CONFIG).model.to_dict()
    config |= {"pretrained": None}
    for head in config["decode_head"]:
        head["num_classes"] = NUM_CLASSES
    return mmseg.registry.MODELS.build(_without_sync(config))


def _forward(model: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits of both heads, resized to the image as mmsegmentation's losses do."""
    maps = model.extract_feat(x)
    aux = model.decode_head[0](maps)
    logits = model.decode_head[1](maps, aux)
    outputs = {"logits": logits, "aux_logits": aux}
    return {
        name: mmseg.models.utils.resize(
            output, size=x.shape[2:], mode="bilinear", align_corners=False
        )
        for name, output in outputs.items()
    }


if __name__ == "__main__":
    model = _build()
    record(
        model,
        "mmseg/ocrnet_hr18",
        library=f"mmsegmentation {mmseg.__version__}",
        sizes=((64, 64), (97, 65)),
        forward=lambda x: _forward(model, x),
        gradients=(
            "backbone.conv1.weight",
            "backbone.stage3.1.fuse_layers.0.2.0.weight",
            "decode_head.1.object_context_block.key_project.0.conv.weight",
            "decode_head.1.conv_seg.weight",
        ),
        num_classes=NUM_CLASSES,
    )
