"""The command line: trains, evaluates or predicts what a config describes.

python -m fashionjax.main --config=configs/unet_ext.py
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import contextlib
import errno
import hashlib
import sys
from collections.abc import Sequence
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import TYPE_CHECKING

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from fashionjax import distributed
from fashionjax.compilation_cache import use_compilation_cache
from fashionjax.config_files import run_name
from fashionjax.huge_pages import restart_with_huge_pages

if TYPE_CHECKING:  # slow to import, and not every mode needs them
    from fashionjax.train.run import Run
    from fashionjax.train.truth_prior import TruthPrior

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "configs/NAME.py[:DATASET]; any key: --config.KEY=VALUE."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/NAME-DATASET if not given."
)
_MODE = flags.DEFINE_enum("mode", "train", ["train", "eval", "predict"], "What to do.")
_ALLOW = flags.DEFINE_bool(
    "allow_config_change", False, "Go on although the configuration changed."
)
_SPLIT = flags.DEFINE_enum(
    "split", "test", ["train", "val", "test"], "eval: the split to evaluate."
)
_PRIOR = flags.DEFINE_string(
    "prior",
    None,
    "eval: what the model is told of each image's true classes in advance: oracle,"
    " random:FRACTION, or classes such as dress,skirt.",
)
_PRIOR_BY = flags.DEFINE_list(
    "prior_by",
    [],
    "eval: how: mask, tags, boxes; if not given, mask, and tags where the model injects"
    " them.",
)
_PRIOR_SEED = flags.DEFINE_integer("prior_seed", 0, "eval: seed of --prior=random.")
_IMAGES = flags.DEFINE_string("images", None, "predict: a file, folder or glob.")
_OUT = flags.DEFINE_string("out", None, "predict: the folder to write to.")
_CLASSES = flags.DEFINE_list("classes", None, "predict: only these may occur.")
_ABSENT = flags.DEFINE_list("absent", [], "predict: these cannot occur.")
_CERTAIN = flags.DEFINE_list(
    "certain", [], "predict: these do occur, for models that inject tags."
)
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error was raised.")
_DTYPE = flags.DEFINE_enum(
    "dtype",
    None,
    ["float32", "bfloat16", "float16"],
    "predict: type of the computation; that of the training if not given.",
)
_COMPILATION_CACHE = flags.DEFINE_string(
    "compilation_cache",
    None,
    "Folder of compiled programs, or none; one in the user's cache folder if not"
    " given.",
)
_TTA = flags.DEFINE_bool("tta", False, "predict: average with the mirrored photo.")
_CRF = flags.DEFINE_bool(
    "crf", False, "eval, predict: refine by the dense CRF of --config.crf."
)
_CRF_SETTINGS = flags.DEFINE_integer(
    "crf_settings",
    None,
    "eval: first searches that many settings of the CRF on val, as"
    " fashionjax.crf_search; those of a search before count.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, in a run of several processes."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many they are.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which one this is, from 0.")
_DISTRIBUTED = flags.DEFINE_enum(
    "distributed", "off", ["off", "auto"], "auto: asks the cluster for these three."
)
_INIT_TIMEOUT = flags.DEFINE_integer(
    "init_timeout",
    distributed.TIMEOUT_SECONDS,
    "Seconds that processes wait for each other at the start.",
)
_HEARTBEAT_TIMEOUT = flags.DEFINE_integer(
    "heartbeat_timeout",
    distributed.HEARTBEAT_SECONDS,
    "Seconds of silence after which a process counts as dead.",
)


def _workdir() -> Path:
    if _WORKDIR.value:
        return Path(_WORKDIR.value)
    name = run_name(config_flags.get_config_filename(flags.FLAGS["config"]))
    return Path("runs") / f"{name}-{_CONFIG.value.dataset}"


def _join_others(config: ConfigDict, workdir: Path) -> None:
    """Joins the other processes of the run, if any; only the first one talks."""
    processes = distributed.initialize(
        coordinator=_COORDINATOR.value,
        num_processes=_NUM_PROCESSES.value,
        process_id=_PROCESS_ID.value,
        detect=_DISTRIBUTED.value == "auto",
        timeout_seconds=_INIT_TIMEOUT.value,
        heartbeat_seconds=_HEARTBEAT_TIMEOUT.value,
    )
    if processes.count > 1 and _MODE.value == "predict":
        raise ValueError("--mode=predict is for one process")
    if processes.count > 1 and _CRF.value:
        raise ValueError("--crf is for one process")
    words = [_MODE.value, _SPLIT.value, str(workdir), str(_ALLOW.value)]
    words += [str(flag.value) for flag in (_PRIOR, _PRIOR_BY, _PRIOR_SEED)]
    command = [*words, config.to_json(sort_keys=True)]
    distributed.check_same_on_all_processes(
        hashlib.sha256("\n".join(command).encode()).hexdigest(),
        "--config, --mode, --split, --prior, --workdir and --allow_config_change",
    )
    if processes.index > 0:
        from fashionjax.train.progress import mute

        mute()


def _keep_compiled_programs() -> None:
    """Uses the compilation cache; where that cannot be, the first process says so."""
    warning = use_compilation_cache(_COMPILATION_CACHE.value)
    if warning:
        from fashionjax.train.progress import print_line

        print_line(warning)


def _predict(workdir: Path) -> int:
    from fashionjax.predict import ClassPrior, Predictor
    from fashionjax.predict_files import find_images, predict_files
    from fashionjax.train.crf import read_options

    if not _IMAGES.value or not _OUT.value:
        raise ValueError("--mode=predict needs --images=FILE_DIR_OR_GLOB and --out=DIR")
    files = find_images(_IMAGES.value)
    present = None if _CLASSES.value is None else tuple(_CLASSES.value)
    prior = ClassPrior(present, tuple(_ABSENT.value), tuple(_CERTAIN.value))
    crf = read_options(_CONFIG.value.crf, workdir) if _CRF.value else None
    predictor = Predictor(
        workdir,
        crf=crf,
        prior=prior,
        flip=_TTA.value,
        dtype=_DTYPE.value,
        spatial_shards=_CONFIG.value.spatial_shards,
    )
    failed = 0
    for number, record in enumerate(
        predict_files(predictor, files, Path(_OUT.value)), start=1
    ):
        failed += "error" in record
        found = record.get("error") or ", ".join(record["classes"]) or "background only"
        print(f"{number}/{len(files)} {record['file']}: {found}", flush=True)
    print(f"Wrote label maps, overlays and predictions.jsonl to {_OUT.value}")
    return 1 if failed else 0


def _truth_prior(run: "Run") -> "TruthPrior | None":
    from fashionjax.train.truth_prior import parse_prior

    if _PRIOR.value is None:
        return None
    return parse_prior(
        _PRIOR.value,
        run.experiment.label_map.class_names,
        run.experiment.model,
        means=_PRIOR_BY.value,
        seed=_PRIOR_SEED.value,
    )


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}; flags start with --")
    # Orbax writes a dozen lines a checkpoint, warns of opening one to read, and tells
    # what it raises, once from each of its threads.
    logging.set_verbosity(logging.FATAL)
    getLogger("asyncio").setLevel(CRITICAL)
    config, workdir = _CONFIG.value, _workdir()
    _join_others(config, workdir)
    _keep_compiled_programs()
    if _MODE.value == "predict":
        return _predict(workdir)
    from fashionjax.train import loop
    from fashionjax.train.interrupt import EXIT_STATUS, StoppedError
    from fashionjax.train.progress import print_line
    from fashionjax.train.run import open_run
    from fashionjax.train.run_config import check_same_config

    if _MODE.value == "eval":
        from fashionjax.crf_search import search
        from fashionjax.train.crf import evaluate_with_crf

        if _CRF.value and _PRIOR.value is not None:
            raise ValueError("--crf and --prior are for separate evaluations")
        check_same_config(workdir, config, allow_change=_ALLOW.value)
        run = open_run(config, workdir)
        truth = _truth_prior(run)
        with run.open_checkpoints(read_only=True) as checkpoints:
            loop.evaluate_checkpoint(run, checkpoints, _SPLIT.value, truth=truth)
            if _CRF_SETTINGS.value is not None:
                search(run, num_settings=_CRF_SETTINGS.value)
            if _CRF.value:
                evaluate_with_crf(run, checkpoints, _SPLIT.value)
        return 0
    try:
        loop.train_and_evaluate(config, workdir, allow_config_change=_ALLOW.value)
    except StoppedError as stopped:
        print_line(f"{stopped}; the same command goes on from there")
        return EXIT_STATUS
    return 0


def _parse(argv: Sequence[str]) -> list[str]:
    """Parses the flags; every mistake in them ends the program with one line."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        # ml_collections puts a whole traceback before a config file's own words.
        sys.exit(f"error: {str(error).strip().splitlines()[-1].strip()}")
    except (AttributeError, KeyError) as error:
        message = str(error)
        # Where the config file itself is wrong, it raises the same again.
        with contextlib.suppress(AttributeError, KeyError):
            message = _unknown_key(argv) or message
        sys.exit(f"error: {message}")


