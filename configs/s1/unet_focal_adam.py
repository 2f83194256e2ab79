"""S1, Table I: U-Net by focal loss and Adam.

    python -m fashionjax.main --config=configs/s1/unet_focal_adam.py[:DATASET]

DATASET as in configs/unet_classic.py; `imaterialist2020` is the document's run.
There: accuracy 0.84 (`pixel_accuracy`), IoU 0.86 (`binary_iou`).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "unet_classic.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "U-Net, focal loss, Adam, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/s1/unet_focal_adam.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="focal", optimizer="adam")
    return config
