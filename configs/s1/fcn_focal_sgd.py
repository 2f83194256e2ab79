"""S1, Table III: FCN-ResNet50 by focal loss and SGD.

    python -m fashionjax.main --config=configs/s1/fcn_focal_sgd.py[:DATASET]

DATASET as in configs/fcn.py; `imaterialist2020` is the document's run.
The document leaves its accuracy and IoU out.
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "fcn.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "FCN-ResNet50, focal loss, SGD, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/s1/fcn_focal_sgd.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="focal", optimizer="sgd")
    return config
