"""What the TFDS builders of all photo datasets share."""

import abc
import dataclasses
import io
import itertools
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from fashionjax.data.images import decode_image, encode_label
from fashionjax.data.instances import SMALLER_WINS, STACKS, Overlap, format_stacks
from fashionjax.data.parallel import map_in_order
from fashionjax.data.progress import progress
from fashionjax.data.quarantine import MAX_BAD_FRACTION, Quarantine
from fashionjax.data.raw_folder import RawExample, RawFolder
from fashionjax.data.refined import Refinement
from fashionjax.data.variant import Variant

KeyExample = tuple[int, dict[str, Any]]
"""An example's position in its split, and its features."""

_SHARD_EXAMPLES = 200  # TFDS keeps a shard in memory while it writes it


class PhotoBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """TFDS builder; `download_config.manual_dir` is the folder of raw files.

    Examples keep the photo's bytes as they are and the raw ids as PNG, in the order of
    their splits. Photos that cannot be read, or do not fit their labels, are left out,
    `max_bad_fraction` of all at most; the metadata's "quarantine" has their reasons by
    id. Datasets of instances have a third feature, `stacks`, and in their metadata
    "overlap" and, by split, how many photos have each category. Needs no TensorFlow.

    A dataset is a subclass; its `BUILDER_CONFIGS` are the ways to divide it into
    splits, the usual one first.

    Attributes:
        TITLE: Its name in full.
        HOMEPAGE: Where it comes from.
        LICENSE: What its publishers say about its use.
        MANUAL_DOWNLOAD_INSTRUCTIONS: Where to get the raw files and how they lie.
        SOURCE_IDS: All ids that its labels can have.
        HAS_INSTANCES: Whether its labels are instances that may overlap.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    TITLE: ClassVar[str]
    HOMEPAGE: ClassVar[str]
    LICENSE: ClassVar[str]
    MANUAL_DOWNLOAD_INSTRUCTIONS: ClassVar[str]
    SOURCE_IDS: ClassVar[Collection[int]]
    HAS_INSTANCES: ClassVar[bool] = False

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
        """What identifies the raw files: counts, and `sha256` of names and sizes."""

    @classmethod
    @abc.abstractmethod
    def open_raw(
        cls, root: pathlib.Path, scheme: str, overlap: str = SMALLER_WINS
    ) -> RawFolder:
        """Opens the folder that `find_raw` found.

        Args:
            root: The folder.
            scheme: One of `schemes`.
            overlap: Which of several instances is on top; see `instances.ORDERS`.
        """

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "image_id": tfds.features.Text(),
        }
        if self.HAS_INSTANCES:
            features[STACKS] = tfds.features.Text()
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.TITLE,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, list[Callable[[], Iterator[KeyExample]]]]:
        root = self.find_raw(pathlib.Path(dl_manager.manual_dir))
        metadata, variant = self.info.metadata, self._variant
        assert metadata is not None
        metadata["raw"] = self.fingerprint(root)
        raw = self.open_raw(root, variant.scheme, variant.overlap)
        if self._refinement is not None:
            metadata["raw"] |= self._refinement.identity
            raw = self._refinement.apply(raw)
        work = _Preparation(self.name, raw, self._max_bad_fraction)
        # Filled while the splits are made, and written after that.
        metadata["quarantine"] = work.quarantine.reasons
        if self.HAS_INSTANCES:
            metadata["categories"] = work.categories
            metadata["overlap"] = vars(work.overlap)
        return {split: work.shards(split) for split, ids in raw.splits.items() if ids}


class _Preparation:
    """Reads and checks all examples of a raw folder, and counts."""

    def __init__(self, name: str, raw: RawFolder, max_bad_fraction: float) -> None:
        self._name = name
        self._raw = raw
        count = sum(len(ids) for ids in raw.splits.values())
        self.quarantine = Quarantine(count, max_bad_fraction)
        self.overlap = Overlap()
        self.categories: dict[str, dict[int, int]] = {split: {} for split in raw.splits}

    def shards(self, split: str) -> list[Callable[[], Iterator[KeyExample]]]:
        """Generators of the split's examples, to be used one after the other."""
        total = len(self._raw.splits[split])
        examples = self._examples(split)
        num_shards = -(-total // _SHARD_EXAMPLES)
        # The last one takes all there is, so that the stream comes to its end.
        sizes = [_SHARD_EXAMPLES] * (num_shards - 1) + [None]
        return [partial(_good, itertools.islice(examples, size)) for size in sizes]

    def _examples(self, split: str) -> Iterator[KeyExample | None]:
        """One for each id of the split, None for a bad one."""
        ids = self._raw.splits[split]
        results = progress(
            map_in_order(self._read, ids), len(ids), f"{self._name} {split}"
        )
        for key, result in enumerate(results):
            if isinstance(result, ValueError):
                self.quarantine.add(ids[key], result)
                yield None
                continue
            encoded, raw = result
            if raw.stacks:
                self.overlap.add(raw.label, raw.stacks)
                counts = self.categories[split]
                for category_id in sorted(set().union(*raw.stacks)):
                    counts[category_id] = counts.get(category_id, 0) + 1
            yield key, encoded

    def _read(self, image_id: str) -> "tuple[dict[str, Any], RawExample] | ValueError":
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
            return error if isinstance(error, ValueError) else ValueError(str(error))
        # Files, because TFDS stores their bytes as they are; arrays it would encode
        # with TensorFlow.
        encoded: dict[str, Any] = {
            "image": io.BytesIO(raw.image),
            "label": io.BytesIO(encode_label(raw.label)),
            "image_id": image_id,
        }
        if raw.stacks:
            encoded[STACKS] = format_stacks(raw.stacks)
        return encoded, raw


def _good(examples: Iterable[KeyExample | None]) -> Iterator[KeyExample]:
    return (example for example in examples if example is not None)
