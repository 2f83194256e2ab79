"""S3, Table 2, "ClassBranch only": class scores multiplied by those of the tag branch.

    python -m fashionjax.main --config=configs/s3/class_only.py[:DATASET]

DATASET as in configs/unet_ext.py; `imaterialist2019` is the document's run.
There: IoU without background 73.01 % (`pooled_iou_excl_bg`), overall 90.57 %
(`pooled_iou`), mask 92.16 % (`mask_iou`).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files

BASE = config_files.load_module(Path(__file__).parent.parent / "unet_ext.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = (
        "Extended U-Net, class_only, iMaterialist 2019, 20 epochs, 288×192"
    )
    config.document_run = "--config=configs/s3/class_only.py:imaterialist2019"
    config.model.variant = "class_only"
    return config
