"""S3, Table 1, "Base": the plain U-Net on photos as published.

    python -m fashionjax.main --config=configs/s3/plain_unet_base.py[:DATASET]

DATASET as in configs/unet_ext.py; `imaterialist2019` is the document's run.
There: IoU without background 70.01 % (`pooled_iou_excl_bg`), overall 89.44 %
(`pooled_iou`), mask 91.38 % (`mask_iou`). configs/s3/plain_unet.py with
`--config.data.refined_dir=DIR` is the same on refined photos (docs/refine.md).
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files

BASE = config_files.load_module(Path(__file__).parent.parent / "unet_ext.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the run's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "Extended U-Net, plain, iMaterialist 2019 as published, 288×192"
    config.document_run = "--config=configs/s3/plain_unet_base.py:imaterialist2019"
    config.model.variant = "plain"
    return config
