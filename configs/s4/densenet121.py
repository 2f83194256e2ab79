"""S4, section 5: FPN on DenseNet121, 2.8 times fewer parameters than on ResNeXt50.

    python -m fashionjax.main --config=configs/s4/densenet121.py[:DATASET]

DATASET as in configs/fpn.py; `fashionista` and `cfpd` are the document's runs.
It gives no numbers, with CRF or without: accuracy is marginally lower than on ResNeXt
(configs/fpn.py); which DenseNet it was is not stated. Rows of ours in
`python -m fashionjax.reproduce s4-table1` and `s4-table2`.
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files

BASE = config_files.load_module(Path(__file__).parent.parent / "fpn.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "FPN on DenseNet121, Refined Fashionista, 100 epochs at 600×400"
    config.document_run = config.document_run.replace("fpn", "s4/densenet121")
    config.model.encoder = "densenet121"
    if config.model.pretrained != "none":
        config.model.pretrained = "torchvision/densenet121"
    return config
