"""FPN of segmentation_models_pytorch (a baseline of the Extended U-Net).

python -m fashionjax.main --config=configs/panoptic_fpn.py[:DATASET]

synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
synthetic_full   drawn figures at the document's size
imaterialist2019 the document's run
ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
ccp4_full, ccp_full  the same at 288×192 with the full model

S3, Table 2, "FPN"; there IoU without background 67.77 % (`pooled_iou_excl_bg`), overall
88.18 % (`pooled_iou`), mask 89.44 % (`mask_iou`).
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("panoptic_fpn.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "FPN, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/panoptic_fpn.py:imaterialist2019"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)

    config.model = presets.model(
        "panoptic_fpn",
        "resnet34",
        encoder_options={"features": 64},
        pyramid_features=256,
        features=128,
        dropout_rate=0.2,
    )
    config.model.pretrained = "torchvision/resnet34"
    recipes.extended_unet(config)
    return config


def _imaterialist2019(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2019")


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 24
    config.model.pyramid_features = 64
    config.model.features = 32


DATASETS = presets.datasets(
    _slim, counts=recipes.EXTENDED_UNET_COUNTS, imaterialist2019=_imaterialist2019
)
