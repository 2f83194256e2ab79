"""What the data of a table hold, as the documents describe theirs."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.constants import LABEL
from fashionjax.data.dataset import Source
from fashionjax.data.label_maps import MAPS_OF, LabelMap
from fashionjax.data.published import default_data_dir, full_scheme
from fashionjax.doctor.datasets import open_dataset
from fashionjax.train.run_config import read_config

MAX_EXAMPLES = 2_000
"""Training examples that are looked at, drawn by lot."""


@dataclasses.dataclass(frozen=True)
class Description:
    """What training examples hold.

    Attributes:
        dataset: Its name.
        num_sampled: How many were looked at.
        num_examples: How many there are.
        label_map: Their classes.
        images: Number of them that contain each class.
        pixels: Number of their pixels of each class.
        sizes: (height, width) of each photo as published; None of drawn figures.
    """

    dataset: str
    num_sampled: int
    num_examples: int
    label_map: LabelMap
    images: Int64[np.ndarray, " num_classes"]
    pixels: Int64[np.ndarray, " num_classes"]
    sizes: Int64[np.ndarray, "images 2"] | None


def describe(workdir: Path, seed: int = 0) -> Description:
    """Looks at what a run was trained on.

    Args:
        workdir: Folder of the run.
        seed: Of the lot that draws the examples.
    """
    config = read_config(workdir).data
    dataset = builders.build_dataset(config)
    source = dataset.sources["train"]
    drawn = np.random.default_rng(seed).permutation(len(source))[:MAX_EXAMPLES]
    num_classes = dataset.label_map.num_classes
    pixels = np.stack([_pixels(source, i, num_classes) for i in drawn.tolist()])
    return Description(
        dataset=config.name,
        num_sampled=len(drawn),
        num_examples=len(source),
        label_map=dataset.label_map,
        images=(pixels > 0).sum(axis=0),
        pixels=pixels.sum(axis=0),
        sizes=_sizes(config, drawn.tolist()),
    )


def _pixels(
    source: Source, index: int, num_classes: int
) -> Int64[np.ndarray, " num_classes"]:
    """Pixels of each class in an example, without the ignored ones."""
    label = source[index][LABEL]
    return np.bincount(label.ravel(), minlength=256)[:num_classes]


def _sizes(
    config: ConfigDict, drawn: Sequence[int]
) -> Int64[np.ndarray, "images 2"] | None:
    if config.name not in MAPS_OF:
        return None
    data_dir = Path(config.data_dir or default_data_dir())
    scheme = full_scheme(
        config.name,
        config.split or None,
        overlap=config.overlap,
        refined=bool(config.refined_dir),
        first_pixel=config.first_pixel,
    )
    source = open_dataset(config.name, data_dir, scheme).sources["train"]
    drawn = [i for i in drawn if i < len(source)]
    return np.array([source[i][LABEL].shape for i in drawn], np.int64)
