import numpy as np
import pytest
from scipy import ndimage

from fashionjax.data.coco_masks import (
    counts_of,
    decode_counts,
    decode_segmentation,
    encode_counts,
    rasterize,
    runs_from_counts,
)
from fashionjax.data.rle import mask_of, runs_of

# What pycocotools does with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def _mask(seed):
    """Blobs with holes, at times nothing or everything."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 60, 2).tolist())
    return ndimage.uniform_filter(rng.random(shape), 5) > rng.uniform(0.3, 0.7)


def test_known_counts():
    # Two unset, three set, one unset: small numbers are one character each.
    assert decode_counts("231") == [2, 3, 1]
    assert encode_counts([2, 3, 1]) == "231"
    # 100 = 4 + 3 * 32: the low five bits with the mark for more, then the rest.
    assert decode_counts("T3") == [100]
    # The fourth and later numbers are differences to the one two before.
    assert decode_counts("1110") == [1, 1, 1, 1]
    assert decode_counts("5271O") == [5, 2, 7, 3, 6]


@pytest.mark.parametrize("seed", range(40))
def test_run_lengths_equal_those_of_pycocotools(seed):
    coco = pytest.importorskip("pycocotools.mask")
    mask = _mask(seed)
    theirs = coco.encode(np.asfortranarray(mask, np.uint8))
    counts = counts_of(runs_of(mask), mask.shape)
    text = encode_counts(counts)
    assert text == theirs["counts"].decode()
    assert decode_counts(theirs["counts"]) == counts
    for form in (counts, text, theirs["counts"]):
        runs = decode_segmentation(
            {"size": list(mask.shape), "counts": form}, mask.shape
        )
        np.testing.assert_array_equal(mask_of(runs, mask.shape), mask)


def _polygon(rng, shape):
    """A star around a point, in part outside of the image, or any crossed one."""
    count = int(rng.integers(3, 30))
    if rng.random() < 0.3:
        return (rng.uniform(-0.2, 1.2, (count, 2)) * shape[::-1]).ravel().tolist()
    angle = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(3, 40, count)
    centre = rng.uniform(0, 1, 2) * shape[::-1]
    points = centre + np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    return (np.round(points, 1) if rng.random() < 0.5 else points).ravel().tolist()


@pytest.mark.parametrize("seed", range(40))
def test_polygons_equal_those_of_pycocotools_but_for_their_outline(seed):
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(20, 90, 2).tolist())
    polygons = [_polygon(rng, shape) for _ in range(rng.integers(1, 4))]
    ours = rasterize(polygons, shape)
    theirs = coco.decode(coco.merge(coco.frPyObjects(polygons, *shape))).astype(bool)
    outline = np.zeros(shape, bool)
    for polygon in polygons:
        points = np.array(polygon).reshape(-1, 2)
        for a, b in zip(points, np.roll(points, -1, 0), strict=True):
            steps = int(np.abs(b - a).max() * 4) + 2
            line = a + (b - a) * np.linspace(0, 1, steps)[:, None]
            for dx in (-0.5, 0, 0.5):
                for dy in (-0.5, 0, 0.5):
                    x, y = np.floor(line + np.array([dx, dy])).astype(int).T
                    ok = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
                    outline[y[ok], x[ok]] = True
    assert not ((ours != theirs) & ~outline).any()
    assert np.count_nonzero(ours != theirs) <= 0.2 * np.count_nonzero(outline)


def test_a_pixel_is_set_when_its_centre_is_inside():
    square = [1, 1, 3, 1, 3, 3, 1, 3]
    expected = np.zeros((4, 5), bool)
    expected[1:3, 1:3] = True
    np.testing.assert_array_equal(rasterize([square], (4, 5)), expected)
    moved = [x + 0.4 for x in square]
    np.testing.assert_array_equal(rasterize([moved], (4, 5)), expected)


def test_a_union_has_no_holes_and_a_crossed_polygon_has():
    a, b = [0, 0, 4, 0, 4, 4, 0, 4], [1, 1, 3, 1, 3, 3, 1, 3]
    assert rasterize([a, b], (4, 4)).all()
    twice = a + a
    assert not rasterize([twice], (4, 4)).any()


def test_what_lies_outside_is_cut_off():
    huge = [-1e12, -1e12, 1e12, -1e12, 1e12, 1e12, -1e12, 1e12]
    assert rasterize([huge], (3, 4)).all()
    assert not rasterize([[9, 9, 12, 9, 12, 12]], (3, 4)).any()
    assert not rasterize([[-9, -9, -2, -9, -2, -2]], (3, 4)).any()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1]], "a polygon of 2 coordinates; allowed are x and y of three"),
        ([[1, 1, 2, 2]], "a polygon of 4 coordinates"),
        ([[0, 0, 4, 0, 4, 4], [1, 1, 2, 2]], "a polygon of 4 coordinates"),
        ([[0, 0, 4, 0, 4, 4, 1]], "a polygon of 7 coordinates"),
        ([[0, 0, 4, 0, 4, float("nan")]], "not finite"),
        ([["a", 0, 4, 0, 4, 1]], "no list of numbers"),
        ([], "of type list; allowed are a list of polygons, at least one"),
        (None, "of type NoneType"),
        ("ab", "of type str"),
        ({"counts": [12]}, r"size None; its image has \[3, 4\]"),
        ({"size": [4, 3], "counts": [12]}, r"size \[4, 3\]; its image has \[3, 4\]"),
        ({"size": [3, 4], "counts": [5, 8]}, "add up to 13; the image has 12"),
        ({"size": [3, 4], "counts": [5, 6]}, "add up to 11; the image has 12"),
        ({"size": [3, 4], "counts": [-1, 13]}, "none may be negative"),
        ({"size": [3, 4], "counts": [2**63 - 1, 2]}, "the image has 12"),
        ({"size": [3, 4], "counts": None}, "allowed are a list of integers or text"),
        ({"size": [3, 4], "counts": "\x7f"}, "out of place"),
        ({"size": [3, 4], "counts": "é"}, "out of place"),
        ({"size": [3, 4], "counts": "T"}, "end within a number"),
        ({"size": [3, 4], "counts": "T" * 99}, "out of place"),
    ],
)
def test_what_is_no_mask_is_refused(segmentation, message):
    with pytest.raises(ValueError, match=message):
        decode_segmentation(segmentation, (3, 4))


def test_a_polygon_that_would_fill_the_memory_is_refused():
    zigzag = [0, 0, 1, 4000] * 3000
    with pytest.raises(ValueError, match="crosses rows 24000000 times"):
        rasterize([zigzag], (4000, 4))


def test_empty_and_full_masks():
    assert len(runs_from_counts([12], (3, 4))) == 0
    full = runs_from_counts([0, 12], (3, 4))
    assert mask_of(full, (3, 4)).all()
    assert counts_of(full, (3, 4)) == [0, 12]
    assert counts_of(runs_from_counts([12], (3, 4)), (3, 4)) == [12]
