"""Small datasets in memory."""

import io

import numpy as np
from PIL import Image

from fashionjax.data.label_maps import LabelMap
from fashionjax.doctor.datasets import StoredDataset

STORED = LabelMap(
    name="stored",
    class_names=("background", "coat <b>", "hat", "shoe"),
    palette=((0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)),
    target_of={0: 0, 1: 1, 2: 2, 3: 3},
)
MERGED = LabelMap(
    name="merged",
    class_names=("background", "garment"),
    palette=((0, 0, 0), (200, 0, 0)),
    target_of={0: 0, 1: 1, 2: 0, 3: 1},
    dropped=frozenset({3}),
)


class ListSource:
    """A source of given examples; what is an error is raised."""

    def __init__(self, examples):
        self.examples = examples

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        example = self.examples[index]
        if isinstance(example, Exception):
            raise example
        return example


def smooth_photo(seed, size=(120, 80)):
    """A photo like no other: big blots of many colours."""
    blots = np.random.default_rng(seed).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    photo = Image.fromarray(blots).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(photo)


def compressed(image, quality=60):
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(image, size):
    return np.asarray(Image.fromarray(image).resize(size[::-1]))


def example(image_id, image=None, label=None, size=(120, 80)):
    """An example; by default a photo and a random label of all classes."""
    seed = sum(image_id.encode())
    image = smooth_photo(seed, size) if image is None else image
    if label is None:
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 4, image.shape[:2], dtype=np.uint8)
    return {"image": image, "label": label, "image_id": image_id}


def dataset(splits, label_maps=(STORED, MERGED), **options):
    sources = {split: ListSource(examples) for split, examples in splits.items()}
    return StoredDataset("toy", label_maps, sources, **options)
