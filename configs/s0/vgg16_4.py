"""S0, trial 2: U-Net on VGG16, 4 classes.

    python -m fashionjax.main --config=configs/s0/vgg16_4.py[:DATASET]

DATASET as in configs/unet_vgg.py, with the trial's 4 classes on photos and drawings;
`ccp4_full` is the document's run. It gives no numbers: contours
are better than with 59 classes; clothes, skin and hair are mixed up.

Photos are divided 80/10/10. The document's own 90/10, whose val stands in for the test
split that it lacks: --config.data.split=s0_90_10.
"""

from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import config_files, recipes

BASE = config_files.load_module(Path(__file__).parent.parent / "unet_vgg.py")
DATASETS = BASE.DATASETS


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the base's configuration, and the trial's changes on any dataset."""
    config = BASE.get_config(dataset)
    config.document = "U-Net on VGG16, CCP with 4 classes, 100 epochs at 256×256"
    config.document_run = "--config=configs/s0/vgg16_4.py:ccp4_full"
    config.model.encoder = "vgg16"
    recipes.clothing_co_parsing(config, "ccp_4", zoom=0.0)
    return config
