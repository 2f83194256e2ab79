"""A run: everything that a config describes, made real."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses
import functools
import operator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.builders import Experiment
from fashionjax.data.class_balance import ClassPixels, repeat_factors
from fashionjax.data.class_pixels import class_pixels
from fashionjax.data.dataset import Dataset
from fashionjax.distributed import first_process_first
from fashionjax.metrics import ClassCounts, box_metrics, tag_metrics
from fashionjax.objectives import needs_class_pixels
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.eval_step import EvalStep, make_eval_step
from fashionjax.train.input import Input, find_input
from fashionjax.train.origin import Origin, find_origin
from fashionjax.train.phases import Phase, make_phases
from fashionjax.train.sharding import check_batch_size, check_height, make_mesh
from fashionjax.train.state import Init, TrainState, abstract_state, make_init
from fashionjax.train.step import make_train_step
from fashionjax.train.truth_prior import TruthPrior


@dataclasses.dataclass(frozen=True)
class Run:
    """A config made real: what training and evaluation share.

    Attributes:
        config: The whole configuration.
        workdir: Folder that the run writes to.
        experiment: Model, objective and preparation of batches.
        dataset: The examples.
        input: How those of the training split get into the step.
        mesh: All devices, by examples and by strips of an example.
        phases: What happens when: schedules, and what is frozen.
        optimizer: The optimiser of all phases.
        origin: What the run begins with.
        num_steps: Steps of the whole run.
        steps_per_epoch: Steps of one pass over the training split.
    """

    config: ConfigDict
    workdir: Path
    experiment: Experiment
    dataset: Dataset
    input: Input
    mesh: Mesh
    phases: tuple[Phase, ...]
    optimizer: optax.GradientTransformationExtraArgs
    origin: Origin
    num_steps: int
    steps_per_epoch: int

    @functools.cached_property
    def init(self) -> Init:
        """The function from a random key to the state at step 0; see `make_init`."""
        return make_init(
            self.experiment.model,
            self.optimizer,
            image_size=self.experiment.image_size,
            ema=self.config.ema_decay > 0,
            loss_scale=self.config.model.dtype == "float16",
        )

    @functools.cached_property
    def abstract_state(self) -> TrainState:
        """Shapes, types and places of the training state."""
        return abstract_state(self.init, self.mesh)

    def compile_train_step(self, phase: Phase) -> jax.stages.Compiled:
        """Compiles the update of a phase, for the run's shapes and no others."""
        train_step = make_train_step(
            self.experiment.model,
            self.experiment.objective,
            self.optimizer,
            self.experiment.prepare,
            phase,
            mesh=self.mesh,
            accumulate_steps=self.config.accumulate_steps,
            ema_decay=self.config.ema_decay,
        )
        key = jax.eval_shape(lambda: jax.random.key(0))
        # jit's result can be lowered; its type does not say so.
        lowered: Any = train_step
        batch = self.input.abstract_batch
        return lowered.lower(self.abstract_state, batch, key).compile()

    @functools.cached_property
    def eval_step(self) -> EvalStep:
        """The evaluation of a batch, compiled once for all evaluations of the run."""
        return self.make_eval_step()

    def make_eval_step(self, truth: TruthPrior | None = None) -> EvalStep:
        """Builds an evaluation of a batch with part of the truth told in advance."""
        experiment = self.experiment
        return make_eval_step(
            experiment.model,
            experiment.objective,
            experiment.prepare,
            mesh=self.mesh,
            measures=experiment.measures,
            truth=truth,
        )

    def is_evaluated_at(self, step: int) -> bool:
        """Whether the run evaluates after this step."""
        every = round(float(self.config.eval_every_epochs) * self.steps_per_epoch)
        return step % max(1, every) == 0 or step >= self.num_steps

    def is_saved_at(self, step: int) -> bool:
        """Whether the run saves after this step, evaluation or not."""
        every = self.config.checkpoint_every_steps
        return every > 0 and step % every == 0

    def is_trained(self, checkpoints: Checkpoints) -> bool:
        """Whether no step is to come: all are made, or patience has run out."""
        step = checkpoints.latest_step
        if step is None or not checkpoints.is_evaluated(step):
            return False
        return step >= self.num_steps or self.is_out_of_patience(checkpoints)

    def is_out_of_patience(self, checkpoints: Checkpoints) -> bool:
        """Whether too many evaluations in a row were no improvement.

        Those of the last phase count: a frozen encoder is thawed in any case.
        """
        patience = self.config.early_stopping.patience
        return 0 < patience <= checkpoints.num_stale_since(self.phases[-1].start)

    def open_checkpoints(self, *, read_only: bool = False) -> Checkpoints:
        """Opens the run's checkpoints."""
        return Checkpoints(
            self.workdir / "checkpoints",
            best_metric=self.config.best_metric,
            min_delta=self.config.early_stopping.min_delta,
            read_only=read_only,
        )


