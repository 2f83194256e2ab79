"""All numbers about datasets, as values that can be written as JSON."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int64

from fashionjax.constants import IGNORE_INDEX
from fashionjax.data.label_maps import LabelMap
from fashionjax.doctor.datasets import StoredDataset
from fashionjax.doctor.duplicates import (
    MAX_DIFFERENCE,
    MAX_DISTANCE,
    exact_groups,
    near_pairs,
    representatives,
)
from fashionjax.doctor.people import People, count_people
from fashionjax.doctor.problems import Problem, find_problems
from fashionjax.doctor.raw_files import RawFiles
from fashionjax.doctor.statistics import (
    ClassCounts,
    SourceCounts,
    Spread,
    count_classes,
    count_sources,
    size_spreads,
)
from fashionjax.doctor.survey import Survey

ALL = "all"
"""Stands for all splits together."""


@dataclasses.dataclass(frozen=True)
class MapSummary:
    """The classes of a dataset under a label map.

    Attributes:
        name: Of the label map.
        class_names: By class id.
        sources: Class ids by source id, as in the map.
        dropped: Source ids whose images the map leaves out.
        num_dropped: Number of images that the map leaves out.
        splits: Counts of `ALL` and of each split.
    """

    name: str
    class_names: tuple[str, ...]
    sources: dict[int, int]
    dropped: list[int]
    num_dropped: int
    splits: dict[str, ClassCounts]


@dataclasses.dataclass(frozen=True)
class DatasetSummary:
    """All numbers of a dataset.

    Attributes:
        name: What it is called.
        directory: Where it lies.
        num_images: Readable examples by split.
        maps: Its classes under the label map that is shown, then under others.
        sources: Its ids as the dataset has them.
        sizes: Spreads of heights, widths, aspect ratios (height / width), megapixels.
        sizes_of: Whose sizes: of the raw files or as prepared.
        num_others: Raw photos with labels that are in no split; None without raw files.
        problems: What is wrong with its examples.
        people: Image ids by number of people; None without a detector.
    """

    name: str
    directory: str
    num_images: dict[str, int]
    maps: tuple[MapSummary, ...]
    sources: SourceCounts
    sizes: dict[str, Spread]
    sizes_of: str
    num_others: int | None
    problems: list[Problem]
    people: dict[int, list[str]] | None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image is."""

    dataset: str
    split: str
    index: int
    image_id: str


@dataclasses.dataclass(frozen=True)
class ExactDuplicates:
    """Images that are equal pixel for pixel.

    Attributes:
        places: Where they are.
        across_splits: Whether they lie in different splits or datasets.
        same_label: Whether their labels are equal too.
    """

    places: tuple[Place, ...]
    across_splits: bool
    same_label: bool


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """Two images that look the same.

    Attributes:
        places: Where they are.
        across_splits: Whether they lie in different splits or datasets.
        difference: Mean absolute difference of their thumbnails, 0..255.
    """

    places: tuple[Place, ...]
    across_splits: bool
    difference: float


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """All duplicates, those across splits first.

    Attributes:
        exact: Groups of equal images.
        near: Pairs that look the same, the `MAX_PAIRS` that are most alike.
        num_near: How many such pairs there are.
    """

    exact: list[ExactDuplicates]
    near: list[NearDuplicates]
    num_near: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """All numbers of the page."""

    datasets: list[DatasetSummary]
    duplicates: Duplicates


def image_sizes(survey: Survey, raw: RawFiles | None) -> Int64[np.ndarray, "images 2"]:
    """Returns (height, width) of the raw photos that were found, else of all images."""
    if raw is None:
        return survey.sizes
    known = [raw.sizes[i] for i in survey.image_ids if i in raw.sizes]
    return np.array(known, np.int64).reshape(-1, 2)


