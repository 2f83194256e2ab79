"""Trains what docs/results.md compares on Clothing Co-Parsing, and writes its table.

    python launch/results.py --config.data.raw_dir=DIR              # for a GPU
    python launch/results.py --reduced --config.data.raw_dir=DIR    # for two CPU cores

Every recipe has the same budget of tuning: its own learning rate and a third and three
times that, of which the best mean IoU on val is taken. That run and two more of other
seeds make its row: mean and standard deviation on test. With --reduced only S0's best
trial and our recommendation run, short, on small photos and of one seed.

The same command goes on where it was stopped, and makes no finished run again.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from fashionjax.config_files import load_config
from fashionjax.reproduce.runs import (
    CONFIGS,
    METRICS,
    Outcome,
    Plan,
    Runner,
    parse_override,
)
from fashionjax.reproduce.table import TEST, Run
from fashionjax.train.interrupt import EXIT_STATUS
from fashionjax.writers import read_metrics

RATES = (1 / 3, 1.0, 3.0)
"""Learning rates that are tried, over the recipe's own."""

SHOWN = {
    "mean_iou": "mean IoU",
    "pooled_iou_excl_bg": "pooled IoU without background",
    "pixel_accuracy": "pixel accuracy",
}
CLAIMED = ("pooled_iou_excl_bg", "mean_iou")

S0_BEST = Run("s0/vgg19_4", "ccp4_full", "S0, trial 3: VGG19, 4 classes")
OURS = Run("recommended", "ccp4_full", "our recommendation")
ROWS = (
    Run("s0/vgg16_59", "ccp_full", "S0, trial 1: VGG16, 59 classes"),
    Run("s0/vgg16_4", "ccp4_full", "S0, trial 2: VGG16, 4 classes"),
    S0_BEST,
    Run("s0/vgg19_4_zoom", "ccp4_full", "S0, trial 4: VGG19, 4 classes, zoom"),
    OURS,
    Run("unet_lite0", "ccp4", "U-Net on EfficientNet-Lite0, 144×96"),
)
SEEDS = (0, 1, 2)

_SHORT = (
    ("data.image_size", "(96, 64)"),
    ("num_epochs", "10.0"),
    ("eval_every_epochs", "1.0"),
)
REDUCED = (
    dataclasses.replace(S0_BEST, fixed=(*_SHORT, ("model.dtype", "float32"))),
    dataclasses.replace(
        OURS, dataset="ccp4", fixed=(*_SHORT, ("freeze.num_epochs", "1.0"))
    ),
)

READING = ("data_dir", "raw_dir", "cache", "input", "num_threads", "num_workers")
"""Keys of `data` that say where photos lie and how they are read, not what is read."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What a recipe's runs gave.

    Attributes:
        run: The recipe.
        rate: The learning rate that was taken.
        val: Mean IoU on val of each learning rate that was tried.
        test: Metrics on test of each seed.
    """

    run: Run
    rate: float
    val: Mapping[float, float]
    test: Sequence[Mapping[str, float]]


class StoppedError(Exception):
    """A run failed, or was asked to stop; says which and why."""


def plan(
    run: Run, out: Path, rate: float, seed: int, overrides: Sequence[tuple[str, str]]
) -> Plan:
    """How a run of a recipe is made, in a folder of its own."""
    changes = {
        **dict(run.fixed),
        "schedule.learning_rate": f"{rate:.3g}",
        "seed": str(seed),
        **dict(overrides),
    }
    workdir = out / run.config / f"rate-{rate:.3g}-seed-{seed}"
    config = f"{CONFIGS / run.config}.py:{run.dataset}"
    return Plan(run, workdir, config, tuple(changes.items()), 0)


def make_result(
    run: Run, seeds: Sequence[int], make: Callable[[Run, float, int], Path]
) -> Result:
    """Tries the learning rates with the first seed; runs the other seeds with the best.

    Args:
        run: The recipe.
        seeds: The seeds.
        make: Makes a run of a learning rate and a seed; returns its folder.
    """
    own = load_config(f"{CONFIGS / run.config}.py:{run.dataset}")
    first, *others = seeds
    tried = {}
    for factor in RATES:
        rate = factor * own.schedule.learning_rate
        tried[rate] = make(run, rate, first)
    val = {rate: val_mean_iou(folder) for rate, folder in tried.items()}
    best = max(val, key=lambda rate: val[rate])
    folders = [tried[best], *(make(run, best, seed) for seed in others)]
    return Result(run, best, val, [_test(folder)["metrics"] for folder in folders])


