"""From the ids of a dataset's files to the classes a model is trained on.

A label map is a value: the names and colours of its classes, and the class of every
id that the dataset's files may hold.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.body_order import head_to_feet
from fashionjax.data.categories import (
    CCP_ACCESSORIES,
    CCP_NAMES,
    FASHIONISTA_V02_NAMES,
    FASHIONPEDIA_CATEGORIES,
)

Color = tuple[int, int, int]

_UNKNOWN = -1


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """The classes of a task and where each of a dataset's ids goes.

    Attributes:
        name: Short name, for messages and file names.
        class_names: A class id's name, by position; position 0 is `background`.
        palette: RGB in 0..255 of every class; background is black.
        target_of: From a source id (0..254) to its class id; ids that map to 0 are
            background and are not painted, those that map to `IGNORE_INDEX` count in
            no loss and no metric.
        dropped: Source ids that exclude every image which contains one of them.
        source_names: What the dataset calls its ids, by id; empty: nothing else than
            their numbers.
        body_order: All class ids as they are worn, from head to feet, for plots; empty:
            as they are numbered.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    target_of: Mapping[int, int]
    dropped: frozenset[int] = frozenset()
    source_names: tuple[str, ...] = ()
    body_order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Checks that the parts agree.

        Raises:
            ValueError: A class without a colour, a target that is no class, a source
                id that a label image of 8 bits cannot hold or that has no name, or an
                order that is none of all classes.
        """
        if self.class_names[0] != "background" or self.palette[0] != (0, 0, 0):
            raise ValueError(
                f"{self.name}: class 0 must be 'background' in black, "
                f"got {self.class_names[0]!r} in {self.palette[0]}"
            )
        if len(self.palette) != self.num_classes:
            raise ValueError(
                f"{self.name}: {len(self.palette)} colours for "
                f"{self.num_classes} classes"
            )
        if len(set(self.class_names)) != self.num_classes:
            raise ValueError(f"{self.name}: class names repeat: {self.class_names}")
        targets = (*range(self.num_classes), IGNORE_INDEX)
        for source, target in self.target_of.items():
            if not (0 <= source < IGNORE_INDEX and target in targets):
                raise ValueError(
                    f"{self.name}: {source} -> {target}: source ids are 0..254, "
                    f"targets 0..{self.num_classes - 1}, or {IGNORE_INDEX} to ignore"
                )
        if self.source_names and len(self.source_names) <= max(self.target_of):
            raise ValueError(
                f"{self.name}: {len(self.source_names)} source names for ids up to"
                f" {max(self.target_of)}"
            )
        if self.body_order and sorted(self.body_order) != [*range(self.num_classes)]:
            raise ValueError(
                f"{self.name}: body order {self.body_order}; allowed are the classes"
                f" 0..{self.num_classes - 1}, each once"
            )

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.class_names)

    def source_name(self, source: int) -> str:
        """What the dataset calls a source id."""
        return self.source_names[source] if self.source_names else str(source)

    def drops(self, sources: Iterable[int]) -> bool:
        """Whether an image with these source ids is left out."""
        return not self.dropped.isdisjoint(sources)

    def apply(
        self, label: np.ndarray, stacks: Sequence[Sequence[int]] = ()
    ) -> np.ndarray:
        """Replaces source ids by class ids.

        Args:
            label: uint8 `[height, width]` of source ids; `IGNORE_INDEX` stays. With
                stacks, of their numbers.
            stacks: Source ids of each stack, the top one first; see `classes_of`.

        Returns:
            uint8 `[height, width]` of class ids.

        Raises:
            ValueError: The label is not uint8 or holds an id that the map does not
                know.
        """
        if label.dtype != np.uint8:
            raise ValueError(f"label has dtype {label.dtype}; allowed is uint8")
        if stacks:
            return self.classes_of(stacks)[label]
        table = np.full(256, _UNKNOWN, np.int16)
        table[list(self.target_of)] = list(self.target_of.values())
        table[IGNORE_INDEX] = IGNORE_INDEX
        mapped = table[label]
        if (mapped == _UNKNOWN).any():
            raise self._unknown(np.unique(label[mapped == _UNKNOWN]).tolist())
        return mapped.astype(np.uint8)

    def classes_of(self, stacks: Sequence[Sequence[int]]) -> np.ndarray:
        """Finds what stacks of instances show.

        Args:
            stacks: Source ids of each stack, the top one first.

        Returns:
            uint8 `[len(stacks)]`: the class of the first id that is no background.

        Raises:
            ValueError: An id that the map does not know.
        """
        unknown = sorted(set().union(*stacks) - set(self.target_of))
        if unknown:
            raise self._unknown(unknown)
        targets = ([self.target_of[i] for i in stack] for stack in stacks)
        shown = [next(filter(None, stack), BACKGROUND) for stack in targets]
        return np.array(shown, np.uint8)

    def paint(self, masks: np.ndarray, category_ids: np.ndarray) -> np.ndarray:
        """Draws instances into one label, big ones first.

        No source states which instance a pixel of several belongs to. Painting by
        decreasing area keeps the small ones (a pocket on a jacket) visible.

        Args:
            masks: bool `[n, height, width]`, one instance each.
            category_ids: int `[n]`, their source ids.

        Returns:
            uint8 `[height, width]` of class ids. Instances whose category maps to
            background are skipped; of two with equal area the later one wins.

        Raises:
            ValueError: A category that the map does not know, or not one category
                for each mask.
        """
        if masks.ndim != 3 or len(masks) != len(category_ids):
            raise ValueError(
                f"masks {masks.shape} and category ids {np.shape(category_ids)}: "
                "allowed are [n, height, width] and [n]"
            )
        ids = [int(i) for i in category_ids]
        unknown = sorted(set(ids) - set(self.target_of))
        if unknown:
            raise self._unknown(unknown)
        label = np.zeros(masks.shape[1:], np.uint8)
        areas = np.count_nonzero(masks, axis=(1, 2))
        for i in np.argsort(-areas, kind="stable"):
            target = self.target_of[ids[i]]
            if target != BACKGROUND:
                label[masks[i].astype(bool)] = target
        return label

    def _unknown(self, ids: list[int]) -> ValueError:
        return ValueError(
            f"label map {self.name!r} does not know the id(s) {ids}; "
            f"it knows {_ranges(sorted(self.target_of))}"
        )


def _ranges(ids: list[int]) -> str:
    """Writes sorted ids briefly: [0, 1, 2, 5] becomes `0..2, 5`."""
    parts: list[list[int]] = []
    for i in ids:
        if parts and parts[-1][-1] == i - 1:
            parts[-1][1:] = [i]
        else:
            parts.append([i])
    return ", ".join("..".join(str(i) for i in part) for part in parts)


def voc_palette(num_classes: int) -> tuple[Color, ...]:
    """The colour map of PASCAL VOC: distinct colours for up to 256 classes.

    Args:
        num_classes: Number of colours, 1..256.

    Returns:
        RGB in 0..255 by class id; the first is black.
    """
    palette = []
    for class_id in range(num_classes):
        color = [0, 0, 0]
        for bit in range(8):
            # Bits 0, 1, 2 of the id go to the high bits of R, G, B, and so on.
            color[bit % 3] |= ((class_id >> bit) & 1) << (7 - bit // 3)
        palette.append((color[0], color[1], color[2]))
    return tuple(palette)


def _merged(
    names: tuple[str, ...], groups: Mapping[str, Iterable[int]]
) -> dict[int, int]:
    """Target of every source id 0..45: its group's class, else background."""
    targets = dict.fromkeys(range(len(FASHIONPEDIA_CATEGORIES)), BACKGROUND)
    for name, ids in groups.items():
        targets.update(dict.fromkeys(ids, names.index(name)))
    return targets


