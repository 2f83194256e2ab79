"""What the configs under `configs/` share: every key, and the presets of the datasets.

A config starts from `base()`, which has every key with a neutral value, sets its
document's, and offers datasets through `resolve`. Its `model` part is its own.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict, config_dict

from fashionjax import objectives
from fashionjax.augment import MIRROR, Augmentation
from fashionjax.metrics import Measures

Change = Callable[[ConfigDict], None]

MIXTURE = "ccp4+cfpd4"
"""Clothing Co-Parsing and CFPD under the same four classes."""


def base() -> ConfigDict:
    """Every key that configs share; `document`, `model` and data are the config's."""
    config = ConfigDict()
    config.document = ""
    config.document_run = ""
    # What a run under any other name is, in its first line.
    config.scale = "the document's size on other data"
    config.seed = 0

    config.data = ConfigDict()
    config.data.name = ""
    config.data.label_map = ""
    config.data.image_size = (256, 256)
    # Three numbers each; None for what the pretrained weights say, else ImageNet's.
    config.data.mean = config_dict.placeholder(tuple)
    config.data.std = config_dict.placeholder(tuple)
    # "stream" reads every batch anew; "resident" keeps the split on the devices.
    config.data.input = "stream"
    # Photos of classes that fewer than this share of the photos have come more often
    # (repeat-factor sampling; LVIS takes 0.001); 0 for each once an epoch.
    config.data.repeat_threshold = 0.0
    config.data.num_threads = 16
    config.data.num_workers = 0

    # The sum of these; a term of weight 0 is left out.
    config.objective = ConfigDict(
        {
            "segmentation": loss("segmentation", 1.0),
            "dice": loss("dice", 0.0),
            "tversky": loss("tversky", 0.0),
            "lovasz": loss("lovasz", 0.0),
        }
    )

    config.optimizer = ConfigDict()
    config.optimizer.name = "adam"
    config.optimizer.b2 = 0.999
    config.optimizer.eps = 1e-8
    config.optimizer.weight_decay = 0.0  # of "adamw" and "sgd" alone
    config.optimizer.nesterov = False  # of "sgd" alone
    config.optimizer.clip_norm = 0.0

    config.schedule = ConfigDict()
    config.schedule.name = "constant"
    config.schedule.learning_rate = 1e-4
    config.schedule.warmup_fraction = 0.3
    config.schedule.min_momentum = 0.85
    # Adam's beta1, SGD's momentum; all schedules but the cyclic ones keep it.
    config.schedule.max_momentum = 0.9
    # Of "triangular" alone: full cycles in the run, and peak over base rate.
    config.schedule.num_cycles = 2
    config.schedule.base_div = 25.0
    # Of "poly" and "warmup_cosine" alone.
    config.schedule.min_learning_rate = 0.0
    config.schedule.power = 0.9

    config.num_epochs = 1.0
    config.freeze = ConfigDict({"num_epochs": 0.0, "batch_norm": "fastai"})

    augment(config, Augmentation())

    config.batch_size = 8
    config.accumulate_steps = 1
    # Devices that share each photo, for photos too large for one.
    config.spatial_shards = 1
    config.ema_decay = 0.0
    config.max_skipped_steps = 0

    _evaluate(config)
    config.best_metric = "mean_iou"
    config.early_stopping = ConfigDict({"patience": 0, "min_delta": 0.0})
    config.checkpoint_every_steps = 0
    config.log_every_steps = 50
    config.writers = ("tensorboard",)
    config.num_panels = 12
    return config


def _evaluate(config: ConfigDict) -> None:
    """How often, in which batches and what is evaluated."""
    config.eval_every_epochs = 1.0
    config.eval_batch_size = 64
    # What is measured beside the confusion matrix; see docs/metrics.md.
    config.eval = ConfigDict(dataclasses.asdict(Measures()))
    # Under --crf alone. None for what `fashionjax.crf_search` found for the run, or
    # else what `fashionjax.train.crf` says.
    config.crf = ConfigDict(
        {
            "bilateral_sxy": config_dict.placeholder(float),
            "bilateral_srgb": config_dict.placeholder(float),
            "bilateral_compat": config_dict.placeholder(float),
            "gaussian_sxy": 1.0,
            "gaussian_compat": 1.0,
            "num_iterations": 10,
        }
    )