def _test(workdir: Path) -> Mapping[str, dict[str, float]]:
    return json.loads((workdir / TEST.folder / METRICS).read_text())


def val_mean_iou(workdir: Path) -> float:
    """Mean IoU on val of the checkpoint that test was evaluated with."""
    step = _test(workdir)["step"]
    found = [
        record.metrics["mean_iou"]
        for record in read_metrics(workdir / "metrics.jsonl")
        if record.split == "val" and record.step == step
    ]
    return found[-1]


def write_table(results: Sequence[Result], label: str) -> str:
    """The table as Markdown, the learning rates, and what becomes of the claim."""
    seeds = len(results[0].test)
    lines = [
        f"{label}; {seeds} seed{'s' * (seeds > 1)}, test split",
        "",
        f"| recipe | {' | '.join(SHOWN.values())} |",
        f"|---|{'---:|' * len(SHOWN)}",
    ]
    for result in results:
        cells = [_spread([test[key] for test in result.test]) for key in SHOWN]
        lines.append(f"| {result.run.title} | {' | '.join(cells)} |")
    lines += ["", "| recipe | learning rate: mean IoU on val, the best is taken |"]
    lines.append("|---|---|")
    for result in results:
        tried = ", ".join(f"{rate:.3g}: {iou:.4f}" for rate, iou in result.val.items())
        lines.append(f"| {result.run.title} | {tried} |")
    return "\n".join([*lines, "", verdict(results)])


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{mean(values):.4f} ± {stdev(values):.4f}"


def verdict(results: Sequence[Result]) -> str:
    """Whether our recommendation beats S0's best trial of four classes on test.

    It must lead in both numbers, over whichever trial is best in each; with several
    seeds by more than the standard deviation of the difference between two runs.
    """
    ours = next(result for result in results if result.run.config == OURS.config)
    trials = [
        result
        for result in results
        # The means of 59 classes are of other classes.
        if result.run.config.startswith("s0/") and not result.run.config.endswith("_59")
    ]
    several = len(ours.test) > 1
    leads, is_ahead = [], []
    for key in CLAIMED:
        own = [test[key] for test in ours.test]
        best = max(([test[key] for test in trial.test] for trial in trials), key=mean)
        lead = mean(own) - mean(best)
        deviation = math.hypot(stdev(own), stdev(best)) if several else 0.0
        leads.append(
            f"{SHOWN[key]} {lead:+.4f}" + (f" ± {deviation:.4f}" if several else "")
        )
        is_ahead.append(lead > deviation)
    rule = (
        "both leads must be above the deviation of the difference of two runs"
        if several
        else "one seed: both leads must be above zero, and their deviation is unknown"
    )
    rivals = " and ".join(f'"{trial.run.title}"' for trial in trials)
    return (
        f'"{ours.run.title}" beats {rivals} on test: '
        f"{'supported' if all(is_ahead) else 'withdrawn'} ({', '.join(leads)}; {rule})."
    )


def describe(size: str, settings: Mapping[str, str]) -> str:
    """What the runs of a table share: "Full size" or "Reduced", and what is set."""
    shown = (
        f"{key}={value}"
        for key, value in settings.items()
        if key.removeprefix("data.") not in READING
    )
    return ", ".join([size, *shown])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status, 75 where it was asked to stop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reduced", action="store_true", help="for two CPU cores")
    parser.add_argument("--out", type=Path, default=Path("runs/results"))
    options, others = parser.parse_known_args(arguments)
    try:
        overrides = [parse_override(word) for word in others]
    except ValueError as error:
        parser.error(str(error))
    out = options.out / ("reduced" if options.reduced else "full")
    rows, seeds = (REDUCED, SEEDS[:1]) if options.reduced else (ROWS, SEEDS)
    size, fixed = ("Reduced", _SHORT) if options.reduced else ("Full size", ())
    label = describe(size, {**dict(fixed), **dict(overrides)})
    with Runner(lambda line: print(line, flush=True)) as runner:

        def make(run: Run, rate: float, seed: int) -> Path:
            planned = plan(run, out, rate, seed, overrides)
            print(planned.command, flush=True)
            outcome: Outcome = runner.make(planned)
            if outcome.error:
                raise StoppedError(f"{planned.workdir}: {outcome.error}")
            return planned.workdir

        try:
            results = [make_result(run, seeds, make) for run in rows]
        except StoppedError as stopped:
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
            return EXIT_STATUS if runner.stopped else 1
    table = write_table(results, label)
    (out / "table.md").write_text(f"{table}\n", encoding="utf-8")
    print(f"\n{table}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
