"""From the start of a process to its first training step, phase by phase."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

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


def measure_startup(config: ConfigDict) -> Iterator[dict[str, Any]]:
    """Starts a run twice in processes of their own, up to the first step.

    Args:
        config: The whole config; nothing pretrained.

    Yields:
        What was measured, by name, with no program compiled before ("cold") and with
        what that left ("warm"): seconds of each of `PHASES`, and of all.

    Raises:
        ValueError: If a process fails; it said why.
    """
    config = ConfigDict(config.to_dict())
    config.model.pretrained = "none"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(config.to_json())
        for cache in ("cold", "warm"):
            seconds = _start(file, Path(folder) / "cache")
            yield {
                "model": config.model.name,
                "dataset": config.data.name,
                "batch": config.batch_size,
                "size": "x".join(map(str, config.data.image_size)),
                "input": config.data.input,
                "threads": config.data.num_threads,
                "cache": cache,
                **seconds,
                "total_s": sum(seconds[name] for name in PHASES),
            }


def _start(config: Path, cache: Path) -> dict[str, float]:
    words = [f"--config={config}", f"--cache={cache}", f"--started={time.time()}"]
    done = subprocess.run(
        [sys.executable, "-m", "fashionjax.bench.startup", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"a start ended with status {done.returncode}; it said why")
    return json.loads(done.stdout.splitlines()[-1])


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
    parser.add_argument("--started", type=float, required=True)
    options = parser.parse_args(arguments)
    watch = _Watch(options.started)
    watch.end("python_s")
    # What a run imports is part of what is measured.
    import jax

    from fashionjax.compilation_cache import use_compilation_cache
    from fashionjax.train.loop import open_run
    from fashionjax.train.state import init_state

    watch.end("import_s")
    use_compilation_cache(options.cache)
    jax.block_until_ready(jax.numpy.zeros(()))
    watch.end("devices_s")
    config = ConfigDict(json.loads(options.config.read_text()))
    with tempfile.TemporaryDirectory() as workdir:
        run = open_run(config, Path(workdir))
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
    num_examples = len(run.dataset.sources["train"])
    print(json.dumps({"examples": num_examples, **watch.seconds}))


if __name__ == "__main__":
    main()
