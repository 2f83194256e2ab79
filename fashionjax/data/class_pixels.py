"""How many pixels of each class every image of a split has."""

import pathlib
import sys
import uuid
from collections.abc import Iterator

import numpy as np

from fashionjax.data.class_balance import ClassPixels
from fashionjax.data.dataset import Source
from fashionjax.data.in_memory import InMemory
from fashionjax.data.mixture import Mixture
from fashionjax.data.pipeline import read_examples
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.progress import progress
from fashionjax.data.resized import ResizedSource, resized_folder


def class_pixels(
    source: Source, num_classes: int, *, num_threads: int | None = None
) -> ClassPixels:
    """Counts the pixels of each class in each image, or reads what was counted.

    Of a prepared split every example is read once for a label map and a size. The
    counts are kept beside the records, and go with them when it is prepared anew. They
    become visible whole: processes that count at the same time do no harm.

    Args:
        source: The examples.
        num_classes: Number of classes, background included.
        num_threads: Threads that read; None for the CPUs that this process may use.

    Returns:
        Counts in the order of the examples; pixels without label count nowhere.

    Raises:
        ValueError: As `ExampleError` for an example that cannot be read or has a label
            of another class.
    """
    if isinstance(source, InMemory):
        return class_pixels(source.source, num_classes, num_threads=num_threads)
    if isinstance(source, Mixture):
        parts = source.sources
        return np.concatenate(
            [class_pixels(part, num_classes, num_threads=num_threads) for part in parts]
        )
    file = _file(source)
    if file is None:
        return _count(source, num_classes, num_threads)
    if file.is_file():
        kept = np.load(file, allow_pickle=False)
        if kept.shape == (len(source), num_classes):
            return kept
    counts = _count(source, num_classes, num_threads)
    _keep(counts, file)
    return counts


def _count(source: Source, num_classes: int, num_threads: int | None) -> ClassPixels:
    def rows() -> Iterator[np.ndarray]:
        examples = read_examples(
            source,
            range(len(source)),
            num_threads=num_threads,
            num_classes=num_classes,
        )
        for example in examples:
            label = example[..., 3]
            yield np.bincount(label.ravel(), minlength=256)[:num_classes]

    shown = progress(rows(), len(source), "Counting the classes of the training split")
    return np.stack(list(shown)).astype(np.int64)


def _file(source: Source) -> pathlib.Path | None:
    """Where the counts of a prepared split are kept: beside its cache of that size.

    The two have the same labels. None for a source that has no such place.
    """
    if isinstance(source, ResizedSource):
        folder = source.folder
    elif isinstance(source, PreparedSource) and source.size and source.label_map:
        folder = resized_folder(source)
    else:
        return None
    return folder.with_name(f"{folder.name}-class_pixels.npy")


def _keep(counts: ClassPixels, file: pathlib.Path) -> None:
    """Writes the counts; where that cannot be, they are counted again next time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
        with part.open("wb") as stream:
            np.save(stream, counts)
        part.replace(file)
    except OSError as error:
        print(f"{file} is not kept: {error}", file=sys.stderr)
