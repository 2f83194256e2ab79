"""S3's refinement: photos of several people, of whom one is annotated, are cropped.

A network that finds the clothes of the others would be punished for it. Vozáriková,
Staňa, Semanišín: Clothing Parsing using Extended U-Net, section 4.1.
"""

import collections
import concurrent.futures
import csv
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.decision_log import DecisionLog, read_log
from fashionjax.data.detector import Detections, PersonDetector, within
from fashionjax.data.progress import progress
from fashionjax.data.quarantine import MAX_BAD_FRACTION, Quarantine

MARGINS = (30, 10, 0)
"""Percent of the annotation's width that a crop adds on each side, in S3's order."""
MIN_SCORE = 0.7
"""Score from which a detection counts as a person; S3 does not tell its own."""
LEAST_VISIBLE = 0.5
"""Share of a person's width that a crop must hold where no detector looks at it."""

WHOLE, REVIEW, DROPPED = "whole", "review", "dropped"
CROPS = tuple(f"crop_{percent}" for percent in MARGINS)
PATHS = (DROPPED, WHOLE, *CROPS, REVIEW)
"""What can happen to a photo: left out by the label map before a detector sees it, left
alone, cropped with a margin, left over."""
UNREADABLE = "unreadable"
"""What is the matter with a photo that has no path."""

DECISIONS_FILE = "decisions.jsonl"
VERDICTS_FILE = "review.csv"
ACCEPT, REJECT = "accept", "reject"

_NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

Columns = tuple[int, int]
"""The first column of a part of a photo, and the one after its last."""
Look = Callable[[Columns], Detections]
"""Finds the persons in some columns of a photo, boxes counted from the first one."""


@dataclasses.dataclass(frozen=True)
class Example:
    """A photo with its annotation, not read yet.

    Attributes:
        image_id: Its name.
        read: Returns the photo, uint8 RGB `[height, width, 3]`, and its label, uint8
            `[height, width]`: 0 background, 255 ignored, all else annotated; None
            instead of a label leaves the photo out. Raises ValueError where the files
            are bad.
    """

    image_id: str
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is done with a photo.

    Attributes:
        image_id: Its name.
        path: One of `PATHS`.
        columns: What to keep of the photo; under `review`, what to judge: the crop
            without margins, or everything where nothing is annotated.
        size: (height, width) of the photo.
        persons: Number of persons in the photo and in each crop that was tried; none
            under `dropped`.
        boxes: x1, y1, x2, y2 and score of each person of the photo.
    """

    image_id: str
    path: str
    columns: Columns
    size: tuple[int, int]
    persons: tuple[int, ...]
    boxes: tuple[tuple[float, ...], ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Decision":
        """Makes a decision from what `dataclasses.asdict` became in JSON.

        Raises:
            KeyError, TypeError, ValueError: It never was one.
        """
        if values["path"] not in PATHS:
            raise ValueError(f"path {values['path']!r}; allowed are {', '.join(PATHS)}")
        start, stop = map(int, values["columns"])
        height, width = map(int, values["size"])
        return cls(
            image_id=str(values["image_id"]),
            path=values["path"],
            columns=(start, stop),
            size=(height, width),
            persons=tuple(map(int, values["persons"])),
            boxes=tuple(tuple(map(float, box)) for box in values["boxes"]),
        )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of all photos.

    Attributes:
        decisions: In the order of the photos.
        unreadable: Why the others have none, by image id.
    """

    decisions: list[Decision]
    unreadable: dict[str, str]


def annotated_columns(label: UInt8[np.ndarray, "height width"]) -> Columns | None:
    """The columns from the first to the last annotated pixel.

    Args:
        label: 0 background, 255 ignored, all else annotated.

    Returns:
        None where nothing is annotated.
    """
    annotated = ((label != BACKGROUND) & (label != IGNORE_INDEX)).any(axis=0)
    found = np.flatnonzero(annotated)
    return (int(found[0]), int(found[-1]) + 1) if found.size else None


def add_margin(columns: Columns, percent: int, width: int) -> Columns:
    """Widens columns on both sides, within the photo.

    Args:
        columns: The annotation's.
        percent: Of the annotation's width, for each side; rounded to whole pixels.
        width: The photo's.

    Returns:
        The crop's columns.
    """
    start, stop = columns
    margin = (percent * (stop - start) + 50) // 100
    return max(0, start - margin), min(width, stop + margin)


