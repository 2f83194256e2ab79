"""From a configuration to objects: where the names of a config are looked up.

A name in a config is a key of one of the literal tables below, or, for loss terms, of
those in `fashionjax.objectives`, and nowhere else.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false
# pyright: reportGeneralTypeIssues=false, reportCallIssue=false, reportOptionalIterable=false

import dataclasses
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from fashionjax import encoders, models
from fashionjax.augment import Augmentation, Normalization, Prepare
from fashionjax.data import label_maps
from fashionjax.data.class_balance import ClassPixels
from fashionjax.data.dataset import SPLITS, Dataset, Source
from fashionjax.data.in_memory import InMemory
from fashionjax.data.label_maps import LabelMap
from fashionjax.lookup import lookup
from fashionjax.losses import Objective
from fashionjax.metrics import Measures
from fashionjax.objectives import build_objective as build_objective
from fashionjax.optim import optimizers, schedules


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that a config describes, but for the data.

    Attributes:
        label_map: Classes and colours.
        image_size: (height, width) of the images in training.
        model: The model.
        objective: What training minimises.
        prepare: From raw batch to model input and targets.
        measures: What evaluations measure.
    """

    label_map: LabelMap
    image_size: tuple[int, int]
    model: nn.Module
    objective: Objective
    prepare: Prepare
    measures: Measures

    def normalized(self, normalization: Normalization) -> "Experiment":
        """The same with other mean and deviation of the images."""
        prepare = dataclasses.replace(self.prepare, normalization=normalization)
        return dataclasses.replace(self, prepare=prepare)

    def weighed(
        self, config: ConfigDict, class_pixels: ClassPixels | None
    ) -> "Experiment":
        """The same with class weights of the training split, where the config asks."""
        num_classes = self.label_map.num_classes
        objective = build_objective(
            config.objective, self.model, num_classes, class_pixels
        )
        return dataclasses.replace(self, objective=objective)


def build_experiment(config: ConfigDict) -> Experiment:
    """Builds model, objective and preparation of a whole config.

    Reads no weights; where `config.data.mean` or `std` is None, to be what the weights
    say, it is ImageNet's here. Reads no data; where the loss weighs classes by their
    frequency, they all weigh the same here.
    """
    label_map = build_label_map(config.data.label_map)
    image_size = _size(config.data)
    num_classes = label_map.num_classes
    model = build_model(config.model, num_classes=num_classes, image_size=image_size)
    return Experiment(
        label_map=label_map,
        image_size=image_size,
        model=model,
        objective=build_objective(config.objective, model, num_classes),
        prepare=Prepare(
            num_classes=num_classes,
            normalization=_normalization(config.data),
            augmentation=Augmentation(**config.augment.to_dict()),
        ),
        measures=_measures(config.eval),
    )


def _measures(config: ConfigDict) -> Measures:
    try:
        return Measures(**_attributes(config))
    except ValueError as error:
        raise ValueError(f"config.eval.{error}") from error


def _normalization(config: ConfigDict) -> Normalization:
    given = {"mean": config.mean, "std": config.std}
    return Normalization(**{k: tuple(v) for k, v in given.items() if v is not None})


# --- data ---------------------------------------------------------------------


def build_label_map(name: str) -> LabelMap:
    """Finds a label map by its name."""
    return lookup("label map", label_maps.LABEL_MAPS, name)


def build_dataset(config: ConfigDict) -> Dataset:
    """Opens the dataset that `config.data` describes, preparing it on first use."""
    return lookup("dataset", DATASETS, config.name)(config)


def _size(config: ConfigDict) -> tuple[int, int]:
    """(height, width) of `config.data.image_size`."""
    height, width = config.image_size
    return int(height), int(width)


def _synthetic(config: ConfigDict) -> Dataset:
    from fashionjax.data.datasets.synthetic import SyntheticSource

    label_map = build_label_map(config.label_map)
    size = _size(config)
    count = config.num_examples.to_dict()
    sources = {
        split: SyntheticSource(split, count[split], size, label_map) for split in SPLITS
    }
    return Dataset("synthetic", label_map, size, sources)


def _prepared(config: ConfigDict) -> Dataset:
    label_map = build_label_map(config.label_map)
    sources = _splits(
        config, config.name, label_map, config.raw_dir, config.refined_dir
    )
    sources = _with_test(_kept(config, sources))
    return Dataset(config.name, label_map, _size(config), sources)


