"""Batches of a few fixed sizes, so that few programs are compiled."""

from collections.abc import Iterator

_GROWTH = 4
"""Each size is so many times the one before."""


def batch_sizes(largest: int) -> tuple[int, ...]:
    """The sizes of batch that are in use: 1, 4, 16 …, and the largest.

    Args:
        largest: The most images that go through a model together.

    Returns:
        Sizes, ascending.

    Raises:
        ValueError: If `largest` is below 1.
    """
    if largest < 1:
        raise ValueError(f"batch size {largest}; allowed is 1 or more")
    sizes = [1]
    while sizes[-1] * _GROWTH < largest:
        sizes.append(sizes[-1] * _GROWTH)
    return (*sizes, largest) if largest > 1 else (1,)


def plan_batches(num_images: int, largest: int) -> Iterator[tuple[slice, int]]:
    """Cuts a list of images into batches, of which at least half is filled.

    Args:
        num_images: Length of the list.
        largest: The most images that go through a model together.

    Yields:
        Which images, and the size of batch, at least as many, that they are padded to.

    Raises:
        ValueError: If `largest` is below 1.
    """
    sizes = batch_sizes(largest)
    start = 0
    while start < num_images:
        left = num_images - start
        # The next size up if half of it is needed, else the next one down.
        padded = [size for size in sizes if left <= size <= 2 * left]
        size = padded[0] if padded else max(s for s in sizes if s < left)
        stop = min(start + size, num_images)
        yield slice(start, stop), size
        start = stop
