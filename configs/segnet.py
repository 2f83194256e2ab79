"""SegNet (Fine Grained Segmentation of Fashion and Apparel).

    python -m fashionjax.main --config=configs/segnet.py[:DATASET]

    synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
    synthetic_full   drawn figures at the document's size
    imaterialist2020 the document's run
    ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
    ccp4_full, ccp_full  the same at 256×256 with the full model

The document does not say whether the encoder was pretrained; with weights:
--config.model.pretrained=torchvision/vgg16_bn.

S1, Tables II and IV: its runs and their numbers are configs/s1/segnet_*.py.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("segnet.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "SegNet, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/segnet.py:imaterialist2020"
    config.model = presets.model("segnet", "vgg16_bn", encoder_options={"features": 64})
    recipes.fine_grained(config)
    return config


def _imaterialist2020(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2020")


def _slim(config: ConfigDict) -> None:
    config.model.encoder_options.features = 16


DATASETS = presets.datasets(
    _slim, counts=recipes.FINE_GRAINED_COUNTS, imaterialist2020=_imaterialist2020
)
