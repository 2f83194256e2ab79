"""From the command line's options to measurements."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import argparse
import dataclasses
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from fashionjax.bench.augment import measure_augmentation
from fashionjax.bench.ceilings import measure_ceilings
from fashionjax.bench.cores import measure_reading
from fashionjax.bench.crf import make_case, measure_crf
from fashionjax.bench.e2e import measure_e2e
from fashionjax.bench.infer import measure_infer
from fashionjax.bench.input import measure_input
from fashionjax.bench.metrics import measure_metrics
from fashionjax.bench.models import MODELS, Setting, make_setting
from fashionjax.bench.page import write_page
from fashionjax.bench.peer import measure_peer
from fashionjax.bench.profile import measure_profile
from fashionjax.bench.results import Row, read_results, report
from fashionjax.bench.run import read_scores
from fashionjax.bench.scale import device_counts, measure_scale
from fashionjax.bench.startup import measure_startup
from fashionjax.bench.train import measure_step, measure_train
from fashionjax.bench.words import parse_count
from fashionjax.config_files import load_config
from fashionjax.data.image_size import parse_size

Measurement = Callable[[], Iterator[Row]]
"""One that can fail without those after it."""

CRF_OPTIONS = (
    "bilateral_sxy",
    "bilateral_srgb",
    "bilateral_compat",
    "gaussian_sxy",
    "gaussian_compat",
    "num_iterations",
)
"""Options of `crf` that are those of `postprocess.dense_crf`."""

# jax's errors of a device, out of memory for one, are RuntimeErrors.
_TOLD = (ValueError, OSError, RuntimeError, ArithmeticError)


def run(options: argparse.Namespace) -> int:
    """Runs a command.

    Args:
        options: What the command line says; see `fashionjax.bench.__main__`.

    Returns:
        The exit status: 0, or 1 if an error was told in one line.
    """
    status = 0
    try:
        if options.command == "page":
            write_page(read_results(options.results), options.out)
            print(f"Wrote {options.out}")
            return 0
        for measure in COMMANDS[options.command](options):
            status |= _measure(measure, options)
    except _TOLD as error:
        status = _tell(error)
    return status


def _measure(measure: Measurement, options: argparse.Namespace) -> int:
    try:
        for row in measure():
            report(options.command, row, options.out)
    except _TOLD as error:
        return _tell(error)
    return 0


def _tell(error: BaseException) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


def _once(
    function: Callable[..., Row], *arguments: Any, **keywords: Any
) -> Measurement:
    """A measurement of a single row."""

    def measure() -> Iterator[Row]:
        yield function(*arguments, **keywords)

    return measure


def _settings(options: argparse.Namespace) -> list[Setting]:
    """Every model with every batch size; refuses them before the first is measured."""
    names = list(MODELS) if options.model == ["all"] else options.model
    return [
        make_setting(
            name,
            batch_size=batch_size,
            image_size=options.size,
            num_classes=options.classes,
            dtype=options.dtype,
            seed=options.seed,
        )
        for name, batch_size in itertools.product(names, options.batch)
    ]


def _timing(options: argparse.Namespace) -> dict[str, int]:
    return {"num_steps": options.steps, "window": options.window}


def _ceilings(options: argparse.Namespace) -> Iterator[Measurement]:
    yield _once(measure_ceilings, options.dtype, matrix_size=options.matrix_size)


def _train(options: argparse.Namespace) -> Iterator[Measurement]:
    for setting in _settings(options):
        yield _once(measure_train, setting, **_timing(options))


def _infer(options: argparse.Namespace) -> Iterator[Measurement]:
    for setting in _settings(options):
        yield _once(measure_infer, setting, fold=options.fold, **_timing(options))


def _peer(options: argparse.Namespace) -> Iterator[Measurement]:
    for setting in _settings(options):
        yield _once(
            measure_peer,
            setting,
            what=options.what,
            torch_python=options.torch_python,
            compile_mode=options.compile,
            fold=options.fold,
            num_threads=options.threads,
            **_timing(options),
        )


def _profile(options: argparse.Namespace) -> Iterator[Measurement]:
    for setting in _settings(options):
        yield _once(
            measure_profile,
            setting,
            what=options.what,
            fold=options.fold,
            num_steps=options.steps,
        )


def _scale(options: argparse.Namespace) -> Iterator[Measurement]:
    counts = device_counts(options.devices)
    for setting in _settings(options):
        yield lambda setting=setting: measure_scale(setting, counts, **_timing(options))


def _augment(options: argparse.Namespace) -> Iterator[Measurement]:
    for setting in _settings(options):
        yield _once(
            measure_augmentation,
            setting,
            step_batch_size=options.step_batch,
            num_steps=options.steps,
        )


def _metrics(options: argparse.Namespace) -> Iterator[Measurement]:
    for batch_size, num_classes in itertools.product(options.batch, options.classes):
        yield _once(
            measure_metrics,
            batch_size=batch_size,
            image_size=options.size,
            num_classes=num_classes,
            **_timing(options),
        )


def _crf(options: argparse.Namespace) -> Iterator[Measurement]:
    for batch_size in options.batch:
        image, probs = make_case(
            batch_size=batch_size,
            image_size=options.size,
            num_classes=options.classes,
            photo=options.photo,
            seed=options.seed,
        )
        yield _once(
            measure_crf,
            image,
            probs,
            {name: getattr(options, name) for name in CRF_OPTIONS},
            num_steps=options.steps,
            peer_python=options.peer_python,
        )


def _load(options: argparse.Namespace) -> ConfigDict:
    """The config with what the command line changes."""
    config = ConfigDict(load_config(options.config).to_dict())
    _set_data(config, raw_dir=options.raw_dir)
    return config


def _of_examples(config: ConfigDict, examples: list[int] | None) -> list[ConfigDict]:
    """The config with each number of training examples; as it is for None."""
    if examples is None:
        return [config]
    if "num_examples" not in config.data:
        raise ValueError(f"--examples: the dataset {config.data.name!r} has its own")
    changed = [ConfigDict(config.to_dict()) for _ in examples]
    for own, count in zip(changed, examples, strict=True):
        own.data.num_examples.train = count
    return changed


def _set_data(config: ConfigDict, **options: Any) -> None:
    """Sets keys of `config.data`, but those that are None."""
    for key, value in options.items():
        if value is None:
            continue
        if key not in config.data:
            raise ValueError(f"--{key}: the dataset {config.data.name!r} has none")
        config.data.update({key: value})


def _load_to_read(options: argparse.Namespace) -> ConfigDict:
    """The config, every photo decoded each time that it comes, as in a first epoch."""
    config = _load(options)
    if "cache" in config.data:
        config.data.cache = False
    return config


def _input(options: argparse.Namespace) -> Iterator[Measurement]:
    config = _load_to_read(options)
    config.batch_size = options.batch or config.batch_size
    _set_data(config, data_dir=options.data_dir, resized=options.resized)
    config.data.image_size = options.size or config.data.image_size
    configs = _of_examples(config, options.examples)
    for threads, workers, own in itertools.product(
        options.threads, options.workers, configs
    ):
        yield _once(
            measure_input,
            own,
            num_threads=threads,
            num_workers=workers,
            num_batches=options.steps,
        )


def _e2e(options: argparse.Namespace) -> Iterator[Measurement]:
    config = _load(options)
    config.batch_size = options.batch or config.batch_size
    config.model.dtype = options.dtype or config.model.dtype
    config.data.input = options.input or config.data.input
    if options.threads is not None:
        config.data.num_threads = options.threads
    if options.workers is not None:
        config.data.num_workers = options.workers
    yield _once(measure_e2e, config, **_timing(options))


def _curves(options: argparse.Namespace) -> Iterator[Measurement]:
    what = options.what
    read, default = _VARIED[what]
    try:
        values = sorted(read(word) for word in (options.values or default).split(","))
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--values: {error}") from error
    for measure in _CURVES[what](options, values):
        yield lambda measure=measure: ({"what": what, **row} for row in measure())


def _curve_of_steps(
    options: argparse.Namespace, values: list[Any]
) -> Iterator[Measurement]:
    key = _SETTING[options.what]
    for setting, value in itertools.product(_settings(options), values):
        varied = dataclasses.replace(setting, **{key: value})
        yield _once(measure_step, varied, **_timing(options))


def _curve_of_input(
    options: argparse.Namespace, values: list[int]
) -> Iterator[Measurement]:
    config = _load_to_read(options)
    for cores in values:
        yield _once(measure_reading, config, cores, num_batches=options.steps)


def _curve_of_startup(
    options: argparse.Namespace, values: list[int]
) -> Iterator[Measurement]:
    config = _load_to_read(options)
    config.data.input = options.input or config.data.input
    for examples in values:
        yield lambda examples=examples: measure_startup(config, examples)


def _run(options: argparse.Namespace) -> Iterator[Measurement]:
    yield _once(read_scores, options.workdir)


_SETTING = {"batch": "batch_size", "area": "image_size", "classes": "num_classes"}
"""What a curve of the step varies."""

_CURVES: Mapping[str, Callable[[argparse.Namespace, Any], Iterator[Measurement]]] = {
    **dict.fromkeys(_SETTING, _curve_of_steps),
    "input": _curve_of_input,
    "startup": _curve_of_startup,
}

_VARIED: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "batch": (parse_count, "1,2,4,8"),
    "area": (parse_size, "144x96,288x192,432x288"),
    "classes": (parse_count, "23,47,59"),
    "input": (parse_count, f"1,{os.cpu_count()}"),
    "startup": (parse_count, "1000,10000,45000"),
}
"""How `--values` are read, and those that are measured where none are given."""


COMMANDS: Mapping[str, Callable[[argparse.Namespace], Iterator[Measurement]]] = {
    "ceilings": _ceilings,
    "train": _train,
    "infer": _infer,
    "peer": _peer,
    "profile": _profile,
    "scale": _scale,
    "curves": _curves,
    "augment": _augment,
    "metrics": _metrics,
    "crf": _crf,
    "input": _input,
    "e2e": _e2e,
    "run": _run,
}
