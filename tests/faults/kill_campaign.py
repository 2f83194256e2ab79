"""Kills runs at random moments and looks whether they end as an unbroken one does.

    python -m tests.faults.kill_campaign --kills=20 --workers=0,2

Every run is killed several times and then left to end. All that must be the same is
compared to the last bit: parameters, optimiser state, statistics, moving averages, loss
scale, evaluations, patience, the loss of every step.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

import jax

from tests.faults import tiny_run

KILLS_A_RUN = 4


class Moment:
    """When to kill: a condition to wait for, then a delay."""

    def __init__(self, name, workdir, rng):
        self.name, self._workdir, self._rng = name, workdir, rng
        self._logged = len(tiny_run.steps_logged(workdir))
        self._after = rng.randint(1, 4)
        self._until = time.monotonic() + rng.uniform(0, 30)

    def has_come(self):
        return getattr(self, f"_{self.name}")()

    def delay(self):
        longest = {"save": 0.2, "evaluation": 0.5, "anytime": 0.0}.get(self.name, 1.5)
        return self._rng.uniform(0, longest)

    def _anytime(self):
        return time.monotonic() > self._until

    def _step(self):
        return len(tiny_run.steps_logged(self._workdir)) >= self._logged + self._after

    def _save(self):
        # Orbax writes into a folder of another name, and renames it at the end.
        return self._step() and any(
            "tmp" in path.name for path in self._workdir.glob("checkpoints/*")
        )

    def _epoch(self):
        steps = tiny_run.steps_logged(self._workdir)
        return self._step() and steps[-1] % tiny_run.STEPS_PER_EPOCH == 0

    def _evaluation(self):
        """A checkpoint of an epoch's end is there, and its evaluation is not."""
        saved = {
            int(path.name)
            for path in self._workdir.glob("checkpoints/*")
            if path.name.isdecimal() and int(path.name) % tiny_run.STEPS_PER_EPOCH == 0
        }
        history = self._workdir / "checkpoints/evaluations.json"
        done = json.loads(history.read_text()) if history.is_file() else []
        return bool(saved - {scored["step"] for scored in done})


MOMENTS = ("save", "epoch", "evaluation", "step", "anytime")


def kill_once(workdir, log, moment, **changes):
    """Starts or goes on with a run and kills it; returns whether it was in time."""
    process = tiny_run.start(workdir, log, **changes)
    try:
        while not moment.has_come():
            if process.poll() is not None:
                return False
            time.sleep(0.005)
        time.sleep(moment.delay())
        return process.poll() is None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def break_run(workdir, log, moments, rng, **changes):
    """Kills a run at each of the moments, then lets it end.

    Returns:
        The kills that were made: name of the moment and last step logged.
    """
    made = []
    for name in moments:
        if kill_once(workdir, log, Moment(name, workdir, rng), **changes):
            steps = tiny_run.steps_logged(workdir)
            made.append((name, steps[-1] if steps else 0))
    status = tiny_run.finish(workdir, log, **changes)
    if status != 0:
        raise RuntimeError(f"a resumed run ended with status {status}; see {log}")
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", default="0,2", help="numbers of reader workers")
    parser.add_argument("--dtype", default="float32", help="float16: with a loss scale")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where to leave the runs")
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    rng = random.Random(options.seed)
    folder = pathlib.Path(options.folder or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    changes = {"model__dtype": options.dtype}
    workers = [int(number) for number in options.workers.split(",")]
    if tiny_run.finish(folder / "unbroken", folder / "unbroken.log", **changes) != 0:
        sys.exit(f"the unbroken run failed; see {folder}/unbroken.log")
    unbroken = tiny_run.everything(folder / "unbroken")
    made, failed, number = 0, 0, 0
    while made < options.kills:
        count = min(KILLS_A_RUN, options.kills - made)
        moments = [MOMENTS[(made + i) % len(MOMENTS)] for i in range(count)]
        changes["data__num_workers"] = workers[number % len(workers)]
        workdir = folder / f"broken-{number}"
        kills = break_run(
            workdir, folder / f"broken-{number}.log", moments, rng, **changes
        )
        differs = tiny_run.differences(unbroken, tiny_run.everything(workdir))
        made, number = made + len(kills), number + 1
        failed += bool(differs)
        told = ", ".join(f"{name} (step {step})" for name, step in kills)
        print(
            f"{made}/{options.kills} kills · {changes['data__num_workers']} workers ·"
            f" {told} · {'DIFFERS: ' + ', '.join(differs[:9]) if differs else 'equal'}",
            flush=True,
        )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
