"""What the TFDS builders of all photo datasets share."""

import abc
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NoReturn

import tensorflow_datasets as tfds
from tensorflow_datasets.core.splits import SplitDict
from tensorflow_datasets.proto import tf_example_pb2

from fashionjax.data.card import dataset_card
from fashionjax.data.images import decode_image, encode_label
from fashionjax.data.instances import SMALLER_WINS, STACKS, Overlap, format_stacks
from fashionjax.data.label_counts import (
    Counted,
    collect,
    count_label,
    write_counts,
)
from fashionjax.data.quarantine import MAX_BAD_FRACTION, Quarantine
from fashionjax.data.raw_folder import RawFolder
from fashionjax.data.refined import Refinement
from fashionjax.data.shards import (
    Written,
    divide,
    remove_summaries,
    write_shards,
    write_whole,
)
from fashionjax.data.variant import Variant

CARD = "README.md"
"""The page beside the records that tells what they are."""

IMAGE_IDS = "image_ids.json"
"""The ids of the photos beside the records: by split, in the order of its examples."""

_SHARD_EXAMPLES = 200
_ORIGIN = "origin.json"
_LIBRARIES = ("fashionjax", "array-record", "pillow", "tensorflow-datasets")


class PhotoBuilder(tfds.core.DatasetBuilder, skip_registration=True):
    """TFDS builder; `download_config.manual_dir` is the folder of raw files.

    Examples keep the photo's bytes as they are and the raw ids as PNG, in the order of
    their splits. Photos that cannot be read, or do not fit their labels, are left out,
    `max_bad_fraction` of all at most. Needs no TensorFlow. The metadata has

    - "raw": what identifies the raw files;
    - "shards": name, number of records and SHA-256 of every file by split;
    - "versions": of the libraries that wrote them;
    - "quarantine": by id why an example was left out;
    - "photos": how many with labels were `found`, and how many are `published`;
    - "unlabelled": names of the photos that have no label, which are not used.

    What its labels hold is counted beside the records, see
    `fashionjax.data.label_counts`.

    Datasets of instances have a third feature, `stacks`, and in their metadata
    "overlap" and, by split, how many photos have each of the "categories".

    A dataset is a subclass; its `BUILDER_CONFIGS` are the ways to divide it into
    splits, the usual one first.

    Attributes:
        TITLE: Its name in full.
        HOMEPAGE: Where it comes from.
        LICENSE: What its publishers say about its use.
        MANUAL_DOWNLOAD_INSTRUCTIONS: Where to get the raw files and how they lie.
        SOURCE_NAMES: The names of all ids that its labels can have, by position.
        NUM_PUBLISHED: Number of photos with labels as its publishers give it.
        HAS_INSTANCES: Whether its labels are instances that may overlap.
        NUMBERS_PIXELS: Whether its labels are run lengths with numbers of pixels.
        WITHOUT_TEST: Schemes that leave no photo to test.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    TITLE: ClassVar[str]
    HOMEPAGE: ClassVar[str]
    LICENSE: ClassVar[str]
    MANUAL_DOWNLOAD_INSTRUCTIONS: ClassVar[str]
    SOURCE_NAMES: ClassVar[Sequence[str]]
    NUM_PUBLISHED: ClassVar[int]
    HAS_INSTANCES: ClassVar[bool] = False
    NUMBERS_PIXELS: ClassVar[bool] = False
    WITHOUT_TEST: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        variant: Variant,
        refinement: Refinement | None = None,
        max_bad_fraction: float = MAX_BAD_FRACTION,
        **options: Any,
    ) -> None:
        self._variant = variant
        self._refinement = refinement
        self._max_bad_fraction = max_bad_fraction
        (usual,) = [c for c in self.BUILDER_CONFIGS if c.name == variant.scheme]
        if variant.name != usual.name:
            usual = dataclasses.replace(usual, name=variant.name)
        super().__init__(config=usual, **options)

    @classmethod
    def schemes(cls) -> list[str]:
        """The ways to divide the dataset into splits, the usual one first."""
        return [config.name for config in cls.BUILDER_CONFIGS]

    @classmethod
    @abc.abstractmethod
    def find_raw(cls, folder: pathlib.Path) -> pathlib.Path:
        """Where the raw files lie: here or in the only folder in here.

        Raises:
            ValueError: Neither has the layout.
        """

    @classmethod
    def download(cls, folder: pathlib.Path) -> pathlib.Path:
        """Fetches the raw files into a folder, unless that was done before.

        Raises:
            ValueError: They cannot be had; the message says how to go on by hand.
        """
        del folder
        raise ValueError(
            f"{cls.TITLE} cannot be downloaded without its publishers' consent. Get it"
            " by hand and name its folder (--raw=DIR, or --config.data.raw_dir=DIR in"
            f" a run). {cls.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )

    @classmethod
    @abc.abstractmethod
    def fingerprint(cls, raw_dir: pathlib.Path) -> dict[str, Any]:
        """What identifies the raw files; see `fashionjax.data.fingerprint`."""

    @classmethod
    @abc.abstractmethod
    def open_raw(
        cls,
        root: pathlib.Path,
        scheme: str,
        overlap: str = SMALLER_WINS,
        first_pixel: int = 1,
    ) -> RawFolder:
        """Opens the folder that `find_raw` found.

        Args:
            root: The folder.
            scheme: One of `schemes`.
            overlap: Which of several instances is on top; see `instances.ORDERS`.
            first_pixel: The number of a photo's first pixel in run lengths, 1 or 0.
        """

    def _features(self) -> tfds.features.FeaturesDict:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "image_id": tfds.features.Text(),
        }
        if self.HAS_INSTANCES:
            features[STACKS] = tfds.features.Text()
        return tfds.features.FeaturesDict(features)

    def _info(self) -> tfds.core.DatasetInfo:
        return _OwnInfo(
            builder=self,
            description=self.TITLE,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            features=self._features(),
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def write(
        self, raw_dir: pathlib.Path, folder: pathlib.Path, *, unpacked: str = ""
    ) -> None:
        """Writes the records and what describes them.

        Called again after an interruption it goes on with the files that are missing,
        as long as the raw files are the same, and ends in the same bytes.

        Args:
            raw_dir: As `find_raw` takes it.
            folder: Where to; it is complete when this returns.
            unpacked: What `fashionjax.data.unpacking.unpacked_name` says of archives
                that the raw files come from.

        Raises:
            ValueError: The raw files are missing, or too many of them damaged.
        """
        root = self.find_raw(raw_dir)
        variant = self._variant
        raw = self.open_raw(root, variant.scheme, variant.overlap, variant.first_pixel)
        origin = {"raw": self.fingerprint(root), "versions": _versions()}
        if self._refinement is not None:
            origin["raw"] |= self._refinement.identity
            raw = self._refinement.apply(raw)
        _keep_if_of(folder, origin | {"splits": _digest(raw.splits)})
        info = self._info()
        info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD)
        work = _Preparation(raw, self._features(), self._max_bad_fraction)
        written = {
            split: work.write(split, folder, self.name)
            for split, ids in raw.splits.items()
            if ids
        }
        info.set_splits(
            SplitDict(
                [
                    tfds.core.SplitInfo(
                        name=split,
                        shard_lengths=[file.num_records for file in files],
                        num_bytes=sum(file.num_bytes for file in files),
                    )
                    for split, files in written.items()
                ]
            )
        )
        assert info.metadata is not None
        info.metadata.update(
            origin,
            quarantine=work.quarantine.reasons,
            unlabelled=list(raw.unlabelled),
            unpacked=unpacked,
            photos={
                "found": len(raw.image_ids),
                "published": self.NUM_PUBLISHED,
                "divided": sum(map(len, raw.splits.values())),
            },
            shards={
                split: [dataclasses.asdict(file) for file in files]
                for split, files in written.items()
            },
        )
        if self.NUMBERS_PIXELS:
            info.metadata.update(first_pixel=variant.first_pixel)
        if self.HAS_INSTANCES:
            info.metadata.update(categories=work.categories, overlap=vars(work.overlap))
        info.write_to_directory(folder)
        write_counts(folder, {split: collect(work.counts[split]) for split in written})
        (folder / IMAGE_IDS).write_text(json.dumps(work.image_ids))
        (folder / CARD).write_text(dataset_card(info, self.SOURCE_NAMES))
        remove_summaries(folder)
        (folder / _ORIGIN).unlink()

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        """TFDS's own way to the same files, which begins anew after an interruption."""
        del download_config
        self.write(pathlib.Path(dl_manager.manual_dir), pathlib.Path(self.data_path))
        self.info.read_from_directory(self.data_path)

    def _as_dataset(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise NotImplementedError("tf.data cannot read ArrayRecord: as_data_source can")


class _OwnInfo(tfds.core.DatasetInfo):
    """What is known of a dataset here.

    For one that is not prepared yet TFDS makes a temporary folder, which stays, and
    looks for its name in a bucket of its own.
    """

    def initialize_from_bucket(self) -> None:
        """Asks nobody."""


class _Preparation:
    """Reads and checks all examples of a raw folder, and counts."""

    def __init__(
        self,
        raw: RawFolder,
        features: tfds.features.FeaturesDict,
        max_bad_fraction: float,
    ) -> None:
        self._raw = raw
        self._features = features
        count = sum(len(ids) for ids in raw.splits.values())
        self.quarantine = Quarantine(count, max_bad_fraction)
        self.overlap = Overlap()
        self.image_ids: dict[str, list[str]] = {split: [] for split in raw.splits}
        self.categories: dict[str, dict[int, int]] = {split: {} for split in raw.splits}
        self.counts: dict[str, list[Counted]] = {split: [] for split in raw.splits}

    def write(self, split: str, folder: pathlib.Path, name: str) -> list[Written]:
        """Writes the files of a split."""
        return write_shards(
            folder,
            divide(
                self._raw.splits[split],
                _SHARD_EXAMPLES,
                # As TFDS names them.
                lambda i, n: f"{name}-{split}.array_record-{i:05d}-of-{n:05d}",
            ),
            self._read,
            partial(self._count, split),
            title=f"{name} {split}",
        )

    def _read(self, image_id: str) -> tuple[bytes | None, dict[str, Any]]:
        """Reads and checks a photo and its label; both stay encoded."""
        try:
            raw = self._raw.read(image_id)
            shape = decode_image(raw.image, name=raw.image_name).shape[:2]
            if raw.label.shape != shape:
                raise ValueError(
                    f"{raw.label_name} is {raw.label.shape}, its photo {shape}"
                    " (height, width); allowed are equal sizes"
                )
        except (ValueError, OSError) as error:
            return None, {"bad": str(error)}
        # Files, because TFDS stores their bytes as they are; arrays it would encode
        # with TensorFlow.
        example: dict[str, Any] = {
            "image": io.BytesIO(raw.image),
            "label": io.BytesIO(encode_label(raw.label)),
            "image_id": image_id,
        }
        note: dict[str, Any] = {"counts": count_label(raw.label, raw.stacks)}
        if raw.stacks:
            example[STACKS] = format_stacks(raw.stacks)
            overlap = Overlap()
            overlap.add(raw.label, raw.stacks)
            # JSON would make texts of the ids as keys.
            note |= {key: list(pixels.items()) for key, pixels in vars(overlap).items()}
        # TFDS leaves the order of the features to chance, and checksums with it.
        record = tf_example_pb2.Example.FromString(  # pyright: ignore[reportAttributeAccessIssue]
            self._features.serialize_example(example)
        )
        return record.SerializeToString(deterministic=True), note

    def _count(self, split: str, image_id: str, note: dict[str, Any]) -> None:
        if "bad" in note:
            self.quarantine.add(image_id, ValueError(note["bad"]))
            return
        self.image_ids[split].append(image_id)
        self.counts[split].append(note["counts"])
        categories: set[int] = set()
        for key, pixels in vars(self.overlap).items():
            for category_id, count in note.get(key, ()):
                pixels[category_id] = pixels.get(category_id, 0) + count
                categories.add(category_id)
        photos = self.categories[split]
        for category_id in sorted(categories):
            photos[category_id] = photos.get(category_id, 0) + 1


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _digest(splits: Mapping[str, Sequence[str]]) -> str:
    lists = {split: list(ids) for split, ids in splits.items()}
    return hashlib.sha256(json.dumps(lists).encode()).hexdigest()


def _keep_if_of(folder: pathlib.Path, origin: dict[str, Any]) -> None:
    """Empties a folder unless what lies there was begun from the same."""
    path = folder / _ORIGIN
    if path.is_file() and json.loads(path.read_text()) == origin:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_whole(path, json.dumps(origin))
