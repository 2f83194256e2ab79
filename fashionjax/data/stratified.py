"""A split whose parts have each class as often as the whole: iterative stratification.

Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-label Data, ECML PKDD
2011. An image has several classes, so that no split by one of them balances the others.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fashionjax.data.dataset import SPLITS


def s3_sizes(num_images: int) -> tuple[int, int, int]:
    """S3's sizes of train, val and test: 70, 9 and 21 percent.

    S3 tells the counts alone. They are those of setting 30 % aside, and of that 30 %
    for val, both rounded up: 30,429, 3,913 and 9,128 of 43,470.

    Args:
        num_images: Number of images.

    Returns:
        Three numbers whose sum it is.
    """
    aside = -(-3 * num_images // 10)
    val = -(-3 * aside // 10)
    return num_images - aside, val, aside - val


def stratified_split(
    present: Bool[np.ndarray, "num_images num_classes"],
    sizes: Sequence[int],
    seed: int,
) -> Int64[np.ndarray, " num_images"]:
    """Divides images into parts of given sizes that have each class alike.

    The rarest class goes first, while there is still freedom: one by one its images are
    for the part that lacks most of it, or most images among equal ones. Then the class
    that is rarest in what is left, and at last the images without any class. A part
    that is full takes no more, so that the sizes are exact. The paper leaves to chance
    which of a class's images go where; here chance decides their order, and their other
    classes where each is needed most.

    Args:
        present: Whether an image has a class. Background, which all have, may be there
            or not.
        sizes: Number of images in each part.
        seed: Of the order.

    Returns:
        The part of each image, from 0. The same for the same arguments, on any machine.

    Raises:
        ValueError: A size is negative, or their sum is not the number of images.
    """
    _check(present, sizes)
    num_images = len(present)
    rng = np.random.default_rng(seed)
    # The last column counts the image itself: what a part wants of it is its size.
    counted = np.concatenate([present, np.ones((num_images, 1), bool)], axis=1)
    counted = counted.astype(np.int64)
    wanted = np.outer(sizes, counted.sum(axis=0)) / max(1, num_images)
    wanted[:, -1] = sizes
    part_of = np.full(num_images, -1)
    behind = np.zeros(wanted.shape, np.int64)
    while (left := np.flatnonzero(part_of < 0)).size:
        counts = counted[left].sum(axis=0)
        rarest = int(np.argmin(np.where(counts > 0, counts, num_images + 1)))
        lacking = wanted - [
            counted[part_of == p].sum(axis=0) for p in range(len(sizes))
        ]
        chosen = rng.permutation(left[counted[left, rarest] > 0])
        room = lacking[:, -1].astype(np.int64)
        shares = _shares(lacking[:, rarest], room, len(chosen))
        part_of[chosen] = _deal(counted[chosen], shares, np.array(sizes), behind)
    return part_of


def stratified_ids(
    image_ids: Sequence[str],
    present: Bool[np.ndarray, "num_images num_classes"],
    seed: int,
) -> dict[str, list[str]]:
    """S3's split: 70 % train, 9 % val, 21 % test, with the classes alike.

    Args:
        image_ids: Names of the images; their order changes nothing.
        present: Whether an image has a class.
        seed: Of the choices that are left to chance; S3 does not tell its own.

    Returns:
        Sorted ids by split.

    Raises:
        ValueError: A name occurs twice, or there is not one row for each.
    """
    if len(image_ids) != len(present) or len(set(image_ids)) != len(image_ids):
        raise ValueError(
            f"{len(image_ids)} image ids, {len(set(image_ids))} of them different, for"
            f" {len(present)} rows; allowed is one row for each id"
        )
    ids = np.array(image_ids, object)
    order = np.argsort(ids, kind="stable")
    part_of = stratified_split(present[order], s3_sizes(len(ids)), seed)
    return {
        split: ids[order][part_of == part].tolist() for part, split in enumerate(SPLITS)
    }


def class_deviations(
    present: Bool[np.ndarray, "num_images num_classes"],
    part_of: Int64[np.ndarray, " num_images"],
    num_parts: int,
) -> Float64[np.ndarray, "num_parts num_classes"]:
    """How much more often a part has a class than the whole.

    Args:
        present: Whether an image has a class.
        part_of: The part of each image.
        num_parts: How many there are.

    Returns:
        Share of the part's images with the class, minus that of all images, in
        [-1, 1]; NaN for a part without images.
    """
    members = part_of == np.arange(num_parts)[:, None]
    sizes = members.sum(axis=1).astype(np.float64)
    sizes[sizes == 0] = np.nan
    return members @ present.astype(np.float64) / sizes[:, None] - present.mean(axis=0)


def describe_split(
    present: Bool[np.ndarray, "num_images num_classes"],
    part_of: Int64[np.ndarray, " num_images"],
    class_names: Sequence[str],
) -> str:
    """A table of a split into train, val and test.

    Args:
        present: Whether an image has a class.
        part_of: The part of each image: 0, 1 or 2.
        class_names: A name for each column of `present`.

    Returns:
        A line for each class: in percent of the images, how many have it, and by how
        much that differs in each split.
    """
    sizes = np.bincount(part_of, minlength=len(SPLITS))
    counts = np.stack([present[part_of == p].sum(axis=0) for p in range(len(SPLITS))])
    return describe_counts(
        dict(zip(SPLITS, sizes.tolist(), strict=True)), counts, class_names
    )


def describe_counts(
    sizes: Mapping[str, int],
    counts: Int64[np.ndarray, "num_splits num_classes"],
    class_names: Sequence[str],
) -> str:
    """A table of splits, from counts alone.

    Args:
        sizes: Number of images in each split.
        counts: Number of those that have each class.
        class_names: By class.

    Returns:
        A line for each class: in percent of the images, how many have it, and by how
        much that differs in each split.
    """
    total = sum(sizes.values())
    shares = counts.sum(axis=0) / max(1, total)
    with np.errstate(invalid="ignore"):  # a split may have no images
        deviations = counts / np.array([*sizes.values()])[:, None] - shares
    title = "".join(f"{f'{split} {size:,}':>16}" for split, size in sizes.items())
    lines = [f"{'% of images':20}{f'all {total:,}':>12}{title}"]
    for name, share, by_split in zip(class_names, shares, deviations.T, strict=True):
        cells = "".join(f"{100 * deviation:>+16.3f}" for deviation in by_split)
        lines.append(f"{name[:19]:20}{100 * share:>12.3f}{cells}")
    return "\n".join(lines)


def _check(present: np.ndarray, sizes: Sequence[int]) -> None:
    if present.ndim != 2 or present.dtype != bool:
        raise ValueError(
            f"present is {present.dtype}{list(present.shape)}; allowed are booleans"
            " [num_images, num_classes]"
        )
    if min(sizes, default=-1) < 0 or sum(sizes) != len(present):
        raise ValueError(
            f"sizes {list(sizes)} for {len(present)} images; allowed are numbers from 0"
            " with that sum"
        )


def _shares(
    lacking: Float64[np.ndarray, " num_parts"],
    room: Int64[np.ndarray, " num_parts"],
    total: int,
) -> Int64[np.ndarray, " num_parts"]:
    """How many images each part gets if they go, one by one, where most are lacking.

    Args:
        lacking: Number of images that a part lacks before it gets any.
        room: Number that it can take.
        total: Number of images, at most the sum of `room`.

    Returns:
        Numbers with the sum `total`.
    """
    parts = np.repeat(np.arange(len(room)), np.minimum(room, total))
    given = np.concatenate([np.arange(min(n, total)) for n in room])
    # The k-th image of a part is as urgent as what it lacks after k - 1 of them.
    order = np.lexsort((parts, given - room[parts], given - lacking[parts]))
    return np.bincount(parts[order[:total]], minlength=len(room))


def _deal(
    counted: Int64[np.ndarray, "n num_classes"],
    shares: Int64[np.ndarray, " num_parts"],
    sizes: Int64[np.ndarray, " num_parts"],
    behind: Int64[np.ndarray, "num_parts num_classes"],
) -> Int64[np.ndarray, " n"]:
    """Which image goes where: each to the part that is most behind with its classes.

    That is the part where the squares of `behind`, each divided by the part's size,
    have the smallest sum then. In integers, so that no rounding decides.

    Args:
        counted: The images' classes, 1 or 0, in the order to deal them out.
        shares: How many of them each part gets.
        sizes: Number of images in each part in the end.
        behind: What a part lacks of its share of all that was dealt out, times the
            number of all images; brought up to date.

    Returns:
        The part of each image.
    """
    open_shares, total = shares.copy(), int(sizes.sum())
    parts = np.empty(len(counted), np.int64)
    for position, image in enumerate(counted):
        urgency = (2 * behind @ image - total * image.sum()) / np.maximum(sizes, 1)
        part = int(np.argmax(np.where(open_shares > 0, urgency, -np.inf)))
        parts[position] = part
        open_shares[part] -= 1
        behind += np.outer(sizes, image)
        behind[part] -= total * image
    return parts
