"""Models: encoder, decoder and heads; an image in, `types.Outputs` out."""

from fashionjax.models.classic_unet import ClassicUNet
from fashionjax.models.deeplab import DeepLabV3, DeepLabV3Plus
from fashionjax.models.dynamic_unet import DynamicUNet
from fashionjax.models.fcn import FCN
from fashionjax.models.fcn_vgg import SkipFCN
from fashionjax.models.fpn import FPN
from fashionjax.models.linknet import LinkNet
from fashionjax.models.multitask_unet import MultitaskUNet
from fashionjax.models.ocrnet import OCRNet
from fashionjax.models.panoptic_fpn import PanopticFPN
from fashionjax.models.pspnet import PSPNet
from fashionjax.models.segnet import SegNet
from fashionjax.models.unet import UNet

__all__ = [
    "FCN",
    "FPN",
    "ClassicUNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DynamicUNet",
    "LinkNet",
    "MultitaskUNet",
    "OCRNet",
    "PSPNet",
    "PanopticFPN",
    "SegNet",
    "SkipFCN",
    "UNet",
]