def _ccp_four(to_background: Iterable[str] = ()) -> dict[int, int]:
    """Target of every CCP id among background, clothes, hair, skin."""
    special = {"null": 0, "hair": 2, "skin": 3} | dict.fromkeys(to_background, 0)
    return {i: special.get(name, 1) for i, name in enumerate(CCP_NAMES)}


_FORTY_SEVEN = ("background", *FASHIONPEDIA_CATEGORIES)

FASHIONPEDIA_47 = LabelMap(
    name="fashionpedia_47",
    class_names=_FORTY_SEVEN,
    palette=voc_palette(47),
    target_of={i: i + 1 for i in range(46)},
    source_names=FASHIONPEDIA_CATEGORIES,
    body_order=head_to_feet(_FORTY_SEVEN),
)
"""All 46 categories of Fashionpedia and iMaterialist; class id = category id + 1."""

_NINE = (
    "background",
    "top",
    "overtop",
    "pants",
    "shorts",
    "skirt",
    "dress",
    "shoe",
    "bag",
)

IMATERIALIST_9 = LabelMap(
    name="imaterialist_9",
    class_names=_NINE,
    palette=(
        (0, 0, 0),
        (230, 60, 60),
        (250, 150, 40),
        (50, 90, 220),
        (60, 200, 230),
        (170, 70, 210),
        (250, 120, 190),
        (130, 90, 50),
        (90, 190, 80),
    ),
    target_of=_merged(
        _NINE,
        {
            "top": (0, 1),
            "overtop": (2, 3, 4, 5, 9),
            "pants": (6,),
            "shorts": (7,),
            "skirt": (8,),
            "dress": (10,),
            "shoe": (23,),
            "bag": (24,),
        },
    ),
    dropped=frozenset({11}),
    source_names=FASHIONPEDIA_CATEGORIES,
    body_order=head_to_feet(_NINE),
)
"""S3's merge of the 46 categories into 8; images with a jumpsuit are left out."""

