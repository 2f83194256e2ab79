"""Reads Keras's weights in HDF5, with the extra `keras`.

Names become "LAYER.LEAF", as "block1_conv1.kernel". Known are the layout of Keras 1
and 2 (attributes `layer_names` and `weight_names`), by itself or in a whole saved
model, and that of Keras 3 (`layers/…/vars/0`).
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fashionjax.pretrained.errors import WeightsError, check_expansion

_LEAVES = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
_MAX_DEPTH = 8
_MAX_CHUNKS = 10_000

# The orders in which Keras's layers list their variables.
_ORDERS: Mapping[int, tuple[str, ...]] = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


def read_keras(path: Path) -> dict[str, np.ndarray]:
    """Reads all weights of a file.

    Raises:
        WeightsError: If h5py is not installed, or the file has none of the known
            layouts.
    """
    try:
        import h5py
    except ImportError:
        raise WeightsError(
            "is read with h5py: pip install 'fashionjax[keras]'"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            datasets = dict(_find_datasets(file))
            check_expansion(
                sum(math.prod(d.shape) * d.dtype.itemsize for d in datasets.values()),
                path.stat().st_size,
            )
            return {name: _read_dataset(name, d) for name, d in datasets.items()}
    except WeightsError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"is no HDF5 file of Keras, or damaged: {error}") from None


def _find_datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Names and datasets in the order of the file; refuses a name that comes twice."""
    root = file
    if "model_weights" in file:
        root = _child(file, "model_weights")
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        found = _find_named(root)
    elif "layers" in root:
        found = _find_numbered(_child(root, "layers"), 0)
    else:
        raise WeightsError("has neither layer_names (Keras 1, 2) nor layers (Keras 3)")
    seen = set()
    for name, dataset in found:
        if name in seen:
            raise WeightsError(f"{name}: occurs twice")
        seen.add(name)
        yield name, dataset


def _find_named(root: Any) -> Iterator[tuple[str, Any]]:
    """The layout of Keras 1 and 2."""
    for layer in _names(root, "layer_names"):
        group = _child(root, layer)
        for name in _names(group, "weight_names"):
            dataset = group
            for part in name.split("/"):
                dataset = _child(dataset, part)
            yield f"{layer}.{_leaf(name)}", dataset


def _leaf(name: str) -> str:
    """Our word for a variable: "block1_conv1_W_1:0" is a kernel."""
    text = name.rsplit("/", 1)[-1].split(":")[0]
    text = re.sub(r"_\d+$", "", text)
    for leaf in _LEAVES:
        if text == leaf or text.endswith(f"_{leaf}"):
            return leaf
    if text.endswith("_W"):
        return "kernel"
    if text.endswith("_b"):
        return "bias"
    return text


def _names(group: Any, key: str) -> list[str]:
    """A list of names; Keras spreads long ones over several attributes."""
    chunks: list[Any] = []
    if key in group.attrs:
        chunks = list(group.attrs[key])
    else:
        for number in range(_MAX_CHUNKS):
            if f"{key}{number}" not in group.attrs:
                break
            chunks += list(group.attrs[f"{key}{number}"])
    return [n.decode() if isinstance(n, bytes) else str(n) for n in chunks]


def _find_numbered(group: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """The layout of Keras 3: variables have numbers, layers their names as attribute.

    Groups are named by the layer's class and its number ("conv2d_3").
    """
    if depth > _MAX_DEPTH:
        raise WeightsError("nests its layers too deeply")
    for key in group:
        child = _child(group, key)
        if key == "vars":
            yield from _find_variables(child, group.name.rsplit("/", 1)[-1])
        elif hasattr(child, "keys"):
            yield from _find_numbered(child, depth + 1)


def _find_variables(group: Any, fallback: str) -> Iterator[tuple[str, Any]]:
    count = len(group)
    if not count:
        return
    name = group.attrs.get("name", fallback)
    layer = name.decode() if isinstance(name, bytes) else str(name)
    if count not in _ORDERS:
        raise WeightsError(f"{layer}: has {count} variables; known are 1, 2 and 4")
    for number, leaf in enumerate(_ORDERS[count]):
        yield f"{layer}.{leaf}", _child(group, str(number))


def _child(group: Any, name: str) -> Any:
    """A member of the file itself: links may lead to any file of the machine."""
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise WeightsError(
            f"{name}: is missing, or a link; only plain members are read"
        )
    return group[name]


def _read_dataset(name: str, dataset: Any) -> np.ndarray:
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiub":
        raise WeightsError(f"{name}: is no array of numbers")
    if dataset.is_virtual or dataset.external:
        raise WeightsError(f"{name}: its values lie in another file")
    return np.asarray(dataset[()])