def _unknown_key(argv: Sequence[str]) -> str | None:
    """Names the first --config.KEY that the config lacks, and the keys in its place."""
    if "--config" in argv:
        file = argv[argv.index("--config") + 1]
    else:
        named = [a.partition("=")[2] for a in argv if a.startswith("--config=")]
        if not named:
            return None
        file = named[0]
    # No flag has a value yet.
    config = flags.FLAGS["config"].parser.parse(file)
    for argument in argv:
        if not argument.startswith("--config."):
            continue
        node, place = config, "config"
        for key in argument.partition("=")[0].split(".")[1:]:
            if not isinstance(node, ConfigDict):
                return f"{place} is a value and has no key {key!r}"
            if key not in node:
                return f"{place} has no key {key!r}; allowed are {', '.join(node)}"
            node, place = node[key], f"{place}.{key}"
    return None


def _run() -> None:
    flags.mark_flag_as_required("config")
    try:
        app.run(main, flags_parser=_parse)
    except (ValueError, OSError, ArithmeticError) as error:
        if _TRACEBACK.value:
            raise
        distributed.exit_with_error(_describe(error))


def _describe(error: Exception) -> str:
    """What went wrong, in a line."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        # The system names neither the file nor its folder.
        place = _OUT.value if _MODE.value == "predict" else _workdir()
        return (
            f"no space left for {place}: {error.strerror}; make room, and give the same"
            " command again: what was finished is whole"
        )
    return str(error)


if __name__ == "__main__":
    restart_with_huge_pages()
    _run()
