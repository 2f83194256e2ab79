"""S3, Table 2, "Plain U-Net": the Extended U-Net without its branches.

    python -m fashionjax.main --config=configs/s3/plain_unet.py[:DATASET]

DATASET as in configs/unet_ext.py; `imaterialist2019` is the document's run.
There: IoU without background 72.10 % (`pooled_iou_excl_bg`), overall 90.23 %
(`pooled_iou`), mask 92.03 % (`mask_iou`). With `--config.data.refined_dir=DIR`
(docs/refine.md) also Table 1, "Refined".
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files

BASE = config_files.load_module(Path(__file__).parent.parent / "unet_ext.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "Extended U-Net, plain, iMaterialist 2019, 20 epochs, 288×192"
    config.document_run = "--config=configs/s3/plain_unet.py:imaterialist2019"
    config.model.variant = "plain"
    return config
