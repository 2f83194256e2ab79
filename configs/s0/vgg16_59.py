"""S0, trial 1: U-Net on VGG16, 59 classes.

    python -m fashionjax.main --config=configs/s0/vgg16_59.py[:DATASET]

DATASET as in configs/unet_vgg.py, with the trial's 59 classes on photos and drawings;
`ccp_full` is the document's run. It gives no numbers: most of
the important parts are found, not precisely, and background is taken for clothes.

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
    config.document = "U-Net on VGG16, CCP with 59 classes, 100 epochs at 256×256"
    config.document_run = "--config=configs/s0/vgg16_59.py:ccp_full"
    config.model.encoder = "vgg16"
    recipes.clothing_co_parsing(config, "ccp_59", zoom=0.0)
    return config
