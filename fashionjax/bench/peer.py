"""Our training step against torch's, by turns."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from fashionjax.bench.environment import environment
from fashionjax.bench.training import MODELS, Training

_WORKER = Path(__file__).with_name("torch_worker.py")
_LARGEST_DIFFERENCE = 0.01


def measure_peer(
    model: str,
    *,
    batch_size: int,
    image_size: tuple[int, int],
    num_classes: int,
    num_steps: int,
    torch_python: str,
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Times the training step of a model here and in torch.

    Args:
        model: A key of `training.MODELS`.
        batch_size: Images a step.
        image_size: (height, width).
        num_classes: Number of classes.
        num_steps: Steps on each side that count.
        torch_python: Interpreter that can import torch.
        num_threads: Threads of torch; None for one a processor.

    Returns:
        What was measured, by name: times in milliseconds, medians; the ratio of ours to
        torch's, median, least and largest of the pairs.

    Raises:
        ValueError: If torch's side does not start, or its model is another.
    """
    command = [
        torch_python,
        str(_WORKER),
        f"--model={model}",
        f"--batch={batch_size}",
        f"--height={image_size[0]}",
        f"--width={image_size[1]}",
        f"--classes={num_classes}",
        f"--threads={num_threads or os.cpu_count()}",
    ]
    with Worker(command) as worker:
        ours = Training(
            MODELS[model](num_classes),
            batch_size=batch_size,
            image_size=image_size,
            num_classes=num_classes,
        )
        difference = abs(ours.num_params / worker.hello["num_params"] - 1)
        if difference > _LARGEST_DIFFERENCE:
            raise ValueError(
                f"{model} has {ours.num_params} parameters here and"
                f" {worker.hello['num_params']} in torch"
            )
        pairs = [(ours.time_step(), worker.time_step()) for _ in range(num_steps)]
    return {
        "model": model,
        "batch": batch_size,
        "size": "x".join(map(str, image_size)),
        "params": ours.num_params,
        "ours_ms": 1e3 * median(a for a, _ in pairs),
        "torch_ms": 1e3 * median(b for _, b in pairs),
        **summarize([a / b for a, b in pairs]),
        "steps": num_steps,
        "compile_s": ours.compile_seconds,
        "torch": worker.hello["version"],
        **environment(),
    }


def summarize(ratios: Sequence[float]) -> dict[str, float]:
    """Returns median, least and largest of some ratios."""
    return {
        "ratio": median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


class Worker:
    """A process that makes a training step whenever it is asked to.

    Attributes:
        hello: What it said of itself: "num_params" and "version".
    """

    def __init__(self, command: Sequence[str]) -> None:
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

    def time_step(self) -> float:
        """Lets it make a step; returns its seconds, as it measured them."""
        assert self._process.stdin is not None
        self._process.stdin.write("step\n")
        self._process.stdin.flush()
        return self._read()["seconds"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ValueError(
                f"torch's side ended with status {self._process.wait()}; it said why"
                " above"
            )
        return json.loads(line)
