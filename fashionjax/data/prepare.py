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
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from fashionjax.data.datasets import ccp
from fashionjax.data.quarantine import MAX_BAD_FRACTION, describe

DATASETS = (ccp.NAME,)
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
        fresh: Whether this call made it, rather than found it.
    """

    data_dir: pathlib.Path
    directory: pathlib.Path
    num_examples: dict[str, int]
    raw: dict[str, Any]
    quarantine: dict[str, str]
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
    scheme: str = ccp.HASH_SPLIT,
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
        scheme: How photos are divided: `hash_80_10_10` or `s0_90_10`.
        max_bad_fraction: Share of the photos, 0..1, that may be left out because they
            cannot be read or do not fit their labels; each is told.
        overwrite: Prepare anew even if it is there.

    Returns:
        Where it is and what it holds.

    Raises:
        ValueError: Unknown dataset or scheme; the raw files are missing, too many of
            them damaged, or others than those it was prepared from.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset {name!r}; allowed are {', '.join(DATASETS)}")
    schemes = [config.name for config in ccp.Ccp.BUILDER_CONFIGS]
    if scheme not in schemes:
        raise ValueError(f"split {scheme!r}; allowed are {', '.join(schemes)}")
    root = pathlib.Path(data_dir or default_data_dir()).expanduser().absolute()
    raw = None if raw_dir is None else pathlib.Path(raw_dir).expanduser().absolute()
    directory = root / name / scheme / ccp.VERSION
    found = directory.is_dir() and not overwrite
    if not found:
        (root / name).mkdir(parents=True, exist_ok=True)
        with _locked(root / name / "lock"):
            # Another process may have prepared it while this one waited.
            found = directory.is_dir() and not overwrite
            if not found:
                source = ccp.find_raw(raw or ccp.download(root / "downloads"))
                _build(root, source, scheme, max_bad_fraction)
    if found:
        _check_same_files(directory, raw)
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
    return Prepared(root, directory, counts, metadata["raw"], left_out, not found)


def _build(
    data_dir: pathlib.Path, raw: pathlib.Path, scheme: str, max_bad_fraction: float
) -> None:
    """Runs the builder; only its last step, a rename, makes the result visible."""
    parent = data_dir / ccp.NAME / scheme
    # We hold the lock, so what is incomplete belongs to a process that died.
    for rest in parent.glob("*incomplete*"):
        shutil.rmtree(rest)
    shutil.rmtree(parent / ccp.VERSION, ignore_errors=True)
    builder = ccp.Ccp(
        config=scheme,
        data_dir=data_dir,
        file_format="array_record",
        max_bad_fraction=max_bad_fraction,
    )
    config = tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False)
    with _quiet():
        builder.download_and_prepare(download_config=config)


def _check_same_files(directory: pathlib.Path, raw: pathlib.Path | None) -> None:
    """Refuses raw files that are not those of the prepared dataset."""
    if raw is None:
        return
    if not raw.exists():
        print(f"{raw} is gone; {directory} is used as it is", file=sys.stderr)
        return
    then, now = _metadata(directory)["raw"], ccp.fingerprint(raw)
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
