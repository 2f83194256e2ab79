"""S1, Table IV: U-Net by focal loss and Adam at 512×512.

    python -m fashionjax.main --config=configs/s1/unet_focal_adam_512.py[:DATASET]

DATASET as in configs/unet_classic.py; `imaterialist2020` is the document's run;
sizes are twice those.
There: accuracy 0.79 (`pixel_accuracy`), IoU 0.81 (`binary_iou`).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "unet_classic.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "U-Net, focal loss, Adam, iMaterialist 2020, 512×512"
    config.document_run = "--config=configs/s1/unet_focal_adam_512.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="focal", optimizer="adam")
    # Twice the size of the run that it is compared with, on any dataset.
    height, width = config.data.image_size
    config.data.image_size = (2 * height, 2 * width)
    return config
