"""Where a label map puts the ids of a dataset, and what that does to the pixels."""

from collections.abc import Iterator

from fashionjax.data.label_map_table import (
    MappedClass,
    Shares,
    describe_classes,
    map_classes,
)
from fashionjax.data.label_maps import LabelMap
from fashionjax.doctor.statistics import SourceCounts
from fashionjax.doctor.summary import ALL, MapSummary


def mapped_classes(
    label_map: LabelMap, mapped: MapSummary, sources: SourceCounts
) -> Iterator[MappedClass]:
    """Lists the classes of a label map, and last what it ignores, if anything.

    Args:
        label_map: The map.
        mapped: Its classes, counted.
        sources: The ids, counted.
    """
    after = mapped.splits[ALL]
    shares = Shares(sources.shares, sources.nothing, after.shares, after.ignored_share)
    return map_classes(label_map, shares)


def describe_mapping(
    title: str, label_map: LabelMap, mapped: MapSummary, sources: SourceCounts
) -> str:
    """A table of a label map; see `fashionjax.data.label_map_table`.

    Args:
        title: Of the table.
        label_map: The map.
        mapped: Its classes, counted.
        sources: The ids, counted.
    """
    classes = mapped_classes(label_map, mapped, sources)
    return describe_classes(title, classes, mapped.num_dropped)
