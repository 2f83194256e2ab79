"""The training loop: the file to read first."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from ml_collections import ConfigDict

from fashionjax import distributed
from fashionjax.compilation_cache import CacheWatch
from fashionjax.constants import EXAMPLE_INDEX
from fashionjax.data import pipeline
from fashionjax.data.label_map_table import describe_dataset
from fashionjax.pretrained.load import NONE
from fashionjax.train import summary
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.eval_step import EvalStep
from fashionjax.train.evaluation import Evaluation, evaluate, evaluated_step
from fashionjax.train.guards import CompilationCount, HealthWatch, NonFiniteError
from fashionjax.train.input import Feed
from fashionjax.train.interrupt import StoppedError, StopRequest
from fashionjax.train.memory import describe_memory, memory_limit
from fashionjax.train.phases import Phase
from fashionjax.train.progress import Progress, print_line
from fashionjax.train.results import write_results
from fashionjax.train.run import Run, open_run
from fashionjax.train.run_config import check_same_config
from fashionjax.train.state import TrainState, init_state, restart_optimizer
from fashionjax.train.train_log import TrainLog, print_evaluation
from fashionjax.train.truth_prior import TruthPrior
from fashionjax.train.workdir import check_writable
from fashionjax.writers import MetricWriter, WriterGroup, open_writers

FINISHED = "finished"
"""File in the work directory: the last step of a run whose report is written."""


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
        ValueError: If the configuration is wrong, or not that of the folder, or the
            folder cannot be written.
        NonFiniteError: If loss or gradient is NaN or infinite in more steps in a row
            than `config.max_skipped_steps`.
        StoppedError: If SIGTERM or Ctrl-C asked any process to stop; the next call
            goes on from there.
    """
    workdir = Path(workdir)
    check_writable(workdir)
    check_same_config(workdir, config, allow_change=allow_config_change)
    run = open_run(config, workdir)
    with StopRequest() as stop, run.open_checkpoints() as checkpoints:
        if run.is_trained(checkpoints) and _has_results(run, checkpoints):
            print_line(
                f"This run is finished: {checkpoints.latest_step} steps. Its report is"
                f" {workdir}/report/index.html; train again in another --workdir, or"
                " longer with a larger --config.num_epochs."
            )
            return None
        start_step = checkpoints.latest_step or 0
        state = _start(run, checkpoints, start_step)
        writers = _open_writers(run, start_step)
        try:
            train(run, state, start_step, checkpoints, writers, stop)
            result = evaluate_checkpoint(run, checkpoints, "test", stop)
            writers.write(result.step, "test", result.metrics)
            if jax.process_index() == 0:
                _mark_finished(run, checkpoints)
        finally:
            writers.close()
    return result


@dataclasses.dataclass(frozen=True)
class Session:
    """What the steps of this process share.

    Attributes:
        run: The run.
        checkpoints: Where to save.
        stop: Looked at in every step and in every batch of an evaluation.
        log: Where metrics go.
        watch: Looks at the health of every step.
        feed: The batches that remain.
        key: Random key of the run; every step makes its own of it.
    """

    run: Run
    checkpoints: Checkpoints
    stop: StopRequest
    log: TrainLog
    watch: HealthWatch
    feed: Feed
    key: PRNGKeyArray


def train(
    run: Run,
    state: TrainState,
    start_step: int,
    checkpoints: Checkpoints,
    writers: MetricWriter,
    stop: StopRequest,
) -> None:
    """Updates the state until the run is over, saving and evaluating on the way.

    Args:
        run: The run.
        state: Where to start; donated.
        start_step: Its step.
        checkpoints: Where to save.
        writers: Where metrics go.
        stop: Whether this process was asked to stop.

    Raises:
        NonFiniteError: If loss or gradient is NaN or infinite in more steps in a row
            than `config.max_skipped_steps`.
        StoppedError: If any process was asked to stop; the state is saved.
    """
    opened = contextlib.closing(run.input.open(start_step))
    with opened as feed, CompilationCount() as compilations:
        session = Session(
            run=run,
            checkpoints=checkpoints,
            stop=stop,
            log=_open_log(run, start_step, writers, compilations, feed),
            watch=HealthWatch(
                run.workdir,
                run.dataset.sources["train"],
                max_skipped=run.config.max_skipped_steps,
            ),
            feed=feed,
            key=jax.random.key(run.config.seed + 1),
        )
        if start_step and run.is_evaluated_at(start_step):
            # The last process may have ended between its checkpoint and its evaluation.
            with session.log.pause():
                _evaluate_and_record(session, state, start_step)
        with session.log.flushing(StoppedError, NonFiniteError):
            for phase in run.phases:
                if start_step >= phase.end or run.is_trained(checkpoints):
                    continue
                # Not where the run goes on within the phase; but where it goes on
                # exactly at the turn: what was saved there is of the phase before.
                if start_step <= phase.start and phase.start > 0:
                    state = restart_optimizer(state, run.optimizer, run.mesh)
                state = _train_phase(session, phase, state, start_step)


