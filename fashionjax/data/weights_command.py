"""`python -m fashionjax.data weights`: how rare classes are, and the remedies."""

import argparse
import pathlib
from collections.abc import Sequence

import numpy as np

from fashionjax.data.class_balance import (
    ClassPixels,
    class_repeat_factors,
    enet_weights,
    median_frequency_weights,
    repeat_factors,
)
from fashionjax.data.class_pixels import class_pixels
from fashionjax.data.image_size import parse_size
from fashionjax.data.label_maps import LABEL_MAPS
from fashionjax.data.prepare import open_split
from fashionjax.data.published import DATASETS, default_data_dir

THRESHOLD = 0.001
"""Share of the photos below which a class is rare; LVIS's."""


def add_weights(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    """Adds the command's words to those of `python -m fashionjax.data`."""
    parser = commands.add_parser(
        "weights", help="print class weights and repeat factors of a training split"
    )
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument(
        "--label_map",
        required=True,
        choices=LABEL_MAPS,
        metavar="NAME",
        help="as config.data.label_map",
    )
    parser.add_argument(
        "--size",
        type=parse_size,
        default=(288, 192),
        metavar="HEIGHTxWIDTH",
        help="of the labels that are counted; default: 288x192",
    )
    parser.add_argument(
        "--data_dir",
        default=default_data_dir(),
        metavar="DIR",
        help="where it is prepared; default: %(default)s",
    )
    parser.add_argument("--split", metavar="SCHEME", help="how photos are divided")
    parser.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        metavar="SHARE",
        help="of the photos, below which a class is rare; default: %(default)s",
    )


def run_weights(options: argparse.Namespace) -> None:
    """Prints a table.

    Args:
        options: What `add_weights` parses.

    Raises:
        ValueError: The dataset is not prepared, the label map is not for it, or the
            threshold is no share.
    """
    label_map = LABEL_MAPS[options.label_map]
    source = open_split(
        options.dataset,
        pathlib.Path(options.data_dir),
        "train",
        options.size,
        label_map,
        scheme=options.split,
    )
    pixels = class_pixels(source, label_map.num_classes)
    print(describe(pixels, label_map.class_names, options.threshold))


def describe(pixels: ClassPixels, class_names: Sequence[str], threshold: float) -> str:
    """Tells how rare classes are and what follows from it, a class a line.

    Args:
        pixels: Pixels of each class in each image.
        class_names: Their names.
        threshold: Share of the images below which a class is rare.

    Raises:
        ValueError: The threshold is no share.
    """
    columns = {
        "images": 100 * (pixels > 0).mean(axis=0),
        "pixels": 100 * pixels.sum(axis=0) / max(1, pixels.sum()),
        "median_frequency": median_frequency_weights(pixels),
        "enet": enet_weights(pixels),
        "repeat": class_repeat_factors(pixels, threshold),
    }
    width = max(map(len, class_names))
    lines = [" " * width + "".join(f"  {name:>16}" for name in columns)]
    for i, name in enumerate(class_names):
        cells = [_cell(values[i], key) for key, values in columns.items()]
        lines.append(f"{name:<{width}}" + "".join(f"  {cell:>16}" for cell in cells))
    longer = repeat_factors(pixels, threshold).mean()
    lines.append(
        f"{len(pixels)} images; with --config.data.repeat_threshold={threshold:g} an"
        f" epoch is {longer:.3f} times as long"
    )
    return "\n".join(lines)


def _cell(value: float, column: str) -> str:
    if np.isnan(value):
        return "absent"
    return f"{value:.3f} %" if column in ("images", "pixels") else f"{value:.4g}"
