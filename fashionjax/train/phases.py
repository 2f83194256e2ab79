"""The phases of a run: first the encoder may be frozen, then everything is trained."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses

import optax
from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.train.freezing import FrozenBatchNorm, check_rule


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of a run with its own optimiser state and its own schedule.

    Attributes:
        name: What to call it.
        start: Finished steps at its start.
        end: Finished steps at its end.
        learning_rate: Function of the steps since `start`.
        momentum: Function of the steps since `start`: Adam's beta1, SGD's momentum.
        frozen: What BatchNorm of the frozen encoder does; None: nothing is frozen.
    """

    name: str
    start: int
    end: int
    learning_rate: optax.Schedule
    momentum: optax.Schedule
    frozen: FrozenBatchNorm | None = None


def make_phases(
    config: ConfigDict, num_steps: int, steps_per_epoch: int
) -> tuple[Phase, ...]:
    """Divides a run into its phases.

    Each runs through the whole schedule of the config, as fastai's `fit_one_cycle`
    does before and after `unfreeze`.

    Args:
        config: The whole configuration.
        num_steps: Steps of the run.
        steps_per_epoch: Steps of one pass over the training split.

    Returns:
        One or two phases, without gaps.

    Raises:
        ValueError: If the frozen phase leaves no step for the other.
    """
    freeze = config.freeze
    check_rule(freeze.batch_norm, "config.freeze.batch_norm")
    turn = round(float(freeze.num_epochs) * steps_per_epoch)
    if turn < 0 or (turn >= num_steps and turn > 0):
        raise ValueError(
            f"config.freeze.num_epochs={freeze.num_epochs} must be at least 0 and less"
            f" than config.num_epochs={config.num_epochs}, which counts both phases"
        )
    phases = []
    if turn:
        schedules = builders.build_schedules(config.schedule, turn)
        phases.append(
            Phase("encoder frozen", 0, turn, *schedules, frozen=freeze.batch_norm)
        )
    schedules = builders.build_schedules(config.schedule, num_steps - turn)
    return (*phases, Phase("all trained", turn, num_steps, *schedules))
