"""Instances that overlap, kept so that any label map can be painted from them.

Which of several instances a pixel shows depends on the label map: a pocket hides the
jacket where pockets are a class, and not where they are background. So a label image
holds, for each pixel, the number of a stack: the categories there, the top one first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashionjax.data.rle import flat_mask

STACKS = "stacks"
"""Key of an example whose label holds numbers of stacks: what they stand for."""

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


SMALLER_WINS = "smaller_wins"
"""The usual order of instances."""

ORDERS: Mapping[str, Callable[[Sequence[Instance]], Sequence[Instance]]] = {
    # sorted keeps the order of equals.
    SMALLER_WINS: lambda instances: sorted(
        instances, key=lambda i: -int(i.runs[:, 1].sum())
    ),
    "file_order_last_wins": lambda instances: instances,
    "first_wins": lambda instances: instances[::-1],
}
"""From the order of the file to the order of painting, by name."""


def stack_instances(
    instances: Sequence[Instance], shape: tuple[int, int], order: str = SMALLER_WINS
) -> tuple[np.ndarray, Stacks]:
    """Lays instances on top of each other.

    No source states which instance a pixel of several shows. Under `smaller_wins` big
    ones are painted first, of two equal ones the earlier one, so that small things and
    parts stay visible. Under every order crowds lie below everything.

    Args:
        instances: In the order of the file.
        shape: (height, width).
        order: One of `ORDERS`.

    Returns:
        uint8 `[height, width]` of stack numbers, and the stacks.

    Raises:
        ValueError: More than 256 different stacks.
    """
    flat = np.zeros(shape[0] * shape[1], np.uint16)
    stacks: list[tuple[int, ...]] = [()]
    number_of: dict[tuple[int, ...], int] = {(): 0}
    painted = sorted(ORDERS[order](instances), key=lambda i: not i.crowd)
    for instance in painted:
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
    label, used = _renumbered(flat, stacks)
    if len(used) > _MAX_STACKS:
        raise ValueError(
            f"instances overlap in {len(used)} different ways; allowed are"
            f" {_MAX_STACKS}"
        )
    label = label.astype(np.uint8).reshape(shape[::-1]).T
    return np.ascontiguousarray(label), used


def crop_stacks(
    label: np.ndarray, stacks: Stacks, columns: tuple[int, int]
) -> tuple[np.ndarray, Stacks]:
    """Cuts columns out of what `stack_instances` returns.

    Args:
        label: uint8 `[height, width]` of stack numbers.
        stacks: The stacks.
        columns: The first column to keep, and the one after the last.

    Returns:
        The label's columns, and the stacks that are left in them.
    """
    label, stacks = _renumbered(label[:, slice(*columns)], stacks)
    return label.astype(np.uint8), stacks


def _renumbered(
    numbers: np.ndarray, stacks: Sequence[tuple[int, ...]]
) -> tuple[np.ndarray, Stacks]:
    """Leaves out the stacks that no pixel has, but for the empty one."""
    used = np.union1d(np.flatnonzero(np.bincount(numbers.ravel())), 0).tolist()
    table = np.zeros(len(stacks), np.uint16)
    table[used] = np.arange(len(used))
    return table[numbers], tuple(stacks[number] for number in used)


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
        f" other things{': ' if most else ''}{parts}"
    )


def _push(stack: tuple[int, ...], category_id: int) -> tuple[int, ...]:
    # Of a category that is on top, those below never show.
    return (category_id, *(below for below in stack if below != category_id))
