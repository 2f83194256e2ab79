"""Where a run's first parameters come from, and what they say of its images."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
from ml_collections import ConfigDict

from fashionjax.augment import Normalization
from fashionjax.distributed import check_same_on_all_processes, first_process_first
from fashionjax.pretrained.convert import expected_shapes
from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.load import NONE, Weights, load_pretrained


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a run begins with.

    Attributes:
        weights: Published weights; None from scratch, and where a checkpoint has them
            long since.
        record: What `config.json` keeps of them; None from scratch.
        normalization: Of all images of the run.
    """

    weights: Weights | None
    record: Mapping[str, Any] | None
    normalization: Normalization


def find_origin(
    config: ConfigDict, workdir: Path, model: nn.Module, image_size: tuple[int, int]
) -> Origin:
    """Loads the weights that `config.model.pretrained` names, unless they are trained.

    A run that has a checkpoint needs neither the file nor the network again: what its
    images are normalised with stands in its `config.json`.

    Args:
        config: The whole configuration.
        workdir: Folder of the run.
        model: The model.
        image_size: (height, width) of its images.

    Raises:
        WeightsError: If the weights cannot be had or do not fit the model, or do not
            say how images are normalised where the configuration leaves it to them.
        ValueError: If processes of the run found different weights.
    """
    file = workdir / "config.json"
    if file.is_file() and _has_checkpoint(workdir):
        stored = json.loads(file.read_text())
        origin = _stored_origin(stored)
        return dataclasses.replace(
            origin, normalization=_resolve(config.data, origin.normalization)
        )
    name = config.model.pretrained
    if name == NONE:
        return Origin(None, None, _resolve(config.data, Normalization()))
    with first_process_first():
        weights = load_pretrained(name, expected_shapes(model, image_size))
    check_same_on_all_processes(
        hashlib.sha256(weights.sha256.encode()).hexdigest(),
        f"file of weights for --config.model.pretrained={name}",
    )
    record = {
        "name": weights.name,
        "file": str(weights.path),
        "sha256": weights.sha256,
        "reference": weights.reference,
        "licence": weights.licence,
    }
    return Origin(weights, record, _resolve(config.data, weights.normalization))


def _resolve(data: ConfigDict, known: Normalization | None) -> Normalization:
    """What `config.data.mean` and `std` say; where they are None, what the weights do.

    Raises:
        WeightsError: If neither says it.
    """
    if known is None and (data.mean is None or data.std is None):
        raise WeightsError(
            "the weights do not say how their images were normalised: set"
            " --config.data.mean and --config.data.std"
        )
    known = known or Normalization()
    mean = known.mean if data.mean is None else tuple(data.mean)
    std = known.std if data.std is None else tuple(data.std)
    return Normalization(mean, std)


def _has_checkpoint(workdir: Path) -> bool:
    folder = workdir / "checkpoints"
    return folder.is_dir() and any(p.name.isdigit() for p in folder.iterdir())


def _stored_origin(stored: Mapping[str, Any]) -> Origin:
    """What `config.json` says; runs of older versions always had numbers in `data`."""
    normalization = stored.get("normalization") or {
        key: stored["config"]["data"][key] for key in ("mean", "std")
    }
    return Origin(
        weights=None,
        record=stored.get("pretrained"),
        normalization=Normalization(
            **{name: tuple(value) for name, value in normalization.items()}
        ),
    )
