"""What a label map makes of a dataset's ids, as a table."""

import collections
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.dataset import Dataset, Source
from fashionjax.data.in_memory import InMemory
from fashionjax.data.label_counts import LabelCounts, read_counts
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.mixture import Mixture
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.resized import ResizedSource

_NO_CLASS = "no label"
_NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class MappedClass:
    """A class and what is made into it.

    Attributes:
        class_id: The class, or `IGNORE_INDEX`.
        name: Its name.
        share: Its part of the labelled pixels; of `IGNORE_INDEX`, of all pixels.
        sources: Name of each id that becomes it and the id's part of the labelled
            pixels, the largest first; of the background also what has no id.
    """

    class_id: int
    name: str
    share: float
    sources: list[tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Shares:
    """Parts of the pixels of a dataset.

    Attributes:
        before: Of the labelled pixels, by source id, also where it lies below others.
        nothing: Of the labelled pixels, those that have no source id.
        after: Of the labelled pixels, by class, without images that are left out.
        ignored: Of all pixels, those without a label.
    """

    before: Sequence[float]
    nothing: float
    after: Sequence[float]
    ignored: float


def map_classes(label_map: LabelMap, shares: Shares) -> Iterator[MappedClass]:
    """Lists the classes of a label map, and last what it ignores, if anything."""
    names = [*enumerate(label_map.class_names), (IGNORE_INDEX, _NO_CLASS)]
    for class_id, name in names:
        ids = [s for s, target in label_map.target_of.items() if target == class_id]
        found = [(_source_name(label_map, i), shares.before[i]) for i in ids]
        if class_id == BACKGROUND and shares.nothing:
            found.append((_NOTHING, shares.nothing))
        ignored = class_id == IGNORE_INDEX
        if ignored and not ids:
            continue
        share = shares.ignored if ignored else shares.after[class_id]
        found.sort(key=lambda source: -source[1])
        yield MappedClass(class_id, name, share, found)


def _source_name(label_map: LabelMap, source: int) -> str:
    drops = " (leaves the image out)" if source in label_map.dropped else ""
    return label_map.source_name(source) + drops


def describe_classes(
    title: str, classes: Iterable[MappedClass], num_dropped: int
) -> str:
    """A table of a label map: what becomes what, with shares before and after.

    Args:
        title: Of the table, the label map's name.
        classes: See `map_classes`.
        num_dropped: Number of images that are left out.

    Returns:
        A line for each source id, those of a class together; shares of the labelled
        pixels in percent. Where instances overlap, those before add up to more.
    """
    rows = [(title, "before", "after", "class")]
    for found in classes:
        after = f"{100 * found.share:.3f}"
        for name, share in found.sources:
            rows.append((name, f"{100 * share:.3f}", after, found.name))
            after = ""  # once for all sources of a class
        if not found.sources:
            rows.append(("", "", after, found.name))
    left = max(len(name) for name, *_ in rows)
    lines = [f"{n:{left}}{b:>9}{a:>9}  {c}" for n, b, a, c in rows]
    return "\n".join([*lines, f"{num_dropped:,} images left out"])


def count_shares(label_map: LabelMap, counts: Sequence[LabelCounts]) -> Shares:
    """The parts of the pixels of some splits together.

    Args:
        label_map: A map of the dataset's ids.
        counts: Of each split.
    """
    before, after = np.zeros((2, 256), np.int64)
    nothing = 0
    for found in counts:
        before += found.pixels_of_sources()
        after += found.pixels_of_classes(label_map)
        nothing += found.pixels_of_nothing()
    pixels = sum(int(found.rows[:, 2].sum()) for found in counts)
    labelled = max(1, pixels - int(before[IGNORE_INDEX]))
    return Shares(
        (before / labelled).tolist(),
        nothing / labelled,
        (after / max(1, int(after[:IGNORE_INDEX].sum()))).tolist(),
        int(after[IGNORE_INDEX]) / max(1, int(after.sum())),
    )


def describe_label_map(
    title: str, label_map: LabelMap, counts: Sequence[LabelCounts]
) -> str:
    """`describe_classes` of some splits together.

    Args:
        title: Of the table.
        label_map: A map of the dataset's ids.
        counts: Of each split.
    """
    classes = map_classes(label_map, count_shares(label_map, counts))
    num_dropped = sum(int(found.dropped_by(label_map).sum()) for found in counts)
    return describe_classes(title, classes, num_dropped)


def describe_dataset(dataset: Dataset) -> str:
    """The tables of a run's label maps: one, or one for each part of a mixture.

    Reads what was counted when the dataset was prepared, and no photo; where nothing
    was, that is told in a line.
    """
    parts = collections.defaultdict(list)
    for source in dataset.sources.values():
        for name, part in _parts(dataset.name, source):
            parts[name].append(part)
    return "\n".join(
        _describe_part(name, sources, dataset.label_map)
        for name, sources in parts.items()
    )


def _parts(name: str, source: Source) -> Iterator[tuple[str, Source]]:
    """The datasets that a source consists of."""
    if isinstance(source, InMemory):
        yield from _parts(name, source.source)
    elif isinstance(source, Mixture):
        yield from zip(source.names, source.sources, strict=True)
    else:
        yield name, source


def _describe_part(name: str, sources: Sequence[Source], label_map: LabelMap) -> str:
    """The table of a dataset's splits."""
    # Where a scheme leaves none to test, the split to validate is there twice.
    counts: dict[tuple[pathlib.Path, str], LabelCounts | None] = {}
    how = ""
    for source in sources:
        if not isinstance(source, (PreparedSource, ResizedSource)):
            continue
        assert source.label_map is not None  # a run's sources have one
        label_map, directory = source.label_map, source.directory
        counts[directory, source.split] = read_counts(directory, source.split)
        how = (
            f"; python -m fashionjax.data prepare {name}"
            f" --data_dir={directory.parents[2]} --split={directory.parents[0].name}"
            " counts them"
        )
    known = [found for found in counts.values() if found is not None]
    title = f"{name}, {label_map.name}"
    if not counts:
        return f"{title}: drawn in these classes, so that nothing is mapped"
    if len(known) < len(counts):
        return f"{title}: pixels are not counted{how}"
    return describe_label_map(title, label_map, known)
