"""The runs of a table: each as `fashionjax.main` makes it, in a process of its own.

A run that is finished is used as it is, one that was interrupted goes on, and one that
fails leaves the others alone. A process each gives its memory back, and a device that
one of them exhausts is whole again for the next.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

import dataclasses
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ml_collections import ConfigDict

from fashionjax.config_files import load_config, parse_config
from fashionjax.reproduce.scale import Scale, has_key
from fashionjax.reproduce.table import TEST, Evaluation, Run, Table
from fashionjax.train.crf import read_options
from fashionjax.train.interrupt import EXIT_STATUS
from fashionjax.train.loop import FINISHED
from fashionjax.train.run_config import check_same_config, read_config

CONFIGS = Path(__file__).parents[2] / "configs"
METRICS = "metrics.json"
PYTHON = sys.executable
LOG = "reproduce.log"
"""What a run printed, in its work directory."""

_INTERVAL_SECONDS = 15.0
"""A line of a run is shown that often, and its last one."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, and how it is made.

    Attributes:
        run: The run.
        workdir: Its folder, shared by all tables of a scale.
        config: File and dataset of its config, `…/configs/NAME.py:DATASET`.
        changes: Keys of the configuration that are set.
        num_crf_settings: Options of a CRF that are tried, where any are.
    """

    run: Run
    workdir: Path
    config: str
    changes: tuple[tuple[str, str], ...]
    num_crf_settings: int

    @property
    def flags(self) -> list[str]:
        """What `fashionjax.main` is told."""
        changes = [f"--config.{key}={value}" for key, value in self.changes]
        return [f"--config={self.config}", f"--workdir={self.workdir}", *changes]

    @property
    def command(self) -> str:
        """The same for a reader, from the folder of the project."""
        config = self.config.replace(f"{CONFIGS}/", "configs/", 1)
        _, *others = self.flags
        words = ["python", "-m", "fashionjax.main", f"--config={config}", *others]
        return shlex.join(words)

    def resolved_config(self) -> ConfigDict:
        """The configuration of the run.

        Raises:
            OSError: If the config is not there.
            ValueError: If it has no such dataset or key.
        """
        return parse_config([f for f in self.flags if f.startswith("--config")])

    def is_finished(self) -> bool:
        """Whether the run has been made, under the configuration that it has now."""
        written = (self.workdir / FINISHED, self.workdir / TEST.folder / METRICS)
        if not all(file.is_file() for file in written):
            return False
        config = self.resolved_config()
        try:
            check_same_config(self.workdir, config, allow_change=False)
        except ValueError:
            return False
        return read_config(self.workdir).num_epochs == config.num_epochs

    def is_evaluated(self, evaluation: Evaluation) -> bool:
        """Whether an evaluation is there, and is what it would be now.

        That is: of the checkpoint that `TEST` is of, and under the same options of a
        CRF, which may change in a finished run.
        """
        files = [self.workdir / e.folder / METRICS for e in (TEST, evaluation)]
        if not all(file.is_file() for file in files):
            return False
        test, other = (json.loads(file.read_text()) for file in files)
        if evaluation.searches_crf:
            options = read_options(self.resolved_config().crf, self.workdir)
            if other["options"] != options:
                return False
        return test["step"] == other["step"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a run, or of an evaluation of one.

    Attributes:
        plan: How the run was to be made.
        error: Why there is no result; empty where there is one.
        stopped: Whether it was asked to stop, or never started because of that.
    """

    plan: Plan
    error: str = ""
    stopped: bool = False


def parse_override(word: str) -> tuple[str, str]:
    """Reads `--config.KEY=VALUE`.

    Raises:
        ValueError: If it is anything else.
    """
    key, separator, value = word.removeprefix("--config.").partition("=")
    if not word.startswith("--config.") or not separator:
        raise ValueError(f"unknown argument {word!r}; allowed is --config.KEY=VALUE")
    return key, value


