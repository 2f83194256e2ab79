"""The examples of a dataset as they were published, beside those that were prepared."""

import dataclasses
from typing import NamedTuple

from fashionjax.data.images import check_image
from fashionjax.data.parallel import map_in_order
from fashionjax.data.progress import progress
from fashionjax.data.raw_folder import RawFolder
from fashionjax.doctor.problems import Problem
from fashionjax.doctor.survey import Survey


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """What the raw files have.

    Attributes:
        sizes: (height, width), upright, by image id, of the photos that can be read.
        problems: Examples that are missing, cannot be read or are of another size.
        num_others: Number of photos with labels that are in no split.
    """

    sizes: dict[str, tuple[int, int]]
    problems: list[Problem]
    num_others: int


def read_raw_files(
    raw: RawFolder, survey: Survey, *, refined: bool = False
) -> RawFiles:
    """Reads the raw files of every example that was prepared.

    Args:
        raw: The raw files.
        survey: What was measured of the prepared examples.
        refined: Whether those were cropped, so that raw photos may be larger.

    Raises:
        ValueError: There is no photo of the dataset in them.
    """
    ids, known = survey.image_ids, set(raw.image_ids)
    if known.isdisjoint(ids):
        raise ValueError(
            f"the raw files have no photo of the dataset, whose ids are"
            f" {list(ids[:3])} …, but {sorted(known)[:3]} …"
        )

    def read(row: int) -> _Found:
        if ids[row] not in known:
            return _Found("missing raw file", "no raw example has this id")
        height, width = survey.sizes[row].tolist()
        return _read(raw, ids[row], None if refined else (height, width))

    sizes, problems = {}, []
    found = map_in_order(read, range(len(ids)))
    for row, example in enumerate(progress(found, len(ids), "raw files")):
        if example.size is not None:
            sizes[ids[row]] = example.size
        if example.kind:
            split = survey.splits[survey.split[row]]
            problems.append(Problem(example.kind, split, ids[row], example.reason))
    return RawFiles(sizes, problems, len(known.difference(ids)))


class _Found(NamedTuple):
    """The raw files of an example: what is wrong, if anything, and the photo's size."""

    kind: str = ""
    reason: str = ""
    size: tuple[int, int] | None = None


def _read(raw: RawFolder, image_id: str, prepared: tuple[int, int] | None) -> _Found:
    try:
        example = raw.read(image_id)
        size = check_image(example.image, name=example.image_name)
    except FileNotFoundError as error:
        return _Found("missing raw file", str(error))
    except (ValueError, OSError) as error:
        return _Found("unreadable raw file", str(error))
    height, width = example.label.shape
    if (height, width) != size:
        reason = f"photo {_text(size)}, label {_text((height, width))} pixels"
        return _Found("raw label of another size", reason, size)
    if prepared is not None and prepared != size:
        reason = f"{_text(size)}, as prepared {_text(prepared)} pixels"
        return _Found("raw file of another size", reason, size)
    return _Found(size=size)


def _text(size: tuple[int, int]) -> str:
    height, width = size
    return f"{width} × {height}"