def model(
    name: str,
    encoder: str,
    *,
    encoder_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> ConfigDict:
    """The part `model`: what all models have, and the attributes of this one.

    Args:
        name: Name of the model in `fashionjax.builders`.
        encoder: Name of its encoder; "none" for a model that is its own.
        encoder_options: Attributes of the encoder.
        **options: Attributes of the model.
    """
    common = {
        "name": name,
        "encoder": encoder,
        "encoder_options": dict(encoder_options or {}),
        "pretrained": "none",
        "dtype": "bfloat16",
    }
    return ConfigDict(common | options)


def loss(name: str, weight: float) -> ConfigDict:
    """A part of `objective`, with all the term's keys at their neutral values.

    Args:
        name: Name of the term in `fashionjax.objectives`.
        weight: Its factor in the sum; 0 leaves it out.
    """
    return ConfigDict({"weight": weight, **objectives.OPTIONS[name]})


def augment(config: ConfigDict, augmentation: Augmentation) -> None:
    """Sets how images are augmented."""
    config.augment = ConfigDict(dataclasses.asdict(augmentation))


def resolve(
    file: str, document: ConfigDict, datasets: Mapping[str, Change], dataset: str
) -> ConfigDict:
    """The config of a run.

    Args:
        file: Name of the config's file, for messages.
        document: Every hyper-parameter of the document.
        datasets: What each dataset changes, by name.
        dataset: Name of a dataset.

    Returns:
        The locked config.

    Raises:
        ValueError: If the config has no such dataset.
    """
    if dataset not in datasets:
        raise ValueError(
            f"{file} has no dataset {dataset!r}; allowed are {', '.join(datasets)}"
        )
    document.dataset = dataset
    datasets[dataset](document)
    return document.lock()


def datasets(
    slim: Change, *, counts: Mapping[str, int], **own: Change
) -> dict[str, Change]:
    """The datasets that every config has.

    Args:
        slim: Makes the model small enough for two CPU cores.
        counts: Examples of each split of the document's dataset, for drawn figures in
            the same number.
        **own: The document's own datasets by name.

    Returns:
        What each dataset changes: `synthetic` and the plain names of photo datasets are
        reduced presets, `_full` ones have the document's size and length.
    """

    def drawn(config: ConfigDict) -> None:
        synthetic_full(config, counts)

    def drawn_slim(config: ConfigDict) -> None:
        synthetic(config, slim)

    def mixed(config: ConfigDict) -> None:
        photos(config, "ccp_4")
        config.data.name = MIXTURE

    def mixed_slim(config: ConfigDict) -> None:
        slim_photos(config, slim, "ccp_4")
        config.data.name = MIXTURE

    return {
        "synthetic": drawn_slim,
        "synthetic_full": drawn,
        **own,
        "ccp4": lambda config: slim_photos(config, slim, "ccp_4"),
        "ccp": lambda config: slim_photos(config, slim, "ccp_59"),
        "ccp4_full": lambda config: photos(config, "ccp_4"),
        "ccp_full": lambda config: photos(config, "ccp_59"),
        MIXTURE: mixed_slim,
        f"{MIXTURE}_full": mixed,
    }


def synthetic_full(config: ConfigDict, counts: Mapping[str, int]) -> None:
    """The document's size and length on drawn figures."""
    config.data.name = "synthetic"
    config.data.num_examples = ConfigDict(dict(counts))


def synthetic(config: ConfigDict, slim: Change) -> None:
    """What two CPU cores train within minutes, from scratch."""
    synthetic_full(config, {"train": 4_000, "val": 100, "test": 200})
    reduce(config, slim)
    config.data.image_size = (96, 64)
    config.batch_size = 8
    config.num_epochs = 1.0
    config.eval_every_epochs = 0.5


def own(config: ConfigDict, name: str, *, label_map: str = "") -> None:
    """The document's own dataset.

    Args:
        config: The document's config.
        name: Name of the dataset.
        label_map: Its label map; empty for the one that drawn figures have too.
    """
    config.data.name = name
    config.data.label_map = label_map or config.data.label_map
    config.data.raw_dir = ""
    config.data.data_dir = ""
    # How photos are divided; empty for the dataset's first scheme (docs/datasets.md).
    config.data.split = ""
    # A folder of `refine`'s decisions, for the photos as it crops them.
    config.data.refined_dir = ""
    # Which of several instances is on top, where the dataset labels instances.
    config.data.overlap = "smaller_wins"
    # The number of a photo's first pixel, where labels are run lengths; 1 or 0.
    config.data.first_pixel = 1
    config.data.cache = False
    config.data.resized = "none"


def ccp(config: ConfigDict, label_map: str) -> None:
    """Clothing Co-Parsing photos, everything else as it is."""
    own(config, "ccp", label_map=label_map)
    config.data.cache = True


def photos(config: ConfigDict, label_map: str) -> None:
    """Clothing Co-Parsing photos at the document's size, from scratch."""
    ccp(config, label_map)
    config.model.pretrained = "none"
    config.freeze.num_epochs = 0.0
    config.schedule.learning_rate = 1e-3
    config.num_epochs = 100.0
    config.eval_every_epochs = 5.0
    config.best_metric = "mean_iou"


def slim_photos(config: ConfigDict, slim: Change, label_map: str) -> None:
    """What two CPU cores train within the hour."""
    photos(config, label_map)
    reduce(config, slim)
    config.data.image_size = (160, 96)
    config.num_epochs = 15.0
    config.eval_every_epochs = 3.0


def reduce(config: ConfigDict, slim: Change) -> None:
    """A small model and a schedule for a short run from scratch, in float32."""
    config.scale = "reduced preset"
    config.model.pretrained = "none"
    config.model.dtype = "float32"
    config.freeze.num_epochs = 0.0
    augment(config, MIRROR)
    # From scratch the run is too short for a long warm-up.
    config.schedule.learning_rate = 2e-3
    config.schedule.warmup_fraction = 0.1
    config.log_every_steps = 10
    slim(config)
