import dataclasses
import math
import re

import jax
import numpy as np
import pytest

from fashionjax.augment import (
    CCP_UNET,
    CCP_UNET_ZOOM,
    EXTENDED_UNET,
    MIRROR,
    NO_AUGMENTATION,
    Augmentation,
)
from fashionjax.train.sharding import by_example, make_mesh, replicated

BATCH, HEIGHT, WIDTH = 16, 37, 29
EVERYTHING = Augmentation(
    horizontal_flip=0.5,
    rotation=20.0,
    shift=0.2,
    zoom=0.3,
    min_crop=0.5,
    geometric_probability=0.8,
    lighting_brightness=0.3,
    lighting_contrast=0.3,
    lighting_probability=0.7,
    jitter_brightness=0.2,
    jitter_contrast=0.2,
    jitter_saturation=0.2,
    jitter_hue=0.1,
    image_fill="reflect",
    label_fill="ignore",
)


def _batch(batch=BATCH, height=HEIGHT, width=WIDTH):
    rng = np.random.RandomState(0)
    image = rng.randint(0, 256, (batch, height, width, 3)).astype(np.uint8)
    label = rng.choice([1, 2, 5], (batch, height, width)).astype(np.uint8)
    return image, label


def _augment(augmentation, image, label, seed=0, index=None):
    index = np.arange(len(image)) if index is None else index
    out = jax.jit(augmentation)(
        image, label, jax.random.key(seed), np.asarray(index, np.int32)
    )
    return tuple(np.asarray(array) for array in out)


def _uniform_images(values):
    image = np.empty((len(values), 4, 4, 3), np.uint8)
    image[:] = np.asarray(values)[:, None, None, None]
    return image, np.zeros(image.shape[:3], np.uint8)


def _compiled(augmentation, num_devices):
    """The augmentation of a batch that is spread over devices."""
    mesh = make_mesh(jax.devices()[:num_devices])
    rows = by_example(mesh)
    step = jax.jit(
        augmentation,
        in_shardings=(rows, rows, replicated(mesh), rows),
        out_shardings=(rows, rows),
    )
    image, label = _batch()
    index = np.arange(100, 100 + BATCH, dtype=np.int32)
    arguments = (image, label, jax.random.key(3), index)
    compiled = step.lower(*arguments).compile()
    placed = jax.device_put(arguments, (rows, rows, replicated(mesh), rows))
    return compiled.as_text(), compiled(*placed)


def test_the_default_changes_nothing():
    image, label = _batch()
    new_image, new_label = _augment(NO_AUGMENTATION, image, label)
    assert new_image.dtype == np.float32
    assert new_label.dtype == np.uint8
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_label, label)


def test_everything_keeps_shapes_types_and_ranges():
    image, label = _batch()
    new_image, new_label = _augment(EVERYTHING, image, label)
    assert new_image.shape == image.shape
    assert new_image.dtype == np.float32
    assert new_image.min() >= 0
    assert new_image.max() <= 255.001
    assert new_label.dtype == np.uint8
    assert set(np.unique(new_label)) == {1, 2, 5, 255}


def test_mirroring_takes_image_and_label_along_and_some_examples_alone():
    image, label = _batch()
    new_image, new_label = _augment(MIRROR, image, label)
    flipped = 0
    for i in range(BATCH):
        step = 1 if np.array_equal(new_image[i], image[i]) else -1
        flipped += step == -1
        np.testing.assert_array_equal(new_image[i], image[i, :, ::step])
        np.testing.assert_array_equal(new_label[i], label[i, :, ::step])
    assert 0 < flipped < BATCH


def test_mirroring_all_examples_twice_is_the_identity():
    image, label = _batch()
    mirror = Augmentation(horizontal_flip=1.0)
    once, once_label = _augment(mirror, image, label)
    np.testing.assert_array_equal(once, image[:, :, ::-1])
    twice, twice_label = _augment(mirror, once.astype(np.uint8), once_label, seed=1)
    np.testing.assert_array_equal(twice, image)
    np.testing.assert_array_equal(twice_label, label)


@pytest.mark.parametrize("name", ["CCP_UNET_ZOOM", "EXTENDED_UNET"])
def test_flips_within_a_warp_are_as_often_and_exact(name):
    # Nothing but the flip remains of an example that is not to be moved.
    papers = {"CCP_UNET_ZOOM": CCP_UNET_ZOOM, "EXTENDED_UNET": EXTENDED_UNET}
    still = dataclasses.replace(
        papers[name], geometric_probability=1e-9, lighting_probability=0.0
    )
    image, label = _batch()
    expected, expected_label = _augment(MIRROR, image, label)
    new_image, new_label = _augment(still, image, label)
    np.testing.assert_array_equal(new_image, expected)
    np.testing.assert_array_equal(new_label, expected_label)


