"""Models that fastai, version 1, builds."""

import functools
from collections.abc import Mapping

from fashionjax.builders import build_encoder
from fashionjax.models.dynamic_unet import DynamicUNet, Norm
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule, Rules, prefixed


def _convolution(name: str, path: str) -> Rules:
    """Convolution, ReLU and, in the variant that has it, BatchNorm."""
    return (Rule(rf"{name}\.0", path), Rule(rf"{name}\.2", f"{path}_norm"))


_RESIDUAL: Rules = (
    Rule(r"(\d+)\.conv(\d)", r"\1/conv\2"),
    Rule(r"(\d+)\.bn(\d)", r"\1/norm\2"),
    Rule(r"(\d+)\.downsample\.0", r"\1/downsample_conv"),
    Rule(r"(\d+)\.downsample\.1", r"\1/downsample_norm"),
)

_UP: Rules = (Rule(r"conv\.0", "up/conv"), Rule(r"conv\.1", "up/norm"))

_STAGE: Rules = (
    *prefixed(_UP, "shuf.", ""),
    *_convolution("conv1", "conv1"),
    *_convolution("conv2", "conv2"),
)

_RULES: Rules = (
    Rule(r"layers\.0\.0", "encoder/stem_conv"),
    Rule(r"layers\.0\.1", "encoder/stem_norm"),
    *(
        rule
        for stage in range(1, 5)
        for rule in prefixed(
            _RESIDUAL, f"layers.0.{stage + 3}.", f"encoder/stage{stage}_block"
        )
    ),
    Rule(r"layers\.1", "middle_norm"),
    *_convolution(r"layers\.3\.0", "middle_conv1"),
    *_convolution(r"layers\.3\.1", "middle_conv2"),
    *(Rule(rf"layers\.{stage + 4}\.bn", f"skip_norm{stage}") for stage in range(4)),
    *(
        rule
        for stage in range(4)
        for rule in prefixed(_STAGE, f"layers.{stage + 4}.", f"decoder{stage}_")
    ),
    *prefixed(_UP, "layers.8.", "final_"),
    # A model built for an odd size has one more layer here, which resizes.
    *_convolution(r"layers\.1[01]\.layers\.0", "residual_conv1"),
    *_convolution(r"layers\.1[01]\.layers\.1", "residual_conv2"),
    Rule(r"layers\.1[12]\.0", "head"),
    Rule(r"layers\.1[12]\.1", "head_norm"),
)


def _rules(options: Options) -> Rules:
    del options
    return _RULES


def _make(norm: Norm | None, options: Options) -> DynamicUNet:
    return DynamicUNet(build_encoder("resnet34"), options.num_classes, norm=norm)


def _unet(norm: Norm | None) -> Reference:
    return Reference(
        make=functools.partial(_make, norm),
        rules=_rules,
        classes=("layers.11.0.weight", "layers.12.0.weight"),
        num_classes=9,
    )


REFERENCES: Mapping[str, Reference] = {
    "fastai/unet-resnet34": _unet(None),
    "fastai/unet-resnet34-batchnorm": _unet("batch"),
}
