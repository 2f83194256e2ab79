"""Losses of the overlap of predicted and true regions: Dice and Tversky."""

import jax
import jax.numpy as jnp

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses.averaging import (
    Classes,
    ClassWeights,
    divide,
    is_class,
    mean_over_classes,
)
from fashionjax.types import LabelMap, Logits, Scalar


def dice(
    logits: Logits,
    label: LabelMap,
    *,
    smooth: float = 0.0,
    per_image: bool = False,
    classes: Classes = "present",
    class_weights: ClassWeights | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Soft Dice loss of the softmax, after Milletari et al., V-Net, 2016.

    One minus `(2 TP + smooth) / (2 TP + FP + FN + smooth)` of each class, with
    probabilities for predictions; the mean over classes.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        smooth: Pixels added above and below the line, 0 or more.
        per_image: As `tversky`.
        classes: As `tversky`.
        class_weights: As `tversky`.
        ignore_index: Label of the pixels left out.

    Returns:
        A float32 scalar in [0, 1]; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: As `tversky`.
    """
    return tversky(
        logits,
        label,
        alpha=0.5,
        beta=0.5,
        smooth=smooth / 2,
        per_image=per_image,
        classes=classes,
        class_weights=class_weights,
        ignore_index=ignore_index,
    )


def tversky(  # noqa: PLR0913 (keywords of independent meaning)
    logits: Logits,
    label: LabelMap,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 1.0,
    smooth: float = 0.0,
    per_image: bool = False,
    classes: Classes = "present",
    class_weights: ClassWeights | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Tversky loss of the softmax (Salehi et al., 2017), and focal Tversky loss.

    One minus `(TP + smooth) / (TP + alpha FP + beta FN + smooth)` of each class, with
    probabilities for predictions, to the power of gamma; the mean over classes. Alpha
    and beta 0.5 make Dice's, 1 the soft Jaccard loss. Gamma is 1 / gamma of Abraham and
    Khan's focal Tversky loss (2019), who take 0.75.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        alpha: Weight of false positives, 0 or more.
        beta: Weight of false negatives, 0 or more.
        gamma: The power, above 0.
        smooth: Pixels added above and below the line, 0 or more.
        per_image: Regions are those of each image, and the mean is over images too;
            else they are those of the whole batch together.
        classes: "present" leaves classes without pixels out of the mean; "all" asks
            that they be predicted nowhere, which only a `smooth` above 0 teaches.
        class_weights: Weights of the mean over classes, 0 to leave a class out; all 1
            if None.
        ignore_index: Label of the pixels left out.

    Returns:
        A float32 scalar in [0, 1]; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: If a number is out of its range, there is not one weight for each
            class, or `classes` is unknown.
    """
    if min(alpha, beta, smooth) < 0 or gamma <= 0:
        raise ValueError(
            f"alpha {alpha}, beta {beta}, smooth {smooth}, gamma {gamma}; allowed are 0"
            " or more, and a gamma above 0"
        )
    probs = jax.nn.softmax(logits.astype(jnp.float32))
    true = is_class(label, logits.shape[-1])
    labelled = (label != ignore_index)[..., None]
    axes = (1, 2) if per_image else (0, 1, 2)

    def total(x: jax.Array, where: jax.Array) -> jax.Array:
        """[images or 1, num_classes]."""
        return jnp.sum(x, axis=axes, where=where).reshape(-1, x.shape[-1])

    tp = total(probs, true)
    fp = total(probs, labelled & ~true)
    fn = total(1 - probs, true)
    count = total(jnp.ones_like(probs), true)
    missing = divide(alpha * fp + beta * fn, tp + alpha * fp + beta * fn + smooth)
    if gamma != 1:
        # Never 0, where powers below 1 have no derivative.
        missing = jnp.maximum(missing, jnp.finfo(jnp.float32).tiny) ** gamma
    return mean_over_classes(missing, count, class_weights, classes)
