"""S4, section 5: FPN on ResNeXt101, the other reading of the document's "ResNeXt".

    python -m fashionjax.main --config=configs/s4/resnext101.py[:DATASET]

DATASET as in configs/fpn.py; `fashionista` and `cfpd` are the document's runs.
Which ResNeXt it was is not stated; the numbers of Tables 1 and 2, accuracy 93.26 % and
IoU 49.81 % on `fashionista`, 93.62 and 50.64 % with CRF, stand in configs/fpn.py, which
has ResNeXt50. In no table of ours.
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
