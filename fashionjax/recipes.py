"""How the documents trained, where several of their models shared a recipe."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false

from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.augment import EXTENDED_UNET, MIRROR


def extended_unet(config: ConfigDict) -> None:
    """Clothing Parsing using Extended U-Net: its model and its baselines.

    Two phases of ten epochs, the pretrained encoder frozen in the first, fastai's
    fit_one_cycle around AdamW; the foreground counts double.
    """
    config.objective.segmentation.foreground_weight = 2.0

    config.optimizer.name = "adamw"
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 1e-3
    config.schedule.name = "one_cycle"
    config.schedule.learning_rate = 1e-4
    config.schedule.max_momentum = 0.95

    config.num_epochs = 20.0
    config.freeze.num_epochs = 10.0
    config.batch_size = 16
    presets.augment(config, EXTENDED_UNET)
    config.best_metric = "pooled_iou_excl_bg"


EXTENDED_UNET_COUNTS = {"train": 30_429, "val": 3_913, "test": 9_128}
"""Photos of the splits of iMaterialist 2019, as that document refined it."""


def clothing_co_parsing(config: ConfigDict, label_map: str, *, zoom: float) -> None:
    """What tells the trials of Clothing Co-Parsing with U-Net apart, on any dataset.

    Args:
        config: The document's config, of any dataset.
        label_map: The trial's classes, "ccp_59" or "ccp_4"; the mixture has its own.
        zoom: The trial's zoom, as `Augmentation` has it.
    """
    if config.data.name in ("ccp", "synthetic"):
        config.data.label_map = label_map
    config.augment.zoom = zoom


def fine_grained(config: ConfigDict) -> None:
    """Fine Grained Segmentation of Fashion and Apparel: U-Net, SegNet and FCN.

    Adam with 1e-3 (`fine_grained_run` has the other runs); mirrored images in [0, 1].
    Batch size and epochs are not stated; these are ours.
    """
    config.data.label_map = "fashionpedia_47"
    config.data.image_size = (256, 256)
    config.data.mean = (0.0, 0.0, 0.0)
    config.data.std = (1.0, 1.0, 1.0)
    config.optimizer.name = "adam"
    config.schedule.learning_rate = 1e-3
    config.num_epochs = 20.0
    config.batch_size = 16
    presets.augment(config, MIRROR)
    config.best_metric = "binary_iou"


FINE_GRAINED_COUNTS = {"train": 36_498, "val": 4_562, "test": 4_563}
"""iMaterialist 2020's 45,623 photos, 80/10/10."""


def fine_grained_run(config: ConfigDict, *, loss: str, optimizer: str) -> None:
    """One of the runs that the same document compares, on any dataset.

    Args:
        config: The document's config, of any dataset.
        loss: "cross_entropy" or "focal"; its gamma is not stated, 2 is ours.
        optimizer: "adam", or "sgd" with a learning rate of 1e-2 and Keras's momentum 0.
    """
    config.objective.segmentation.loss = loss
    config.optimizer.name = optimizer
    if optimizer == "sgd":
        config.schedule.learning_rate = 1e-2
        config.schedule.max_momentum = 0.0
