"""FCN on ResNet50 (Fine Grained Segmentation of Fashion and Apparel).

    python -m fashionjax.main --config=configs/fcn.py[:DATASET]

    synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
    synthetic_full   drawn figures at the document's size
    imaterialist2020 the document's run
    ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
    ccp4_full, ccp_full  the same at 256×256 with the full model

With weights: --config.model.pretrained=torchvision/resnet50, and with torchvision's
auxiliary head: --config.model.aux_head=True.

S1, Table III: its runs and their numbers are configs/s1/fcn_*.py.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("fcn.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "FCN-ResNet50, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/fcn.py:imaterialist2020"
    config.model = presets.model(
        "fcn",
        "resnet50",
        encoder_options={"features": 64, "output_stride": 8},
        aux_head=False,
        dropout_rate=0.1,
    )
    recipes.fine_grained(config)
    # torchvision's weight of its auxiliary head.
    config.objective.aux = presets.loss("aux", 0.5)
    return config


def _imaterialist2020(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2020")


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 16


DATASETS = presets.datasets(
    _slim, counts=recipes.FINE_GRAINED_COUNTS, imaterialist2020=_imaterialist2020
)
