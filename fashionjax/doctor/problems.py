"""Examples that a person should look at, each with its reason."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.doctor.survey import Survey

MIN_SIDE = 64
"""Images with a shorter side are called small, in pixels."""

MAX_ASPECT_RATIO = 4.0
"""Images whose longer side is more than this many times the shorter are called long."""

MAX_CLASS_SHARE = 0.9
"""Labels with more of one class, background aside, are called filled."""

MAX_BLANK_SPAN = 8
"""Photos whose thumbnail spans no more, of 255, in any channel are called blank."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something wrong, or likely to be, with one example.

    Attributes:
        kind: What sort of problem; equal for problems of a sort.
        split: Where the example is; empty if in no split.
        image_id: Which it is; empty if that cannot be read.
        reason: What is wrong with it.
    """

    kind: str
    split: str
    image_id: str
    reason: str


def find_problems(
    survey: Survey, quarantine: Mapping[str, str], class_names: Sequence[str]
) -> list[Problem]:
    """Lists everything wrong with the examples of a dataset.

    Args:
        survey: Its measurements; pixels are counted by class, 0 the background.
        quarantine: Reasons, by id, of the examples left out when it was prepared.
        class_names: By class id.

    Returns:
        Problems, those of a kind together.
    """
    return [
        *(Problem("left out", "", i, reason) for i, reason in quarantine.items()),
        *(
            Problem("unreadable", split, f"#{index}", reason)
            for split, index, reason in survey.unreadable
        ),
        *_repeated_ids(survey),
        *_sizes(survey),
        *_labels(survey, class_names),
        *_photos(survey),
    ]


def _problem(survey: Survey, kind: str, row: int, reason: str) -> Problem:
    split = survey.splits[survey.split[row]]
    return Problem(kind, split, survey.image_ids[row], reason)


def _repeated_ids(survey: Survey) -> Iterator[Problem]:
    places = collections.defaultdict(list)
    for image_id, split in zip(survey.image_ids, survey.split, strict=True):
        places[image_id].append(survey.splits[split])
    for image_id, splits in places.items():
        if len(splits) > 1:
            reason = f"{len(splits)} examples have this id, in {', '.join(splits)}"
            yield Problem("repeated id", splits[0], image_id, reason)


def _sizes(survey: Survey) -> Iterator[Problem]:
    differ = (survey.sizes != survey.label_sizes).any(axis=1)
    for row in np.flatnonzero(differ).tolist():
        (height, width), label = survey.sizes[row], survey.label_sizes[row]
        reason = f"label {label[1]} × {label[0]}, photo {width} × {height} pixels"
        yield _problem(survey, "label of another size", row, reason)
    short, long = survey.sizes.min(axis=1), survey.sizes.max(axis=1)
    odd = (short < MIN_SIDE) | (long > MAX_ASPECT_RATIO * short)
    for row in np.flatnonzero(odd).tolist():
        height, width = survey.sizes[row]
        kind = "small" if short[row] < MIN_SIDE else "long"
        yield _problem(survey, kind, row, f"{width} × {height} pixels")


def _labels(survey: Survey, class_names: Sequence[str]) -> Iterator[Problem]:
    labelled = np.delete(survey.shown, IGNORE_INDEX, axis=1)
    total = np.maximum(1, labelled.sum(axis=1))
    classes = np.delete(labelled, BACKGROUND, axis=1)
    for row in np.flatnonzero(classes.sum(axis=1) == 0).tolist():
        has_background = labelled[row, BACKGROUND] > 0
        reason = f"all {'background' if has_background else 'unlabelled'}"
        yield _problem(survey, "label without a class", row, reason)
    share = classes.max(axis=1) / total
    for row in np.flatnonzero(share > MAX_CLASS_SHARE).tolist():
        name = class_names[int(classes[row].argmax()) + 1]
        reason = f"{name} is {100 * share[row]:.1f} % of it"
        yield _problem(survey, "filled label", row, reason)


def _photos(survey: Survey) -> Iterator[Problem]:
    spans = np.ptp(survey.thumbnails, axis=(1, 2)).max(axis=1)
    for row in np.flatnonzero(spans <= MAX_BLANK_SPAN).tolist():
        reason = f"its thumbnail spans {spans[row]} of 255"
        yield _problem(survey, "blank photo", row, reason)
