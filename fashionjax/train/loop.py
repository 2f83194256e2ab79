"""The training loop: the file to read first."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from fashionjax.data import pipeline
from fashionjax.train import summary
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.evaluation import Evaluation, evaluate, saved_step
from fashionjax.train.progress import Progress, print_line
from fashionjax.train.results import write_results
from fashionjax.train.run import Run, open_run
from fashionjax.train.run_config import check_same_config
from fashionjax.train.sharding import put_batch
from fashionjax.train.state import TrainState, init_state
from fashionjax.train.step import make_train_step
from fashionjax.writers import MetricWriter, open_writers


def train_and_evaluate(
    config: ConfigDict, workdir: str | Path, *, allow_config_change: bool = False
) -> Evaluation | None:
    """Trains, or goes on training, and evaluates the best checkpoint on `test`.

    Args:
        config: The configuration; see `configs/`.
        workdir: Folder of the run: checkpoints, metrics, report.
        allow_config_change: Whether to go on under any other configuration.

    Returns:
        The evaluation on `test`; None if the run was finished before.

    Raises:
        ValueError: If the configuration is wrong, or not that of the folder.
    """
    workdir = Path(workdir)
    check_same_config(workdir, config, allow_change=allow_config_change)
    run = open_run(config, workdir)
    with run.open_checkpoints() as checkpoints:
        start_step = checkpoints.latest_step or 0
        if start_step >= run.num_steps and _is_reported(run, checkpoints):
            print_line(
                f"This run is finished: {start_step} steps. Its report is"
                f" {workdir}/report/index.html; train again in another --workdir, or"
                " longer with a larger --config.num_epochs."
            )
            return None
        if start_step:
            print_line(f"Going on from step {start_step} in {workdir}")
            state = checkpoints.restore(start_step, run.abstract_state)
        else:
            state = init_state(
                run.experiment.model,
                run.optimizer,
                jax.random.key(config.seed),
                image_size=run.experiment.image_size,
                mesh=run.mesh,
            )
        is_main = jax.process_index() == 0
        if is_main:
            summary.write_run_config(workdir, config.to_dict())
            num_examples = {k: len(v) for k, v in run.dataset.sources.items()}
            print_line(summary.describe_run(state, config, run.num_steps, num_examples))
        writers = open_writers(workdir, start_step) if is_main else None
        try:
            train(run, state, start_step, checkpoints, writers)
            checkpoints.wait()
            result = evaluate_checkpoint(run, checkpoints, "test")
            if writers is not None:
                writers.write(result.step, "test", result.metrics)
        finally:
            if writers is not None:
                writers.close()
    return result


def train(
    run: Run,
    state: TrainState,
    start_step: int,
    checkpoints: Checkpoints,
    writers: MetricWriter | None,
) -> None:
    """Updates the state until the run's last step, validating and saving on the way.

    Args:
        run: The run.
        state: Where to start; donated.
        start_step: Its step.
        checkpoints: Where to save.
        writers: Where metrics go; None on all processes but one.
    """
    config, experiment = run.config, run.experiment
    train_step = make_train_step(
        experiment.model,
        experiment.objective,
        run.optimizer,
        experiment.prepare,
        mesh=run.mesh,
    )
    eval_every = max(1, round(float(config.eval_every_epochs) * run.steps_per_epoch))
    key = jax.random.key(config.seed + 1)
    progress = Progress(
        run.num_steps,
        start_step=start_step,
        batch_size=config.batch_size,
        num_examples=run.steps_per_epoch * config.batch_size,
    )
    batches = _train_batches(run, start_step)
    since_log: list[dict[str, jax.Array]] = []
    for step in range(start_step + 1, run.num_steps + 1):
        with progress.waiting_for_data():
            batch = next(batches)
        device_batch = put_batch(batch, run.mesh)
        if step == start_step + 1:
            print_line("Compiling the training step …")
            with progress.pause(once=True):
                state, metrics = train_step(state, device_batch, key)
                jax.block_until_ready(state)
        else:
            state, metrics = train_step(state, device_batch, key)
        since_log.append(metrics)

        if step % config.log_every_steps == 0 or step == run.num_steps:
            averages = _average(since_log)
            since_log = []
            rates = progress.report(step, averages)
            if writers is not None:
                averages["learning_rate"] = float(run.learning_rate(step - 1))
                writers.write(
                    step, "train", averages | rates.metrics(), progress.epoch(step)
                )
        if step % eval_every == 0 or step == run.num_steps:
            # Steps that are still under way belong to training, not to the pause.
            jax.block_until_ready(state)
            with progress.pause():
                variables = {"params": state.params, "batch_stats": state.batch_stats}
                result = _evaluate(run, variables, step, "val")
                _print_result(result)
                if writers is not None:
                    writers.write(step, "val", result.metrics, progress.epoch(step))
                checkpoints.save(
                    state, metrics=_finite(result.metrics), meta=_meta(run)
                )


def evaluate_checkpoint(run: Run, checkpoints: Checkpoints, split: str) -> Evaluation:
    """Evaluates the best checkpoint on a split; writes `eval-SPLIT/` and the report.

    Args:
        run: The run.
        checkpoints: Its checkpoints; at least one.
        split: "train", "val" or "test".

    Returns:
        The evaluation.

    Raises:
        ValueError: If there is no checkpoint yet.
    """
    step = checkpoints.best_step
    if step is None:
        raise ValueError(f"{run.workdir} has no finished checkpoint yet")
    abstract = run.abstract_state
    variables = checkpoints.restore_variables(
        step, {"params": abstract.params, "batch_stats": abstract.batch_stats}
    )
    result = _evaluate(run, variables, step, split)
    _print_result(result)
    if jax.process_index() == 0:
        result.save(run.workdir)
        write_results(run, variables, result)
    return result


def _is_reported(run: Run, checkpoints: Checkpoints) -> bool:
    """Whether the report and the result on `test` are those of the best checkpoint."""
    return (
        saved_step(run.workdir, "test") == checkpoints.best_step
        and (run.workdir / "report/index.html").is_file()
    )


def _train_batches(run: Run, start_step: int) -> Iterator[dict[str, np.ndarray]]:
    """This process's share of the batches of the steps that remain."""
    data = run.config.data
    return iter(
        pipeline.train_batches(
            run.dataset.sources["train"],
            batch_size=run.config.batch_size,
            seed=run.config.seed,
            start_step=start_step,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            num_threads=data.num_threads,
            num_workers=data.num_workers,
            num_classes=run.experiment.label_map.num_classes,
        )
    )