def open_run(config: ConfigDict, workdir: Path) -> Run:
    """Builds everything that a config describes.

    Raises:
        ValueError: If the configuration is wrong, or the pretrained weights cannot be
            had.
    """
    mesh = make_mesh(spatial_shards=config.spatial_shards)
    make_input = find_input(config.data.input)
    _check_counts(config)
    parts = config.accumulate_steps
    check_batch_size(config.batch_size, mesh, "config.batch_size", parts=parts)
    check_batch_size(config.eval_batch_size, mesh, "config.eval_batch_size")
    experiment = builders.build_experiment(config)
    check_height(experiment.image_size[0], config.spatial_shards)
    _check_best_metric(config.best_metric, experiment)
    model, image_size = experiment.model, experiment.image_size
    origin = find_origin(config, workdir, model, image_size)
    # The first process prepares and counts what the others then find.
    with first_process_first():
        dataset = builders.build_dataset(config.data)
        pixels = _class_pixels(config, dataset)
    steps_per_epoch = max(1, len(dataset.sources["train"]) // config.batch_size)
    num_steps = max(1, round(float(config.num_epochs) * steps_per_epoch))
    return Run(
        config=config,
        workdir=workdir,
        experiment=experiment.normalized(origin.normalization).weighed(config, pixels),
        dataset=dataset,
        input=make_input(
            dataset=dataset,
            mesh=mesh,
            batch_size=config.batch_size,
            seed=config.seed,
            num_threads=config.data.num_threads,
            num_workers=config.data.num_workers,
            repeat_factors=_repeat_factors(config, pixels),
        ),
        mesh=mesh,
        phases=make_phases(config, num_steps, steps_per_epoch),
        optimizer=builders.build_optimizer(config.optimizer),
        origin=origin,
        num_steps=num_steps,
        steps_per_epoch=steps_per_epoch,
    )


def _class_pixels(config: ConfigDict, dataset: Dataset) -> ClassPixels | None:
    """Counts the training split's classes, if the config asks for what follows."""
    threshold = config.data.repeat_threshold
    if threshold == 0 and not needs_class_pixels(config.objective):
        return None
    return class_pixels(
        dataset.sources["train"],
        dataset.label_map.num_classes,
        num_threads=config.data.num_threads,
    )


def _repeat_factors(
    config: ConfigDict, pixels: ClassPixels | None
) -> np.ndarray | None:
    """How often an epoch has each example; None for once."""
    threshold = config.data.repeat_threshold
    if threshold == 0 or pixels is None:
        return None
    return repeat_factors(pixels, threshold)


def _check_best_metric(name: str, experiment: Experiment) -> None:
    """Refuses a metric that no evaluation will have, before hours of training."""
    class_names = experiment.label_map.class_names
    tags = np.zeros((0, len(class_names) - 1), bool)
    no_pixels = experiment.measures.no_pixels(len(class_names))
    no_regions = ClassCounts(*3 * [np.zeros((1, len(class_names)), np.int64)])
    allowed = [
        "loss",
        *experiment.measures.pixel_metrics(no_pixels, class_names),
        *experiment.measures.region_metrics(no_regions, class_names),
    ]
    terms = {term.name for term in experiment.objective.terms}
    if "tags" in terms:
        allowed += tag_metrics(tags, tags, class_names[1:])
    if "boxes" in terms:
        allowed += box_metrics(np.zeros(tags.shape), np.zeros(tags.shape), tags)
    if name not in allowed:
        raise ValueError(
            f"config.best_metric={name!r} is no metric of this run; allowed are"
            f" {', '.join(allowed)}"
        )


def _check_counts(config: ConfigDict) -> None:
    """Refuses numbers that a run cannot do with, before anything is built."""
    least = {
        "accumulate_steps": 1,
        "log_every_steps": 1,
        "checkpoint_every_steps": 0,
        "max_skipped_steps": 0,
        "early_stopping.patience": 0,
        "early_stopping.min_delta": 0,
    }
    for key, lowest in least.items():
        value = operator.attrgetter(key)(config)
        if value < lowest:
            raise ValueError(f"config.{key}={value}; allowed is {lowest} or more")
    if not 0 <= config.data.repeat_threshold <= 1:
        raise ValueError(
            f"config.data.repeat_threshold={config.data.repeat_threshold}; allowed is 0"
            " (each example once an epoch) to 1"
        )
    if not 0 <= config.ema_decay < 1:
        raise ValueError(
            f"config.ema_decay={config.ema_decay}; allowed is 0 (no averages) up to,"
            " not including, 1"
        )
