"""Our step against torch's, by turns."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

import jax

from fashionjax.bench.cost import read_cost
from fashionjax.bench.inference import Inference
from fashionjax.bench.models import Setting
from fashionjax.bench.timing import plan_windows
from fashionjax.bench.training import Training

EAGER = "eager"
WHAT = ("train", "infer")

_WORKER = Path(__file__).parent / "torch_side" / "worker.py"
_LARGEST_DIFFERENCE = 0.01


def measure_peer(
    setting: Setting,
    *,
    what: str,
    num_steps: int,
    window: int | None,
    torch_python: str,
    compile_mode: str = EAGER,
    fold: bool = True,
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Times a step of a model here and in torch.

    Args:
        setting: The model.
        what: One of `WHAT`: a whole training step, or from images to labels.
        num_steps: Steps on each side that count.
        window: Steps that a side makes before it is the other's turn; None as in
            `time_step`, by our side.
        torch_python: Interpreter that can import torch.
        compile_mode: `EAGER`, or a mode of `torch.compile`.
        fold: Whether our BatchNorm is folded into convolutions, for inference.
        num_threads: Threads of torch; None for one a processor.

    Returns:
        What was measured, by name: times in milliseconds, medians; the ratio of ours to
        torch's, median, least and largest of the turns.

    Raises:
        ValueError: If torch's side does not start or has no such device, or its model
            is another.
    """
    command = [
        torch_python,
        str(_WORKER),
        # Times of different devices make no ratio.
        f"--device={'cpu' if jax.default_backend() == 'cpu' else 'cuda'}",
        f"--model={setting.name}",
        f"--what={what}",
        f"--batch={setting.batch_size}",
        f"--height={setting.image_size[0]}",
        f"--width={setting.image_size[1]}",
        f"--classes={setting.num_classes}",
        f"--dtype={setting.dtype}",
        f"--compile={compile_mode}",
        f"--threads={num_threads or os.cpu_count()}",
    ]
    cost = read_cost(setting.build(), setting.image_size)
    with Worker(command) as worker:
        _check_twin(setting.name, "parameters", cost.num_params, worker.hello)
        _check_twin(setting.name, "flops", cost.flops, worker.hello)
        ours = Training(setting) if what == "train" else Inference(setting, fold=fold)
        num_turns, window = plan_windows(ours.time_steps, num_steps, window)
        turns = take_turns(ours.time_steps, worker.time_steps, num_turns, window)
    return {
        **setting.record(),
        "what": what,
        "fold": fold and what == "infer",
        "torch_mode": compile_mode,
        "params": cost.num_params,
        "torch_params": worker.hello["parameters"],
        "gflop_image": cost.flops / 1e9,
        "torch_gflop_image": worker.hello["flops"] / 1e9,
        "ours_ms": 1e3 * median(a for a, _ in turns),
        "torch_ms": 1e3 * median(b for _, b in turns),
        **summarize([a / b for a, b in turns]),
        "steps": num_turns * window,
        "window": window,
        **ours.compilation.record(),
        "torch_start_s": worker.hello["start_seconds"],
        "torch": worker.hello["version"],
        "torch_settings": worker.hello["settings"],
    }


def _check_twin(name: str, what: str, ours: int, hello: dict[str, Any]) -> None:
    """Refuses another model: 1 % is what two counts of one model may differ by."""
    if abs(ours / hello[what] - 1) > _LARGEST_DIFFERENCE:
        raise ValueError(f"{name} has {ours} {what} here and {hello[what]} in torch")


def take_turns(
    ours: Callable[[int], float],
    theirs: Callable[[int], float],
    num_turns: int,
    window: int = 1,
) -> list[tuple[float, float]]:
    """Times both sides by turns, each in its stride.

    A turn begins with a step that does not count: what a side frees in a step goes back
    to the system while the other is at work, on virtual machines to the host, and
    fetching it again takes longer than a step of a small model. Steps that follow each
    other, as in training, do not pay for that.

    Args:
        ours: Makes as many steps as it is told; returns the seconds of one.
        theirs: Likewise.
        num_turns: Turns of each side.
        window: Steps of a turn that count.

    Returns:
        Seconds of a step here and there, of each turn.
    """
    turns = []
    for _ in range(num_turns):
        ours(1)
        our_seconds = ours(window)
        theirs(1)
        turns.append((our_seconds, theirs(window)))
    return turns


def summarize(ratios: Sequence[float]) -> dict[str, float]:
    """Returns median, least and largest of some ratios."""
    return {
        "ratio": median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


class Worker:
    """A process that makes steps whenever it is asked to.

    Attributes:
        hello: What it said of itself: "parameters", "flops" of one image forward,
            "version", "settings" and "start_seconds", which compiling is part of.
    """

    def __init__(self, command: Sequence[str], *, side: str = "torch's") -> None:
        """Starts the process.

        Args:
            command: Its words.
            side: Whose side it is, for messages.

        Raises:
            ValueError: If it does not start.
        """
        self._side = side
        # Threads of OpenMP that wait by spinning would take the processors from us.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
        )
        try:
            self.hello = self._read()
        except ValueError:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def time_steps(self, num_steps: int) -> float:
        """Lets it make steps; returns the seconds of one, as it measured them."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{num_steps}\n")
        self._process.stdin.flush()
        return self._read()["seconds"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ValueError(
                f"{self._side} side ended with status {self._process.wait()}; it said"
                " why above"
            )
        return json.loads(line)
