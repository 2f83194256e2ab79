"""DeepLabV3 (a baseline of the Extended U-Net).

python -m fashionjax.main --config=configs/deeplabv3.py[:DATASET]

synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
synthetic_full   drawn figures at the document's size
imaterialist2019 the document's run
ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
ccp4_full, ccp_full  the same at 288×192 with the full model

S3, Table 2, "DeepLabV3"; there IoU without background 68.91 % (`pooled_iou_excl_bg`),
overall 88.33 % (`pooled_iou`), mask 88.80 % (`mask_iou`).
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("deeplabv3.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "DeepLabV3, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/deeplabv3.py:imaterialist2019"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)

    config.model = presets.model(
        "deeplabv3",
        "resnet34",
        encoder_options={
            "features": 64,
            "output_stride": 8,
            "dilation_style": "smp",
        },
        features=256,
        rates=(12, 24, 36),
        align_corners=True,
        aux_head=False,
        dropout_rate=0.5,
    )
    # Where `model.aux_head` is on; torchvision's weight of it.
    config.objective.aux = presets.loss("aux", 0.5)
    config.model.pretrained = "torchvision/resnet34"
    recipes.extended_unet(config)
    return config


def _imaterialist2019(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2019")


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 16
    config.model.features = 64
    config.model.rates = (2, 4, 6)


DATASETS = presets.datasets(
    _slim, counts=recipes.EXTENDED_UNET_COUNTS, imaterialist2019=_imaterialist2019
)
