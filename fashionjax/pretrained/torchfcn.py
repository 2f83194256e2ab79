"""The FCN-32s, 16s and 8s of pytorch-fcn, which also hosts the original weights.

They take BGR images, 0 to 255, minus the mean: `convert` keeps that, and
`references.to_rgb` changes it to RGB.
"""

import functools
from collections.abc import Mapping

from fashionjax.augment import Normalization
from fashionjax.builders import build_encoder
from fashionjax.constants import FIXED
from fashionjax.models.fcn_vgg import SkipFCN
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule, Rules

_MEAN = Normalization(
    (122.67891434 / 255, 116.66876762 / 255, 104.00698793 / 255),
    (1 / 255, 1 / 255, 1 / 255),
)
"""Caffe's: the mean subtracted, nothing divided."""


def _make(stride: int, options: Options) -> SkipFCN:
    encoder = build_encoder("vgg16", ceil_mode=True)
    return SkipFCN(encoder, options.num_classes, stride=stride, pad100=True)


def _reference(stride: int) -> Reference:
    last = "upscore" if stride == 32 else f"upscore{stride}"
    rules: Rules = (
        Rule(r"conv(\d)_(\d)", r"encoder/block\1_conv\2"),
        Rule("fc6", "fc1"),
        Rule("fc7", "fc2"),
        Rule("score_fr", "score"),
        Rule("score_pool4", "score_pool16"),
        Rule("score_pool3", "score_pool8"),
        Rule(last, f"{FIXED}_upscore", "transposed"),
        Rule("upscore2", "upscore16", "transposed"),
        Rule("upscore_pool4", "upscore8", "transposed"),
    )
    return Reference(
        make=functools.partial(_make, stride),
        rules=lambda _: rules,
        classes=("score_fr.weight",),
        num_classes=21,
        normalization=_MEAN,
        bgr_kernel="block1_conv1/kernel",
    )


REFERENCES: Mapping[str, Reference] = {
    f"torchfcn/fcn{stride}s-vgg16": _reference(stride) for stride in (32, 16, 8)
}
