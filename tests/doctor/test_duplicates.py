import numpy as np
import pytest

from fashionjax.doctor import duplicates
from fashionjax.doctor.duplicates import (
    close_hashes,
    exact_groups,
    near_pairs,
    perceptual_hash,
    representatives,
    thumbnail,
)
from tests.doctor.toy import compressed, resized, smooth_photo


def _near(images, **limits):
    hashes = np.array([perceptual_hash(image) for image in images], np.uint64)
    pairs, _, _ = near_pairs(hashes, np.stack([thumbnail(i) for i in images]), **limits)
    return [tuple(pair) for pair in pairs.tolist()]


@pytest.mark.parametrize(
    "change",
    [
        np.copy,
        lambda image: compressed(image, quality=30),
        lambda image: resized(image, (60, 40)),
        lambda image: resized(image, (301, 190)),
        lambda image: compressed(resized(image, (90, 66)), quality=50),
        lambda image: image[2:-2, 2:-1],
        lambda image: (0.9 * image).astype(np.uint8),
    ],
    ids=["copy", "jpeg", "half", "larger", "both", "cropped", "darker"],
)
def test_a_changed_copy_is_found_among_other_photos(change):
    images = [smooth_photo(seed) for seed in range(40)]
    assert _near([*images, change(images[17])]) == [(17, 40)]


def test_other_photos_are_not_alike():
    assert _near([smooth_photo(seed) for seed in range(150)]) == []


def test_one_shape_in_two_colours_is_not_alike():
    red, blue = (np.full((90, 60, 3), 255, np.uint8) for _ in range(2))
    red[20:80, 20:40], blue[20:80, 20:40] = (250, 20, 20), (20, 20, 250)
    assert perceptual_hash(red) == perceptual_hash(blue)
    assert _near([red, blue]) == []


def test_the_hash_of_one_colour_is_0():
    assert perceptual_hash(np.full((50, 40, 3), 77, np.uint8)) == 0


def test_hashes_have_63_bits_of_which_31_are_set():
    hashes = [perceptual_hash(smooth_photo(seed)) for seed in range(20)]
    assert [h.bit_count() for h in hashes] == [31] * 20
    assert max(hashes) < 2**63


def test_close_hashes_equal_a_slow_search():
    rng = np.random.default_rng(0)
    # Few bits, so that many are close.
    hashes = rng.integers(0, 2**12, 300, dtype=np.uint64) << np.uint64(51)
    pairs = np.concatenate(list(close_hashes(hashes, 3)))
    values = hashes.tolist()
    expected = [
        [i, j]
        for i in range(300)
        for j in range(i + 1, 300)
        if (values[i] ^ values[j]).bit_count() <= 3
    ]
    assert pairs.tolist() == expected
    assert len(expected) > 1000


def test_close_hashes_across_blocks():
    hashes = np.random.default_rng(1).integers(0, 2**63, 9000, dtype=np.uint64)
    planted = [(0, 1), (63, 64), (5, 4096), (4095, 4200), (100, 8999)]
    for first, second in planted:
        hashes[second] = hashes[first] ^ np.uint64(0b101 << 40)
    for distance, expected in ((2, sorted(planted)), (1, [])):
        pairs = np.concatenate(list(close_hashes(hashes, distance)))
        assert [tuple(pair) for pair in pairs.tolist()] == expected


def test_no_images_have_no_pairs():
    pairs, differences, total = near_pairs(
        np.empty(0, np.uint64), np.empty((0, 16, 16, 3), np.uint8)
    )
    assert pairs.shape == (0, 2)
    assert differences.shape == (0,)
    assert total == 0


def test_of_many_pairs_the_most_alike_are_kept(monkeypatch):
    rng = np.random.default_rng(2)
    hashes = rng.integers(0, 4, 150, dtype=np.uint64)
    thumbnails = rng.integers(0, 30, (150, 16, 16, 3), dtype=np.uint8)
    thumbnails //= rng.integers(1, 30, (150, 1, 1, 1), dtype=np.uint8)
    pairs, differences, total = near_pairs(hashes, thumbnails, 1, 8)
    assert 500 < total == len(pairs) == len({tuple(p) for p in pairs.tolist()})
    assert (np.diff(differences) >= 0).all()
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 100)
    few, smallest, same_total = near_pairs(hashes, thumbnails, 1, 8)
    assert same_total == total
    np.testing.assert_array_equal(few, pairs[:100])
    np.testing.assert_array_equal(smallest, differences[:100])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_distance": 64}, "distance of hashes 64; allowed are 0..63 bits"),
        ({"max_distance": -1}, "distance of hashes -1"),
        ({"max_difference": 256.0}, "difference 256.0; allowed is 0..255"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        _near([smooth_photo(0)], **limits)


def test_groups_and_their_representatives():
    groups = exact_groups(["a", "b", "a", "c", "b", "a"])
    assert groups == [[0, 2, 5], [1, 4]]
    assert representatives(groups, 6) == [0, 1, 3]
