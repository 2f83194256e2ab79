"""PSPNet (named as future work in Clothing Co-Parsing with U-Net).

python -m fashionjax.main --config=configs/pspnet.py[:DATASET]

synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
synthetic_full   drawn figures, 288×192, full model
imaterialist2019 as S3's baselines
ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
ccp4_full, ccp_full  the same at 288×192 with the full model

S0, section 5, names it as future work and gives no numbers; S3's baselines
(configs/panoptic_fpn.py) are trained alike.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("pspnet.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "PSPNet, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/pspnet.py:imaterialist2019"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)

    config.model = presets.model(
        "pspnet",
        "resnet34",
        encoder_options={"features": 64, "output_stride": 8},
        features=512,
        dropout_rate=0.2,
    )
    config.model.pretrained = "torchvision/resnet34"
    recipes.extended_unet(config)
    return config


def _imaterialist2019(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2019")


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 16
    config.model.features = 64


DATASETS = presets.datasets(
    _slim, counts=recipes.EXTENDED_UNET_COUNTS, imaterialist2019=_imaterialist2019
)