def make_plans(table: Table, scale: Scale, out: Path) -> dict[Run, Plan]:
    """How the runs of a table are made.

    Args:
        table: The table.
        scale: What its runs are made with.
        out: Folder of all tables.

    Returns:
        A plan for each run; runs that come to the same on this data, such as those on
        base and on refined photos where there are drawn figures, have the same.

    Raises:
        OSError: If a config is not there.
        ValueError: If it has no such dataset or key, or a key is missing that the
            reader must set.
    """
    for key, reason in table.required:
        if not scale.dataset and key not in dict(scale.overrides):
            raise ValueError(f"{table.name} needs --config.{key}=…: {reason}")
    plans = {}
    for run in table.runs:
        preset = scale.preset(run)
        config = f"{CONFIGS / run.config}.py:{preset}"
        loaded = load_config(config)
        changes = {k: str(v) for k, v in scale.changes(run, loaded).items()}
        # The page's examples are chosen by their loss in the evaluation.
        changes |= dict(scale.overrides) | {"eval.images": "True"}
        changes |= {k: v for k, v in run.fixed if has_key(loaded, k)}
        workdir = out / scale.folder / "runs" / f"{run.config}-{preset}"
        plans[run] = Plan(
            run, workdir, config, tuple(changes.items()), scale.num_crf_settings
        )
    return _share(plans)


def _share(plans: Mapping[Run, Plan]) -> dict[Run, Plan]:
    """Makes runs one whose configurations say the same but for what they are called."""
    contents = {run: _content(plan.resolved_config()) for run, plan in plans.items()}
    first: dict[str, Plan] = {}
    # The same one of them in every table, so that tables share it.
    for run in sorted(plans, key=lambda run: run.config):
        first.setdefault(contents[run], plans[run])
    return {
        run: dataclasses.replace(first[content], run=run)
        for run, content in contents.items()
    }


def _content(config: ConfigDict) -> str:
    """A configuration without the words on the document it is from."""
    tree = json.loads(config.to_json())
    del tree["document"], tree["document_run"]
    return json.dumps(tree, sort_keys=True)


class Runner:
    """Makes runs, and hands SIGTERM and Ctrl-C on to the one that is being made.

    Attributes:
        stopped: Whether a signal asked to stop.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Makes no run yet.

        Args:
            say: Where lines for the reader go.
        """
        self.stopped = False
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Runner":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stopped = True
        if self._process is not None and self._process.poll() is None:
            # The run saves what it has; a terminal has told it of Ctrl-C already.
            self._process.send_signal(signal.SIGTERM)

    def make(self, plan: Plan) -> Outcome:
        """Makes a run, or takes it as it is where it is finished."""
        if not self.stopped and plan.is_finished():
            self._say(f"  finished before: {plan.workdir}")
            return Outcome(plan)
        return self._run(plan, [])

    def evaluate(self, made: Outcome, evaluation: Evaluation) -> Outcome:
        """Evaluates a run that was made, unless that has been done."""
        plan = made.plan
        if made.error or plan.is_evaluated(evaluation):
            return made
        flags = ["--mode=eval", *evaluation.flags]
        if evaluation.searches_crf:
            flags.append(f"--crf_settings={plan.num_crf_settings}")
        return self._run(plan, flags)

    def _run(self, plan: Plan, flags: Sequence[str]) -> Outcome:
        if self.stopped:
            return Outcome(plan, "not started: asked to stop", stopped=True)
        plan.workdir.mkdir(parents=True, exist_ok=True)
        command = [PYTHON, "-m", "fashionjax.main", *plan.flags, *flags]
        start = time.monotonic()
        status, last = self._watch(command, plan.workdir / LOG)
        if status == 0:
            self._say(f"  done in {time.monotonic() - start:.0f} s: {plan.workdir}")
            return Outcome(plan)
        if self.stopped or status == EXIT_STATUS:
            self.stopped = True
            return Outcome(plan, "stopped; goes on from there", stopped=True)
        self._say(f"  failed: {last}")
        return Outcome(plan, last or f"exit status {status}")

    def _watch(self, command: Sequence[str], log: Path) -> tuple[int, str]:
        """Runs a command; returns its status and what it said of its failure."""
        last, error, shown = "", [], time.monotonic()
        is_told = False
        with (
            log.open("a", encoding="utf-8") as file,
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            self._process = process
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                file.flush()
                last = line.strip() or last
                # An error may go on in the lines after its first one, up to what
                # threads say that outlive it.
                is_told = is_told or (bool(error) and line.startswith("Traceback "))
                if not is_told and (error or last.startswith("error: ")):
                    error.append(line.strip().removeprefix("error: "))
                if time.monotonic() - shown > _INTERVAL_SECONDS:
                    self._say(f"  {last}")
                    shown = time.monotonic()
        self._process = None
        return process.returncode, " ".join(error) or last
