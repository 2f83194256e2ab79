"""keras.applications' models.

They take BGR images, 0 to 255, minus the mean: `convert` keeps that, and
`references.to_rgb` changes it to RGB.
"""

import functools
from collections.abc import Mapping

from fashionjax.augment import Normalization
from fashionjax.models.classifier import VGGHead
from fashionjax.pretrained.reference import (
    Published,
    Reference,
    encoder_rules,
)
from fashionjax.pretrained.rules import Rule, Rules
from fashionjax.pretrained.torchvision import make_classifier

_CAFFE = Normalization(
    (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255)
)
"""Keras's mode "caffe": the mean subtracted, nothing divided."""

_VGG_ENCODER: Rules = (Rule(r"block(\d)_conv(\d)", r"block\1_conv\2"),)

_VGG_HEAD: Rules = (
    Rule(r"fc(\d)", r"hidden\1"),
    Rule(r"predictions", "linear"),
)

_LICENCE = "CC BY 4.0 (Visual Geometry Group, Oxford); trained on ImageNet"


def _vgg(name: str) -> Reference:
    """A VGG; its head takes images of 224×224 alone."""
    head = functools.partial(VGGHead, pool=False, dropout_rate=0.0)
    file = f"{name}_weights_tf_dim_ordering_tf_kernels"
    return Reference(
        make=functools.partial(make_classifier, name, head),
        rules=encoder_rules(_VGG_ENCODER, _VGG_HEAD, dropped=r"fc\d|predictions"),
        classes=("predictions.bias",),
        num_classes=1000,
        normalization=_CAFFE,
        published=(
            Published(f"{file}.h5", licence=_LICENCE),
            Published(f"{file}_notop.h5", licence=_LICENCE),
        ),
        image_size=(224, 224),
        bgr_kernel="block1_conv1/kernel",
    )


REFERENCES: Mapping[str, Reference] = {
    "keras/vgg16": _vgg("vgg16"),
    "keras/vgg19": _vgg("vgg19"),
}
