"""The models of the benchmark, by name, and what a row of it measures."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
from ml_collections import ConfigDict

from fashionjax import builders, losses, presets
from fashionjax.losses import Objective, Term

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Workload:
    """A model as its document trains it.

    Attributes:
        model: The part `model` of a config.
        image_size: (height, width).
        num_classes: Number of classes, background included.
        branches: Terms of the objective beside that of the logits, as in a config.
    """

    model: ConfigDict
    image_size: Size
    num_classes: int = 25
    branches: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )


def _on_resnet34(name: str, **options: Any) -> Workload:
    model = presets.model(name, "resnet34", **options)
    return Workload(model, (288, 192))


def _on_resnet50(name: str, output_stride: int, **options: Any) -> Workload:
    encoder_options = {"output_stride": output_stride, "dilation_style": "smp"}
    model = presets.model(
        name, "resnet50", encoder_options=encoder_options, rates=(12, 24, 36), **options
    )
    return Workload(model, (288, 192))


def _unet_vgg(encoder: str) -> Workload:
    model = presets.model(
        "unet",
        encoder,
        decoder_features=(512, 256, 128, 64, 32),
        upsampling="deconv",
        head_size=1,
    )
    return Workload(model, (256, 256))


def _fpn(encoder: str) -> Workload:
    return Workload(presets.model("fpn", encoder), (600, 400))


MODELS: Mapping[str, Workload] = {
    "unet-vgg16": _unet_vgg("vgg16"),
    "unet-vgg19": _unet_vgg("vgg19"),
    "unet-resnet34": _on_resnet34("unet", full_size_skip=False),
    "segnet-vgg16": Workload(presets.model("segnet", "vgg16_bn"), (256, 256)),
    "extunet": Workload(
        presets.model("multitask_unet", "resnet34", variant="ours"),
        (288, 192),
        num_classes=9,
        branches={"tags": {"weight": 0.5}, "boxes": {"weight": 75.0, "beta": 1.0}},
    ),
    "fcn-resnet50": Workload(
        presets.model("fcn", "resnet50", encoder_options={"output_stride": 8}),
        (256, 256),
    ),
    "fpn-resnext50": _fpn("resnext50_32x4d"),
    "fpn-resnext101_32x8d": _fpn("resnext101_32x8d"),
    "deeplabv3-resnet50": _on_resnet50("deeplabv3", 8, align_corners=True),
    "deeplabv3plus-resnet50": _on_resnet50("deeplabv3plus", 16),
    "ocrnet-hrnet_w18": Workload(
        presets.model("ocrnet", "hrnet_w18"),
        (256, 256),
        branches={"aux": {"weight": 0.4}},
    ),
    "panoptic_fpn-resnet34": _on_resnet34("panoptic_fpn"),
    "pspnet-resnet34": _on_resnet34("pspnet", encoder_options={"output_stride": 8}),
    "linknet-resnet34": _on_resnet34("linknet"),
    "dynamic_unet-resnet34": _on_resnet34("dynamic_unet"),
    "unet-efficientnet_lite0": Workload(
        presets.model("unet", "efficientnet_lite0", full_size_skip=False),
        (144, 96),
    ),
    "fcn8s-vgg16": Workload(presets.model("skip_fcn", "vgg16"), (288, 192)),
}
"""By their names on the command line; at the sizes of the documents' configs."""

DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a row measures: a model under all that changes its cost.

    Attributes:
        name: A key of `MODELS`.
        batch_size: Images a step.
        image_size: (height, width).
        num_classes: Number of classes.
        dtype: Type of the computation, one of `DTYPES`.
        seed: Of weights and images.
    """

    name: str
    batch_size: int
    image_size: Size
    num_classes: int
    dtype: str = "float32"
    seed: int = 0

    def build(self) -> nn.Module:
        """Builds the model."""
        config = ConfigDict(MODELS[self.name].model.to_dict())
        config.dtype = self.dtype
        return builders.build_model(
            config, num_classes=self.num_classes, image_size=self.image_size
        )

    def build_objective(self, model: nn.Module) -> Objective:
        """Cross-entropy of the logits, and the model's own terms of its branches."""
        branches = MODELS[self.name].branches
        if not branches:
            return Objective((_SEGMENTATION,))
        config = ConfigDict({name: dict(term) for name, term in branches.items()})
        others = builders.build_objective(config, model, self.num_classes)
        return Objective((_SEGMENTATION, *others.terms))

    def record(self) -> dict[str, Any]:
        """What identifies the row, by name."""
        return {
            "model": self.name,
            "batch": self.batch_size,
            "size": "x".join(map(str, self.image_size)),
            "classes": self.num_classes,
            "dtype": self.dtype,
            "seed": self.seed,
        }


_SEGMENTATION = Term(
    "segmentation",
    1.0,
    lambda outputs, targets: losses.softmax_cross_entropy(
        outputs.logits, targets.label
    ),
)


def make_setting(
    name: str,
    *,
    batch_size: int,
    image_size: Size | None = None,
    num_classes: int | None = None,
    dtype: str = "float32",
    seed: int = 0,
) -> Setting:
    """Completes a setting by what the model's document has.

    Args:
        name: A key of `MODELS`.
        batch_size: Images a step.
        image_size: (height, width); None for the document's.
        num_classes: Number of classes; None for the document's, else 25.
        dtype: One of `DTYPES`.
        seed: Of weights and images.

    Raises:
        ValueError: If there is no such model or type.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; allowed are {', '.join(MODELS)}")
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}; allowed are {', '.join(DTYPES)}")
    workload = MODELS[name]
    return Setting(
        name=name,
        batch_size=batch_size,
        image_size=image_size or workload.image_size,
        num_classes=num_classes or workload.num_classes,
        dtype=dtype,
        seed=seed,
    )
