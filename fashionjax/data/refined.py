"""A dataset's photos as `refine` decided: cropped to one person, or left out."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fashionjax.data.images import crop_image
from fashionjax.data.instances import crop_stacks
from fashionjax.data.raw_folder import RawExample, RawFolder
from fashionjax.data.refine import (
    VERDICTS_FILE,
    WHOLE,
    Columns,
    Decision,
    kept_columns,
    read_decisions,
    read_verdicts,
)


@dataclasses.dataclass(frozen=True)
class Refinement:
    """All decisions on a dataset's photos, and the verdicts on those left over.

    Attributes:
        folder: Where they were read.
        decisions: By image id.
        columns: What to keep of each photo; None of one that is left out.
    """

    folder: pathlib.Path
    decisions: Mapping[str, Decision]
    columns: Mapping[str, Columns | None]

    @property
    def identity(self) -> dict[str, Any]:
        """Counts, and a hash of what is kept of which photo."""
        text = json.dumps(sorted(self.columns.items()))
        left_out = sum(columns is None for columns in self.columns.values())
        whole = sum(d.path == WHOLE for d in self.decisions.values())
        return {
            "whole": whole,
            "cropped": len(self.columns) - left_out - whole,
            "left_out": left_out,
            "decisions_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }

    def apply(self, raw: RawFolder) -> "RefinedFolder":
        """See `RefinedFolder`."""
        return RefinedFolder(raw, self)


def read_refinement(folder: str | os.PathLike[str]) -> Refinement:
    """Reads what `refine` keeps in a folder.

    Raises:
        ValueError: There are no decisions, or a file is damaged.
    """
    folder = pathlib.Path(folder)
    decisions = read_decisions(folder)
    verdicts = read_verdicts(folder / VERDICTS_FILE, decisions)
    by_id = {decision.image_id: decision for decision in decisions}
    return Refinement(folder, by_id, kept_columns(decisions, verdicts))


def describe_refinement(identity: Mapping[str, Any]) -> str:
    """Says in a line how many photos are left alone, cropped and left out."""
    return (
        f"{identity['whole']} photos are whole, {identity['cropped']} cropped,"
        f" {identity['left_out']} left out by decisions"
        f" {identity['decisions_sha256'][:8]}"
    )


class RefinedFolder:
    """The raw files of a dataset, refined.

    What is kept is divided into splits as the dataset's scheme divides all photos. A
    photo without a decision is refused when it is read.

    Args:
        raw: The raw files.
        refinement: What to do with the photos.

    Raises:
        ValueError: The decisions are of other photos.
    """

    def __init__(self, raw: RawFolder, refinement: Refinement) -> None:
        self._raw = raw
        self._refinement = refinement
        columns = refinement.columns
        self.image_ids = raw.image_ids
        self.unlabelled = raw.unlabelled
        strange = sorted(columns.keys() - set(raw.image_ids))
        if strange:
            raise ValueError(
                f"{refinement.folder} is of other photos: {strange[0]!r} and"
                f" {len(strange) - 1} more are not among these {len(raw.image_ids)}"
            )
        left_out = {image_id for image_id, kept in columns.items() if kept is None}
        photos = set().union(*raw.splits.values())
        self.splits = raw.divide(photos - left_out)

    def divide(self, image_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Divides some of the photos."""
        return self._raw.divide(image_ids)

    def read(self, image_id: str) -> RawExample:
        """Reads what is kept of a photo and its label.

        Raises:
            ValueError: One of them is damaged, or the decision is of another photo.
        """
        decision = self._refinement.decisions.get(image_id)
        columns = self._refinement.columns.get(image_id)
        if decision is None or columns is None:
            raise ValueError(
                f"{self._refinement.folder} has no decision on {image_id}: give the"
                " command refine again, which goes on where it stopped, and tells"
                " what it cannot read"
            )
        example = self._raw.read(image_id)
        start, stop = columns
        if example.label.shape != decision.size or not (
            0 <= start < stop <= decision.size[1]
        ):
            raise ValueError(
                f"{self._refinement.folder} keeps columns {start}..{stop} of"
                f" {image_id} at {decision.size} (height, width), but"
                f" {example.label_name} is {example.label.shape}"
            )
        return example if columns == (0, decision.size[1]) else _cut(example, columns)


def _cut(example: RawExample, columns: Columns) -> RawExample:
    image = crop_image(example.image, columns, name=example.image_name)
    if example.stacks:
        label, stacks = crop_stacks(example.label, example.stacks, columns)
    else:
        label, stacks = example.label[:, slice(*columns)], ()
    return dataclasses.replace(example, image=image, label=label, stacks=stacks)