def _train_phase(
    session: Session, phase: Phase, state: TrainState, start_step: int
) -> TrainState:
    """Makes the steps of a phase, those after `start_step`, until the run is over."""
    run, log = session.run, session.log
    with log.pause(once=True):
        session.feed.load()
        train_step = _compile(run, phase)
        # Collectives give up on processes that come to their first one too late.
        distributed.wait_for_all()
    for step in range(max(start_step, phase.start) + 1, phase.end + 1):
        # The step before is running: reading and sending take none of its time.
        with log.waiting_for_data():
            rows = next(session.feed)
        batch = session.feed.put(rows, stop=session.stop.requested)
        with log.dispatching():
            state, metrics, health = train_step(state, batch, session.key)
        # Waits for the step before alone; all processes hear the same of it.
        asked_to_stop = session.watch.add(step, rows[EXAMPLE_INDEX], health)
        log.step(step, metrics, last=step == phase.end)
        if asked_to_stop or run.is_saved_at(step) or run.is_evaluated_at(step):
            # Waits for this step: nothing is saved before its health is known. The save
            # copies the state, and goes on in the background.
            asked_to_stop |= session.watch.settle()
            with log.pause():
                session.checkpoints.save(state, _meta(run))
                if asked_to_stop:
                    raise StoppedError(f"stopped at step {step}")
                if run.is_evaluated_at(step):
                    _evaluate_and_record(session, state, step)
            if run.is_trained(session.checkpoints):
                break
    return state


def _compile(run: Run, phase: Phase) -> jax.stages.Compiled:
    """Compiles the update of a phase; tells how long that took, and its memory."""
    step = f"the training step ({phase.name})"
    print_line(f"Compiling {step} …")
    start = time.perf_counter()
    with CacheWatch() as cache:
        train_step = run.compile_train_step(phase)
    seconds = time.perf_counter() - start
    done = f"Read {step} from the cache" if cache.was_read else f"Compiled {step}"
    print_line(f"{done} in {seconds:.1f} s")
    print_line(describe_memory(train_step.memory_analysis(), memory_limit()))
    return train_step


def _evaluate_and_record(session: Session, state: TrainState, step: int) -> None:
    """Evaluates a saved state on `val`, unless that has been done."""
    run, checkpoints = session.run, session.checkpoints
    if checkpoints.is_evaluated(step):
        return
    result = _evaluate(run, run.eval_step, state.variables, step, "val", session.stop)
    # What is told here is recorded at once: a kill in between would tell it twice.
    checkpoints.wait()
    session.log.evaluation(result)
    finite = {name: v for name, v in result.metrics.items() if np.isfinite(v)}
    selection = checkpoints.record(step, finite)
    if run.is_out_of_patience(checkpoints):
        print_line(
            f"Stopping early: {run.config.best_metric} has not improved in"
            f" {selection.num_stale} evaluations since step {selection.best_step}"
        )


def best_variables(run: Run, checkpoints: Checkpoints) -> tuple[int, Mapping[str, Any]]:
    """Restores `params` and `batch_stats` of the best checkpoint, and its step.

    Raises:
        ValueError: If there is no evaluated checkpoint yet.
    """
    step = checkpoints.best_step
    if step is None:
        raise ValueError(
            f"{run.workdir} has no checkpoint yet that was evaluated and whose"
            f" {run.config.best_metric} is finite"
        )
    abstract = run.abstract_state
    variables = checkpoints.restore_variables(
        step,
        {"params": abstract.params, "batch_stats": abstract.batch_stats},
        ema=abstract.ema is not None,
    )
    return step, variables


