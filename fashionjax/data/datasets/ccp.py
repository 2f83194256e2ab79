"""Clothing Co-Parsing (CCP): street photos with 59 labels a pixel.

Yang, Luo, Lin: Clothing Co-Parsing by Joint Image Segmentation and Labeling, CVPR
2014. 1,004 of its 2,098 photos have a label for each pixel; the others have labels for
the whole image and are not used.
"""

import hashlib
import io
import math
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import scipy.io
import tensorflow_datasets as tfds

from fashionjax.data.archive import extract_zip, fetch
from fashionjax.data.images import decode_image, encode_label
from fashionjax.data.label_maps import CCP_59, LabelMap
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.progress import progress
from fashionjax.data.quarantine import MAX_BAD_FRACTION, Quarantine

NAME = "ccp"
VERSION = "1.0.0"
HASH_SPLIT = "hash_80_10_10"
S0_SPLIT = "s0_90_10"
ARCHIVE_URL = (
    "https://github.com/bearpaw/clothing-co-parsing/archive/refs/heads/master.zip"
)
LAYOUT = (
    "A CCP folder holds photos/0001.jpg, … and annotations/pixel-level/0001.mat, …, "
    "as in the repository bearpaw/clothing-co-parsing on GitHub."
)

_MAX_ARCHIVE_BYTES = 4 << 30
_MAX_ARCHIVE_FILES = 20_000
_S0_SEED = 0


