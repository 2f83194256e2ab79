"""Every model of the benchmark in torch, by its name there.

A public implementation where there is one, else one written for the benchmark.
"""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

from collections.abc import Callable, Mapping

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torch import nn
from twin_fcn8s import FCN8s
from twin_fpn import FPN
from twin_multitask import MultitaskUNet
from twin_ocrnet import OCRNet
from twin_pspnet import PSPNet
from twin_segnet import SegNet
from twin_unets import DynamicUNet, VGGUNet

Build = Callable[[int, tuple[int, int]], nn.Module]
"""From a number of classes and (height, width) to a model."""


def _smp(model: type[nn.Module], encoder: str) -> Build:
    def build(num_classes: int, size: tuple[int, int]) -> nn.Module:
        del size
        return model(encoder, encoder_weights=None, classes=num_classes)

    return build


def _own(model: Callable[..., nn.Module], *arguments: str) -> Build:
    def build(num_classes: int, size: tuple[int, int]) -> nn.Module:
        del size
        return model(*arguments, num_classes)

    return build


def _fcn(num_classes: int, size: tuple[int, int]) -> nn.Module:
    del size
    return torchvision.models.segmentation.fcn_resnet50(
        weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=False
    )


def _unet_lite0(num_classes: int, size: tuple[int, int]) -> nn.Module:
    model = _smp(smp.Unet, "timm-tf_efficientnet_lite0")(num_classes, size)
    # Of the classifier, and not used.
    del model.encoder.conv_head, model.encoder.bn2
    for module in model.modules():
        # Ours leaves out no block in training.
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0
    return model


TWINS: Mapping[str, Build] = {
    "unet-vgg16": _own(VGGUNet, "vgg16"),
    "unet-vgg19": _own(VGGUNet, "vgg19"),
    "unet-resnet34": _smp(smp.Unet, "resnet34"),
    "segnet-vgg16": _own(SegNet),
    "extunet": MultitaskUNet,
    "fcn-resnet50": _fcn,
    "fpn-resnext50": _own(FPN, "resnext50_32x4d"),
    "fpn-resnext101_32x8d": _own(FPN, "resnext101_32x8d"),
    "deeplabv3-resnet50": _smp(smp.DeepLabV3, "resnet50"),
    "deeplabv3plus-resnet50": _smp(smp.DeepLabV3Plus, "resnet50"),
    "ocrnet-hrnet_w18": _own(OCRNet, "hrnet_w18"),
    "panoptic_fpn-resnet34": _smp(smp.FPN, "resnet34"),
    "pspnet-resnet34": _own(PSPNet, "resnet34"),
    "linknet-resnet34": _smp(smp.Linknet, "resnet34"),
    "dynamic_unet-resnet34": _own(DynamicUNet),
    "unet-efficientnet_lite0": _unet_lite0,
    "fcn8s-vgg16": _own(FCN8s),
}


def build(name: str, num_classes: int, size: tuple[int, int]) -> nn.Module:
    """Builds the twin of a model.

    Args:
        name: A key of `TWINS`.
        num_classes: Number of classes.
        size: (height, width) of the images.
    """
    return TWINS[name](num_classes, size)


def version() -> str:
    """The versions of torch and of the libraries that the models come from."""
    return (
        f"torch {torch.__version__}, torchvision {torchvision.__version__},"
        f" smp {smp.__version__}, timm {timm.__version__}"
    )
