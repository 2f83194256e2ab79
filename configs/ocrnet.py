"""OCRNet on HRNet-W18 (Fashion parsing, Fashionpedia).

python -m fashionjax.main --config=configs/ocrnet.py[:DATASET]

synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
synthetic_full   drawn figures at the document's size
fashionpedia     the document's run: 20,000 steps
ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
ccp4_full, ccp_full  the same at 256×256 with the full model

S2, Table 2; there aAcc 93.7 % (`pixel_accuracy`), mIoU 14.93 % (`mean_iou`) and mAcc
19.01 % (`mean_class_accuracy`). As there, all 1,158 validation photos are evaluated:
they choose the checkpoint, and no photo is left to test. For halves of them to validate
and to test: --config.data.split=val_halved. Decision: photos and labels are resized to
256×256, to train and to evaluate; the records keep their own size, without the
document's maximum of 1024×1024.
"""

from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.augment import MIRROR

COUNTS = {"train": 45_623, "val": 1_158, "test": 1_158}


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("ocrnet.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "OCRNet-HRNetW18, Fashionpedia, 20,000 steps at 256×256"
    config.document_run = "--config=configs/ocrnet.py:fashionpedia"

    config.data.label_map = "fashionpedia_47"
    config.data.image_size = (256, 256)

    config.model = presets.model(
        "ocrnet",
        "hrnet_w18",
        encoder_options={"features": 18, "fuse": "bilinear"},
        features=512,
        key_features=256,
    )
    config.model.pretrained = "timm/hrnet_w18"
    config.objective.aux = presets.loss("aux", 0.4)

    # mmseg's schedule of 20,000 steps.
    config.optimizer.name = "sgd"
    config.optimizer.weight_decay = 5e-4
    config.schedule.name = "poly"
    config.schedule.learning_rate = 1e-2
    config.schedule.min_learning_rate = 1e-4
    config.schedule.max_momentum = 0.9
    config.batch_size = 8
    config.num_epochs = 20_000 / (COUNTS["train"] // config.batch_size)
    presets.augment(config, MIRROR)
    return config


def _fashionpedia(config: ConfigDict) -> None:
    presets.own(config, "fashionpedia")
    config.data.split = "s2_val"


def _slim(config: ConfigDict) -> None:
    config.model.encoder_options.features = 8
    config.model.features = 64
    config.model.key_features = 32
    config.schedule.learning_rate = 1e-2
    config.schedule.min_learning_rate = 0.0


DATASETS = presets.datasets(_slim, counts=COUNTS, fashionpedia=_fashionpedia)