def _mixture(label_maps: Mapping[str, str], config: ConfigDict) -> Dataset:
    """Datasets by name, each under its label map; `raw_dir` has a folder for each."""
    from fashionjax.data.mixture import Mixture

    parts = {
        name: _splits(
            config,
            name,
            build_label_map(label_map),
            config.raw_dir and os.path.join(config.raw_dir, name),
            config.refined_dir and os.path.join(config.refined_dir, name),
        )
        for name, label_map in label_maps.items()
    }
    sources = {
        split: Mixture({name: splits[split] for name, splits in parts.items()})
        for split in SPLITS
    }
    label_map = build_label_map(config.label_map)
    return Dataset(config.name, label_map, _size(config), _kept(config, sources))


RESIZED: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "train": ("train",),
    "all": SPLITS,
}
"""The splits that are read from a cache of the size on disk."""


def _splits(
    config: ConfigDict, name: str, label_map: LabelMap, raw_dir: str, refined_dir: str
) -> dict[str, Any]:
    """The splits that a dataset's scheme has, prepared on first use."""
    # tensorflow-datasets is slow to import, and only prepared datasets need it.
    from fashionjax.data.prepare import open_split, prepare

    resized = lookup("data.resized", RESIZED, config.resized)
    done = prepare(
        name,
        raw_dir or None,
        config.data_dir or None,
        scheme=config.split or None,
        overlap=config.overlap,
        first_pixel=config.first_pixel,
        refined_dir=refined_dir or None,
    )
    return {
        split: open_split(
            name,
            done.data_dir,
            split,
            _size(config),
            label_map,
            scheme=done.scheme,
            resized=split in resized,
        )
        for split in SPLITS
        if split != "test" or done.has_test
    }


def _kept(config: ConfigDict, sources: Mapping[str, Source]) -> Mapping[str, Source]:
    """The sources, in memory once they are read if `config.data.cache` says so."""
    if not config.cache:
        return sources
    return {split: InMemory(source) for split, source in sources.items()}


def _with_test(sources: Mapping[str, Any]) -> Mapping[str, Any]:
    """All splits: where nothing is left to test, `test` is `val` itself."""
    return {split: sources.get(split, sources["val"]) for split in SPLITS}


DATASETS: Mapping[str, Callable[[ConfigDict], Dataset]] = {
    "synthetic": _synthetic,
    "ccp": _prepared,
    "imaterialist2019": _prepared,
    "imaterialist2020": _prepared,
    "fashionpedia": _prepared,
    "fashionista": _prepared,
    "fashionista_v02": _prepared,
    "cfpd": _prepared,
    "ccp4+cfpd4": partial(_mixture, {"ccp": "ccp_4", "cfpd": "cfpd_4"}),
}


# --- model --------------------------------------------------------------------

DTYPES = {
    "float32": jnp.float32,
    "bfloat16": jnp.bfloat16,
    "float16": jnp.float16,
}

ENCODERS: Mapping[str, partial[nn.Module]] = {
    "vgg16": partial(encoders.VGG, stage_sizes=(2, 2, 3, 3, 3)),
    "vgg16_bn": partial(encoders.VGG, stage_sizes=(2, 2, 3, 3, 3), batch_norm=True),
    "vgg19": partial(encoders.VGG, stage_sizes=(2, 2, 4, 4, 4)),
    "vgg19_bn": partial(encoders.VGG, stage_sizes=(2, 2, 4, 4, 4), batch_norm=True),
    "densenet121": partial(encoders.DenseNet, stage_sizes=(6, 12, 24, 16)),
    "densenet169": partial(encoders.DenseNet, stage_sizes=(6, 12, 32, 32)),
    "resnet18": partial(encoders.ResNet, stage_sizes=(2, 2, 2, 2)),
    "resnet34": partial(encoders.ResNet, stage_sizes=(3, 4, 6, 3)),
    "resnet50": partial(encoders.ResNet, stage_sizes=(3, 4, 6, 3), block="bottleneck"),
    "resnet101": partial(
        encoders.ResNet, stage_sizes=(3, 4, 23, 3), block="bottleneck"
    ),
    "resnext50_32x4d": partial(
        encoders.ResNet,
        stage_sizes=(3, 4, 6, 3),
        block="bottleneck",
        groups=32,
        group_width=4,
    ),
    "resnext101_32x4d": partial(
        encoders.ResNet,
        stage_sizes=(3, 4, 23, 3),
        block="bottleneck",
        groups=32,
        group_width=4,
    ),
    "resnext101_32x8d": partial(
        encoders.ResNet,
        stage_sizes=(3, 4, 23, 3),
        block="bottleneck",
        groups=32,
        group_width=8,
    ),
    "hrnet_w18": partial(encoders.HRNet, features=18),
    "hrnet_w32": partial(encoders.HRNet, features=32),
    "hrnet_w48": partial(encoders.HRNet, features=48),
    "efficientnet_lite0": partial(encoders.EfficientNetLite, width=1.0, depth=1.0),
    "efficientnet_lite1": partial(encoders.EfficientNetLite, width=1.0, depth=1.1),
    "efficientnet_lite2": partial(encoders.EfficientNetLite, width=1.1, depth=1.2),
    "efficientnet_lite3": partial(encoders.EfficientNetLite, width=1.2, depth=1.4),
    "efficientnet_lite4": partial(encoders.EfficientNetLite, width=1.4, depth=1.8),
}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "ours": {"tag_branch": True, "box_branch": True, "injection": "concat"},
    "class_only": {
        "tag_branch": True,
        "box_branch": False,
        "injection": "multiply_logits",
    },
    "branches": {"tag_branch": True, "box_branch": True, "injection": "none"},
    "plain": {"tag_branch": False, "box_branch": False, "injection": "none"},
}
"""The Extended U-Net and its ablations."""


