"""The original U-Net (Fine Grained Segmentation of Fashion and Apparel).

    python -m fashionjax.main --config=configs/unet_classic.py[:DATASET]

    synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
    synthetic_full   drawn figures at the document's size
    imaterialist2020 the document's run
    ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
    ccp4_full, ccp_full  the same at 256×256 with the full model

The paper's unpadded convolutions give logits smaller than the image and are for other
code than this training loop.

S1, Tables I and IV: its runs and their numbers are configs/s1/unet_*.py.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("unet_classic.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "U-Net, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/unet_classic.py:imaterialist2020"
    config.model = presets.model(
        "classic_unet", "none", features=(64, 128, 256, 512, 1024), batch_norm=False
    )
    recipes.fine_grained(config)
    return config


def _imaterialist2020(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2020")


def _slim(config: ConfigDict) -> None:
    config.model.features = (16, 32, 64, 128, 256)
    config.model.batch_norm = True


DATASETS = presets.datasets(
    _slim, counts=recipes.FINE_GRAINED_COUNTS, imaterialist2020=_imaterialist2020
)