def test_the_share_of_moved_examples_is_the_probability():
    image, label = _batch(batch=400, height=6, width=6)
    turning = Augmentation(rotation=180.0, geometric_probability=0.75)
    new_image, _ = _augment(turning, image, label)
    moved = np.mean([not np.array_equal(new_image[i], image[i]) for i in range(400)])
    assert moved == pytest.approx(0.75, abs=0.07)


def _positions_seen(augmentation, size=(65, 33), batch=200):
    """Rows and columns that each pixel shows, read off a ramp of grey levels."""
    height, width = size
    ramp = np.zeros((batch, height, width, 3), np.uint8)
    ramp[..., 0] = np.arange(height)[:, None]
    ramp[..., 1] = np.arange(width)
    seen, _ = _augment(augmentation, ramp, ramp[..., 0])
    return seen[..., 0], seen[..., 1]


def test_flips_and_moves_are_drawn_apart():
    rows, columns = _positions_seen(
        Augmentation(horizontal_flip=0.5, shift=0.2, geometric_probability=0.5),
        batch=400,
    )
    flipped = columns[:, 32, 17] < columns[:, 32, 16]
    moved = rows[:, 32, 16] != 32
    assert np.mean(flipped & moved) == pytest.approx(0.25, abs=0.07)
    assert np.mean(flipped & ~moved) == pytest.approx(0.25, abs=0.07)


def test_what_lies_beyond_the_edge_is_filled_as_asked():
    fills = ("edge", "reflect", "constant")
    edge, reflect, constant = (
        _positions_seen(Augmentation(shift=0.4, image_fill=fill))[0] for fill in fills
    )
    steps = np.diff(edge, axis=1)
    assert steps.min() == 0  # stands still beyond the edge
    assert steps.max() > 0.9
    steps = np.diff(reflect, axis=1)
    assert steps.min() < -0.9  # runs backwards
    beyond = np.diff(edge, axis=1) == 0
    assert (constant[:, 1:][beyond] == 0).mean() > 0.9


def test_shifts_reach_their_share_of_each_side_and_not_beyond():
    rows, columns = _positions_seen(Augmentation(shift=0.25))
    for seen, size in ((rows, 65), (columns, 33)):
        center = (size - 1) / 2
        shift = seen[:, 32, 16] - center
        assert 0.9 * 0.25 * size < np.abs(shift).max() <= 0.25 * size + 1e-3
        assert shift.min() < 0 < shift.max()
    assert np.abs(np.corrcoef(rows[:, 32, 16], columns[:, 32, 16])[0, 1]) < 0.2


def test_zooms_are_the_same_along_both_axes_and_about_the_centre():
    rows, columns = _positions_seen(Augmentation(zoom=0.3))
    vertical = rows[:, 33, 16] - rows[:, 32, 16]
    horizontal = columns[:, 32, 17] - columns[:, 32, 16]
    np.testing.assert_allclose(vertical, horizontal, atol=1e-4)
    assert 0.7 <= vertical.min() < 0.73
    assert 1.27 < vertical.max() <= 1.3
    np.testing.assert_allclose(rows[:, 32, 16], 32, atol=1e-4)


def test_crops_keep_their_share_of_the_area_and_reach_all_corners():
    # Black beyond the edge and ids that are ignored would give a fill away.
    crop = Augmentation(min_crop=0.25, image_fill="constant", label_fill="ignore")
    rows, columns = _positions_seen(crop)
    sides = rows[:, 33, 16] - rows[:, 32, 16]
    assert 0.5 <= sides.min() < 0.53
    assert 0.97 < sides.max() <= 1.0
    # Uniform in the area, not in the side.
    assert np.mean(sides**2) == pytest.approx(0.625, abs=0.04)
    np.testing.assert_allclose(rows[:, -1, 0] - rows[:, 0, 0], 64 * sides, atol=0.01)
    np.testing.assert_allclose(
        columns[:, 0, -1] - columns[:, 0, 0], 32 * sides, atol=0.01
    )
    for first, last in ((rows[:, 0, 0], 64), (columns[:, 0, 0], 32)):
        place = (first / (last * (1 - sides)))[sides < 0.9]
        assert 0 <= place.min() + 1e-3 < 0.05
        assert 0.95 < place.max() <= 1.001
    image, label = _batch()
    assert 255 not in _augment(crop, image, label)[1]


def test_examples_that_draw_no_lighting_keep_every_bit():
    image, label = _batch()
    lighting = Augmentation(
        lighting_brightness=0.2, lighting_contrast=0.2, lighting_probability=0.5
    )
    new_image, _ = _augment(lighting, image, label)
    kept = [np.array_equal(new_image[i], image[i]) for i in range(BATCH)]
    assert 0 < sum(kept) < BATCH
    changed = np.abs(new_image - image).max(axis=(1, 2, 3))
    assert all(changed[i] > 0.5 for i in range(BATCH) if not kept[i])


