"""Random search for the options of the dense CRF, by pixel accuracy.

    python -m fashionjax.crf_search --workdir=RUN [--num_settings=50] [--seed=0]

As the document of the ResNeXt-FPN: standard deviations and weight of the kernel of
appearance are drawn, the kernel of smoothness and the number of iterations are the
config's. The result lies in `RUN/crf-search/`: `result.json`, whose best setting
`--crf` takes from then on, `table.md`, and `settings.jsonl`, a line a setting, from
which the same command goes on where it was stopped.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fashionjax.train.run import Run

RANGES: Mapping[str, int] = {
    "bilateral_sxy": 40,
    "bilateral_srgb": 100,
    "bilateral_compat": 15,
}
"""Largest value of each option that is drawn, from 1 on, whole numbers."""

_SHOWN = ("pixel_accuracy", "mean_iou")


def draw_setting(seed: int, index: int) -> dict[str, int]:
    """Draws a setting; each is the same however many are drawn.

    Args:
        seed: Of the search.
        index: Which setting, from 0.
    """
    rng = np.random.default_rng([seed, index])
    return {name: int(rng.integers(1, last + 1)) for name, last in RANGES.items()}


def search(run: "Run", *, num_settings: int, seed: int = 0, split: str = "val") -> Path:
    """Tries settings on the best checkpoint of a run.

    Args:
        run: The run; of one process.
        num_settings: How many to draw.
        seed: Of the drawn settings.
        split: "train", "val" or "test".

    Returns:
        The file of the result.

    Raises:
        ValueError: If nothing was trained, or the folder holds another search.
    """
    # Slow to import; --help needs none of it.
    from fashionjax.train.crf import SEARCH_RESULT, predict_split
    from fashionjax.train.loop import best_variables
    from fashionjax.train.progress import format_duration, print_line

    if num_settings < 1:
        raise ValueError(f"{num_settings} settings; allowed is 1 or more")
    path = run.workdir / SEARCH_RESULT
    with run.open_checkpoints(read_only=True) as checkpoints:
        step, variables = best_variables(run, checkpoints)
    fixed = {k: v for k, v in run.config.crf.items() if k not in RANGES}
    what = {"split": split, "step": step, "seed": seed, "fixed": fixed}
    log = path.parent / "settings.jsonl"
    tried = _read(log, what)
    class_names = run.experiment.label_map.class_names
    batches = list(predict_split(run, variables, split))
    num_images = sum(len(batch.image) for batch in batches)
    without = _try(batches, None, class_names)
    print_line(f"{num_images} images of {split}, step {step}")
    print_line(f"without CRF: {_describe(without)}")
    for index in range(len(tried), num_settings):
        start = time.perf_counter()
        drawn = draw_setting(seed, index)
        record = {"options": drawn | fixed, **_try(batches, drawn | fixed, class_names)}
        with log.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        tried.append(record)
        left = (time.perf_counter() - start) * (num_settings - index - 1)
        best = max(tried, key=_accuracy)["pixel_accuracy"]
        options = ", ".join(f"{k} {v}" for k, v in drawn.items())
        print_line(
            f"{index + 1}/{num_settings} {options}: {_describe(record)} · best"
            f" {best:.4f} · {format_duration(left)} left"
        )
    tried = tried[:num_settings]
    result = {
        **what,
        "num_images": num_images,
        "without_crf": without,
        "best": max(tried, key=_accuracy),
        "settings": tried,
    }
    (path.parent / "table.md").write_text(table(result))
    # Last and at once: where it is, the result is whole.
    part = path.with_suffix(".json.part")
    part.write_text(json.dumps(result, indent=2) + "\n")
    part.replace(path)
    print_line(f"best: {result['best']['options']}; wrote {path}")
    return path


def _accuracy(record: Mapping[str, Any]) -> float:
    return record["pixel_accuracy"]


def _read(log: Path, what: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was tried before; begins the file if there is none."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # A kill can leave part of a line.
    whole = log.read_text().split("\n")[:-1] if log.is_file() else []
    header, *tried = [json.loads(line) for line in whole] or [dict(what)]
    if header != what:
        raise ValueError(
            f"{log.parent} holds the search {header}, not {what}; move or delete it"
        )
    log.write_text("".join(json.dumps(line) + "\n" for line in (header, *tried)))
    return tried


def _try(
    batches: Sequence[Any],
    options: Mapping[str, Any] | None,
    class_names: Sequence[str],
) -> dict[str, Any]:
    """Accuracy and IoU of all batches, under some options or without CRF."""
    from fashionjax.metrics import segmentation_metrics
    from fashionjax.train.crf import count, refine

    confusion = np.zeros((len(class_names), len(class_names)), np.int64)
    start = time.perf_counter()
    for batch in batches:
        parts = [batch.probs]
        if options is not None:
            parts = refine(batch.probs, batch.image, options)
        done = 0
        for probs in parts:
            label = batch.label[done : done + len(probs)]
            confusion += count(probs, label, len(class_names))
            done += len(probs)
    metrics = segmentation_metrics(confusion, class_names)
    seconds = time.perf_counter() - start
    return {**{name: metrics[name] for name in _SHOWN}, "seconds": seconds}


def _describe(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {record[name]:.4f}" for name in _SHOWN)


def table(result: Mapping[str, Any]) -> str:
    """All settings, the best first, in Markdown."""
    names = tuple(RANGES)
    lines = [
        f"| {' | '.join((*names, *_SHOWN))} |",
        "|---" * (len(names) + len(_SHOWN)) + "|",
    ]
    for record in sorted(result["settings"], key=_accuracy, reverse=True):
        options = [f"{record['options'][name]}" for name in names]
        values = [f"{record[name]:.4f}" for name in _SHOWN]
        lines.append(f"| {' | '.join((*options, *values))} |")
    values = [f"{result['without_crf'][name]:.4f}" for name in _SHOWN]
    lines.append(f"| without CRF |{' |' * (len(names) - 1)} {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    default = "default: %(default)s"
    parser = argparse.ArgumentParser(
        prog="python -m fashionjax.crf_search",
        description="Random search for the options of the dense CRF, on the best"
        " checkpoint of a run, by pixel accuracy. The same command goes on where it"
        " was stopped.",
    )
    parser.add_argument("--workdir", type=Path, required=True, help="of the run")
    parser.add_argument(
        "--num_settings", type=int, default=50, help=f"how many to draw; {default}"
    )
    parser.add_argument("--seed", type=int, default=0, help=f"of them; {default}")
    parser.add_argument("--split", choices=("train", "val", "test"), default="val")
    options = parser.parse_args(arguments)
    from fashionjax.train.run import open_run
    from fashionjax.train.run_config import read_config

    try:
        run = open_run(read_config(options.workdir), options.workdir)
        search(
            run,
            num_settings=options.num_settings,
            seed=options.seed,
            split=options.split,
        )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
