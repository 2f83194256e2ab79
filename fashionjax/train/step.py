"""The compiled training step and the compiled evaluation step."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from fashionjax.augment import Prepare
from fashionjax.constants import EXAMPLE_MASK, IMAGE, LABEL
from fashionjax.losses import Objective
from fashionjax.metrics import confusion_matrix
from fashionjax.ops.boxes import box_iou
from fashionjax.train.sharding import by_example, replicated
from fashionjax.train.state import TrainState
from fashionjax.types import Image, Outputs

Batch: TypeAlias = Mapping[str, jax.Array]
TrainStep: TypeAlias = Callable[
    [TrainState, Batch, PRNGKeyArray], tuple[TrainState, dict[str, jax.Array]]
]


def make_train_step(
    model: nn.Module,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    prepare: Prepare,
    *,
    mesh: Mesh,
) -> TrainStep:
    """Builds the compiled data-parallel update.

    Args:
        model: Returns `types.Outputs`.
        objective: What to minimise.
        optimizer: How.
        prepare: From raw batch to model input and targets.
        mesh: Devices that share each batch.

    Returns:
        A jitted function of (state, batch, key) to the new state and scalars: "loss",
        the terms of the objective before weighting, and "grad_norm". The state is
        donated: the one passed in must not be used again. The randomness of a step is
        a function of the key and `state.step`.
    """

    def train_step(
        state: TrainState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step))
        image, targets = prepare(batch[IMAGE], batch[LABEL], augment_key)

        def compute_loss(params: Any) -> tuple[jax.Array, tuple[Any, Any]]:
            outputs, updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                image,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": dropout_key},
            )
            loss, terms = objective(outputs, targets)
            return loss, (terms, updated.get("batch_stats", {}))

        (loss, (terms, batch_stats)), grads = jax.value_and_grad(
            compute_loss, has_aux=True
        )(state.params)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        new_state = TrainState(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        return new_state, {
            "loss": loss,
            **terms,
            "grad_norm": optax.tree.norm(grads),
        }

    everywhere = replicated(mesh)
    return jax.jit(
        train_step,
        in_shardings=(everywhere, by_example(mesh), everywhere),
        out_shardings=(everywhere, everywhere),
        donate_argnums=0,
    )


@flax.struct.dataclass
class EvalOutputs:
    """What evaluation keeps of a batch.

    Attributes:
        confusion: Pixel counts of the whole batch; rows are true classes.
        valid: False for the rows that only fill up the batch.
        tags: True tags.
        tag_pred: Predicted tags, probability above 0.5; None without tag branch.
        box_distance: Mean smooth L1 distance of each box; None without box branch.
        box_iou: Overlap of each box with the true one; None without box branch.
    """

    confusion: Int[Array, "num_classes num_classes"]
    valid: Bool[Array, " batch"]
    tags: Bool[Array, "batch num_tags"]
    tag_pred: Bool[Array, "batch num_tags"] | None = None
    box_distance: Float[Array, "batch num_tags"] | None = None
    box_iou: Float[Array, "batch num_tags"] | None = None


EvalStep: TypeAlias = Callable[[Any, Any, Batch], EvalOutputs]


def make_eval_step(model: nn.Module, prepare: Prepare, *, mesh: Mesh) -> EvalStep:
    """Builds the compiled evaluation of a batch.

    Args:
        model: Returns `types.Outputs`.
        prepare: From raw batch to model input and targets, without augmentation.
        mesh: Devices that share each batch.

    Returns:
        A jitted function of (params, batch_stats, batch), the result whole on every
        device. Rows that only fill up the batch carry no label, so that the confusion
        matrix does not count them.
    """

    def eval_step(params: Any, batch_stats: Any, batch: Batch) -> EvalOutputs:
        image, targets = prepare(batch[IMAGE], batch[LABEL])
        outputs = _apply(model, params, batch_stats, image)
        pred = jnp.argmax(outputs.logits, axis=-1)
        tag_pred = box_distance = overlap = None
        if outputs.tag_logits is not None:
            tag_pred = outputs.tag_logits > 0
        if outputs.box_logits is not None:
            boxes = jax.nn.sigmoid(outputs.box_logits)
            distance = optax.losses.huber_loss(boxes, targets.boxes, delta=1.0)
            box_distance = jnp.mean(distance, axis=-1)
            overlap = box_iou(boxes, targets.boxes)
        return EvalOutputs(
            confusion=confusion_matrix(targets.label, pred, prepare.num_classes),
            valid=batch[EXAMPLE_MASK],
            tags=targets.tags,
            tag_pred=tag_pred,
            box_distance=box_distance,
            box_iou=overlap,
        )

    everywhere = replicated(mesh)
    return jax.jit(
        eval_step,
        in_shardings=(everywhere, everywhere, by_example(mesh)),
        out_shardings=everywhere,
    )


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


def _apply(model: nn.Module, params: Any, batch_stats: Any, image: Image) -> Outputs:
    """The model in evaluation mode."""
    variables = {"params": params, "batch_stats": batch_stats}
    return cast(Outputs, model.apply(variables, image, train=False))


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
