"""A run: everything that a config describes, made real."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses
import functools
from pathlib import Path

import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.builders import Experiment
from fashionjax.data.dataset import Dataset
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.sharding import check_batch_size, make_mesh
from fashionjax.train.state import TrainState, abstract_state
from fashionjax.train.step import EvalStep, make_eval_step


@dataclasses.dataclass(frozen=True)
class Run:
    """A config made real: what training and evaluation share.

    Attributes:
        config: The whole configuration.
        workdir: Folder that the run writes to.
        experiment: Model, objective and preparation of batches.
        dataset: The examples.
        mesh: All devices.
        learning_rate: Schedule, a function of the step.
        optimizer: The optimiser around it.
        num_steps: Updates of the whole run.
        steps_per_epoch: Updates of one pass over the training split.
    """

    config: ConfigDict
    workdir: Path
    experiment: Experiment
    dataset: Dataset
    mesh: Mesh
    learning_rate: optax.Schedule
    optimizer: optax.GradientTransformation
    num_steps: int
    steps_per_epoch: int

    @property
    def abstract_state(self) -> TrainState:
        """Shapes, types and places of the training state."""
        return abstract_state(
            self.experiment.model,
            self.optimizer,
            image_size=self.experiment.image_size,
            mesh=self.mesh,
        )

    @functools.cached_property
    def eval_step(self) -> EvalStep:
        """The evaluation of a batch, compiled once for all evaluations of the run."""
        return make_eval_step(
            self.experiment.model, self.experiment.prepare, mesh=self.mesh
        )

    def open_checkpoints(self, *, read_only: bool = False) -> Checkpoints:
        """Opens the run's checkpoints."""
        return Checkpoints(
            self.workdir / "checkpoints",
            best_metric=self.config.best_metric,
            read_only=read_only,
        )


def open_run(config: ConfigDict, workdir: Path) -> Run:
    """Builds everything that a config describes.

    Raises:
        ValueError: If the configuration is wrong.
    """
    mesh = make_mesh()
    check_batch_size(config.batch_size, mesh, "config.batch_size")
    check_batch_size(config.eval_batch_size, mesh, "config.eval_batch_size")
    experiment = builders.build_experiment(config)
    dataset = builders.build_dataset(config.data)
    steps_per_epoch = max(1, len(dataset.sources["train"]) // config.batch_size)
    num_steps = max(1, round(float(config.num_epochs) * steps_per_epoch))
    learning_rate, momentum = builders.build_schedules(config.schedule, num_steps)
    return Run(
        config=config,
        workdir=workdir,
        experiment=experiment,
        dataset=dataset,
        mesh=mesh,
        learning_rate=learning_rate,
        optimizer=builders.build_optimizer(config.optimizer, learning_rate, momentum),
        num_steps=num_steps,
        steps_per_epoch=steps_per_epoch,
    )