def build_encoder(name: str, **options: Any) -> nn.Module:
    """Builds an encoder.

    Args:
        name: A key of `ENCODERS`.
        **options: Its attributes.

    Returns:
        A linen module.

    Raises:
        ValueError: If the name is unknown, or the encoder has no such attribute.
    """
    encoder = lookup("encoder", ENCODERS, name)
    _check_attributes(f"encoder {name}", encoder.func, options)
    return encoder(**options)


def _check_attributes(
    what: str, module: type[nn.Module], options: Mapping[str, Any]
) -> None:
    fields: Any = module
    known = [field.name for field in dataclasses.fields(fields) if field.init]
    known = [name for name in known if name not in ("parent", "name")]
    for name in options:
        if name not in known:
            raise ValueError(
                f"{what} has no attribute {name!r}; allowed are {', '.join(known)}"
            )


def build_model(
    config: ConfigDict, *, num_classes: int, image_size: tuple[int, int] | None = None
) -> nn.Module:
    """Builds the model that `config.model` describes.

    Args:
        config: The part `model` of a config.
        num_classes: Number of classes, background included.
        image_size: (height, width), for models that are built for one size.

    Returns:
        A linen module.

    Raises:
        ValueError: If a name is unknown, or the model or its encoder has no such
            attribute.
    """
    return lookup("model", MODELS, config.name)(config, num_classes, image_size)


Builder = Callable[[ConfigDict, int, tuple[int, int] | None], nn.Module]
"""From `config.model`, number of classes and (height, width) to a model."""

_SHARED_KEYS = ("name", "encoder", "encoder_options", "pretrained", "dtype")
"""What every `config.model` has; its other keys are attributes of the model."""


def _plain(model: type[nn.Module]) -> Builder:
    """Builds a model without an encoder of its own kind."""

    def build(
        config: ConfigDict, num_classes: int, image_size: tuple[int, int] | None
    ) -> nn.Module:
        del image_size
        return _construct(model, config, num_classes=num_classes)

    return build


def _over_encoder(model: type[nn.Module]) -> Builder:
    """Builds a model over any encoder."""

    def build(
        config: ConfigDict, num_classes: int, image_size: tuple[int, int] | None
    ) -> nn.Module:
        del image_size
        encoder = _encoder(config)
        return _construct(model, config, encoder=encoder, num_classes=num_classes)

    return build


def _multitask_unet(
    config: ConfigDict, num_classes: int, image_size: tuple[int, int] | None
) -> nn.Module:
    variant = lookup("variant", VARIANTS, config.variant)
    return _construct(
        models.MultitaskUNet,
        config,
        skipped=("variant",),
        encoder=_encoder(config),
        num_classes=num_classes,
        image_size=image_size if variant["box_branch"] else None,
        **variant,
    )


def _encoder(config: ConfigDict) -> nn.Module:
    options = _attributes(config.encoder_options)
    dtype = lookup("dtype", DTYPES, config.dtype)
    return build_encoder(config.encoder, dtype=dtype, **options)


def _construct(
    model: type[nn.Module],
    config: ConfigDict,
    *,
    skipped: tuple[str, ...] = (),
    **given: Any,
) -> nn.Module:
    """Calls a model's class with what is given and the config's own keys."""
    own = _attributes(config, without=(*_SHARED_KEYS, *skipped))
    _check_attributes(f"model {config.name}", model, own)
    return model(dtype=lookup("dtype", DTYPES, config.dtype), **given, **own)


