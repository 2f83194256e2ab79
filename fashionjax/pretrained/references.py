"""The public implementations that our modules equal, and their names."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.traverse_util
import numpy as np

from fashionjax.augment import Normalization
from fashionjax.pretrained import (
    efficientnet_lite,
    fastai,
    fpn,
    keras,
    mmseg,
    segnet,
    smp,
    timm,
    torchfcn,
    torchvision,
    torchvision_segmentation,
)
from fashionjax.pretrained.convert import convert_state
from fashionjax.pretrained.reference import Options, Reference

REFERENCES: Mapping[str, Reference] = {
    **torchvision.REFERENCES,
    **keras.REFERENCES,
    **fpn.REFERENCES,
    **segnet.REFERENCES,
    **fastai.REFERENCES,
    **torchfcn.REFERENCES,
    **torchvision_segmentation.REFERENCES,
    **smp.REFERENCES,
    **timm.REFERENCES,
    **mmseg.REFERENCES,
    **efficientnet_lite.REFERENCES,
}


def find_reference(name: str) -> Reference:
    """Finds a reference by its name.

    Raises:
        ValueError: If there is none of this name.
    """
    if name not in REFERENCES:
        raise ValueError(
            f"unknown reference {name!r}; allowed are {', '.join(REFERENCES)}"
        )
    return REFERENCES[name]


def reference_module(
    reference: str,
    *,
    num_classes: int | None = None,
    head: bool = False,
    aux: bool = False,
) -> nn.Module:
    """Our module that equals a public implementation.

    Args:
        reference: Its name, as "torchvision/resnet34".
        num_classes: Number of classes; None for that of the published weights.
        head: For a classifier, whether the module returns class logits; else it returns
            feature maps, finest first. Segmentation models return `Outputs` anyway.
        aux: For torchvision's segmentation models, whether they have an auxiliary head.

    Returns:
        A linen module; its method is `(image, train=…)`.

    Raises:
        ValueError: If there is no such reference.
    """
    found = find_reference(reference)
    num_classes = found.num_classes if num_classes is None else num_classes
    return found.make(Options(num_classes, head=head, aux=aux))


def convert(
    reference: str,
    state: Mapping[str, np.ndarray],
    *,
    head: bool = False,
    aux: bool = False,
) -> dict[str, Any]:
    """The variables of `reference_module` from a published state dict.

    Args:
        reference: Name of the reference.
        state: Its tensors by name, as `read_state` returns them.
        head: As for `reference_module`; without it a classifier's head is dropped.
        aux: As for `reference_module`; without it an auxiliary head is dropped.

    Returns:
        Variables for `reference_module(reference, num_classes=…)`, where the number of
        classes is that of the state dict; NumPy float32.

    Raises:
        ValueError: If there is no such reference, or the state dict is not its.
    """
    found = find_reference(reference)
    options = Options(found.num_classes_of(state), head=head, aux=aux)
    return convert_state(found, reference, state, options)


def normalization(reference: str) -> Normalization:
    """Mean and standard deviation of the images, in [0, 1], that a reference takes.

    Raises:
        ValueError: If there is no such reference.
    """
    return find_reference(reference).normalization


def to_rgb(reference: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables for RGB images, from those of a reference that takes BGR ones.

    The channels of the first kernel are put the other way round, so that RGB images
    normalised with `normalization(reference)` give what BGR images gave before.

    Args:
        reference: Name of the reference.
        variables: As `convert` returns them, or those of a model with the reference as
            its encoder. They are not changed.

    Returns:
        New variables; the same ones for a reference that takes RGB images anyway.

    Raises:
        ValueError: If there is no such reference, or the kernel is not among the
            variables once.
    """
    kernel = find_reference(reference).bgr_kernel
    if kernel is None:
        return dict(variables)
    flat: dict[str, Any] = flax.traverse_util.flatten_dict(variables, sep="/")
    paths = [path for path in flat if f"/{path}".endswith(f"/{kernel}")]
    if len(paths) != 1:
        raise ValueError(
            f"{len(paths)} of the variables are {kernel}, which for {reference} takes"
            " BGR images; 1 is needed"
        )
    flat[paths[0]] = flat[paths[0]][:, :, ::-1]
    return flax.traverse_util.unflatten_dict(flat, sep="/")
