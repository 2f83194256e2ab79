import pytest

from fashionjax.inference import batch_sizes, plan_batches


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (4, (1, 4)),
        (5, (1, 4, 5)),
        (16, (1, 4, 16)),
        (64, (1, 4, 16, 64)),
    ],
)
def test_sizes_grow_by_four_up_to_the_largest(largest, sizes):
    assert batch_sizes(largest) == sizes


@pytest.mark.parametrize(
    ("num_images", "sizes"),
    [
        (0, []),
        (1, [1]),
        (2, [4]),
        (3, [4]),
        (4, [4]),
        (5, [4, 1]),
        (7, [4, 4]),
        (8, [16]),
        (16, [16]),
        (17, [16, 1]),
        (37, [16, 16, 4, 1]),
    ],
)
def test_no_batch_is_less_than_half_filled(num_images, sizes):
    assert [size for _, size in plan_batches(num_images, 16)] == sizes


@pytest.mark.parametrize("largest", [1, 2, 7, 16])
def test_every_image_is_in_one_batch(largest):
    for num_images in range(40):
        images = list(range(num_images))
        parts = [(images[p], size) for p, size in plan_batches(num_images, largest)]
        assert [image for part, _ in parts for image in part] == images
        assert all(size / 2 <= len(part) <= size for part, size in parts)


def test_no_image_at_a_time_is_refused():
    with pytest.raises(ValueError, match="batch size 0; allowed is 1 or more"):
        batch_sizes(0)
