"""The examples that the page shows, read again and drawn."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from fashionjax.constants import BACKGROUND, IGNORE_INDEX, IMAGE, LABEL
from fashionjax.data.progress import progress
from fashionjax.doctor.datasets import StoredDataset
from fashionjax.doctor.people import People, confident
from fashionjax.doctor.pictures import draw_rows, photo, photo_and_label
from fashionjax.doctor.problems import Problem
from fashionjax.doctor.summary import Duplicates, Place
from fashionjax.doctor.survey import Survey

NUM_RANDOM = 12
"""How many examples are shown that nothing but chance selects."""

NUM_PROBLEMS = 24
"""How many readable examples with problems are shown."""

NUM_PEOPLE = 12
"""How many images with several people are shown."""

MAX_DUPLICATES = 60
"""How many groups and how many pairs of duplicates are shown at most."""

MAX_MEMBERS = 6
"""How many photos of a group are shown at most."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture and what is written below it.

    Attributes:
        caption: Plain text.
        jpeg: The file.
        classes: Class ids to name below it, the largest first.
    """

    caption: str
    jpeg: bytes
    classes: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Examples of a dataset.

    Attributes:
        sizes: The smallest, the middle and the largest image.
        random: Any examples, with their labels.
        classes: By class id, examples that contain it, with its pixels alone.
        people: Images with several people, boxed.
        problems: Examples with problems, with their labels.
    """

    problems: list[Picture]
    sizes: list[Picture]
    random: list[Picture]
    classes: dict[int, list[Picture]]
    people: list[Picture]


def draw_gallery(
    dataset: StoredDataset,
    survey: Survey,
    problems: Sequence[Problem] = (),
    *,
    per_class: int,
    seed: int = 0,
    people: People | None = None,
) -> Gallery:
    """Draws examples of a dataset.

    Those of a class are drawn by lot from the half, of the images that contain it, in
    which it is largest: of the others there may be too little to see.

    Args:
        dataset: Where to read them.
        survey: Its measurements.
        problems: What is wrong with its examples.
        per_class: How many of each class; 0 for none.
        seed: Of the lot.
        people: What a detector found.
    """
    rng = np.random.default_rng(seed)
    everything = np.ones(len(survey), bool)
    chosen = {
        class_id: draw_rows(_prominent(survey, class_id), per_class, rng)
        for class_id in range(BACKGROUND + 1, dataset.label_maps[0].num_classes)
    }
    random = draw_rows(everything, NUM_RANDOM, rng)
    wanted = {class_id: rows for class_id, rows in chosen.items() if rows}
    title = f"{dataset.name}: examples of classes"
    return Gallery(
        problems=_problem_pictures(dataset, survey, problems),
        sizes=_size_pictures(dataset, survey),
        random=[_labelled(dataset, survey, row) for row in random],
        classes={
            class_id: [_labelled(dataset, survey, row, class_id) for row in rows]
            for class_id, rows in progress(wanted.items(), len(wanted), title)
        },
        people=_people_pictures(dataset, survey, people or {}),
    )


def draw_duplicates(
    datasets: Mapping[str, StoredDataset], duplicates: Duplicates
) -> dict[Place, bytes]:
    """Draws the photos of the duplicates that are shown, as JPEG files by place."""
    shown = [
        *duplicates.exact[:MAX_DUPLICATES],
        *duplicates.near[:MAX_DUPLICATES],
    ]
    places = dict.fromkeys(
        place for item in shown for place in item.places[:MAX_MEMBERS]
    )
    return {
        place: photo(datasets[place.dataset].sources[place.split][place.index][IMAGE])
        for place in places
    }


def _prominent(survey: Survey, class_id: int) -> np.ndarray:
    """Which images are those, of a class, with the larger shares of it."""
    pixels = survey.shown[:, class_id] / survey.shown.sum(axis=1)
    present = pixels > 0
    if not present.any():
        return present
    return present & (pixels >= np.median(pixels[present]))


def _read(dataset: StoredDataset, survey: Survey, row: int) -> Mapping:
    return dataset.read(survey.splits[survey.split[row]], int(survey.index[row]))


def _caption(survey: Survey, row: int) -> str:
    return f"{survey.image_ids[row]} · {survey.splits[survey.split[row]]}"


def _labelled(
    dataset: StoredDataset, survey: Survey, row: int, class_id: int | None = None
) -> Picture:
    example = _read(dataset, survey, row)
    palette = dataset.label_maps[0].palette
    jpeg = photo_and_label(example[IMAGE], example[LABEL], palette, class_id)
    return Picture(_caption(survey, row), jpeg, _largest(survey, row, class_id))


def _largest(survey: Survey, row: int, class_id: int | None) -> tuple[int, ...]:
    """The classes of an example but background, unless it is shown for one of them."""
    if class_id is not None:
        return ()
    pixels = survey.shown[row, :IGNORE_INDEX]
    order = np.argsort(-pixels, kind="stable").tolist()
    return tuple(i for i in order if i != BACKGROUND and pixels[i])


def _problem_pictures(
    dataset: StoredDataset, survey: Survey, problems: Sequence[Problem]
) -> list[Picture]:
    ids = {problem.image_id: problem.kind for problem in problems}
    rows = [row for row, i in enumerate(survey.image_ids) if i in ids][:NUM_PROBLEMS]
    pictures = []
    for row in rows:
        picture = _labelled(dataset, survey, row)
        caption = f"{ids[survey.image_ids[row]]} · {picture.caption}"
        pictures.append(dataclasses.replace(picture, caption=caption))
    return pictures


def _size_pictures(dataset: StoredDataset, survey: Survey) -> list[Picture]:
    order = np.argsort(survey.sizes.prod(axis=1), kind="stable")
    pictures = []
    for name, row in (
        ("smallest", order[0]),
        ("middle", order[len(order) // 2]),
        ("largest", order[-1]),
    ):
        height, width = survey.sizes[row]
        caption = f"{name}: {width} × {height} · {_caption(survey, row)}"
        jpeg = photo(_read(dataset, survey, row)[IMAGE])
        pictures.append(Picture(caption, jpeg))
    return pictures


def _people_pictures(
    dataset: StoredDataset, survey: Survey, people: People
) -> list[Picture]:
    pictures = []
    for row, image_id in enumerate(survey.image_ids):
        if len(pictures) == NUM_PEOPLE:
            break
        found = people.get(image_id)
        if found is not None and len(confident(found)) > 1:
            image = _read(dataset, survey, row)[IMAGE]
            jpeg = photo(image, confident(found).boxes)
            pictures.append(Picture(_caption(survey, row), jpeg))
    return pictures
