"""Our own file of converted weights: variables by path in an `.npz`.

"params/stem_conv/kernel" and so on, and the mean and standard deviation of the images
under "normalization/mean" and "normalization/std".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import flax.traverse_util
import numpy as np
from numpy.typing import DTypeLike

from fashionjax.augment import Normalization
from fashionjax.pretrained.errors import WeightsError

Arrays: TypeAlias = dict[str, np.ndarray]
"""Variables by path ("params/stem_conv/kernel")."""

_COLLECTIONS = ("params/", "batch_stats/")
_MEAN, _STD = "normalization/mean", "normalization/std"


def flatten(variables: Mapping[str, Any]) -> Arrays:
    """Variables by path."""
    flat: Any = flax.traverse_util.flatten_dict(dict(variables), sep="/")
    return flat


def save_native(
    path: Path, variables: Mapping[str, np.ndarray], normalization: Normalization
) -> None:
    """Writes variables and what images they are for.

    Args:
        path: The file to write; must end in `.npz`.
        variables: Arrays by path.
        normalization: Of the images.

    Raises:
        WeightsError: If the name does not end in `.npz`.
    """
    if path.suffix != ".npz":
        raise WeightsError(f"{path}: the name of our own file ends in .npz")
    arrays: dict[str, Any] = {
        _MEAN: np.asarray(normalization.mean),
        _STD: np.asarray(normalization.std),
        **variables,
    }
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    unfinished.replace(path)


def is_native(state: Mapping[str, np.ndarray]) -> bool:
    """Whether a file's arrays are variables of ours, not of a published model."""
    return any(key.startswith(_COLLECTIONS) for key in state)


def split_native(
    state: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], Normalization | None]:
    """Tells variables from the normalisation, where the file has one.

    Raises:
        WeightsError: If the file holds anything else, or values that are no finite
            numbers as float32.
    """
    rest = dict(state)
    mean, std = rest.pop(_MEAN, None), rest.pop(_STD, None)
    variables = {}
    for key, array in rest.items():
        if not key.startswith(_COLLECTIONS):
            raise WeightsError(f"{key}: is no variable of ours")
        variables[key] = _finite(key, array, np.float32)
    if mean is None or std is None:
        return variables, None
    mean, std = _finite(_MEAN, mean, np.float64), _finite(_STD, std, np.float64)
    if mean.shape != (3,) or std.shape != (3,) or not (std > 0).all():
        raise WeightsError("its normalization is none of RGB images")
    return variables, Normalization(tuple(mean.tolist()), tuple(std.tolist()))


def _finite(key: str, array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """The array in a floating type, in which each of its values is finite."""
    if array.dtype.kind != "f":
        raise WeightsError(f"{key}: is {array.dtype}; floating point is needed")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise WeightsError(f"{key}: has values that are not finite")
    return converted
