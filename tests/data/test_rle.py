import numpy as np
import pytest

from fashionjax.data.rle import (
    find_first_pixel,
    format_runs,
    mask_of,
    parse_runs,
    runs_of,
)

SHAPE = (4, 3)


def test_runs_go_down_the_columns_from_one():
    # Kaggle's own example: "1 3 10 5" is the pixels 1, 2, 3, 10, 11, 12, 13, 14.
    mask = mask_of(parse_runs("1 3 10 5", (5, 4)), (5, 4))
    numbers = np.arange(1, 21).reshape(4, 5).T
    assert sorted(numbers[mask]) == [1, 2, 3, 10, 11, 12, 13, 14]
    assert mask[:, 0].tolist() == [True, True, True, False, False]


def test_from_zero_is_one_pixel_further_down():
    one = mask_of(parse_runs("2 2", SHAPE), SHAPE)
    zero = mask_of(parse_runs("2 2", SHAPE, one_indexed=False), SHAPE)
    assert (zero[1:] == one[:-1]).all()
    assert one.sum() == zero.sum() == 2


@pytest.mark.parametrize("seed", range(20))
def test_masks_survive_runs_and_text(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 40, 2).tolist())
    mask = rng.random(shape) < rng.random()
    runs = runs_of(mask)
    np.testing.assert_array_equal(mask_of(runs, shape), mask)
    for one_indexed in (True, False):
        if mask.any():
            text = format_runs(runs, one_indexed=one_indexed)
            again = parse_runs(text, shape, one_indexed=one_indexed)
            np.testing.assert_array_equal(again, runs)


def test_touching_runs_are_one_area():
    mask = mask_of(parse_runs("1 2 3 4", SHAPE), SHAPE)
    assert np.flatnonzero(mask.ravel(order="F")).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("seed", range(10))
def test_runs_equal_those_of_pycocotools(seed):
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    mask = rng.random((31, 17)) < 0.5
    uncompressed = coco.decode(coco.encode(np.asfortranarray(mask, np.uint8)))
    np.testing.assert_array_equal(mask_of(runs_of(mask), (31, 17)), uncompressed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 numbers; allowed are pairs"),
        ("1 2 3", "3 numbers; allowed are pairs"),
        ("1 x", "'1 x': allowed are integers"),
        ("1 2.5", "allowed are integers"),
        ("0 1", r"run of 1 pixels from 0: .* within 1\.\.12, the pixels of 4x3"),
        ("-3 1", "run of 1 pixels from -3"),
        ("12 2", "run of 2 pixels from 12"),
        ("13 1", "run of 1 pixels from 13"),
        ("1 0", "run of 0 pixels from 1"),
        ("5 -1", "run of -1 pixels from 5"),
        ("1 9223372036854775807", "run of 9223372036854775807 pixels"),
        ("1 99999999999999999999", "allowed are integers"),
        ("5 2 1 2", "overlap or are out of order"),
        ("1 3 3 2", "overlap or are out of order"),
    ],
)
def test_runs_that_are_no_mask_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_runs(text, SHAPE)


def test_the_last_pixel_belongs_to_the_image():
    assert mask_of(parse_runs("12 1", SHAPE), SHAPE)[3, 2]
    assert mask_of(parse_runs("1 12", SHAPE), SHAPE).all()


def _people(count, one_indexed):
    """Runs of blobs, some of them cut off by the photo's border."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        height, width = rng.integers(50, 90, 2).tolist()
        y, x = np.mgrid[:height, :width]
        centre, radius = rng.uniform(0, 1, 2) * (height, width), rng.uniform(10, 40)
        mask = np.hypot(y - centre[0], x - centre[1]) < radius
        yield format_runs(runs_of(mask), one_indexed=one_indexed), height


@pytest.mark.parametrize("one_indexed", [True, False])
def test_a_shifted_file_is_detected(one_indexed):
    assert find_first_pixel(_people(200, one_indexed)).first_pixel == one_indexed


def test_one_run_from_zero_is_proof():
    found = find_first_pixel([("7 2", 50), ("0 3", 50)])
    assert found.starts_at_zero == 1
    assert found.first_pixel == 0


def test_too_little_evidence_changes_nothing():
    assert find_first_pixel([]).first_pixel is None
    few = [("50 3", 50), ("x", 50), ("3", 50), ("2 2", 1)]
    assert find_first_pixel(few).first_pixel is None
