"""Instances that overlap, kept so that any label map can be painted from them.

Which of several instances a pixel shows depends on the label map: a pocket hides the
jacket where pockets are a class, and not where they are background. So a label image
holds, for each pixel, the number of a stack: the categories there, the top one first.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashionjax.data.rle import flat_mask

Stacks = tuple[tuple[int, ...], ...]
"""Category ids of every stack, the top one first; stack 0 is empty."""

_MAX_STACKS = 256


class Instance(NamedTuple):
    """One thing on a photo.

    Attributes:
        category_id: What it is.
        runs: Where it is, as in `fashionjax.data.rle`.
        crowd: Whether it stands for several things at once.
    """

    category_id: int
    runs: np.ndarray
    crowd: bool = False


def stack_instances(
    instances: Sequence[Instance], shape: tuple[int, int]
) -> tuple[np.ndarray, Stacks]:
    """Lays instances on top of each other, big ones first.

    No source states which instance a pixel of several shows. By decreasing area, the
    later of two equal ones on top, small things and parts stay visible; crowds lie
    below everything.

    Args:
        instances: In the order of the file.
        shape: (height, width).

    Returns:
        uint8 `[height, width]` of stack numbers, and the stacks.

    Raises:
        ValueError: More than 256 different stacks.
    """
    flat = np.zeros(shape[0] * shape[1], np.uint16)
    stacks: list[tuple[int, ...]] = [()]
    number_of: dict[tuple[int, ...], int] = {(): 0}
    for instance in sorted(instances, key=_depth):
        if not len(instance.runs):
            continue
        first, last = int(instance.runs[0, 0]), int(instance.runs[-1].sum())
        mask = flat_mask(instance.runs, first, last)
        below = flat[first:last][mask]
        above = np.zeros(len(stacks), np.uint16)
        for number in np.flatnonzero(np.bincount(below)).tolist():
            stack = _push(stacks[number], instance.category_id)
            if stack not in number_of:
                number_of[stack] = len(stacks)
                stacks.append(stack)
            above[number] = number_of[stack]
        flat[first:last][mask] = above[below]
    used = sorted({0, *np.flatnonzero(np.bincount(flat)).tolist()})
    if len(used) > _MAX_STACKS:
        raise ValueError(
            f"instances overlap in {len(used)} different ways; allowed are"
            f" {_MAX_STACKS}"
        )
    table = np.zeros(len(stacks), np.uint8)
    table[used] = np.arange(len(used))
    label = table[flat].reshape(shape[::-1]).T
    return np.ascontiguousarray(label), tuple(stacks[number] for number in used)


def format_stacks(stacks: Stacks) -> str:
    """Writes stacks as text: `;10;31 10` is nothing, a 10, and a 31 on a 10."""
    return ";".join(" ".join(map(str, stack)) for stack in stacks)


def parse_stacks(text: str) -> Stacks:
    """Reads what `format_stacks` writes."""
    return tuple(tuple(map(int, stack.split())) for stack in text.split(";"))


class Overlap:
    """What of every category is visible, and what lies below others.

    Attributes:
        visible: Pixels of each category that no other one covers.
        hidden: Pixels of each category that another one covers.
    """

    def __init__(self) -> None:
        self.visible: dict[int, int] = {}
        self.hidden: dict[int, int] = {}

    def add(self, label: np.ndarray, stacks: Stacks) -> None:
        """Counts the pixels of a label as `stack_instances` makes it."""
        counts = np.bincount(label.ravel(), minlength=len(stacks)).tolist()
        for stack, count in zip(stacks, counts, strict=True):
            for depth, category_id in enumerate(stack):
                pixels = self.hidden if depth else self.visible
                pixels[category_id] = pixels.get(category_id, 0) + count


def describe_overlap(
    visible: Mapping[str, int], hidden: Mapping[str, int], names: Sequence[str]
) -> str:
    """Says how much of which category lies below others.

    Args:
        visible: Pixels by category id, as the metadata of a prepared dataset has them.
        hidden: The same of what another category covers.
        names: Names by category id.

    Returns:
        A line; the five of which most is hidden, in share, come first.
    """
    shares = {
        names[int(i)]: count / (count + visible.get(i, 0))
        for i, count in hidden.items()
    }
    most = sorted(shares, key=lambda name: -shares[name])[:5]
    total = sum(hidden.values()) + sum(visible.values())
    parts = ", ".join(f"{name} {shares[name]:.0%}" for name in most)
    return (
        f"{sum(hidden.values()) / max(total, 1):.1%} of the labelled pixels lie below"
        f" smaller things{': ' if most else ''}{parts}"
    )


def _depth(instance: Instance) -> tuple[bool, int]:
    return not instance.crowd, -int(instance.runs[:, 1].sum())


def _push(stack: tuple[int, ...], category_id: int) -> tuple[int, ...]:
    # Of a category that is on top, those below never show.
    return (category_id, *(below for below in stack if below != category_id))
