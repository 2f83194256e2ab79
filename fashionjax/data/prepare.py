"""Makes the raw files of a dataset into records that training can read fast."""

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds

from fashionjax.data.datasets.ccp import Ccp
from fashionjax.data.datasets.cfpd import Cfpd
from fashionjax.data.datasets.fashionista import Fashionista, FashionistaV02
from fashionjax.data.datasets.fashionpedia import Fashionpedia
from fashionjax.data.datasets.imaterialist import Imaterialist2019, Imaterialist2020
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.quarantine import MAX_BAD_FRACTION, describe

DATASETS: Mapping[str, type[PhotoBuilder]] = {
    "ccp": Ccp,
    "imaterialist2019": Imaterialist2019,
    "imaterialist2020": Imaterialist2020,
    "fashionpedia": Fashionpedia,
    "fashionista": Fashionista,
    "fashionista_v02": FashionistaV02,
    "cfpd": Cfpd,
}
"""What can be prepared."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset on disk.

    Attributes:
        data_dir: The folder for all datasets, as sources take it.
        directory: The folder of this dataset, split scheme and version.
        num_examples: Number of examples by split.
        raw: Counts and hash of the raw files it was made from.
        quarantine: What is wrong with the photos that were left out, by their ids.
        overlap: Pixels `visible` and `hidden` by category, of datasets of instances;
            see `fashionjax.data.instances.Overlap`.
        fresh: Whether this call made it, rather than found it.
    """

    data_dir: pathlib.Path
    directory: pathlib.Path
    num_examples: dict[str, int]
    raw: dict[str, Any]
    quarantine: dict[str, str]
    overlap: dict[str, dict[str, int]]
    fresh: bool


def default_data_dir() -> pathlib.Path:
    """`$FASHIONJAX_DATA`, else `fashionjax` in the user's cache folder."""
    if chosen := os.environ.get("FASHIONJAX_DATA"):
        return pathlib.Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "fashionjax"


def prepare(
    name: str,
    raw_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    scheme: str | None = None,
    max_bad_fraction: float = MAX_BAD_FRACTION,
    overwrite: bool = False,
) -> Prepared:
    """Prepares a dataset, unless it is there already.

    A preparation that is interrupted leaves nothing that reads as complete; two at the
    same time wait for each other.

    Args:
        name: One of `DATASETS`.
        raw_dir: The dataset's files as published; None downloads them.
        data_dir: Where prepared datasets lie; None for `default_data_dir()`.
        scheme: How photos are divided, one of the dataset's `schemes()`; None for the
            first of them.
        max_bad_fraction: Share of the photos, 0..1, that may be left out because they
            cannot be read or do not fit their labels; each is told.
        overwrite: Prepare anew even if it is there.

    Returns:
        Where it is and what it holds.

    Raises:
        ValueError: Unknown dataset or scheme; the raw files are missing, too many of
            them damaged, or others than those it was prepared from.
    """
    dataset, scheme = _named(name, scheme)
    root = pathlib.Path(data_dir or default_data_dir()).expanduser().absolute()
    raw = None if raw_dir is None else pathlib.Path(raw_dir).expanduser().absolute()
    directory = _directory(root, dataset, scheme)
    found = directory.is_dir() and not overwrite
    if not found:
        (root / name).mkdir(parents=True, exist_ok=True)
        with _locked(root / name / "lock"):
            # Another process may have prepared it while this one waited.
            found = directory.is_dir() and not overwrite
            if not found:
                source = dataset.find_raw(raw or dataset.download(root / "downloads"))
                _build(dataset, root, source, scheme, max_bad_fraction)
    if found:
        _check_same_files(dataset, directory, raw)
    info = json.loads((directory / "dataset_info.json").read_text())
    counts = {s["name"]: sum(map(int, s["shardLengths"])) for s in info["splits"]}
    metadata = _metadata(directory)
    # Datasets prepared before there was a quarantine have none.
    left_out = metadata.get("quarantine", {})
    if left_out and not found:
        print(
            f"Left out {len(left_out)} of {name}, also listed in"
            f" {directory / 'metadata.json'}:\n{describe(left_out)}",
            file=sys.stderr,
        )
    return Prepared(
        data_dir=root,
        directory=directory,
        num_examples=counts,
        raw=metadata["raw"],
        quarantine=left_out,
        overlap=metadata.get("overlap", {}),
        fresh=not found,
    )


