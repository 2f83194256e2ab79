"""S1, Table IV: SegNet by cross-entropy and SGD at 512×512.

    python -m fashionjax.main --config=configs/s1/segnet_sce_sgd_512.py[:DATASET]

DATASET as in configs/segnet.py; `imaterialist2020` is the document's run;
sizes are twice those.
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
    config.document = "SegNet, cross-entropy, SGD, iMaterialist 2020, 512×512"
    config.document_run = "--config=configs/s1/segnet_sce_sgd_512.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="cross_entropy", optimizer="sgd")
    # Twice the size of the run that it is compared with, on any dataset.
    height, width = config.data.image_size
    config.data.image_size = (2 * height, 2 * width)
    return config