_FIFTY_NINE = ("background", *CCP_NAMES[1:])

CCP_59 = LabelMap(
    name="ccp_59",
    class_names=_FIFTY_NINE,
    palette=voc_palette(59),
    target_of={i: i for i in range(59)},
    source_names=CCP_NAMES,
    body_order=head_to_feet(_FIFTY_NINE),
)
"""All labels of CCP; its `null` is called background as everywhere else."""

_FOUR = ("background", "clothes", "hair", "skin")

CCP_4 = LabelMap(
    name="ccp_4",
    class_names=_FOUR,
    palette=((0, 0, 0), (50, 110, 220), (150, 90, 40), (245, 190, 150)),
    target_of=_ccp_four(),
    source_names=CCP_NAMES,
    body_order=head_to_feet(_FOUR),
)
"""S0's four classes; everything worn or carried counts as clothes."""

CCP_4_BARE = dataclasses.replace(
    CCP_4, name="ccp_4_bare", target_of=_ccp_four(to_background=CCP_ACCESSORIES)
)
"""S0's four classes with accessories (bags, jewellery, glasses) as background."""

_FASHIONISTA = (
    "background",
    "skin",
    "hair",
    "bag",
    "belt",
    "boots",
    "coat",
    "dress",
    "glasses",
    "gloves",
    "hat/headband",
    "jacket/blazer",
    "necklace",
    "pants/jeans",
    "scarf/tie",
    "shirt/blouse",
    "shoes",
    "shorts",
    "skirt",
    "socks",
    "sweater/cardigan",
    "tights/leggings",
    "top/t-shirt",
    "vest",
    "watch/bracelet",
)

FASHIONISTA_25 = LabelMap(
    name="fashionista_25",
    class_names=_FASHIONISTA,
    palette=voc_palette(25),
    target_of={i: i for i in range(25)},
    source_names=_FASHIONISTA,
    body_order=head_to_feet(_FASHIONISTA),
)
"""The 25 labels of Refined Fashionista."""

_FIFTY_SIX = ("background", *FASHIONISTA_V02_NAMES[1:])

FASHIONISTA_56 = LabelMap(
    name="fashionista_56",
    class_names=_FIFTY_SIX,
    palette=voc_palette(56),
    target_of={i: i for i in range(56)},
    source_names=FASHIONISTA_V02_NAMES,
    body_order=head_to_feet(_FIFTY_SIX),
)
"""The 56 labels of Fashionista v0.2; its `null` is called background."""

_CFPD = (
    "background",
    "T-shirt",
    "bag",
    "belt",
    "blazer",
    "blouse",
    "coat",
    "dress",
    "face",
    "hair",
    "hat",
    "jeans",
    "legging",
    "pants",
    "scarf",
    "shoe",
    "shorts",
    "skin",
    "skirt",
    "socks",
    "stocking",
    "sunglass",
    "sweater",
)

CFPD_23 = LabelMap(
    name="cfpd_23",
    class_names=_CFPD,
    palette=voc_palette(23),
    target_of={i: i for i in range(23)},
    source_names=_CFPD,
    body_order=head_to_feet(_CFPD),
)
"""The 23 labels of the Colorful Fashion Parsing Dataset, counted from 0."""

CFPD_4 = dataclasses.replace(
    CCP_4,
    name="cfpd_4",
    target_of={
        i: {"background": 0, "hair": 2, "face": 3, "skin": 3}.get(name, 1)
        for i, name in enumerate(_CFPD)
    },
    source_names=_CFPD,
)
"""The classes of `CCP_4` on CFPD's photos; a face is skin."""

LABEL_MAPS: Mapping[str, LabelMap] = {
    "fashionpedia_47": FASHIONPEDIA_47,
    "imaterialist_9": IMATERIALIST_9,
    "ccp_59": CCP_59,
    "ccp_4": CCP_4,
    "ccp_4_bare": CCP_4_BARE,
    "fashionista_25": FASHIONISTA_25,
    "fashionista_56": FASHIONISTA_56,
    "cfpd_23": CFPD_23,
    "cfpd_4": CFPD_4,
}
"""All label maps by name."""

MAPS_OF: Mapping[str, tuple[LabelMap, ...]] = {
    "ccp": (CCP_59, CCP_4, CCP_4_BARE),
    "imaterialist2019": (FASHIONPEDIA_47, IMATERIALIST_9),
    "imaterialist2020": (FASHIONPEDIA_47, IMATERIALIST_9),
    "fashionpedia": (FASHIONPEDIA_47, IMATERIALIST_9),
    "fashionista": (FASHIONISTA_25,),
    "fashionista_v02": (FASHIONISTA_56,),
    "cfpd": (CFPD_23, CFPD_4),
}
"""Of each dataset the label map that keeps the most classes apart, then others."""