def summarize(
    dataset: StoredDataset,
    survey: Survey,
    raw: RawFiles | None = None,
    people: People | None = None,
) -> DatasetSummary:
    """Computes all numbers of a dataset.

    Args:
        dataset: What was examined.
        survey: Its measurements.
        raw: Its raw files, for the sizes of the photos as published.
        people: What a detector found; None: nothing was asked.

    Raises:
        ValueError: The detections, or the readable raw files, have none of its images.
    """
    sizes = image_sizes(survey, raw)
    if not len(sizes):
        raise ValueError(f"{dataset.name}: no raw photo can be read")
    shown = dataset.label_maps[0]
    return DatasetSummary(
        name=dataset.name,
        directory=dataset.directory,
        num_images={
            split: int((survey.split == i).sum())
            for i, split in enumerate(survey.splits)
        },
        maps=tuple(
            summarize_map(survey, position, label_map)
            for position, label_map in enumerate(dataset.label_maps)
        ),
        sources=count_sources(
            survey.sources,
            survey.covered,
            int(
                survey.label_sizes.prod(axis=1).sum()
                - survey.sources[:, IGNORE_INDEX].sum()
            ),
            [shown.source_name(i) for i in range(max(shown.target_of) + 1)],
            _rows(survey),
        ),
        sizes=size_spreads(sizes),
        sizes_of="as prepared" if raw is None else "of the raw files",
        num_others=None if raw is None else raw.num_others,
        problems=find_problems(survey, dataset.quarantine, shown.class_names)
        + (raw.problems if raw else []),
        people=None if people is None else count_people(people, survey.image_ids),
    )


def summarize_map(survey: Survey, position: int, label_map: LabelMap) -> MapSummary:
    """Counts the classes of a label map in all splits together and in each.

    Args:
        survey: Measurements.
        position: Of the map among those of the survey.
        label_map: The map.
    """
    kept = ~survey.dropped[:, position]
    return MapSummary(
        name=label_map.name,
        class_names=label_map.class_names,
        sources=dict(label_map.target_of),
        dropped=sorted(label_map.dropped),
        num_dropped=int((~kept).sum()),
        splits={
            name: count_classes(
                survey.pixels[chosen & kept, position], label_map.num_classes
            )
            for name, chosen in _rows(survey).items()
        },
    )


def _rows(survey: Survey) -> dict[str, Bool[np.ndarray, " images"]]:
    """Which images are in all splits together and in each."""
    return {ALL: np.ones(len(survey), bool)} | {
        split: survey.split == i for i, split in enumerate(survey.splits)
    }


def find_duplicates(
    surveys: Mapping[str, Survey],
    max_distance: int = MAX_DISTANCE,
    max_difference: float = MAX_DIFFERENCE,
) -> Duplicates:
    """Finds duplicates within and across the splits of all datasets.

    Of images that are equal only the first takes part in the search for near ones.

    Args:
        surveys: Measurements by the dataset's name.
        max_distance: Bits by which the hashes of near duplicates may differ.
        max_difference: Mean absolute difference, 0..255, of their thumbnails at most.

    Raises:
        ValueError: A limit is out of its range.
    """
    places = [
        Place(name, survey.splits[split], int(index), image_id)
        for name, survey in surveys.items()
        for split, index, image_id in zip(
            survey.split, survey.index, survey.image_ids, strict=True
        )
    ]
    groups = exact_groups([d for s in surveys.values() for d in s.image_digests])
    labels = [d for s in surveys.values() for d in s.label_digests]
    exact = [
        ExactDuplicates(
            tuple(places[i] for i in group),
            _across([places[i] for i in group]),
            len({labels[i] for i in group}) == 1,
        )
        for group in groups
    ]
    chosen = representatives(groups, len(places))
    pairs, differences, num_near = near_pairs(
        np.concatenate([s.perceptual_hashes for s in surveys.values()])[chosen],
        np.concatenate([s.thumbnails for s in surveys.values()])[chosen],
        max_distance,
        max_difference,
    )
    near = []
    for pair, difference in zip(pairs, differences, strict=True):
        two = tuple(places[chosen[i]] for i in pair)
        near.append(NearDuplicates(two, _across(two), float(difference)))
    return Duplicates(
        sorted(exact, key=lambda group: not group.across_splits),
        sorted(near, key=lambda pair: not pair.across_splits),
        num_near,
    )


def _across(places: Sequence[Place]) -> bool:
    return len({(place.dataset, place.split) for place in places}) > 1
