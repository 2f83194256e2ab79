"""S4, section 5: FPN on ResNeXt101, the other reading of the document's "ResNeXt".

    python -m fashionjax.main --config=configs/s4/resnext101.py[:DATASET]

DATASET as in configs/fpn.py; `fashionista` and `cfpd` are the document's runs.
Which ResNeXt it was is not stated; configs/fpn.py has ResNeXt50 and the numbers.
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files

BASE = config_files.load_module(Path(__file__).parent.parent / "fpn.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "FPN on ResNeXt101, Refined Fashionista, 100 epochs at 600×400"
    config.document_run = config.document_run.replace("fpn", "s4/resnext101")
    config.model.encoder = "resnext101_32x4d"
    if config.model.pretrained != "none":
        config.model.pretrained = "timm/resnext101_32x4d"
    return config