def _attributes(config: ConfigDict, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """A config's entries as attributes of a module, which must be hashable."""
    return {
        key: tuple(value) if isinstance(value, list | tuple) else value
        for key, value in config.to_dict().items()
        if key not in without
    }


MODELS: Mapping[str, Builder] = {
    "unet": _over_encoder(models.UNet),
    "classic_unet": _plain(models.ClassicUNet),
    "dynamic_unet": _over_encoder(models.DynamicUNet),
    "multitask_unet": _multitask_unet,
    "segnet": _over_encoder(models.SegNet),
    "fcn": _over_encoder(models.FCN),
    "skip_fcn": _over_encoder(models.SkipFCN),
    "fpn": _over_encoder(models.FPN),
    "panoptic_fpn": _over_encoder(models.PanopticFPN),
    "deeplabv3": _over_encoder(models.DeepLabV3),
    "deeplabv3plus": _over_encoder(models.DeepLabV3Plus),
    "pspnet": _over_encoder(models.PSPNet),
    "linknet": _over_encoder(models.LinkNet),
    "ocrnet": _over_encoder(models.OCRNet),
}


# --- optimiser ----------------------------------------------------------------

Schedules = tuple[optax.Schedule, optax.Schedule]


def build_schedules(config: ConfigDict, num_steps: int) -> Schedules:
    """Builds learning rate and momentum of `config.schedule`.

    Args:
        config: The part `schedule` of a config.
        num_steps: Length of the phase.

    Returns:
        Learning rate and momentum (Adam's beta1, SGD's own), functions of the step.
    """
    return lookup("schedule", SCHEDULES, config.name)(config, num_steps)


def _constant(config: ConfigDict, num_steps: int) -> Schedules:
    del num_steps
    return schedules.constant(config.learning_rate), _max_momentum(config)


def _poly(config: ConfigDict, num_steps: int) -> Schedules:
    rate = schedules.poly(
        config.learning_rate,
        num_steps,
        end_value=config.min_learning_rate,
        power=config.power,
    )
    return rate, _max_momentum(config)


def _warmup_cosine(config: ConfigDict, num_steps: int) -> Schedules:
    rate = schedules.warmup_cosine(
        config.learning_rate,
        num_steps,
        warmup_steps=int(float(config.warmup_fraction) * num_steps),
        end_value=config.min_learning_rate,
    )
    return rate, _max_momentum(config)


def _one_cycle(config: ConfigDict, num_steps: int) -> Schedules:
    if not 0 < config.min_momentum <= config.max_momentum:
        raise ValueError(
            f"config.schedule.min_momentum={config.min_momentum} and max_momentum="
            f"{config.max_momentum}: one_cycle needs 0 < min_momentum <= max_momentum"
        )
    ratio = config.min_momentum / config.max_momentum
    return (
        schedules.one_cycle(
            config.learning_rate, num_steps, warmup_fraction=config.warmup_fraction
        ),
        schedules.one_cycle(
            config.min_momentum,
            num_steps,
            warmup_fraction=config.warmup_fraction,
            div=ratio,
            final_div=ratio,
        ),
    )


def _triangular(config: ConfigDict, num_steps: int) -> Schedules:
    step_size = max(1, round(num_steps / (2 * config.num_cycles)))
    base = config.learning_rate / config.base_div
    return (
        schedules.triangular(base, config.learning_rate, step_size=step_size),
        schedules.triangular(
            config.max_momentum, config.min_momentum, step_size=step_size
        ),
    )


def _max_momentum(config: ConfigDict) -> optax.Schedule:
    """The momentum of the schedules that do not cycle it."""
    return schedules.constant(config.max_momentum)


SCHEDULES: Mapping[str, Callable[[ConfigDict, int], Schedules]] = {
    "constant": _constant,
    "one_cycle": _one_cycle,
    "poly": _poly,
    "triangular": _triangular,
    "warmup_cosine": _warmup_cosine,
}


def build_optimizer(config: ConfigDict) -> optax.GradientTransformationExtraArgs:
    """Builds the optimiser that `config.optimizer` describes.

    Its update takes `learning_rate` and `momentum`.
    """
    return lookup("optimizer", OPTIMIZERS, config.name)(config)


OPTIMIZERS: Mapping[
    str, Callable[[ConfigDict], optax.GradientTransformationExtraArgs]
] = {
    "adam": lambda config: optimizers.adam(
        b2=config.b2, eps=config.eps, clip_norm=config.clip_norm
    ),
    "adamw": lambda config: optimizers.adamw(
        b2=config.b2,
        eps=config.eps,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
    ),
    "sgd": lambda config: optimizers.sgd(
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        clip_norm=config.clip_norm,
    ),
}
