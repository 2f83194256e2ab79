"""S0, trial 4: U-Net on VGG19, 4 classes, zoom of 30 %.

    python -m fashionjax.main --config=configs/s0/vgg19_4_zoom.py[:DATASET]

DATASET as in configs/unet_vgg.py, with the trial's 4 classes on photos and drawings;
`ccp4_full` is the document's run. It gives no numbers: a little
worse than without zoom. That its encoder was VGG19 is inferred.

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
    config.document = (
        "U-Net on VGG19, CCP with 4 classes, zoomed, 100 epochs at 256×256"
    )
    config.document_run = "--config=configs/s0/vgg19_4_zoom.py:ccp4_full"
    config.model.encoder = "vgg19"
    recipes.clothing_co_parsing(config, "ccp_4", zoom=0.3)
    return config
