"""Prepared datasets as they are on disk: every split, full size, ids as stored."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from fashionjax.constants import LABEL
from fashionjax.data.dataset import SPLITS, Source
from fashionjax.data.instances import STACKS
from fashionjax.data.label_maps import MAPS_OF, LabelMap
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.variant import REFINED


@dataclasses.dataclass(frozen=True)
class StoredDataset:
    """A dataset to examine.

    Attributes:
        name: What to call it.
        label_maps: First the one whose classes are shown, then those of which it is
            told what they make of the labels.
        sources: By split; images and labels at their own size, ids as stored, and the
            stacks of instances; see `fashionjax.data.prepared.PreparedSource`.
        quarantine: Reasons, by id, of the examples left out when it was prepared.
        directory: Where it lies; empty if nowhere.
        scheme: How it was prepared, as `fashionjax.data.prepare.Prepared` says; empty
            if it was not.
    """

    name: str
    label_maps: tuple[LabelMap, ...]
    sources: Mapping[str, Source]
    quarantine: Mapping[str, str] = dataclasses.field(default_factory=dict)
    directory: str = ""
    scheme: str = ""

    def __post_init__(self) -> None:
        """Checks the label maps.

        Raises:
            ValueError: They are for different ids.
        """
        first = self.label_maps[0]
        for label_map in self.label_maps:
            if set(label_map.target_of) != set(first.target_of):
                raise ValueError(
                    f"label map {label_map.name!r} is for other ids than {first.name!r}"
                )

    @property
    def refined(self) -> bool:
        """Whether its photos were cropped as `refine` decided."""
        return self.scheme.endswith(REFINED)

    def read(self, split: str, index: int) -> dict[str, Any]:
        """Reads an example, its label in classes of the first label map."""
        example = self.sources[split][index]
        label = self.label_maps[0].apply(example[LABEL], example.get(STACKS, ()))
        return {**example, LABEL: label}


def open_dataset(
    name: str, data_dir: pathlib.Path, scheme: str = "", label_map: str = ""
) -> StoredDataset:
    """Opens a prepared dataset.

    Args:
        name: A key of `MAPS_OF`.
        data_dir: The folder that it was prepared into.
        scheme: How its photos are divided; may be empty where it was prepared for one
            scheme only.
        label_map: The one whose classes are shown; empty for the dataset's first.

    Raises:
        ValueError: Unknown or not prepared there, or several schemes to choose from, or
            the dataset has no such label map.
    """
    if name not in MAPS_OF:
        raise ValueError(f"dataset {name!r}; allowed are {', '.join(MAPS_OF)}")
    directory = _find(name, data_dir, scheme)
    info = json.loads((directory / "dataset_info.json").read_text())
    present = {
        split["name"]
        for split in info["splits"]
        if any(map(int, split["shardLengths"]))  # all may have been left out
    }
    metadata_file = directory / "metadata.json"
    metadata = json.loads(metadata_file.read_text()) if metadata_file.exists() else {}
    maps = {found.name: found for found in MAPS_OF[name]}
    shown = label_map or next(iter(maps))
    if shown not in maps:
        raise ValueError(
            f"label map {shown!r}; allowed for {name} are {', '.join(maps)}"
        )
    return StoredDataset(
        name=name,
        label_maps=(maps.pop(shown), *maps.values()),
        sources={
            split: PreparedSource(directory, split, None, None)
            for split in SPLITS
            if split in present
        },
        quarantine=metadata.get("quarantine", {}),
        directory=str(directory),
        scheme=directory.parent.name,
    )


def _find(name: str, data_dir: pathlib.Path, scheme: str) -> pathlib.Path:
    """The newest version of a dataset under a scheme."""
    files = sorted((data_dir / name).glob("*/*/dataset_info.json"), key=_version)
    found = {file.parent.parent.name: file.parent for file in files}
    if scheme in found:
        return found[scheme]
    if not found or scheme:
        raise ValueError(
            f"{name} is not prepared in {data_dir / name}"
            + (f" for the split {scheme!r}" if scheme else "")
            + (f"; there are {', '.join(sorted(found))}" if found else "")
            + f"; run python -m fashionjax.data prepare {name} --raw=DIR"
            f" --data_dir={data_dir}"
        )
    if len(found) > 1:
        raise ValueError(
            f"{name} is prepared for the splits {', '.join(sorted(found))}; choose one"
            " with --split"
        )
    return next(iter(found.values()))


def _version(info_file: pathlib.Path) -> list[int]:
    """The version as numbers, so that 10.0.0 comes after 9.0.0."""
    parts = info_file.parent.name.split(".")
    return [int(part) if part.isdigit() else -1 for part in parts]