def _evaluate(
    run: Run, variables: Mapping[str, Any], step: int, split: str
) -> Evaluation:
    batches = pipeline.eval_batches(
        run.dataset.sources[split],
        batch_size=run.config.eval_batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        num_classes=run.experiment.label_map.num_classes,
    )
    return evaluate(
        run.eval_step,
        variables["params"],
        variables["batch_stats"],
        batches,
        mesh=run.mesh,
        class_names=run.experiment.label_map.class_names,
        split=split,
        step=step,
    )


def _average(metrics: list[dict[str, jax.Array]]) -> dict[str, float]:
    """Means over the steps since the last line."""
    fetched = jax.device_get(metrics)
    return {
        name: float(np.mean([m[name] for m in fetched], dtype=np.float64))
        for name in fetched[0]
    }


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics without those that are undefined, such as IoU of an absent class."""
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _meta(run: Run) -> dict[str, Any]:
    """What a checkpoint must carry to be used without the code that trained it."""
    normalization = run.experiment.prepare.normalization
    label_map = run.experiment.label_map
    return {
        "config": run.config.to_dict(),
        "class_names": label_map.class_names,
        "palette": label_map.palette,
        "image_size": run.experiment.image_size,
        "normalization": dataclasses.asdict(normalization),
    }


def _print_result(result: Evaluation) -> None:
    shown = ("mean_iou", "pooled_iou_excl_bg", "mask_iou", "pixel_accuracy", "f1")
    parts = [
        f"{name} {result.metrics[name]:.4f}" for name in shown if name in result.metrics
    ]
    print_line(
        f"{result.split} at step {result.step} · {result.num_images} images · "
        + " · ".join(parts)
    )
