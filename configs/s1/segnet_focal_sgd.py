"""S1, Table II: SegNet by focal loss and SGD.

    python -m fashionjax.main --config=configs/s1/segnet_focal_sgd.py[:DATASET]

DATASET as in configs/segnet.py; `imaterialist2020` is the document's run.
There: accuracy 0.86 (`pixel_accuracy`), IoU 0.87 (`binary_iou`).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "segnet.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "SegNet, focal loss, SGD, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/s1/segnet_focal_sgd.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="focal", optimizer="sgd")
    return config