def hash_split(image_id: str) -> str:
    """The split of a photo, from nothing but its name.

    So any subset of the photos splits the same way, and none changes sides.

    Args:
        image_id: File name without ending, such as `0001`.

    Returns:
        `train` (80 %), `val` (10 %) or `test` (10 %).
    """
    digest = hashlib.sha256(image_id.encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if position < 0.8 else "val" if position < 0.9 else "test"


def split_ids(image_ids: Iterable[str], scheme: str) -> dict[str, list[str]]:
    """Divides photos into splits.

    Args:
        image_ids: File names without ending.
        scheme: `hash_80_10_10` or `s0_90_10`: S0's 90/10 (903 and 101 of 1,004) by a
            seeded shuffle of the sorted names, without a test split. S0 does not
            tell its seed.

    Returns:
        Sorted ids by split; splits that would be empty are left out.

    Raises:
        ValueError: Another scheme.
    """
    ids = sorted(image_ids)
    if scheme == HASH_SPLIT:
        split_of = {image_id: hash_split(image_id) for image_id in ids}
    elif scheme == S0_SPLIT:
        order = np.random.default_rng(_S0_SEED).permutation(len(ids))
        val = {ids[i] for i in order[: math.ceil(len(ids) / 10)]}
        split_of = {i: "val" if i in val else "train" for i in ids}
    else:
        raise ValueError(f"split {scheme!r}; allowed are {HASH_SPLIT}, {S0_SPLIT}")
    splits = {s: [i for i in ids if split_of[i] == s] for s in ("train", "val", "test")}
    return {split: members for split, members in splits.items() if members}


def find_raw(folder: pathlib.Path) -> pathlib.Path:
    """Where the photos and annotations lie: here or in the only folder in here.

    Args:
        folder: A CCP folder, or one around it as archives make them.

    Returns:
        The folder with `photos` and `annotations`.

    Raises:
        ValueError: Neither has the layout.
    """
    inner = [p for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    for root in (folder, *(inner if len(inner) == 1 else [])):
        if (root / "photos").is_dir() and (root / "annotations/pixel-level").is_dir():
            return root
    raise ValueError(f"{folder} is no CCP folder. {LAYOUT}")


def download(folder: pathlib.Path, url: str = ARCHIVE_URL) -> pathlib.Path:
    """Fetches and unpacks the dataset, unless that was done before.

    Args:
        folder: Where downloads are kept.
        url: The archive of the repository.

    Returns:
        The folder to prepare from.

    Raises:
        ValueError: The archive cannot be had or is refused; the message says how to
            go on by hand.
    """
    target = folder / NAME
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{NAME}.zip"
        try:
            fetch(url, archive, max_bytes=_MAX_ARCHIVE_BYTES)
            extract_zip(
                archive,
                target,
                max_bytes=_MAX_ARCHIVE_BYTES,
                max_files=_MAX_ARCHIVE_FILES,
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"cannot download CCP from {url}: {error}. Get it by hand and name "
                f"its folder (--raw=DIR, or --config.data.raw_dir=DIR in a run). "
                f"{LAYOUT}"
            ) from error
        finally:
            archive.unlink(missing_ok=True)
    return find_raw(target)


def fingerprint(raw_dir: pathlib.Path) -> dict[str, Any]:
    """What identifies the raw files: their number, and a hash of names and sizes.

    Args:
        raw_dir: A CCP folder.

    Returns:
        `photos` and `labels` (counts) and `sha256`.
    """
    root = find_raw(raw_dir)
    digest = hashlib.sha256()
    counts = {}
    for kind, files in (("photos", _photos(root)), ("labels", _labels(root))):
        counts[kind] = len(files)
        for name, path in sorted(files.items()):
            digest.update(f"{kind}/{name} {path.stat().st_size}\n".encode())
    return counts | {"sha256": digest.hexdigest()}


def read_label(path: pathlib.Path) -> np.ndarray:
    """Reads a pixel-level annotation.

    Args:
        path: A .mat file with the variable `groundtruth`.

    Returns:
        uint8 `[height, width]` of ids 0..58.

    Raises:
        ValueError: The file is damaged, has no such variable or other ids.
    """
    try:
        contents = scipy.io.loadmat(path, variable_names=["groundtruth"])
    except Exception as error:  # scipy raises whatever a damaged file leads it to
        raise ValueError(f"cannot read {path}: {error}") from error
    label = contents.get("groundtruth")
    if label is None or label.ndim != 2 or not np.issubdtype(label.dtype, np.integer):
        found = None if label is None else f"{label.dtype}{list(label.shape)}"
        raise ValueError(
            f"{path}: groundtruth is {found}; allowed are integers [height, width]"
        )
    unknown = np.setdiff1d(label, list(CCP_59.target_of))
    if unknown.size:
        raise ValueError(f"{path}: label ids {unknown.tolist()}; allowed are 0..58")
    return label.astype(np.uint8)


class Ccp(tfds.core.GeneratorBasedBuilder):
    """TFDS builder; `download_config.manual_dir` is the raw CCP folder.

    Examples keep the photo's JPEG bytes as they are and the raw ids as PNG, in the
    order of the file names. Photos that cannot be read, or do not fit their labels, are
    left out, `max_bad_fraction` of all at most; the metadata's "quarantine" has their
    reasons by name. Needs no TensorFlow.
    """

    VERSION = tfds.core.Version(VERSION)
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=HASH_SPLIT, description="80/10/10 by file name."),
        tfds.core.BuilderConfig(name=S0_SPLIT, description="90/10 of S0, no test."),
    ]

    def __init__(
        self, *, max_bad_fraction: float = MAX_BAD_FRACTION, **options: Any
    ) -> None:
        self._max_bad_fraction = max_bad_fraction
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Clothing Co-Parsing: photos with 59 labels a pixel.",
            homepage="https://github.com/bearpaw/clothing-co-parsing",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(None, None, 3), encoding_format="jpeg"
                    ),
                    "label": tfds.features.Image(
                        shape=(None, None, 1), encoding_format="png"
                    ),
                    "image_id": tfds.features.Text(),
                }
            ),
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        root = find_raw(pathlib.Path(dl_manager.manual_dir))
        metadata, config = self.info.metadata, self.builder_config
        assert metadata is not None
        assert config is not None
        metadata["raw"] = fingerprint(root)
        ids = _photos(root).keys() & _labels(root).keys()
        if not ids:
            raise ValueError(f"{root}: no photo has a pixel-level label. {LAYOUT}")
        quarantine = Quarantine(len(ids), self._max_bad_fraction)
        # Written when all splits are made.
        metadata["quarantine"] = quarantine.reasons
        splits = split_ids(ids, config.name)
        return {
            split: self._generate_examples(root, split, members, quarantine)
            for split, members in splits.items()
        }

    def _generate_examples(
        self,
        root: pathlib.Path,
        split: str,
        image_ids: list[str],
        quarantine: Quarantine,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        photos, labels = _photos(root), _labels(root)
        title = f"{NAME} {split}"
        for key, image_id in enumerate(progress(image_ids, len(image_ids), title)):
            try:
                example = _read_example(photos[image_id], labels[image_id])
            except ValueError as error:
                quarantine.add(image_id, error)
                continue
            yield key, example | {"image_id": image_id}


def _read_example(photo: pathlib.Path, label: pathlib.Path) -> dict[str, Any]:
    """Reads and checks a photo and its label; both stay encoded.

    Files, because TFDS stores their bytes as they are; arrays it would encode with
    TensorFlow.
    """
    data = photo.read_bytes()
    ids = read_label(label)
    shape = decode_image(data, name=str(photo)).shape[:2]
    if ids.shape != shape:
        raise ValueError(
            f"{label} is {ids.shape}, its photo {shape} (height, width); allowed are"
            " equal sizes"
        )
    return {"image": io.BytesIO(data), "label": io.BytesIO(encode_label(ids))}


class CcpSource(PreparedSource):
    """One split of prepared CCP; see `PreparedSource` for what an example holds."""

    def __init__(
        self,
        data_dir: str | pathlib.Path,
        split: str,
        size: tuple[int, int],
        label_map: LabelMap = CCP_59,
        *,
        scheme: str = HASH_SPLIT,
        cache: bool = False,
    ) -> None:
        """Opens the split.

        Args:
            data_dir: The folder that CCP was prepared into.
            split: `train`, `val` or `test`.
            size: (height, width) of what comes out.
            label_map: A map of all 59 ids, such as `CCP_59` or `CCP_4`.
            scheme: `hash_80_10_10` or `s0_90_10`.
            cache: Keep what was read in memory; see `PreparedSource`.

        Raises:
            ValueError: CCP is not prepared there, or the label map is not for CCP.
        """
        if set(label_map.target_of) != set(CCP_59.target_of):
            raise ValueError(
                f"label map {label_map.name!r} is not for CCP; allowed are maps of "
                "the ids 0..58"
            )
        directory = pathlib.Path(data_dir) / NAME / scheme / VERSION
        if not directory.is_dir():
            raise ValueError(
                f"CCP is not prepared in {directory}; run python -m fashionjax.data "
                f"prepare ccp --raw=DIR --data_dir={data_dir} --split={scheme}"
            )
        super().__init__(directory, split, size, label_map, cache=cache)


def _photos(root: pathlib.Path) -> dict[str, pathlib.Path]:
    return {path.stem: path for path in (root / "photos").glob("*.jpg")}


def _labels(root: pathlib.Path) -> dict[str, pathlib.Path]:
    folder = root / "annotations/pixel-level"
    return {path.stem: path for path in folder.glob("*.mat")}
