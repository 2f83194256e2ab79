"""Published weights from the Hugging Face Hub, with the extra `hub`.

Only `timm/…` repositories are asked: they hold timm's weights and, converted to
safetensors by timm's authors, torchvision's classifiers. No checksums are published for
these files; that of the first download is recorded in the user's cache folder, and a
later download that differs is refused.
"""

import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fashionjax.augment import Normalization
from fashionjax.pretrained.checksums import file_sha256
from fashionjax.pretrained.errors import WeightsError

PREFIX = "timm/"

REPOSITORIES: Mapping[str, str] = {
    "timm/hrnet_w18": "timm/hrnet_w18.ms_in1k",
    "timm/resnext101_32x4d": "timm/resnext101_32x4d.gluon_in1k",
    "torchvision/densenet121": "timm/densenet121.tv_in1k",
    "torchvision/densenet169": "timm/densenet169.tv_in1k",
    "torchvision/resnet18": "timm/resnet18.tv_in1k",
    "torchvision/resnet34": "timm/resnet34.tv_in1k",
    "torchvision/resnet101": "timm/resnet101.tv_in1k",
    "torchvision/resnet50": "timm/resnet50.tv_in1k",
    "torchvision/resnext50_32x4d": "timm/resnext50_32x4d.tv_in1k",
    "torchvision/resnext101_32x8d": "timm/resnext101_32x8d.tv_in1k",
    "torchvision/vgg16": "timm/vgg16.tv_in1k",
    "torchvision/vgg16_bn": "timm/vgg16_bn.tv_in1k",
    "torchvision/vgg19": "timm/vgg19.tv_in1k",
    "torchvision/vgg19_bn": "timm/vgg19_bn.tv_in1k",
}
"""Where the weights of a reference lie."""

_WEIGHTS = "model.safetensors"
_WEIGHTS_NAMES = (_WEIGHTS, "pytorch_model.bin")
_CONFIG = "config.json"

# timm's names for the classifier of torchvision's VGG, of which it makes convolutions.
_VGG_NAMES: Mapping[str, str] = {
    "pre_logits.fc1": "classifier.0",
    "pre_logits.fc2": "classifier.3",
    "head.fc": "classifier.6",
}

Download = Callable[[str, str], Path]
"""From a repository and the name of a file in it to the file here."""


@dataclasses.dataclass(frozen=True)
class HubFile:
    """A downloaded file of weights.

    Attributes:
        path: Where it lies.
        sha256: Its checksum.
        is_new: Whether it was downloaded for the first time.
        licence: Licence of the weights; None where the repository's configuration
            does not say.
        normalization: Of the images that the weights were trained with; None where
            the repository's configuration does not say.
    """

    path: Path
    sha256: str
    is_new: bool
    licence: str | None
    normalization: Normalization | None


def repository_of(name: str) -> str | None:
    """The Hub repository that a name means; None if it means none."""
    if name in REPOSITORIES:
        return REPOSITORIES[name]
    return name if name.startswith(PREFIX) else None


