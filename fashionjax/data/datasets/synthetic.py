"""The embedded dataset as a source: photos are rendered when they are asked for."""

from typing import TypedDict

import numpy as np

from fashionjax.data.categories import CCP_NAMES, FASHIONPEDIA_CATEGORIES
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.synthetic import Photo, photo_categories, render_photo
from fashionjax.data.synthetic.ccp import ccp_label
from fashionjax.data.synthetic.photo import MIN_SIDE

MAX_EXAMPLES = 10_000_000
_SPLITS = ("train", "val", "test")
_FASHIONPEDIA_IDS = set(range(len(FASHIONPEDIA_CATEGORIES)))
_CCP_IDS = set(range(len(CCP_NAMES)))
_SPACING = 2**32  # seeds from one split's start to the next one's


class Example(TypedDict):
    """One example.

    Attributes:
        image: RGB, uint8 [height, width, 3].
        label: Class ids, uint8 [height, width].
        image_id: For instance `synthetic-train-000123`; the number is the seed
            within the split.
    """

    image: np.ndarray
    label: np.ndarray
    image_id: str


class SyntheticSource:
    """Random access to rendered photos and their labels.

    The splits use disjoint ranges of seeds. Photos that the label map drops are
    passed over, so that every index holds an example. Pickles and copies cheaply.

    Args:
        split: train, val or test.
        num_examples: 1 to `MAX_EXAMPLES`.
        size: Height and width in pixels, each at least 64.
        label_map: A map of Fashionpedia's category ids 0..45 or of CCP's ids 0..58;
            which of them, the ids that it knows tell.

    Raises:
        ValueError: An unknown split, a count or size out of range, or a label map
            of other ids.
    """

    def __init__(
        self, split: str, num_examples: int, size: tuple[int, int], label_map: LabelMap
    ) -> None:
        if split not in _SPLITS:
            raise ValueError(f"split {split!r}: allowed are {', '.join(_SPLITS)}")
        if not 1 <= num_examples <= MAX_EXAMPLES:
            raise ValueError(
                f"num_examples {num_examples}: allowed are 1 to {MAX_EXAMPLES}"
            )
        if min(size) < MIN_SIDE:
            raise ValueError(f"size {size}: both sides must be at least {MIN_SIDE}")
        known = set(label_map.target_of)
        if known not in (_FASHIONPEDIA_IDS, _CCP_IDS):
            raise ValueError(
                f"label map {label_map.name!r} knows {len(known)} ids: allowed are "
                f"maps of Fashionpedia's {len(_FASHIONPEDIA_IDS)} or of CCP's "
                f"{len(_CCP_IDS)}"
            )
        if known == _CCP_IDS and label_map.dropped:
            raise ValueError(
                f"label map {label_map.name!r} drops {sorted(label_map.dropped)}: only "
                "maps of Fashionpedia's ids can drop photos"
            )
        self._ccp = known == _CCP_IDS
        self.split = split
        self.size = (int(size[0]), int(size[1]))
        self.label_map = label_map
        self._first_seed = _SPLITS.index(split) * _SPACING
        self._numbers = self._kept(num_examples)

    def _kept(self, num_examples: int) -> range | np.ndarray:
        """The numbers within the split of the photos that the label map keeps."""
        if not self.label_map.dropped:
            return range(num_examples)
        kept = np.empty(num_examples, np.uint32)
        number = count = 0
        while count < num_examples:
            if number >= _SPACING:
                raise ValueError(
                    f"label map {self.label_map.name!r} drops nearly every photo: "
                    f"{count} of {number} are left"
                )
            found = photo_categories(self._first_seed + number)
            if self.label_map.dropped.isdisjoint(found):
                kept[count] = number
                count += 1
            number += 1
        return kept

    def _label(self, photo: Photo) -> np.ndarray:
        if self._ccp:
            return self.label_map.apply(ccp_label(photo))
        return self.label_map.paint(photo.masks, photo.category_ids)

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self._numbers)

    def seed(self, index: int) -> int:
        """Returns the seed of the photo at an index.

        Args:
            index: 0 to len - 1.

        Raises:
            IndexError: No such example.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index {index}: allowed are 0 to {len(self) - 1}")
        return self._first_seed + int(self._numbers[index])

    def __getitem__(self, index: int) -> Example:
        """Renders an example.

        Args:
            index: 0 to len - 1.

        Returns:
            image, label and image_id.

        Raises:
            IndexError: No such example.
        """
        seed = self.seed(int(index))
        photo = render_photo(seed, self.size)
        return {
            "image": photo.image,
            "label": self._label(photo),
            "image_id": f"synthetic-{self.split}-{seed - self._first_seed:06d}",
        }
