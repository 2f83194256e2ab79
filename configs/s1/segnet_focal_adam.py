"""S1, Table II: SegNet by focal loss and Adam.

    python -m fashionjax.main --config=configs/s1/segnet_focal_adam.py[:DATASET]

DATASET as in configs/segnet.py; `imaterialist2020` is the document's run.
There: accuracy 0.80 (`pixel_accuracy`), IoU 0.82 (`binary_iou`).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "segnet.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "SegNet, focal loss, Adam, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/s1/segnet_focal_adam.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="focal", optimizer="adam")
    return config
