"""U-Net of segmentation_models_pytorch, over any encoder.

python -m fashionjax.main --config=configs/unet.py[:DATASET]

synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
synthetic_full   drawn figures, 288×192, full model
imaterialist2019 as S3's baselines
ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
ccp4_full, ccp_full  the same at 288×192 with the full model

No document has this decoder, nor numbers of it; S3's baselines
(configs/panoptic_fpn.py) are trained alike. S0, section 5, names other encoders as
future work.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("unet.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "U-Net, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/unet.py:imaterialist2019"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)

    config.model = presets.model(
        "unet",
        "resnet34",
        encoder_options={"features": 64},
        decoder_features=(256, 128, 64, 32, 16),
        upsampling="nearest",
        skip="concat",
        full_size_skip=False,
        head_size=3,
    )
    config.model.pretrained = "torchvision/resnet34"
    recipes.extended_unet(config)
    return config


def _imaterialist2019(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2019")


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 24
    config.model.decoder_features = (96, 48, 32, 16, 8)


DATASETS = presets.datasets(
    _slim, counts=recipes.EXTENDED_UNET_COUNTS, imaterialist2019=_imaterialist2019
)
