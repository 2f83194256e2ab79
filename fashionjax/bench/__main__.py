"""What training costs on the machine at hand.

    python -m fashionjax.bench peer --model=unet-resnet34 --torch_python=PYTHON
    python -m fashionjax.bench augment

Each command prints what it found as one JSON line and as a row of a table. As
`fashionjax.main` does, it asks for large memory pages first, for the peer too; with
`GLIBC_TUNABLES=` before the command neither side has them.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from fashionjax.huge_pages import restart_with_huge_pages


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Words after the program's name; None takes the process's own.

    Returns:
        The exit status: 0, or 1 for an error that is told in one line.
    """
    options = _parser().parse_args(arguments)
    # jax and the models are slow to import; --help needs neither.
    from fashionjax.bench.augment import measure_augmentation
    from fashionjax.bench.peer import measure_peer

    try:
        if options.command == "peer":
            result = measure_peer(
                options.model,
                batch_size=options.batch,
                image_size=options.size,
                num_classes=options.classes,
                num_steps=options.steps,
                torch_python=options.torch_python,
                num_threads=options.threads,
            )
        else:
            result = measure_augmentation(
                batch_size=options.batch,
                step_batch_size=options.step_batch,
                image_size=options.size,
                num_classes=options.classes,
                num_steps=options.steps,
            )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    print(_table(result))
    return 0


def _table(result: Mapping[str, Any]) -> str:
    cells = {
        name: f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in result.items()
    }
    rows = [cells.keys(), ["---"] * len(cells), cells.values()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def parse_size(text: str) -> tuple[int, int]:
    """Reads (height, width) from "288x192"."""
    height, separator, width = text.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no HEIGHTxWIDTH, such as 288x192"
        )
    return int(height), int(width)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fashionjax.bench",
        description="What training costs on the machine at hand.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    peer = _command(
        commands,
        "peer",
        "Times the whole training step (forward, loss, gradient, Adam; float32) of a"
        " model here and in torch eager (channels_last), by turns: a step here, a step"
        " there. The ratio is ours over torch's, the median of the pairs; below 1 this"
        " project is faster. Both models must have the same number of parameters.",
        batch=4,
        steps=20,
    )
    peer.add_argument(
        "--model",
        choices=("unet-resnet34", "fpn-resnext50"),
        default="unet-resnet34",
        help="default: %(default)s",
    )
    peer.add_argument(
        "--torch_python",
        metavar="PYTHON",
        default=sys.executable,
        help="an interpreter that can import torch, torchvision and, for the U-Net,"
        " segmentation_models_pytorch; default: this one",
    )
    peer.add_argument(
        "--threads", type=_count, help="threads of torch; default: one a processor"
    )
    augment = _command(
        commands,
        "augment",
        "Times what happens to a batch between bytes and model input, with the Extended"
        " U-Net's augmentation and without, and the training step of the U-Net with"
        " ResNet34, by turns. The share is the time of the whole preparation over that"
        " of the step, both for one image.",
        batch=16,
        steps=10,
    )
    augment.add_argument(
        "--step_batch",
        type=_count,
        default=4,
        help="images a training step; default: %(default)s",
    )
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    description: str,
    *,
    batch: int,
    steps: int,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=description.split(".", 1)[0], description=description
    )
    default = "default: %(default)s"
    command.add_argument("--batch", type=_count, default=batch, help=default)
    command.add_argument(
        "--size", type=parse_size, default="288x192", help=f"HEIGHTxWIDTH; {default}"
    )
    command.add_argument("--classes", type=_count, default=25, help=default)
    command.add_argument(
        "--steps", type=_count, default=steps, help=f"timed on each side; {default}"
    )
    return command


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main())