def default_record() -> Path:
    """File in the user's cache folder with the checksums of the first downloads."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "fashionjax" / "weights-checksums.json"


def fetch(
    repository: str,
    *,
    download: Download | None = None,
    record: Path | None = None,
) -> HubFile:
    """Downloads the weights of a repository, unless they are in the Hub's cache.

    Args:
        repository: Such as "timm/resnet34.a1_in1k".
        download: What downloads; `huggingface_hub` if None.
        record: File with the checksums of first downloads; `default_record()` if None.

    Returns:
        The file and what is known of it.

    Raises:
        WeightsError: If the file cannot be had, or is not the one that was downloaded
            first.
    """
    download = _download if download is None else download
    record = default_record() if record is None else record
    path = download(repository, _WEIGHTS)
    config = download(repository, _CONFIG)
    settings = _read_config(config)
    if settings is None:
        raise WeightsError(f"{config}: has no pretrained_cfg")
    sha256 = file_sha256(path)
    is_new = _compare_with_first(repository, sha256, record)
    return HubFile(
        path=path,
        sha256=sha256,
        is_new=is_new,
        licence=str(settings["license"]) if settings.get("license") else None,
        normalization=_normalization(settings),
    )


def normalization_beside(path: Path) -> Normalization | None:
    """Normalisation that the configuration of a file from the Hub states.

    Args:
        path: A file of weights.

    Returns:
        None where the file has no name of the Hub's, beside which others may lie, or no
        configuration of timm beside it.

    Raises:
        WeightsError: If the configuration is damaged.
    """
    config = path.with_name(_CONFIG)
    if path.name not in _WEIGHTS_NAMES or not config.is_file():
        return None
    settings = _read_config(config)
    return None if settings is None else _normalization(settings)


def to_torchvision_names(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gives the classifier of timm's VGG the names and shapes of torchvision's.

    Args:
        state: A state dict of timm; all but VGG's is returned as it is.

    Returns:
        The tensors by their new names.
    """
    renamed = {}
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        if module in _VGG_NAMES and "pre_logits.fc1.weight" in state:
            key = f"{_VGG_NAMES[module]}.{leaf}"
            tensor = tensor.reshape(len(tensor), -1) if leaf == "weight" else tensor
        renamed[key] = tensor
    return renamed


def _download(repository: str, name: str) -> Path:
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise WeightsError(
            f"{repository}: the Hub is asked with huggingface_hub: pip install"
            " 'fashionjax[hub]'; or download"
            f" https://huggingface.co/{repository}/resolve/main/{name} yourself and"
            " name the file"
        ) from None
    try:
        return Path(huggingface_hub.hf_hub_download(repository, name))
    # Its errors have no common class: its own, those of the HTTP library, OSError.
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise WeightsError(
            f"https://huggingface.co/{repository}/resolve/main/{name} cannot be had:"
            f" {reason}"
        ) from None


def _read_config(path: Path) -> dict[str, Any] | None:
    """The part of timm's configuration that is about the weights; None without one."""
    try:
        config = json.loads(path.read_text())
    except (ValueError, RecursionError, OSError) as error:
        raise WeightsError(f"{path}: is no configuration of timm: {error}") from None
    settings = config.get("pretrained_cfg") if isinstance(config, dict) else None
    return settings if isinstance(settings, dict) else None


def _normalization(settings: Mapping[str, Any]) -> Normalization | None:
    if "mean" not in settings or "std" not in settings:
        return None
    mean, std = _rgb(settings["mean"]), _rgb(settings["std"])
    if min(std) <= 0:
        raise WeightsError(f"its std is {std}, not above 0")
    return Normalization(mean, std)


def _rgb(values: Any) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        raise WeightsError("its mean or std are not three numbers") from None
    if not all(map(math.isfinite, (red, green, blue))):
        raise WeightsError("its mean or std are not finite")
    return red, green, blue


def _compare_with_first(repository: str, sha256: str, record: Path) -> bool:
    """Records the checksum of a first download; refuses another one later."""
    known: dict[str, str] = {}
    if record.is_file():
        try:
            known = json.loads(record.read_text())
        except ValueError as error:
            raise WeightsError(f"{record}: is damaged: {error}") from None
    if repository in known:
        if known[repository] != sha256:
            raise WeightsError(
                f"{repository}: its weights are not those of the first download"
                f" (sha256 {sha256[:12]}…, then {known[repository][:12]}…). If their"
                f" publisher changed them, remove the line from {record}"
            )
        return False
    record.parent.mkdir(parents=True, exist_ok=True)
    unfinished = record.with_name(f"{record.name}.{os.getpid()}")
    unfinished.write_text(json.dumps({**known, repository: sha256}, indent=1) + "\n")
    unfinished.replace(record)
    return True