def decide(
    image_id: str,
    label: UInt8[np.ndarray, "height width"],
    look: Look,
    min_score: float = MIN_SCORE,
) -> Decision:
    """S3's procedure for one photo.

    A photo with one person, or none, stays as it is. Of others the annotation's columns
    are cut out in full height, with margins of 30, 10 and 0 % of its width, each time
    from the whole photo, until only one person is left. If two are left even without
    margins, or nothing is annotated, somebody has to look.

    Args:
        image_id: The photo's name.
        label: Its annotation: 0 background, 255 ignored.
        look: Finds persons in columns of the photo.
        min_score: Score from which a detection is a person, in [0, 1].

    Returns:
        What to do.
    """
    height, width = label.shape

    def persons(columns: Columns) -> Detections:
        found = look(columns)
        return found.select(found.scores >= min_score)

    whole = persons((0, width))
    boxes = np.concatenate([whole.boxes, whole.scores[:, None]], axis=1)
    counts = [len(whole)]

    def decision(path: str, columns: Columns) -> Decision:
        rows = tuple(tuple(round(float(n), 3) for n in box) for box in boxes)
        size = (height, width)
        return Decision(image_id, path, columns, size, tuple(counts), rows)

    if counts[0] <= 1:
        return decision(WHOLE, (0, width))
    annotated = annotated_columns(label)
    if annotated is None:
        return decision(REVIEW, (0, width))
    for path, percent in zip(CROPS, MARGINS, strict=True):
        columns = add_margin(annotated, percent, width)
        counts.append(len(persons(columns)))
        if counts[-1] <= 1:
            return decision(path, columns)
    return decision(REVIEW, annotated)


def looking_at(
    image: UInt8[np.ndarray, "height width 3"], detector: PersonDetector
) -> Look:
    """A look by a detector, which sees nothing but the columns."""
    return lambda columns: detector(image[:, slice(*columns)])


def looking_up(found: Detections) -> Look:
    """A look at what was found on the whole photo.

    A person counts in a crop that holds `LEAST_VISIBLE` of its width.
    """
    return lambda columns: within(found, columns, LEAST_VISIBLE)


def refine(
    examples: Sequence[Example],
    detector: PersonDetector | Mapping[str, Detections],
    folder: str | os.PathLike[str],
    *,
    detector_identity: Mapping[str, Any],
    min_score: float = MIN_SCORE,
    max_bad_fraction: float = MAX_BAD_FRACTION,
    num_threads: int = 1,
) -> Outcome:
    """Decides on every photo that `folder/decisions.jsonl` has no decision on yet.

    May be stopped at any moment: what is decided stays so. Photos that cannot be read
    get no decision, and are tried again next time.

    Args:
        examples: The photos.
        detector: Finds persons, or what one found on the whole photos, by image id;
            there, a photo without an entry has none.
        folder: Where the decisions are kept; made if it is not there.
        detector_identity: What tells this detector from others, as JSON can hold it.
        min_score: Score from which a detection is a person, in [0, 1].
        max_bad_fraction: Share of the photos, 0..1, that may be unreadable.
        num_threads: Photos at the same time; the detector must allow that.

    Returns:
        The decisions, those of earlier calls too, and the photos without one.

    Raises:
        ValueError: The folder's decisions are of other photos, of another detector or
            score; too many photos cannot be read; the detections are of none of them;
            a setting or an image id is not allowed.
    """
    ids = [example.image_id for example in examples]
    _check(ids, detector, min_score)
    settings = {
        "detector": dict(detector_identity),
        "min_score": min_score,
        "margins": list(MARGINS),
    }
    path = pathlib.Path(folder) / DECISIONS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    quarantine = Quarantine(len(ids), max_bad_fraction)

    def one(example: Example) -> Decision | ValueError:
        try:
            return _decide_on(example, detector, min_score)
        except ValueError as error:
            return error

    with DecisionLog(path, settings) as log:
        known = _decisions(log.records)
        if strange := sorted(known.keys() - set(ids)):
            raise ValueError(
                f"{path} is of other photos: {strange[0]!r} and {len(strange) - 1} more"
                " are not among these; choose another folder"
            )
        todo = [example for example in examples if example.image_id not in known]
        results = progress(_threaded(one, todo, num_threads), len(todo), "refine")
        for example, result in zip(todo, results, strict=True):
            if isinstance(result, ValueError):
                quarantine.add(example.image_id, result)
            else:
                log.append(dataclasses.asdict(result))
                known[example.image_id] = result
    decisions = [known[image_id] for image_id in ids if image_id in known]
    return Outcome(decisions, quarantine.reasons)


def read_decisions(folder: str | os.PathLike[str]) -> list[Decision]:
    """Reads the decisions that `refine` keeps in a folder.

    Raises:
        ValueError: There are none, or the file is damaged.
    """
    path = pathlib.Path(folder) / DECISIONS_FILE
    return list(_decisions(read_log(path)).values())