def open_split(
    name: str,
    data_dir: str | os.PathLike[str],
    split: str,
    size: tuple[int, int],
    label_map: LabelMap,
    *,
    scheme: str | None = None,
    cache: bool = False,
) -> PreparedSource:
    """Opens a split of a prepared dataset.

    Args:
        name: One of `DATASETS`.
        data_dir: The folder that it was prepared into.
        split: `train`, `val` or `test`.
        size: (height, width) of what comes out.
        label_map: A map of the dataset's ids.
        scheme: How photos are divided; None for the dataset's first scheme.
        cache: Keep what was read in memory; see `PreparedSource`.

    Returns:
        The examples.

    Raises:
        ValueError: Unknown dataset or scheme; it is not prepared there, has no such
            split, or the label map is not for it.
    """
    dataset, scheme = _named(name, scheme)
    if set(label_map.target_of) != set(dataset.SOURCE_IDS):
        raise ValueError(
            f"label map {label_map.name!r} is not for {name}; allowed are maps of the"
            f" ids 0..{max(dataset.SOURCE_IDS)}"
        )
    directory = _directory(pathlib.Path(data_dir), dataset, scheme)
    if not directory.is_dir():
        raise ValueError(
            f"{name} is not prepared in {directory}; run python -m fashionjax.data "
            f"prepare {name} --raw=DIR --data_dir={data_dir} --split={scheme}"
        )
    return PreparedSource(directory, split, size, label_map, cache=cache)


def _named(name: str, scheme: str | None) -> tuple[type[PhotoBuilder], str]:
    """A dataset and the scheme that is meant."""
    if name not in DATASETS:
        raise ValueError(f"dataset {name!r}; allowed are {', '.join(DATASETS)}")
    schemes = DATASETS[name].schemes()
    if scheme is not None and scheme not in schemes:
        raise ValueError(f"split {scheme!r}; allowed are {', '.join(schemes)}")
    return DATASETS[name], scheme or schemes[0]


def _directory(
    root: pathlib.Path, dataset: type[PhotoBuilder], scheme: str
) -> pathlib.Path:
    return root / dataset.name / scheme / str(dataset.VERSION)


def _build(
    dataset: type[PhotoBuilder],
    data_dir: pathlib.Path,
    raw: pathlib.Path,
    scheme: str,
    max_bad_fraction: float,
) -> None:
    """Runs the builder; only its last step, a rename, makes the result visible."""
    directory = _directory(data_dir, dataset, scheme)
    # We hold the lock, so what is incomplete belongs to a process that died.
    for rest in directory.parent.glob("*incomplete*"):
        shutil.rmtree(rest)
    shutil.rmtree(directory, ignore_errors=True)
    builder = dataset(
        config=scheme,
        data_dir=data_dir,
        file_format="array_record",
        max_bad_fraction=max_bad_fraction,
    )
    config = tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False)
    with _quiet():
        builder.download_and_prepare(download_config=config)


def _check_same_files(
    dataset: type[PhotoBuilder], directory: pathlib.Path, raw: pathlib.Path | None
) -> None:
    """Refuses raw files that are not those of the prepared dataset."""
    if raw is None:
        return
    if not raw.exists():
        print(f"{raw} is gone; {directory} is used as it is", file=sys.stderr)
        return
    then, now = _metadata(directory)["raw"], dataset.fingerprint(raw)
    if then != now:
        raise ValueError(
            f"{directory} was prepared from other files: {_describe(then)}; {raw} "
            f"holds {_describe(now)}. Choose another --data_dir, or prepare anew: "
            "python -m fashionjax.data prepare … --overwrite"
        )


def _metadata(directory: pathlib.Path) -> dict[str, Any]:
    return json.loads((directory / "metadata.json").read_text())


def _describe(raw: dict[str, Any]) -> str:
    counts = ", ".join(f"{v} {k}" for k, v in raw.items() if k != "sha256")
    return f"{counts} (hash {raw['sha256'][:8]})"


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Holds a lock that the system releases when the process ends in any way."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another process prepares this dataset; waiting …", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences TFDS, which has bars and notices of its own."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