def test_brightness_takes_mid_grey_to_all_of_its_range():
    image, label = _uniform_images([128] * 400)
    new_image, _ = _augment(Augmentation(lighting_brightness=0.2), image, label)
    grey = new_image[:, 0, 0, 0] / 255
    assert 0.4 < grey.min() < 0.41
    assert 0.59 < grey.max() < 0.605
    assert np.mean(grey) == pytest.approx(0.5, abs=0.01)


def test_contrast_scales_logits_log_uniformly():
    image, label = _uniform_images([200] * 400)
    new_image, _ = _augment(Augmentation(lighting_contrast=0.2), image, label)
    light = new_image[:, 0, 0, 0] / 255
    scale = np.log(light / (1 - light)) / np.log(200 / 55)
    assert 0.799 < scale.min() < 0.81
    assert 1.235 < scale.max() < 1.251
    assert np.mean(np.log(scale)) == pytest.approx(0, abs=0.02)


def test_brightness_and_contrast_are_drawn_apart():
    image, label = _uniform_images([128] * 200 + [200] * 200)
    half = Augmentation(
        lighting_brightness=0.2, lighting_contrast=0.2, lighting_probability=0.5
    )
    index = np.concatenate([np.arange(200)] * 2)
    new_image, _ = _augment(half, image, label, index=index)
    grey, light = new_image[:200, 0, 0, 0], new_image[200:, 0, 0, 0]
    # Contrast alone leaves mid-grey nearly as it is.
    contrast_alone = (np.abs(grey - 128) < 0.2) & (np.abs(light - 200) > 0.2)
    neither = light == 200
    assert np.mean(contrast_alone) == pytest.approx(0.25, abs=0.09)
    assert np.mean(neither) == pytest.approx(0.25, abs=0.09)


def test_jitter_of_brightness_takes_factors_from_zero_on():
    image, label = _uniform_images([100] * 400)
    new_image, _ = _augment(Augmentation(jitter_brightness=1.5), image, label)
    factor = new_image[:, 0, 0, 0] / 100
    assert 0 <= factor.min() < 0.02
    assert 2.45 < factor.max() <= 2.5
    assert np.mean(factor) == pytest.approx(1.25, abs=0.1)


@pytest.mark.parametrize(
    "field", ["jitter_brightness", "jitter_contrast", "jitter_saturation", "jitter_hue"]
)
def test_each_jitter_changes_colours_and_no_label(field):
    image, label = _batch()
    new_image, new_label = _augment(Augmentation(**{field: 0.3}), image, label)
    changed = np.abs(new_image - image).max(axis=(1, 2, 3))
    assert changed.min() > 1e-4  # a factor may come close to 1
    assert changed.max() > 20
    np.testing.assert_array_equal(new_label, label)


def test_hues_turn_both_ways_as_far_as_they_may():
    image, label = _uniform_images([0] * 400)
    image[..., 0] = 240
    new_image, _ = _augment(Augmentation(jitter_hue=0.1), image, label)
    green, blue = new_image[:, 0, 0, 1] / 240, new_image[:, 0, 0, 2] / 240
    assert 0.58 < green.max() <= 0.6001  # a tenth of a turn is 0.6 of a sixth
    assert 0.58 < blue.max() <= 0.6001
    assert np.mean(green > 0) == pytest.approx(0.5, abs=0.1)


def test_an_example_is_changed_by_its_index_wherever_it_stands():
    image, label = _batch()
    index = np.random.RandomState(1).permutation(1000)[:BATCH]
    new_image, new_label = _augment(EVERYTHING, image, label, index=index)
    order = np.random.RandomState(2).permutation(BATCH)
    shuffled, shuffled_label = _augment(
        EVERYTHING, image[order], label[order], index=index[order]
    )
    np.testing.assert_array_equal(shuffled, new_image[order])
    np.testing.assert_array_equal(shuffled_label, new_label[order])
    renumbered, _ = _augment(EVERYTHING, image, label, index=index + 1)
    assert all((renumbered[i] != new_image[i]).any() for i in range(BATCH))


def test_the_rest_of_the_batch_does_not_matter():
    image, label = _batch()
    new_image, new_label = _augment(EVERYTHING, image, label)
    half = slice(4, 8)
    part, part_label = _augment(
        EVERYTHING, image[half], label[half], index=np.arange(4, 8)
    )
    np.testing.assert_array_equal(part, new_image[half])
    np.testing.assert_array_equal(part_label, new_label[half])


def test_another_step_changes_every_example_otherwise():
    image, label = _batch()
    first, _ = _augment(EVERYTHING, image, label, seed=0)
    again, _ = _augment(EVERYTHING, image, label, seed=0)
    second, _ = _augment(EVERYTHING, image, label, seed=1)
    np.testing.assert_array_equal(again, first)
    assert all((first[i] != second[i]).any() for i in range(BATCH))