def read_verdicts(
    path: str | os.PathLike[str], decisions: Sequence[Decision]
) -> dict[str, bool]:
    """Reads what somebody said of the photos that were left over.

    Args:
        path: A CSV file with the columns `image_id` and `verdict`, `accept` or
            `reject`; it need not exist.
        decisions: All decisions.

    Returns:
        Whether the crop is accepted, by image id.

    Raises:
        ValueError: A verdict is neither, is given twice or is on a photo that was not
            left over.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    left_over = {d.image_id for d in decisions if d.path == REVIEW}
    verdicts: dict[str, bool] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not {"image_id", "verdict"} <= set(reader.fieldnames or ()):
            raise ValueError(f"{path} needs the columns image_id and verdict")
        for row in reader:
            image_id, verdict = row["image_id"], (row["verdict"] or "").strip()
            where = f"{path}, line {reader.line_num}"
            if verdict not in (ACCEPT, REJECT):
                raise ValueError(
                    f"{where}: verdict {verdict!r}; allowed are {ACCEPT}, {REJECT}"
                )
            if image_id not in left_over or image_id in verdicts:
                raise ValueError(
                    f"{where}: {image_id!r} was not left over, or has a verdict already"
                )
            verdicts[image_id] = verdict == ACCEPT
    return verdicts


def kept_columns(
    decisions: Sequence[Decision], verdicts: Mapping[str, bool]
) -> dict[str, Columns | None]:
    """What the refined dataset has of each photo.

    Args:
        decisions: All decisions.
        verdicts: On the photos left over; those without one are rejected.

    Returns:
        By image id, the columns to cut out of photo, label and masks, or None for a
        photo that is left out.
    """

    def is_kept(decision: Decision) -> bool:
        if decision.path == REVIEW:
            return verdicts.get(decision.image_id, False)
        return decision.path != DROPPED

    return {d.image_id: d.columns if is_kept(d) else None for d in decisions}


def read_refined(folder: str | os.PathLike[str]) -> dict[str, Columns | None]:
    """Reads what a finished refinement has of each photo; see `kept_columns`.

    Args:
        folder: Where `refine` kept its decisions, and `review.csv` the verdicts.

    Raises:
        ValueError: There are no decisions, or a file is damaged.
    """
    decisions = read_decisions(folder)
    verdicts = read_verdicts(pathlib.Path(folder) / VERDICTS_FILE, decisions)
    return kept_columns(decisions, verdicts)


def summarize(outcome: Outcome, verdicts: Mapping[str, bool]) -> dict[str, int]:
    """How many photos took which path.

    Args:
        outcome: What became of all photos.
        verdicts: On the photos left over.

    Returns:
        Numbers of photos: `images`, which are as many as each of `PATHS` and
        `unreadable` together; `several_persons` (at first); of those left over
        `accepted`, `rejected` and `open`; `kept` in the end.
    """
    decisions = outcome.decisions
    paths = collections.Counter(d.path for d in decisions)
    accepted = sum(verdicts.values())
    columns = kept_columns(decisions, verdicts).values()
    return {
        "images": len(decisions) + len(outcome.unreadable),
        "several_persons": sum(max(d.persons[:1], default=0) > 1 for d in decisions),
        **{path: paths[path] for path in PATHS},
        UNREADABLE: len(outcome.unreadable),
        "accepted": accepted,
        "rejected": len(verdicts) - accepted,
        "open": paths[REVIEW] - len(verdicts),
        "kept": sum(c is not None for c in columns),
    }


def _check(
    ids: Sequence[str],
    detector: PersonDetector | Mapping[str, Detections],
    min_score: float,
) -> None:
    if not 0 <= min_score <= 1:
        raise ValueError(f"score {min_score}; allowed is 0..1")
    repeated = [i for i, count in collections.Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(f"image id {repeated[0]!r} occurs more than once")
    if isinstance(detector, Mapping) and ids and not detector.keys() & set(ids):
        raise ValueError(
            f"the detections are of none of the photos: those are called {ids[0]!r}, "
            f"…, the detections are of {', '.join(map(repr, sorted(detector)[:3]))}"
        )


def _decide_on(
    example: Example,
    detector: PersonDetector | Mapping[str, Detections],
    min_score: float,
) -> Decision:
    """Reads a photo and decides."""
    image, label = example.read()
    if label is None:
        height, width = image.shape[:2]
        size = (height, width)
        return Decision(example.image_id, DROPPED, (0, width), size, (), ())
    if image.shape != (*label.shape, 3):
        raise ValueError(
            f"{example.image_id} has a photo {image.shape} and a label {label.shape};"
            " allowed are equal sizes (height, width)"
        )
    if isinstance(detector, Mapping):
        look = looking_up(detector.get(example.image_id, _NOBODY))
    else:
        look = looking_at(image, detector)
    return decide(example.image_id, label, look, min_score)


def _decisions(records: Sequence[Mapping[str, Any]]) -> dict[str, Decision]:
    try:
        decisions = map(Decision.from_json, records)
        return {decision.image_id: decision for decision in decisions}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{DECISIONS_FILE} has a damaged entry: {error!r}") from error


def _threaded(
    function: Callable[[Example], Decision | ValueError],
    examples: Sequence[Example],
    num_threads: int,
) -> Iterator[Decision | ValueError]:
    """The function's results, in order; what has not begun is dropped at an error."""
    pool = concurrent.futures.ThreadPoolExecutor(num_threads)
    try:
        yield from pool.map(function, examples)
    finally:
        # It may be collected in one of these threads, which cannot wait for itself.
        pool.shutdown(wait=False, cancel_futures=True)
