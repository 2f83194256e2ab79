"""U-Net on VGG16 or VGG19 (Clothing Co-Parsing with U-Net).

    python -m fashionjax.main --config=configs/unet_vgg.py[:DATASET]

    synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
    synthetic_full   drawn figures at the document's size
    ccp_full, ccp4_full  the document's runs: 59 or 4 classes, 256×256
    ccp, ccp4        the same photos, 160×96, slim model

VGG19: --config.model.encoder=vgg19. The ways of upsampling that the document names:
--config.model.upsampling=deconv, nearest, bilinear or max_unpool.

S0, section 4.1: its four trials, which have pictures and no numbers, are configs/s0/.
Its division of the photos into 90/10, without a test split:
--config.data.split=s0_90_10.
"""

from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.augment import CCP_UNET


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("unet_vgg.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    """Every hyper-parameter of the document, on the data that it used."""
    config = presets.base()
    config.document = "U-Net on VGG16, Clothing Co-Parsing, 100 epochs at 256×256"
    config.document_run = "--config=configs/unet_vgg.py:ccp_full"

    # Drawn figures have no classes of Clothing Co-Parsing.
    config.data.label_map = "imaterialist_9"
    config.data.image_size = (256, 256)
    config.data.mean = (0.0, 0.0, 0.0)
    config.data.std = (1.0, 1.0, 1.0)

    config.model = presets.model(
        "unet",
        "vgg16",
        encoder_options={"features": 64},
        decoder_features=(512, 256, 128, 64, 32),
        upsampling="deconv",
        skip="concat",
        head_size=1,
    )

    # Keras's Adam; stopped after five epochs without improvement.
    config.optimizer.eps = 1e-7
    config.schedule.learning_rate = 1e-4
    config.num_epochs = 100.0
    config.early_stopping.patience = 5
    config.best_metric = "loss"
    config.batch_size = 8
    presets.augment(config, CCP_UNET)
    return config


def _slim(config: ConfigDict) -> None:
    config.model.encoder_options.features = 16
    config.model.decoder_features = (128, 64, 32, 16, 8)


DATASETS = presets.datasets(_slim, counts={"train": 803, "val": 100, "test": 101}) | {
    "ccp4_full": lambda config: presets.ccp(config, "ccp_4"),
    "ccp_full": lambda config: presets.ccp(config, "ccp_59"),
}
