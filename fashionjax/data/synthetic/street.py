"""A rendered photo in the vocabularies of Fashionista and CFPD."""

from collections.abc import Mapping, Sequence

import numpy as np

from fashionjax.data.categories import CCP_NAMES, FASHIONISTA_V02_NAMES
from fashionjax.data.label_maps import CFPD_23, FASHIONISTA_25
from fashionjax.data.synthetic.ccp import ccp_label
from fashionjax.data.synthetic.photo import Photo

_REFINED: Mapping[str, str] = {
    "null": "background",
    "shirt": "shirt/blouse",
    "t-shirt": "top/t-shirt",
    "sweater": "sweater/cardigan",
    "cardigan": "sweater/cardigan",
    "jacket": "jacket/blazer",
    "pants": "pants/jeans",
    "romper": "dress",
    "cape": "coat",
    "hat": "hat/headband",
    "tie": "scarf/tie",
    "watch": "watch/bracelet",
    "leggings": "tights/leggings",
    "tights": "tights/leggings",
    "scarf": "scarf/tie",
    "accessories": "hat/headband",
}
_COLORFUL: Mapping[str, str] = {
    "null": "background",
    "shirt": "blouse",
    "t-shirt": "T-shirt",
    "cardigan": "sweater",
    "jacket": "coat",
    "vest": "T-shirt",
    "romper": "dress",
    "cape": "coat",
    "glasses": "sunglass",
    "leggings": "legging",
    "tights": "stocking",
    "shoes": "shoe",
    "tie": "scarf",
    "accessories": "hat",
}


def fashionista_label(photo: Photo) -> np.ndarray:
    """Labels a photo as Refined Fashionista does, uint8 [height, width] of 0..24."""
    return _renamed(photo, _REFINED, FASHIONISTA_25.class_names)


def fashionista_v02_label(photo: Photo) -> np.ndarray:
    """Labels a photo as Fashionista v0.2 does, uint8 [height, width] of 0..55."""
    return _renamed(photo, {}, FASHIONISTA_V02_NAMES)


def cfpd_label(photo: Photo) -> np.ndarray:
    """Labels a photo as CFPD does, uint8 [height, width] of 0..22."""
    return _renamed(photo, _COLORFUL, CFPD_23.class_names)


def _renamed(photo: Photo, names: Mapping[str, str], ids: Sequence[str]) -> np.ndarray:
    """CCP's labels under other names; what has none is background."""
    renamed = (names.get(name, name) for name in CCP_NAMES)
    table = [ids.index(name) if name in ids else 0 for name in renamed]
    return np.array(table, np.uint8)[ccp_label(photo)]
