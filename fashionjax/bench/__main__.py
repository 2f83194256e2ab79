"""What training and inference cost on the machine at hand.

    python -m fashionjax.bench train --model=unet-resnet34 --batch=8,16,64
    python -m fashionjax.bench peer --model=unet-resnet34 --torch_python=PYTHON
    python -m fashionjax.bench curves --what=batch --values=1,2,4,8 --out=FILE.jsonl
    python -m fashionjax.bench page FILE.jsonl --out=bench.html

Each command prints each row that it measured as one JSON line and as a table, and
appends the line to `--out`. As `fashionjax.main` does, it asks for large memory pages
first, for the peer too; with `GLIBC_TUNABLES=` before the command neither side has
them.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashionjax.bench.words import list_of, parse_count, parse_index
from fashionjax.data.image_size import parse_size
from fashionjax.huge_pages import restart_with_huge_pages


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Words after the program's name; None takes the process's own.

    Returns:
        The exit status: 0, or 1 if an error was told in one line. Where several rows
        are asked for, the others are measured all the same.
    """
    options = _parser().parse_args(arguments)
    if options.command in ("peer", "curves"):
        # Other processes share the GPU; jax would take three quarters of it at once.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # jax and the models are slow to import; --help needs neither.
    from fashionjax.bench.commands import run

    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fashionjax.bench",
        description="What training and inference cost on the machine at hand.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_ceilings(commands)
    _add_train(commands)
    _add_infer(commands)
    _add_peer(commands)
    _add_profile(commands)
    _add_scale(commands)
    _add_curves(commands)
    _add_augment(commands)
    _add_metrics(commands)
    _add_crf(commands)
    _add_input(commands)
    _add_e2e(commands)
    _add_run(commands)
    _add_page(commands)
    return parser


def _command(commands: Any, name: str, description: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=description.split(".", 1)[0], description=description
    )


def _measuring(
    commands: Any, name: str, description: str, *, steps: int, window: int | None = None
) -> argparse.ArgumentParser:
    command = _command(commands, name, description)
    default = "default: %(default)s"
    command.add_argument(
        "--out", type=Path, metavar="FILE.jsonl", help="append the rows to this file"
    )
    command.add_argument(
        "--steps", type=parse_count, default=steps, help=f"that count; {default}"
    )
    window_default = (
        default if window else "default: as many as take 0.1 s, ten times at least"
    )
    command.add_argument(
        "--window",
        type=parse_count,
        default=window,
        help=f"steps between two readings of the clock; {window_default}",
    )
    return command


def _add_model(
    command: argparse.ArgumentParser, *, batch: str, model: str = "unet-resnet34"
) -> None:
    """What all commands have that build a model."""
    default = "default: %(default)s"
    command.add_argument(
        "--model",
        type=list_of(str),
        default=model,
        help=f"names between commas, or all; an unknown one lists them; {default}",
    )
    command.add_argument(
        "--batch",
        type=list_of(parse_count),
        default=batch,
        help=f"images a step, or several between commas; {default}",
    )
    command.add_argument(
        "--size", type=parse_size, help="HEIGHTxWIDTH; default: the document's"
    )
    command.add_argument(
        "--classes",
        type=parse_count,
        help="default: the document's where it fits, else 25",
    )
    command.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help=f"of the computation; {default}",
    )
    command.add_argument(
        "--seed", type=parse_index, default=0, help=f"of weights and images; {default}"
    )


def _add_fold(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--fold",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether BatchNorm is folded into convolutions in inference, as when"
        " fashionjax.main predicts; default: it is",
    )


def _add_what(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--what",
        choices=("train", "infer"),
        default="train",
        help="a training step, or from images to labels; default: %(default)s",
    )
    _add_fold(command)


def _add_ceilings(commands: Any) -> None:
    command = _command(
        commands,
        "ceilings",
        "Times a large matrix product and a pass over memory. All shares that the other"
        " commands tell are of these, measured in their own process.",
    )
    command.add_argument("--out", type=Path, metavar="FILE.jsonl")
    command.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    command.add_argument("--matrix_size", type=parse_count, help="side of the matrices")


def _add_train(commands: Any) -> None:
    command = _measuring(
        commands,
        "train",
        "Times the whole training step (forward, loss, gradient, Adam) on a batch that"
        " does not change, and tells its share of the machine's ceilings, its memory"
        " and what compiling it took.",
        steps=50,
    )
    _add_model(command, batch="4")