def evaluate_checkpoint(
    run: Run,
    checkpoints: Checkpoints,
    split: str,
    stop: StopRequest | None = None,
    *,
    truth: TruthPrior | None = None,
) -> Evaluation:
    """Evaluates the best checkpoint on a split; writes `eval-SPLIT/` and the report.

    With part of the truth told in advance it writes `eval-SPLIT-PRIOR/` alone.

    Args:
        run: The run.
        checkpoints: Its checkpoints; at least one that was evaluated.
        split: "train", "val" or "test".
        stop: Ends the evaluation early.
        truth: What the model is told of each image in advance; nothing if None.

    Returns:
        The evaluation.

    Raises:
        ValueError: If there is no evaluated checkpoint yet.
        StoppedError: If any process was asked to stop.
    """
    step, variables = best_variables(run, checkpoints)
    eval_step = run.eval_step if truth is None else run.make_eval_step(truth)
    result = _evaluate(run, eval_step, variables, step, split, stop)
    sources = run.dataset.sources
    result = dataclasses.replace(
        result,
        prior=truth.name if truth is not None else None,
        chose_checkpoint=sources[split] is sources["val"],
    )
    print_evaluation(result)
    if jax.process_index() == 0:
        result.with_image_ids(sources[split]).save(run.workdir)
        if truth is None:
            write_results(run, variables, result)
    return result


def _start(run: Run, checkpoints: Checkpoints, start_step: int) -> TrainState:
    """The state to start with, restored or new; tells what the run is."""
    if start_step:
        print_line(f"Going on from step {start_step} in {run.workdir}")
        state = checkpoints.restore(start_step, run.abstract_state)
    else:
        state = _begin(run)
    if jax.process_index() == 0:
        normalization = dataclasses.asdict(run.experiment.prepare.normalization)
        summary.write_run_config(
            run.workdir,
            run.config.to_dict(),
            {"normalization": normalization, "pretrained": run.origin.record},
        )
    num_examples = {name: len(source) for name, source in run.dataset.sources.items()}
    if not run.dataset.has_test:
        del num_examples["test"]
    print_line(summary.describe_run(state, run.config, run.num_steps, num_examples))
    if not start_step:
        print_line(describe_dataset(run.dataset))
    return state


def _begin(run: Run) -> TrainState:
    """The state at step 0, with the pretrained variables where there are any."""
    key, weights = jax.random.key(run.config.seed), run.origin.weights
    if weights is None:
        if run.config.model.pretrained != NONE:
            # Weights are not read where a folder looks as if there were a checkpoint.
            raise ValueError(
                f"{run.workdir} has no checkpoint that can be read; train in another"
                " --workdir"
            )
        return init_state(run.init, key, run.mesh)
    print_line(weights.describe())
    return init_state(run.init, key, run.mesh, weights.variables)


def _open_log(
    run: Run,
    start_step: int,
    writers: MetricWriter,
    compilations: CompilationCount,
    feed: Feed,
) -> TrainLog:
    progress = Progress(
        run.num_steps,
        start_step=start_step,
        batch_size=run.config.batch_size,
        num_examples=run.steps_per_epoch * run.config.batch_size,
    )
    return TrainLog(
        progress,
        writers,
        compilations,
        every=run.config.log_every_steps,
        host_metrics=feed.metrics,
    )


def _open_writers(run: Run, start_step: int) -> WriterGroup:
    """All writers of the config in the first process, none in the others."""
    if jax.process_index() > 0:
        return WriterGroup([])
    return open_writers(
        run.workdir,
        start_step,
        names=tuple(run.config.writers),
        config=run.config.to_dict(),
    )


def _has_results(run: Run, checkpoints: Checkpoints) -> bool:
    """Whether result, report and metrics were written after the latest checkpoint."""
    mark = run.workdir / FINISHED
    return (
        mark.is_file()
        and mark.read_text() == f"{checkpoints.latest_step}\n"
        and evaluated_step(run.workdir, "test") == checkpoints.best_step
        and (run.workdir / "report/index.html").is_file()
    )


def _mark_finished(run: Run, checkpoints: Checkpoints) -> None:
    """Notes that everything of the latest checkpoint has been written."""
    (run.workdir / FINISHED).write_text(f"{checkpoints.latest_step}\n")


def _evaluate(
    run: Run,
    eval_step: EvalStep,
    variables: Mapping[str, Any],
    step: int,
    split: str,
    stop: StopRequest | None,
) -> Evaluation:
    batches = pipeline.eval_batches(
        run.dataset.sources[split],
        batch_size=run.config.eval_batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        num_classes=run.experiment.label_map.num_classes,
    )
    return evaluate(
        eval_step,
        variables,
        batches,
        mesh=run.mesh,
        class_names=run.experiment.label_map.class_names,
        split=split,
        step=step,
        measures=run.experiment.measures,
        stop=stop,
    )


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
