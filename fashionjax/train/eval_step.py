"""The compiled evaluation step, and prediction."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from fashionjax.augment import Prepare
from fashionjax.constants import EXAMPLE_INDEX, EXAMPLE_MASK, IMAGE, LABEL, STOP
from fashionjax.losses import Objective
from fashionjax.metrics import ClassCounts, Measures, PixelSums
from fashionjax.ops.boxes import box_iou
from fashionjax.train.sharding import (
    by_example,
    on_mesh,
    replicated,
    spread_pixels,
)
from fashionjax.train.truth_prior import TruthPrior
from fashionjax.types import Image, Outputs, TagPrior, Targets

Batch: TypeAlias = Mapping[str, jax.Array]


@flax.struct.dataclass
class EvalOutputs:
    """What evaluation keeps of a batch.

    Attributes:
        sums: Pixel counts of the whole batch.
        valid: False for the rows that only fill up the batch.
        index: Positions of the images in their split.
        loss: The objective of each image on its own.
        stop: Above 0 if any process was asked to stop.
        tags: True tags.
        tag_pred: Predicted tags, probability above 0.5; None without tag branch.
        box_distance: Mean smooth L1 distance of each box; None without box branch.
        box_iou: Overlap of each box with the true one; None without box branch.
        regions: Pixel counts of each image; None if nothing asks for them.
    """

    sums: PixelSums
    valid: Bool[Array, " batch"]
    index: Int[Array, " batch"]
    loss: Float[Array, " batch"]
    stop: Int[Array, ""]
    tags: Bool[Array, "batch num_tags"]
    tag_pred: Bool[Array, "batch num_tags"] | None = None
    box_distance: Float[Array, "batch num_tags"] | None = None
    box_iou: Float[Array, "batch num_tags"] | None = None
    regions: ClassCounts | None = None


EvalStep: TypeAlias = Callable[[Any, Any, Batch], EvalOutputs]


def make_eval_step(
    model: nn.Module,
    objective: Objective,
    prepare: Prepare,
    *,
    mesh: Mesh,
    measures: Measures | None = None,
    truth: TruthPrior | None = None,
) -> EvalStep:
    """Builds the compiled evaluation of a batch.

    Args:
        model: Returns `types.Outputs`.
        objective: What training minimises.
        prepare: From raw batch to model input and targets, without augmentation.
        mesh: Devices that share each batch.
        measures: What to count; what a confusion matrix tells if None.
        truth: What the model is told of each image in advance; nothing if None.

    Returns:
        A jitted function of (params, batch_stats, batch), the result whole on every
        device. Rows that only fill up the batch carry no label, so that the confusion
        matrix does not count them.
    """
    measures = measures or Measures()
    num_classes = prepare.num_classes

    def eval_step(params: Any, batch_stats: Any, batch: Batch) -> EvalOutputs:
        prepared = prepare(batch[IMAGE], batch[LABEL])
        image, targets = spread_pixels(*prepared, mesh)
        if truth is None:
            outputs = _apply(model, params, batch_stats, image)
            logits = outputs.logits
        else:
            told = truth.tell(targets, batch[EXAMPLE_INDEX])
            injected = truth.inject(told)
            outputs = _apply(model, params, batch_stats, image, injected)
            logits = truth.mask(outputs.logits, told)
        pred = jnp.argmax(logits, axis=-1)
        tag_pred = box_distance = overlap = None
        if outputs.tag_logits is not None:
            tag_pred = outputs.tag_logits > 0
        if outputs.box_logits is not None:
            boxes = jax.nn.sigmoid(outputs.box_logits)
            distance = optax.losses.huber_loss(boxes, targets.boxes, delta=1.0)
            box_distance = jnp.mean(distance, axis=-1)
            overlap = box_iou(boxes, targets.boxes)
        return EvalOutputs(
            sums=measures.sum_pixels(targets.label, pred, num_classes),
            valid=batch[EXAMPLE_MASK],
            index=batch[EXAMPLE_INDEX],
            loss=_loss_of_each(objective, outputs, targets),
            stop=jnp.max(batch[STOP]),
            tags=targets.tags,
            tag_pred=tag_pred,
            box_distance=box_distance,
            box_iou=overlap,
            regions=measures.count_regions(targets.label, pred, num_classes),
        )

    everywhere = replicated(mesh)
    return jax.jit(
        on_mesh(eval_step, mesh),
        in_shardings=(everywhere, everywhere, by_example(mesh)),
        out_shardings=everywhere,
    )


def _loss_of_each(
    objective: Objective, outputs: Outputs, targets: Targets
) -> Float[Array, " batch"]:
    """The objective of every image alone: a mean over images of any batch is exact."""

    def loss(outputs: Outputs, targets: Targets) -> jax.Array:
        alone = jax.tree.map(lambda x: x[None], (outputs, targets))
        return objective(*alone)[0]

    return jax.vmap(loss)(outputs, targets)


@flax.struct.dataclass
class Prediction:
    """What a model sees in images.

    Attributes:
        probs: Class probabilities.
        tag_probs: Probability that each class is in the image; None without branch.
        boxes: Box of each class, in [0, 1]; None without branch.
    """

    probs: Float[Array, "batch height width num_classes"]
    tag_probs: Float[Array, "batch num_tags"] | None = None
    boxes: Float[Array, "batch num_tags 4"] | None = None


def _apply(
    model: nn.Module,
    params: Any,
    batch_stats: Any,
    image: Image,
    prior: TagPrior | None = None,
) -> Outputs:
    """The model in evaluation mode; only those that inject tags take a prior."""
    variables = {"params": params, "batch_stats": batch_stats}
    known: dict[str, Any] = {} if prior is None else {"prior": prior}
    return cast(Outputs, model.apply(variables, image, train=False, **known))


def predict(
    model: nn.Module, params: Any, batch_stats: Any, image: Image
) -> Prediction:
    """Predicts on normalised images; a pure function, to be jitted by the caller.

    Args:
        model: Returns `types.Outputs`.
        params: Its parameters.
        batch_stats: Its running statistics.
        image: Normalised images.

    Returns:
        Probabilities and boxes, float32.
    """
    outputs = _apply(model, params, batch_stats, image)
    return Prediction(
        probs=jax.nn.softmax(outputs.logits),
        tag_probs=None
        if outputs.tag_logits is None
        else jax.nn.sigmoid(outputs.tag_logits),
        boxes=None
        if outputs.box_logits is None
        else jax.nn.sigmoid(outputs.box_logits),
    )
