"""Extended U-Net (Vozáriková, Staňa, Semanišín: Clothing Parsing using Extended U-Net).

    python -m fashionjax.main --config=configs/unet_ext.py[:DATASET]

`synthetic` (the default) and the plain names of photo datasets are reduced presets
that two CPU cores finish; `_full` ones have the document's size and length:

    synthetic        drawn figures, 9 classes, 96×64, slim model
    synthetic_full   drawn figures, 9 classes, 288×192
    imaterialist2019 the document's run: 43,470 photos, 9 classes, 288×192
    ccp4, ccp        Clothing Co-Parsing photos, 4 or 59 classes, slim model
    ccp4_full, ccp_full  the same at 288×192 with the full model

The variants of the document's ablation: --config.model.variant=ours, class_only,
branches or plain.
"""

import dataclasses

from ml_collections import ConfigDict

from fashionjax.augment import EXTENDED_UNET, MIRROR

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere."""
    if dataset not in DATASETS:
        raise ValueError(
            f"unet_ext.py has no dataset {dataset!r}; allowed are {', '.join(DATASETS)}"
        )
    config = _document()
    config.dataset = dataset
    DATASETS[dataset](config)
    return config.lock()


def _document() -> ConfigDict:
    """Every hyper-parameter of the document, on the data that it used."""
    config = ConfigDict()
    config.document = "Extended U-Net, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/unet_ext.py:imaterialist2019"
    # What a run under any other name is, in its first line.
    config.scale = "the document's size on other data"
    config.seed = 0

    config.data = ConfigDict()
    config.data.name = "imaterialist2019"
    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)
    config.data.mean = IMAGENET_MEAN
    config.data.std = IMAGENET_STD
    config.data.num_threads = 16
    config.data.num_workers = 0

    config.model = ConfigDict()
    config.model.name = "multitask_unet"
    config.model.variant = "ours"
    config.model.encoder = "resnet34"
    config.model.encoder_features = 64
    config.model.pretrained = "torchvision/resnet34"
    config.model.decoder_features = (512, 384, 256, 96)
    config.model.branch_features = 512
    config.model.dropout_rate = 0.5
    config.model.dtype = "bfloat16"

    _recipe(config)

    # Two phases of ten epochs: first the pretrained encoder is frozen.
    config.num_epochs = 20.0
    config.freeze = ConfigDict({"num_epochs": 10.0, "batch_norm": "fastai"})

    config.augment = ConfigDict(dataclasses.asdict(EXTENDED_UNET))

    config.batch_size = 16
    config.accumulate_steps = 1
    config.ema_decay = 0.0
    config.max_skipped_steps = 0

    config.eval_batch_size = 64
    config.eval_every_epochs = 1.0
    config.best_metric = "pooled_iou_excl_bg"
    config.early_stopping = ConfigDict({"patience": 0, "min_delta": 0.0})
    config.checkpoint_every_steps = 0
    config.log_every_steps = 50
    config.writers = ("tensorboard",)
    config.num_panels = 12
    return config


def _recipe(config: ConfigDict) -> None:
    """Losses, optimiser and schedule of the document."""
    config.objective = ConfigDict()
    config.objective.segmentation = ConfigDict(
        {"weight": 1.0, "background_weight": 1.0, "foreground_weight": 2.0}
    )
    config.objective.tags = ConfigDict({"weight": 0.5})
    config.objective.boxes = ConfigDict({"weight": 75.0, "beta": 1.0})

    # fastai's fit_one_cycle around the document's AdamW.
    config.optimizer = ConfigDict(
        {
            "name": "adamw",
            "b2": 0.99,
            "eps": 1e-8,
            "weight_decay": 1e-3,
            "nesterov": False,  # of "sgd" alone
            "clip_norm": 0.0,
        }
    )
    config.schedule = ConfigDict()
    config.schedule.name = "one_cycle"
    config.schedule.learning_rate = 1e-4
    config.schedule.warmup_fraction = 0.3
    config.schedule.min_momentum = 0.85
    config.schedule.max_momentum = 0.95
    # Of "triangular" alone: full cycles in the run, and peak over base rate.
    config.schedule.num_cycles = 2
    config.schedule.base_div = 25.0
    # Of "poly" and "warmup_cosine" alone.
    config.schedule.min_learning_rate = 0.0
    config.schedule.power = 0.9


def _imaterialist2019(config: ConfigDict) -> None:
    """The document's own data."""
    config.data.raw_dir = ""
    config.data.data_dir = ""


def _synthetic_full(config: ConfigDict) -> None:
    """The document's size and length on drawn figures."""
    config.data.name = "synthetic"
    config.data.num_examples = ConfigDict(
        {"train": 30_429, "val": 3_913, "test": 9_128}
    )


def _synthetic(config: ConfigDict) -> None:
    """What two CPU cores train within twelve minutes, from scratch."""
    _synthetic_full(config)
    _slim(config)
    config.data.num_examples = ConfigDict({"train": 12_500, "val": 200, "test": 300})
    config.data.image_size = (96, 64)
    config.model.encoder_features = 24
    # With 40 injected channels, the full-size layers are half of the arithmetic.
    config.model.decoder_features = (128, 64, 32, 5)
    # Every photo is seen once: nothing to overfit, and dropped-out logits would be
    # injected. The document's 75 lets the boxes lead for the first hundred steps.
    config.model.dropout_rate = 0.0
    config.objective.boxes.weight = 5.0
    config.schedule.learning_rate = 4e-3
    config.batch_size = 8
    config.num_epochs = 1.0
    config.eval_every_epochs = 0.5


def _photos(config: ConfigDict, label_map: str) -> None:
    """Clothing Co-Parsing photos at the document's size."""
    config.data.name = "ccp"
    config.data.label_map = label_map
    config.data.raw_dir = ""
    config.data.data_dir = ""
    config.data.cache = True
    config.model.pretrained = "none"
    config.freeze.num_epochs = 0.0
    config.schedule.learning_rate = 1e-3
    config.num_epochs = 100.0
    config.eval_every_epochs = 5.0
    config.best_metric = "mean_iou"


def _slim_photos(config: ConfigDict, label_map: str) -> None:
    """What two CPU cores train within the hour."""
    _photos(config, label_map)
    _slim(config)
    config.data.image_size = (160, 96)
    config.num_epochs = 15.0
    config.eval_every_epochs = 3.0


def _slim(config: ConfigDict) -> None:
    """A quarter of the encoder's and of the slim decoder's arithmetic."""
    config.scale = "reduced preset"
    config.model.encoder_features = 32
    config.model.decoder_features = (128, 64, 32, 16)
    config.model.branch_features = 128
    config.model.pretrained = "none"
    config.model.dtype = "float32"
    config.freeze.num_epochs = 0.0
    config.augment = ConfigDict(dataclasses.asdict(MIRROR))
    # From scratch the run is too short for a long warm-up.
    config.schedule.learning_rate = 2e-3
    config.schedule.warmup_fraction = 0.1
    config.log_every_steps = 10


DATASETS = {
    "synthetic": _synthetic,
    "synthetic_full": _synthetic_full,
    "imaterialist2019": _imaterialist2019,
    "ccp": lambda config: _slim_photos(config, "ccp_59"),
    "ccp4": lambda config: _slim_photos(config, "ccp_4"),
    "ccp_full": lambda config: _photos(config, "ccp_59"),
    "ccp4_full": lambda config: _photos(config, "ccp_4"),
}
