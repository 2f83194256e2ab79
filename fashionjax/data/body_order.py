"""Classes in the order in which they are worn, so that neighbours are neighbours."""

from collections.abc import Sequence

HEAD_TO_FEET = (
    "background",
    # On the head.
    "hat",
    "hat/headband",
    "headband, head covering, hair accessory",
    "hood",
    "hair",
    "glasses",
    "sunglasses",
    "sunglass",
    "earrings",
    "face",
    "skin",
    # On the neck and the shoulders.
    "necklace",
    "scarf",
    "scarf/tie",
    "tie",
    "collar",
    "lapel",
    "neckline",
    "epaulette",
    # Above the waist, what is worn over it after what is worn under it.
    "bra",
    "intimate",
    "top",
    "top, t-shirt, sweatshirt",
    "top/t-shirt",
    "T-shirt",
    "t-shirt",
    "shirt",
    "shirt, blouse",
    "shirt/blouse",
    "blouse",
    "vest",
    "sweatshirt",
    "hoodie",
    "jumper",
    "sweater",
    "sweater/cardigan",
    "cardigan",
    "overtop",
    "blazer",
    "jacket/blazer",
    "jacket",
    "suit",
    "coat",
    "cape",
    # On the arms and in the hands.
    "sleeve",
    "gloves",
    "glove",
    "bracelet",
    "watch/bracelet",
    "watch",
    "ring",
    "wallet",
    "purse",
    "bag",
    "bag, wallet",
    "umbrella",
    "accessories",
    # Anywhere on a garment.
    "pocket",
    "zipper",
    "applique",
    "bead",
    "bow",
    "flower",
    "fringe",
    "ribbon",
    "rivet",
    "ruffle",
    "sequin",
    "tassel",
    # Around the waist, and from above it to the legs.
    "buckle",
    "belt",
    "clothes",
    "bodysuit",
    "swimwear",
    "romper",
    "jumpsuit",
    "dress",
    # Below the waist.
    "skirt",
    "panties",
    "shorts",
    "pants",
    "pants/jeans",
    "jeans",
    "leggings",
    "legging",
    "tights/leggings",
    "tights",
    "tights, stockings",
    "stockings",
    "stocking",
    "leg warmer",
    # On the feet.
    "socks",
    "sock",
    "boots",
    "shoes",
    "shoe",
    "sneakers",
    "loafers",
    "flats",
    "clogs",
    "sandals",
    "wedges",
    "pumps",
    "heels",
)
"""Every class name of the supported datasets."""


def head_to_feet(class_names: Sequence[str]) -> tuple[int, ...]:
    """The ids of classes from head to feet, background first.

    Args:
        class_names: By class id.

    Raises:
        ValueError: A name that is not in `HEAD_TO_FEET`.
    """
    unknown = sorted(set(class_names) - set(HEAD_TO_FEET))
    if unknown:
        raise ValueError(f"{unknown} have no place in fashionjax.data.body_order")
    places = [HEAD_TO_FEET.index(name) for name in class_names]
    return tuple(sorted(range(len(places)), key=places.__getitem__))
