"""Runs the FCN-32s, 16s and 8s of pytorch-fcn.

`python -m tests.references.make_torchfcn [STRIDE…]`, after
`pip install --no-deps torchfcn`.
"""

import importlib
import importlib.metadata
import importlib.util
import sys
import types

import torch

from tests.references.torch_side import record

STRIDES = ("32", "16", "8")

SIZES = ((58, 58), (75, 61))


def _import_model(stride: str) -> type[torch.nn.Module]:
    """The class, without what the package imports to download and train."""
    if "torchfcn" not in sys.modules:
        spec = importlib.util.find_spec("torchfcn")
        assert spec is not None, "install torchfcn first"
        package = types.ModuleType("torchfcn")
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules |= {"torchfcn": package, "fcn": types.ModuleType("fcn")}
    module = importlib.import_module(f"torchfcn.models.fcn{stride}s")
    return getattr(module, f"FCN{stride}s")


def make(stride: str) -> None:
    """Logits."""
    model = _import_model(stride)()
    record(
        model,
        f"torchfcn/fcn{stride}s-vgg16",
        library=f"torchfcn {importlib.metadata.version('torchfcn')}",
        sizes=SIZES,
        forward=lambda x: {"logits": model(x)},
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    for chosen in sys.argv[1:] or STRIDES:
        make(chosen)
