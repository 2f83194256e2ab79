"""S1, Table II: SegNet by cross-entropy and Adam.

    python -m fashionjax.main --config=configs/s1/segnet_sce_adam.py[:DATASET]

DATASET as in configs/segnet.py; `imaterialist2020` is the document's run.
There: accuracy 0.82 (`pixel_accuracy`), IoU 0.85 (`binary_iou`).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "segnet.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "SegNet, cross-entropy, Adam, iMaterialist 2020, 256×256"
    config.document_run = "--config=configs/s1/segnet_sce_adam.py:imaterialist2020"
    recipes.fine_grained_run(config, loss="cross_entropy", optimizer="adam")
    return config
