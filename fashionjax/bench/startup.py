"""From the start of a process to its first training step, phase by phase."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

if TYPE_CHECKING:  # what a run imports is part of what is measured
    from fashionjax.data.dataset import Source

PHASES = {
    "python_s": "interpreter",
    "import_s": "imports",
    "devices_s": "devices",
    "open_s": "dataset and model",
    "state_s": "first state",
    "load_s": "reading what is resident",
    "compile_s": "tracing and compiling",
    "batch_s": "first batch",
    "step_s": "first step",
}
"""Keys of a row, in the order of a run, and what happens meanwhile."""


def measure_startup(config: ConfigDict, examples: int) -> Iterator[dict[str, Any]]:
    """Starts a run twice in processes of their own, up to the first step.

    Args:
        config: The whole config; nothing pretrained, nothing frozen.
        examples: Examples of the training split: the first of its own, or all of them
            over and over. Reading so many takes what it takes; drawing or finding so
            many different ones is no part of a start.

    Yields:
        What was measured, by name, with no program compiled before ("cold") and with
        what that left ("warm"): seconds of each of `PHASES`, and of all.

    Raises:
        ValueError: If a process fails; it said why.
    """
    config = ConfigDict(config.to_dict())
    config.model.pretrained = "none"
    config.freeze.num_epochs = 0.0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(config.to_json())
        for cache in ("cold", "warm"):
            seconds = _start(file, Path(folder) / "cache", examples)
            yield {
                "model": config.model.name,
                "dataset": config.data.name,
                "batch": config.batch_size,
                "size": "x".join(map(str, config.data.image_size)),
                "input": config.data.input,
                "threads": config.data.num_threads,
                "cache": cache,
                "examples": examples,
                **seconds,
                "total_s": sum(seconds[name] for name in PHASES),
            }


def _start(config: Path, cache: Path, examples: int) -> dict[str, float]:
    words = [f"--config={config}", f"--cache={cache}", f"--examples={examples}"]
    words.append(f"--started={time.time()}")
    done = subprocess.run(
        [sys.executable, "-m", "fashionjax.bench.startup", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"a start ended with status {done.returncode}; it said why")
    return json.loads(done.stdout.splitlines()[-1])


@dataclasses.dataclass(frozen=True)
class _Repeated:
    """So many examples of a split, all of its own over and over."""

    source: "Source"
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.source[index % len(self.source)]


class _Watch:
    """Seconds of one phase after the other."""

    def __init__(self, started: float) -> None:
        self.seconds: dict[str, float] = {}
        self._last = started

    def end(self, phase: str) -> None:
        """Notes the time since the phase before."""
        now = time.time()
        self.seconds[phase] = now - self._last
        self._last = now


def main(arguments: Sequence[str] | None = None) -> None:
    """Starts a run, as `fashionjax.main` does, and prints its phases as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--started", type=float, required=True)
    options = parser.parse_args(arguments)
    watch = _Watch(options.started)
    watch.end("python_s")
    # What a run imports is part of what is measured.
    import jax

    from fashionjax.compilation_cache import use_compilation_cache
    from fashionjax.train.run import open_run
    from fashionjax.train.state import init_state

    watch.end("import_s")
    use_compilation_cache(options.cache)
    jax.block_until_ready(jax.numpy.zeros(()))
    watch.end("devices_s")
    config = ConfigDict(json.loads(options.config.read_text()))
    with tempfile.TemporaryDirectory() as workdir:
        run = open_run(config, Path(workdir))
    train = _Repeated(run.dataset.sources["train"], options.examples)
    sources = {**run.dataset.sources, "train": train}
    dataset = dataclasses.replace(run.dataset, sources=sources)
    run = dataclasses.replace(
        run, dataset=dataset, input=dataclasses.replace(run.input, dataset=dataset)
    )
    watch.end("open_s")
    state = init_state(run.init, jax.random.key(config.seed), run.mesh)
    jax.block_until_ready(state)
    watch.end("state_s")
    feed = run.input.open(0)
    feed.load()
    jax.block_until_ready(jax.live_arrays())
    watch.end("load_s")
    train_step: Any = run.compile_train_step(run.phases[0])
    watch.end("compile_s")
    batch = feed.put(next(feed))
    jax.block_until_ready(batch)
    watch.end("batch_s")
    jax.block_until_ready(train_step(state, batch, jax.random.key(config.seed + 1)))
    watch.end("step_s")
    feed.close()
    own = len(train.source)
    print(
        json.dumps({"distinct_examples": min(own, options.examples), **watch.seconds})
    )


if __name__ == "__main__":
    main()
