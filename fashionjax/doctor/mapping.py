"""Where a label map puts the ids of a dataset, and what that does to the pixels."""

import dataclasses
from collections.abc import Iterator

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.doctor.statistics import SourceCounts
from fashionjax.doctor.summary import ALL, MapSummary

_NO_CLASS = "no label"
_NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class MappedClass:
    """A class and what is made into it.

    Attributes:
        class_id: The class, or `IGNORE_INDEX`.
        name: Its name.
        share: Its part of the labelled pixels; of `IGNORE_INDEX`, of all pixels.
        images: Number of images that contain it; None of `IGNORE_INDEX`.
        sources: Name of each id that becomes it and the id's part of the labelled
            pixels, the largest first; of the background also what has no id.
    """

    class_id: int
    name: str
    share: float
    images: int | None
    sources: list[tuple[str, float]]


def mapped_classes(mapped: MapSummary, sources: SourceCounts) -> Iterator[MappedClass]:
    """Lists the classes of a label map, and last what it ignores, if anything.

    Args:
        mapped: The classes.
        sources: The ids.
    """
    after = mapped.splits[ALL]
    for class_id, name in [*enumerate(mapped.class_names), (IGNORE_INDEX, _NO_CLASS)]:
        ignored = class_id == IGNORE_INDEX
        ids = [s for s, target in mapped.sources.items() if target == class_id]
        found = [(_source_name(mapped, sources, i), sources.shares[i]) for i in ids]
        if class_id == BACKGROUND and sources.nothing:
            found.append((_NOTHING, sources.nothing))
        if ignored and not ids:
            continue
        yield MappedClass(
            class_id,
            name,
            after.ignored_share if ignored else after.shares[class_id],
            None if ignored else after.images[class_id],
            sorted(found, key=lambda source: -source[1]),
        )


def _source_name(mapped: MapSummary, sources: SourceCounts, source: int) -> str:
    drops = " (leaves the image out)" if source in mapped.dropped else ""
    return sources.names[source] + drops


def describe_mapping(mapped: MapSummary, sources: SourceCounts) -> str:
    """A table of a label map: what becomes what, with shares before and after.

    Args:
        mapped: The classes.
        sources: The ids.

    Returns:
        A line for each source id, those of a class together; shares of the labelled
        pixels in percent. Where instances overlap, those before add up to more.
    """
    rows = [(mapped.name, "before", "after", "class")]
    for found in mapped_classes(mapped, sources):
        after = f"{100 * found.share:.3f}"
        for name, share in found.sources:
            rows.append((name, f"{100 * share:.3f}", after, found.name))
            after = ""  # once for all sources of a class
        if not found.sources:
            rows.append(("", "", after, found.name))
    left = max(len(name) for name, *_ in rows)
    lines = [f"{n:{left}}{b:>9}{a:>9}  {c}" for n, b, a, c in rows]
    return "\n".join([*lines, f"{mapped.num_dropped:,} images left out"])
