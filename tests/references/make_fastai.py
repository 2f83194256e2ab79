"""Runs fastai's DynamicUnet. `python -m tests.references.make_fastai`.

Needs fastai 1.0.61, installed without its dependencies, of which the model uses none:
they are replaced by empty modules here.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torchvision

from tests.references.torch_side import Size, record

NUM_CLASSES = 9
UNUSED = ("fastprogress", "matplotlib", "pandas", "pkg_resources", "requests", "scipy")


class _Anything(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return cls

    def __ge__(cls, other: object) -> bool:
        return True


class _Nothing(metaclass=_Anything):
    pass


class _Stub(ModuleType):
    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an empty module for whatever the model does not use."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        del path, target
        if fullname.split(".")[0] not in UNUSED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        del module


def replace_unused() -> None:
    """Lets the modules of the model be imported without those around them."""
    sys.meta_path.insert(0, _Stubs())
    spec = importlib.util.find_spec("fastai")
    assert spec is not None, "pip install --no-deps fastai==1.0.61"
    root = Path(spec.origin or "").parent
    for name in ("vision", "vision.models", "callbacks"):
        package = ModuleType(f"fastai.{name}")
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[package.__name__] = package


def make(name: str, sizes: Sequence[Size], norm_type: str | None) -> None:
    """Logits and gradients; fastai builds a model for one size of image."""
    models = {size: _build(size, norm_type) for size in sizes}
    first = models[sizes[0]]

    def forward(x: torch.Tensor) -> dict[str, torch.Tensor]:
        model = models[tuple(x.shape[2:])]
        if model is not first:
            # The layer that resizes an odd result moves the numbers in the names.
            values = first.state_dict().values()
            model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)))
            model.train(first.training)
        return {"logits": model(x)}

    record(
        first,
        name,
        library=f"fastai 1.0.61, torchvision {torchvision.__version__}",
        sizes=sizes,
        forward=forward,
        gradients=(
            "layers.0.0.weight",
            "layers.4.shuf.conv.0.weight",
            "layers.11.0.weight",
        ),
        num_classes=NUM_CLASSES,
    )


def _build(size: Size, norm_type: str | None) -> torch.nn.Module:
    """What `unet_learner` builds."""
    unet = importlib.import_module("fastai.vision.models.unet")
    layers = importlib.import_module("fastai.layers")
    kind = norm_type and layers.NormType[norm_type]
    body = torch.nn.Sequential(*list(torchvision.models.resnet34().children())[:-2])
    return unet.DynamicUnet(body, NUM_CLASSES, img_size=size, norm_type=kind)


if __name__ == "__main__":
    torch.manual_seed(0)
    replace_unused()
    SIZES = ((64, 64), (97, 65))
    make("fastai/unet-resnet34", SIZES, None)
    make("fastai/unet-resnet34-batchnorm", SIZES, "Batch")
