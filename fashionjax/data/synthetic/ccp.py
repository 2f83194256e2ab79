"""A rendered photo in the vocabulary of CCP, which also labels skin and hair."""

from collections.abc import Mapping

import numpy as np

from fashionjax.data.categories import CCP_NAMES, FASHIONPEDIA_CATEGORIES
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.synthetic.photo import Photo

# Garments and accessories; parts of garments have no name in CCP and show the garment.
_NAME_OF: Mapping[str, str] = {
    "shirt, blouse": "shirt",
    "top, t-shirt, sweatshirt": "t-shirt",
    "sweater": "sweater",
    "cardigan": "cardigan",
    "jacket": "jacket",
    "vest": "vest",
    "pants": "pants",
    "shorts": "shorts",
    "skirt": "skirt",
    "coat": "coat",
    "dress": "dress",
    "jumpsuit": "romper",
    "cape": "cape",
    "glasses": "glasses",
    "hat": "hat",
    "headband, head covering, hair accessory": "accessories",
    "tie": "tie",
    "glove": "gloves",
    "watch": "watch",
    "belt": "belt",
    "leg warmer": "leggings",
    "tights, stockings": "tights",
    "sock": "socks",
    "shoe": "shoes",
    "bag, wallet": "bag",
    "scarf": "scarf",
    "umbrella": "accessories",
}
_SKIN, _HAIR = CCP_NAMES.index("skin"), CCP_NAMES.index("hair")

_WORN = LabelMap(
    name="fashionpedia_to_ccp",
    class_names=("background", *CCP_NAMES[1:]),
    palette=((0, 0, 0),) * len(CCP_NAMES),
    target_of={
        source: CCP_NAMES.index(_NAME_OF.get(name, "null"))
        for source, name in enumerate(FASHIONPEDIA_CATEGORIES)
    },
)


def ccp_label(photo: Photo) -> np.ndarray:
    """Labels a photo as CCP does.

    Args:
        photo: A rendered photo.

    Returns:
        CCP's ids 0..58, uint8 [height, width].
    """
    label = _WORN.paint(photo.masks, photo.category_ids)
    label[photo.skin] = _SKIN
    label[photo.hair] = _HAIR
    return label
