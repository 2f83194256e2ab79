"""The models of the project, what they are after and the configs that train them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the table of models.

    Attributes:
        name: What people call the model.
        paper: Where it was published.
        reference: The public implementation that it equals, as `fashionjax.pretrained`
            knows it, or what else it was checked against.
        config: The config that trains it, at the size to describe ("unet:ccp_full").
    """

    name: str
    paper: str
    reference: str
    config: str


ENTRIES = (
    Entry(
        "Extended U-Net",
        "Vozáriková et al.: Clothing Parsing using Extended U-Net",
        "parameter counts of the specification",
        "unet_ext:synthetic_full",
    ),
    Entry(
        "U-Net on VGG16",
        "Clothing Co-Parsing with U-Net",
        "a restatement in torch",
        "unet_vgg:ccp_full",
    ),
    Entry(
        "U-Net on any encoder",
        "Ronneberger et al., 2015",
        "smp/unet-resnet34",
        "unet:synthetic_full",
    ),
    Entry(
        "U-Net on EfficientNet-Lite0",
        "Liu: Higher accuracy on vision models with EfficientNet-Lite, 2020",
        "`efficientnet_lite0` (encoder)",
        "unet_lite0:ccp4",
    ),
    Entry(
        "DynamicUNet",
        "Howard et al.: fastai v1",
        "fastai/unet-resnet34-batchnorm",
        "dynamic_unet:synthetic_full",
    ),
    Entry(
        "Classic U-Net",
        "Ronneberger et al., 2015",
        "a restatement in torch",
        "unet_classic:synthetic_full",
    ),
    Entry(
        "SegNet",
        "Badrinarayanan et al., 2017",
        "a restatement in torch",
        "segnet:synthetic_full",
    ),
    Entry(
        "FCN-ResNet50",
        "Long et al., 2015",
        "torchvision/fcn_resnet50",
        "fcn:synthetic_full",
    ),
    Entry(
        "FCN-8s on VGG16 (16s, 32s: `model.stride`)",
        "Long et al., 2015",
        "torchfcn/fcn8s-vgg16, torchfcn/fcn16s-vgg16, torchfcn/fcn32s-vgg16 with"
        " `pad100=True`",
        "fcn8s:synthetic_full",
    ),
    Entry(
        "FPN on ResNeXt50",
        "Semantic Segmentation of Fashion Images Using FPN",
        "a restatement in torch",
        "fpn:synthetic_full",
    ),
    Entry(
        "Panoptic FPN",
        "Kirillov et al., 2019",
        "smp/fpn-resnet34",
        "panoptic_fpn:synthetic_full",
    ),
    Entry(
        "DeepLabV3",
        "Chen et al., 2017",
        "smp/deeplabv3-resnet34, torchvision/deeplabv3_resnet50",
        "deeplabv3:synthetic_full",
    ),
    Entry(
        "DeepLabV3+",
        "Chen et al., 2018",
        "smp/deeplabv3plus-resnet34",
        "deeplabv3plus:synthetic_full",
    ),
    Entry(
        "OCRNet on HRNet-W18",
        "Yuan et al., 2020",
        "mmseg/ocrnet_hr18",
        "ocrnet:synthetic_full",
    ),
    Entry(
        "PSPNet",
        "Zhao et al., 2017",
        "smp/pspnet-resnet34 (three stages; the config's four are dilated, as the"
        " paper's)",
        "pspnet:synthetic_full",
    ),
    Entry(
        "LinkNet",
        "Chaurasia and Culurciello, 2017",
        "smp/linknet-resnet34",
        "linknet:synthetic_full",
    ),
)
