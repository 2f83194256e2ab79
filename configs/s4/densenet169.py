"""S4, section 5: FPN on DenseNet169, 3 times fewer parameters than on ResNeXt101.

    python -m fashionjax.main --config=configs/s4/densenet169.py[:DATASET]

DATASET as in configs/fpn.py; `fashionista` and `cfpd` are the document's runs.
It gives no numbers, with CRF or without: accuracy is marginally lower than on ResNeXt
(configs/s4/resnext101.py); which DenseNet it was is not stated. In no table of ours.
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files

BASE = config_files.load_module(Path(__file__).parent.parent / "fpn.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "FPN on DenseNet169, Refined Fashionista, 100 epochs at 600×400"
    config.document_run = config.document_run.replace("fpn", "s4/densenet169")
    config.model.encoder = "densenet169"
    if config.model.pretrained != "none":
        config.model.pretrained = "torchvision/densenet169"
    return config