def _add_infer(commands: Any) -> None:
    command = _measuring(
        commands,
        "infer",
        "Times a model from bytes to labels. Latencies are those of single calls that"
        " are waited for, images a second those of calls one behind another.",
        steps=100,
    )
    _add_model(command, batch="1,4")
    _add_fold(command)


def _add_peer(commands: Any) -> None:
    command = _measuring(
        commands,
        "peer",
        "Times a step of a model here and in torch (channels_last, fused Adam), by"
        " turns: a window here, a window there. The ratio is ours over torch's, the"
        " median of the turns; below 1 this project is faster. Both models must have"
        " the same number of parameters and FLOPs. torch's has its images as normalised"
        " floats; ours begins with bytes.",
        steps=20,
    )
    _add_model(command, batch="4")
    _add_what(command)
    command.add_argument(
        "--torch_python",
        metavar="PYTHON",
        default=sys.executable,
        help="an interpreter that can import torch, torchvision, timm and"
        " segmentation_models_pytorch; default: this one",
    )
    command.add_argument(
        "--compile",
        nargs="?",
        const="default",
        default="eager",
        choices=("eager", "default", "reduce-overhead", "max-autotune"),
        help="how torch runs; without a mode, torch.compile's default",
    )
    command.add_argument(
        "--threads", type=parse_count, help="threads of torch; default: one a processor"
    )


def _add_profile(commands: Any) -> None:
    command = _measuring(
        commands,
        "profile",
        "Times the operations of a step, by a profiler: shares of convolutions, other"
        " products, reductions, element-wise operations, copies and communication, of"
        " forward, backward pass and update, and the slowest layers. XLA runs no CUDA"
        " graphs while it is profiled, unless"
        " XLA_FLAGS=--xla_enable_command_buffers_during_profiling=true asks for them.",
        steps=5,
        window=1,
    )
    _add_model(command, batch="4")
    _add_what(command)


def _add_scale(commands: Any) -> None:
    command = _measuring(
        commands,
        "scale",
        "Times the training step on 1, 2, 4 … devices, the batch a device staying the"
        " same, and counts what they tell each other. On virtual CPU devices"
        " (JAX_NUM_CPU_DEVICES=8) only the counts are told: they share the processors.",
        steps=50,
    )
    _add_model(command, batch="4")
    command.add_argument("--devices", type=parse_count, help="the most; default: all")


def _add_curves(commands: Any) -> None:
    command = _measuring(
        commands,
        "curves",
        "Times what grows with one thing, all else the same: the training step and its"
        " memory with the images of a batch, their area or the classes; the reading of"
        " batches with the CPU cores; the start of a run up to its first step, phase by"
        " phase, with the examples of the training split (its own, over and over).",
        steps=10,
    )
    command.add_argument(
        "--what",
        choices=("batch", "area", "classes", "input", "startup"),
        required=True,
        help="what is varied: images a step, HEIGHTxWIDTH, classes, cores, examples",
    )
    command.add_argument(
        "--values", help="its values between commas; default: a few of usual size"
    )
    _add_model(command, batch="4")
    _add_config(command, default="configs/unet.py")
    command.add_argument(
        "--input",
        choices=("stream", "resident"),
        help="of startup; default: the config's",
    )


def _add_augment(commands: Any) -> None:
    command = _measuring(
        commands,
        "augment",
        "Times what happens to a batch between bytes and model input, with the Extended"
        " U-Net's augmentation and without, and the training step, by turns. The share"
        " is the time of the whole preparation over that of the step, both for one"
        " image.",
        steps=10,
        window=1,
    )
    _add_model(command, batch="16")
    command.add_argument(
        "--step_batch",
        type=parse_count,
        default=4,
        help="images a training step; default: %(default)s",
    )


def _add_metrics(commands: Any) -> None:
    command = _measuring(
        commands,
        "metrics",
        "Times the confusion matrix of a batch, which every evaluation step counts.",
        steps=50,
    )
    command.add_argument("--batch", type=list_of(parse_count), default="16")
    command.add_argument("--size", type=parse_size, default="288x192")
    command.add_argument("--classes", type=list_of(parse_count), default="25")