def test_switching_lighting_on_leaves_the_geometry_as_it_was():
    image, label = _batch()
    dark = dataclasses.replace(
        EXTENDED_UNET, lighting_brightness=0.0, lighting_contrast=0.0
    )
    _, with_light = _augment(EXTENDED_UNET, image, label)
    _, without = _augment(dark, image, label)
    np.testing.assert_array_equal(with_light, without)
    assert (without != label).any()


@pytest.mark.parametrize(
    "augmentation", [EVERYTHING, EXTENDED_UNET, CCP_UNET_ZOOM, MIRROR]
)
def test_results_are_the_same_bits_on_any_number_of_devices(augmentation):
    _, one = _compiled(augmentation, 1)
    for num_devices in (2, 8):
        _, several = _compiled(augmentation, num_devices)
        assert len(several[0].sharding.device_set) == num_devices
        for array, expected in zip(several, one, strict=True):
            np.testing.assert_array_equal(array, expected)


def _operations(text):
    """Names of the operations of a compiled program."""
    return set(re.findall(r" ([a-z][a-z0-9-]*)\(", text))


@pytest.mark.parametrize("num_devices", [1, 8])
def test_devices_do_not_talk_and_nothing_is_scattered(num_devices):
    text, _ = _compiled(EVERYTHING, num_devices)
    operations = _operations(text)
    assert "gather" in operations
    for name in (
        "scatter",
        "all-gather",
        "all-reduce",
        "all-to-all",
        "collective-permute",
        "reduce-scatter",
        "convolution",
        "dot",
    ):
        assert not any(operation.startswith(name) for operation in operations), name


@pytest.mark.parametrize(
    ("augmentation", "absent"),
    [
        (NO_AUGMENTATION, {"gather", "reverse", "select", "xor", "exponential", "log"}),
        (MIRROR, {"gather", "sine", "exponential", "log"}),
        (CCP_UNET_ZOOM, {"reverse", "exponential", "log"}),
        (
            dataclasses.replace(
                EVERYTHING, geometric_probability=0.0, lighting_probability=0.0
            ),
            {"gather", "sine", "exponential", "log"},
        ),
    ],
)
def test_what_is_off_is_not_in_the_program(augmentation, absent):
    everything = _operations(_compiled(EVERYTHING, 1)[0])
    mirror = _operations(_compiled(MIRROR, 1)[0])
    assert {"gather", "sine", "exponential", "log"} <= everything
    assert {"reverse", "select", "xor"} <= mirror
    assert not absent & _operations(_compiled(augmentation, 1)[0])


def test_the_papers_settings():
    assert (
        Augmentation(
            horizontal_flip=0.5,
            rotation=10,
            shift=0.1,
            image_fill="edge",
            label_fill="background",
        )
        == CCP_UNET
    )
    assert dataclasses.replace(CCP_UNET_ZOOM, zoom=0.0) == CCP_UNET
    assert CCP_UNET_ZOOM.zoom == 0.3
    assert Augmentation(horizontal_flip=0.5) == MIRROR
    assert EXTENDED_UNET.geometric_probability == 0.75
    assert EXTENDED_UNET.image_fill == "reflect"
    assert EXTENDED_UNET.label_fill == "same"
    for augmentation in (CCP_UNET, EXTENDED_UNET):
        hash(augmentation)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("horizontal_flip", 1.1, "[0, 1]"),
        ("horizontal_flip", "0.5", "[0, 1]"),
        ("rotation", -1.0, "[0, 180]"),
        ("rotation", 181.0, "[0, 180]"),
        ("shift", 1.5, "[0, 1]"),
        ("zoom", 1.0, "[0, 1)"),
        ("min_crop", 0.0, "(0, 1]"),
        ("min_crop", 1.01, "(0, 1]"),
        ("geometric_probability", math.nan, "[0, 1]"),
        ("lighting_brightness", 1.0, "[0, 1)"),
        ("lighting_contrast", -0.1, "[0, 1)"),
        ("lighting_probability", None, "[0, 1]"),
        ("jitter_brightness", math.inf, "finite and not negative"),
        ("jitter_contrast", -0.1, "finite and not negative"),
        ("jitter_saturation", -2, "finite and not negative"),
        ("jitter_hue", 0.6, "[0, 0.5]"),
        ("image_fill", "nearest", "edge, reflect, constant"),
        ("label_fill", 255, "background, ignore, same"),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value, allowed):
    with pytest.raises(ValueError, match=re.escape(f"{field}={value!r}")) as error:
        Augmentation(**{field: value})
    assert allowed in str(error.value)
    assert "\n" not in str(error.value)
