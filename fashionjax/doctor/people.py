"""Images that show several people, by what a detector finds."""

import collections
import concurrent.futures
import os
from collections.abc import Iterable, Mapping

from fashionjax.constants import IMAGE
from fashionjax.data.dataset import Source
from fashionjax.data.detector import Detections, PersonDetector
from fashionjax.data.progress import progress
from fashionjax.data.refine import MIN_SCORE
from fashionjax.doctor.survey import Survey

People = Mapping[str, Detections]
"""What was found by image id; an image without an entry shows nobody."""


def find_people(
    survey: Survey,
    sources: Mapping[str, Source],
    detector: PersonDetector,
    title: str,
    threads: int = 0,
) -> People:
    """Runs a detector on every readable image, and tells how far it is.

    Args:
        survey: Which images.
        sources: Where to read them, by split.
        detector: Several threads call it.
        title: What to call the dataset in the progress line.
        threads: How many; 0 for one a core.
    """

    def find(row: int) -> Detections:
        source = sources[survey.splits[survey.split[row]]]
        return detector(source[int(survey.index[row])][IMAGE])

    pool = concurrent.futures.ThreadPoolExecutor(threads or os.cpu_count())
    try:
        found = pool.map(find, range(len(survey)))
        results = list(progress(found, len(survey), f"{title}: finding people"))
    finally:
        pool.shutdown(cancel_futures=True)  # or Ctrl-C would wait for all of them
    return dict(zip(survey.image_ids, results, strict=True))


def confident(found: Detections, min_score: float = MIN_SCORE) -> Detections:
    """Leaves out detections below a score."""
    return found.select(found.scores >= min_score)


def count_people(
    people: People, image_ids: Iterable[str], min_score: float = MIN_SCORE
) -> dict[int, list[str]]:
    """Sorts images by the number of people in them.

    Args:
        people: Of all images.
        image_ids: Which images.
        min_score: Detections below it do not count.

    Returns:
        Image ids by number of people, ascending.

    Raises:
        ValueError: Something was found, but in none of the images.
    """
    ids = list(image_ids)
    if people and people.keys().isdisjoint(ids):
        raise ValueError(
            f"the detections, of {list(people)[:3]} …, have none of the dataset's"
            f" images, {ids[:3]} …"
        )
    groups: dict[int, list[str]] = collections.defaultdict(list)
    for image_id in ids:
        found = people.get(image_id)
        groups[0 if found is None else len(confident(found, min_score))].append(
            image_id
        )
    return dict(sorted(groups.items()))