def _add_crf(commands: Any) -> None:
    command = _command(
        commands,
        "crf",
        "Times the dense CRF: making the tables of its kernels, the iterations, and"
        " both. With --peer_python pydensecrf2 refines the same image by turns with us;"
        " the ratio is our time an image over its own, the median of the turns.",
    )
    default = "default: %(default)s"
    command.add_argument("--out", type=Path, metavar="FILE.jsonl")
    command.add_argument(
        "--steps", type=parse_count, default=5, help=f"turns; {default}"
    )
    command.add_argument(
        "--batch", type=list_of(parse_count), default="1", help=f"images; {default}"
    )
    command.add_argument("--size", type=parse_size, default="600x400")
    command.add_argument("--classes", type=parse_count, default=25)
    command.add_argument("--seed", type=parse_index, default=0)
    command.add_argument("--photo", type=Path, help="default: drawn figures")
    command.add_argument(
        "--peer_python", metavar="PYTHON", help="an interpreter with pydensecrf2"
    )
    for name, value in {
        "bilateral_sxy": 80.0,
        "bilateral_srgb": 13.0,
        "bilateral_compat": 10.0,
        "gaussian_sxy": 3.0,
        "gaussian_compat": 3.0,
    }.items():
        command.add_argument(f"--{name}", type=float, default=value, help=default)
    command.add_argument("--num_iterations", type=parse_index, default=10, help=default)


def _add_config(
    command: argparse.ArgumentParser, *, default: str | None = None
) -> None:
    command.add_argument(
        "--config",
        required=default is None,
        default=default,
        metavar="configs/NAME.py[:DATASET]",
        help="as fashionjax.main takes it",
    )
    command.add_argument(
        "--raw_dir", help="where the dataset's photos are; default: the config's"
    )


def _add_config_batch(command: argparse.ArgumentParser) -> None:
    command.add_argument("--batch", type=parse_count, help="default: the config's")


def _add_input(commands: Any) -> None:
    command = _measuring(
        commands,
        "input",
        "Times the batches of a config's training split without any model. Steps are"
        " batches here. What a config keeps in memory (config.data.cache) is decoded"
        " each time, as in a first epoch.",
        steps=50,
        window=1,
    )
    _add_config(command)
    _add_config_batch(command)
    command.add_argument(
        "--threads", type=list_of(parse_count), default=str(os.cpu_count())
    )
    command.add_argument(
        "--workers",
        type=list_of(parse_index),
        default="0",
        help="processes that read; default: %(default)s, none",
    )
    command.add_argument(
        "--data_dir", help="where prepared datasets lie; default: the config's"
    )
    command.add_argument(
        "--size", type=parse_size, help="HEIGHTxWIDTH; default: the config's"
    )
    command.add_argument(
        "--resized",
        choices=("none", "train", "all"),
        help="what is read from a cache of the size on disk, written if it is not"
        " there; default: the config's",
    )
    command.add_argument(
        "--examples",
        type=list_of(parse_count),
        help="examples of the training split, for drawn figures alone",
    )


def _add_e2e(commands: Any) -> None:
    command = _measuring(
        commands,
        "e2e",
        "Times the training loop of a config, as fashionjax.main runs it, and its bare"
        " step. The ratio is the loop's speed over the bare step's; the goal is 0.95.",
        steps=200,
        window=20,
    )
    _add_config(command)
    _add_config_batch(command)
    command.add_argument("--dtype", choices=("float32", "bfloat16"))
    command.add_argument(
        "--input", choices=("stream", "resident"), help="default: the config's"
    )
    command.add_argument("--threads", type=parse_count, help="default: the config's")
    command.add_argument("--workers", type=parse_index, help="default: the config's")


def _add_run(commands: Any) -> None:
    command = _command(
        commands,
        "run",
        "Tells the scores on test of a run that is finished, as a row among the others."
        " Times nothing.",
    )
    command.add_argument("workdir", type=Path, help="the run's folder")
    command.add_argument("--out", type=Path, metavar="FILE.jsonl")


def _add_page(commands: Any) -> None:
    command = _command(commands, "page", "Draws the rows of a file into one HTML page.")
    command.add_argument("results", type=Path, metavar="FILE.jsonl")
    command.add_argument("--out", type=Path, default="bench.html")


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main())
