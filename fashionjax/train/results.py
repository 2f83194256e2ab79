"""From an evaluated checkpoint to its report: examples, facts, the page."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from ml_collections import ConfigDict

from fashionjax.augment import NO_AUGMENTATION, Prepare
from fashionjax.builders import Experiment
from fashionjax.constants import IMAGE, LABEL
from fashionjax.data.dataset import Source
from fashionjax.report import AugmentedExample, Panel, Schedule, write_report
from fashionjax.train import summary
from fashionjax.train.eval_step import predict
from fashionjax.train.evaluation import Evaluation
from fashionjax.train.progress import print_line
from fashionjax.train.run import Run
from fashionjax.train.sharding import by_pixel, on_mesh, replicated, strip_mesh
from fashionjax.types import Targets

NUM_AUGMENTED, NUM_VERSIONS = 4, 5
"""Examples of the contact sheet of the augmentation, and versions of each."""


_SHOWN = ("variant", "encoder", "pretrained")
"""What the report tells of a model, where it has it."""


def write_results(run: Run, variables: Mapping[str, Any], result: Evaluation) -> None:
    """Writes the report of an evaluated checkpoint and prints where it is.

    Args:
        run: The run.
        variables: `params` and `batch_stats` that were evaluated.
        result: Their evaluation.

    Raises:
        OSError: If a file cannot be written.
    """
    label_map = run.experiment.label_map
    path = write_report(
        run.workdir,
        title=f"{run.config.model.name} on {run.config.dataset}",
        facts=run_facts(run, variables, result),
        class_names=label_map.class_names,
        palette=label_map.palette,
        body_order=label_map.body_order,
        evaluation=result,
        panels=make_panels(
            run.experiment,
            variables,
            run.dataset.sources[result.split],
            run.config.num_panels,
            spatial_shards=run.config.spatial_shards,
        ),
        commands=_commands(run.config),
        best_metric=run.config.best_metric,
        schedule=planned_schedule(run),
        augmented=augmented_examples(
            run.experiment.prepare, run.dataset.sources["train"], run.config.seed
        ),
    )
    print_line(f"Report: {path}")


def planned_schedule(run: Run) -> Schedule:
    """Learning rate and momentum at every step of a run, phase after phase."""
    rates, momenta = [], []
    for phase in run.phases:
        since = np.arange(phase.end - phase.start)
        rates.append(np.asarray(phase.learning_rate(since)))
        momenta.append(np.asarray(phase.momentum(since)))
    return Schedule(
        name=run.config.schedule.name,
        steps=np.arange(1, run.num_steps + 1),
        learning_rate=np.concatenate(rates),
        momentum=np.concatenate(momenta),
        boundaries=[(phase.start, phase.name) for phase in run.phases[1:]],
    )


def augmented_examples(
    prepare: Prepare, source: Source, seed: int
) -> list[AugmentedExample]:
    """Shows what training makes of the first examples, in the first steps.

    Args:
        prepare: Preparation of batches.
        source: The training split.
        seed: Of the run.

    Returns:
        An example each; none if the run augments nothing.
    """
    if prepare.augmentation == NO_AUGMENTATION:
        return []
    examples = [source[i] for i in range(min(NUM_AUGMENTED, len(source)))]
    image = np.stack([example[IMAGE] for example in examples])
    label = np.stack([example[LABEL] for example in examples])
    augment = jax.jit(prepare.augment)
    keys = jax.random.split(jax.random.key(seed), NUM_VERSIONS)
    index = np.arange(len(examples), dtype=np.int32)
    versions = [jax.device_get(augment(image, label, key, index)) for key in keys]
    return [
        AugmentedExample(
            image=image[i],
            label=label[i],
            image_id=str(example["image_id"]),
            versions=[(images[i], labels[i]) for images, labels in versions],
        )
        for i, example in enumerate(examples)
    ]


def run_facts(
    run: Run, variables: Mapping[str, Any], result: Evaluation
) -> dict[str, str]:
    """Lists what the run was, for somebody who sees nothing but the report.

    Args:
        run: The run.
        variables: With `params`.
        result: The evaluation.

    Returns:
        Texts by name, in the order to show.
    """
    config = run.config
    examples = {name: len(source) for name, source in run.dataset.sources.items()}
    height, width = run.experiment.image_size
    shown = {k: v for k, v in config.model.to_dict().items() if k in _SHOWN}
    num_parameters = summary.tree_size(variables["params"]).elements
    best = "the best checkpoint"
    best += " on these images" if result.chose_checkpoint else ""
    return {
        "Trained on": (
            f"{config.dataset}: {summary.scale_text(config, run.num_steps, examples)}"
        ),
        "Document": str(config.document),
        "Examples": ", ".join(f"{n:,} {split}" for split, n in examples.items()),
        "Image size": f"{height}×{width} (height × width)",
        "Model": ", ".join(
            [
                config.model.name,
                *(f"{key} {value}" for key, value in shown.items()),
            ]
        ),
        "Parameters": f"{num_parameters:,}",
        "Devices": summary.device_text(),
        "Steps": f"{result.step:,} of {run.num_steps:,} ({best})",
        "Batch size": f"{config.batch_size:,}",
        "Images seen": f"{result.step * config.batch_size:,}",
    }


def make_panels(
    experiment: Experiment,
    variables: Mapping[str, Any],
    source: Source,
    num_panels: int,
    *,
    spatial_shards: int = 1,
) -> list[Panel]:
    """Predicts the first examples of a split.

    Args:
        experiment: Model and preparation of batches.
        variables: `params` and `batch_stats`.
        source: The examples.
        num_panels: How many, or all if there are fewer; one after another.
        spatial_shards: Devices that share each.

    Returns:
        A panel for each; boxes if the model predicts any.
    """
    examples = [source[i] for i in range(min(num_panels, len(source)))]
    if not examples:
        return []
    # Only one process gets here: it must not compute on a mesh that others share.
    mesh = strip_mesh(spatial_shards)
    variables = jax.device_put(jax.device_get(dict(variables)), replicated(mesh))

    def compute(
        variables: Mapping[str, Any], image: jax.Array, label: jax.Array
    ) -> tuple[Targets, Array, Array | None]:
        normalized, targets = experiment.prepare(image, label)
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        prediction = predict(experiment.model, params, batch_stats, normalized)
        return targets, jnp.argmax(prediction.probs, axis=-1), prediction.boxes

    pixels = by_pixel(mesh)
    compiled = jax.jit(
        on_mesh(compute, mesh), in_shardings=(replicated(mesh), pixels, pixels)
    )

    def panel(example: Mapping[str, Any]) -> Panel:
        image, label = example[IMAGE], example[LABEL]
        targets, pred, boxes = jax.device_get(
            compiled(variables, image[None], label[None])
        )
        return Panel(
            image=image,
            label=label,
            pred=pred[0].astype(np.uint8),
            image_id=str(example["image_id"]),
            boxes=None if boxes is None else targets.boxes[0],
            pred_boxes=None if boxes is None else boxes[0],
            present=None if boxes is None else targets.tags[0],
        )

    return [panel(example) for example in examples]


def _commands(config: ConfigDict) -> dict[str, str]:
    """Commands of this run and of the document's, whose config file is the same."""
    file, _, _ = config.document_run.rpartition(":")
    return {
        "Repeat this run (keys that were changed are in config.json)": (
            f"{summary.MAIN} {file}:{config.dataset}"
        ),
        "The document's run": f"{summary.MAIN} {config.document_run}",
    }
