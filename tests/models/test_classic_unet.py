import jax
import jax.numpy as jnp
import pytest

from fashionjax.models.classic_unet import ClassicUNet, valid_logits_size

TINY = (4, 6, 8)


def _shapes(model, image, train=False):
    return jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), image, train=train)
    )


@pytest.mark.parametrize(
    ("num_classes", "count"),
    [
        (1, 31_031_745),
        (2, 31_031_810),
        (4, 31_031_940),
        (47, 31_034_735),
        (59, 31_035_515),
    ],
)
def test_it_has_the_published_number_of_parameters(num_classes, count):
    _, variables = _shapes(ClassicUNet(num_classes), jnp.zeros((1, 64, 64, 3)))
    assert set(variables) == {"params"}
    assert sum(x.size for x in jax.tree.leaves(variables)) == count


def test_batch_norm_takes_the_place_of_biases():
    model = ClassicUNet(47, batch_norm=True)
    _, variables = _shapes(model, jnp.zeros((1, 64, 64, 3)))
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == 31_040_623


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (97, 65)])
def test_padded_logits_are_as_large_as_any_image(size):
    outputs, _ = _shapes(ClassicUNet(3, TINY), jnp.zeros((2, *size, 3)))
    assert outputs.logits.shape == (2, *size, 3)


def test_unpadded_logits_have_the_size_of_the_paper():
    assert valid_logits_size(572) == 388
    model = ClassicUNet(2, padding="valid")
    outputs, _ = _shapes(model, jnp.zeros((1, 572, 188, 3)))
    assert outputs.logits.shape == (1, 388, 4, 2)


@pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 5])
def test_sizes_that_go_without_padding_are_those_that_halve_evenly(num_levels):
    for length in range(1, 240):
        x = length - 4
        goes = True
        for _ in range(num_levels - 1):
            goes = goes and x > 0 and x % 2 == 0
            x = x // 2 - 4
        for _ in range(num_levels - 1):
            x = 2 * x - 4
        if goes and x > 0:
            assert valid_logits_size(length, num_levels=num_levels) == x
        else:
            with pytest.raises(ValueError, match="the nearest that it takes"):
                valid_logits_size(length, num_levels=num_levels)


@pytest.mark.parametrize(
    ("length", "near"), [(2, "188"), (190, "188, 204"), (576, "572, 588")]
)
def test_a_size_that_does_not_go_is_answered_by_sizes_that_do(length, near):
    model = ClassicUNet(2, padding="valid")
    message = f"width of {length}; the nearest that it takes: {near}(\\n|$)"
    with pytest.raises(ValueError, match=message):
        _shapes(model, jnp.zeros((1, 572, length, 3)))


def test_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="padding 'reflect' is none of"):
        _shapes(ClassicUNet(2, TINY, padding="reflect"), jnp.zeros((1, 16, 16, 3)))


@pytest.mark.slow
def test_it_computes_in_bfloat16_and_returns_float32():
    model = ClassicUNet(3, TINY, batch_norm=True, dtype=jnp.bfloat16)
    image = jnp.zeros((1, 16, 16, 3))
    outputs, variables = _shapes(model, image, train=True)
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert outputs.logits.dtype == jnp.float32
    outputs, _ = jax.eval_shape(
        lambda v: model.apply(v, image, train=False, capture_intermediates=True),
        variables,
    )
    captured = jax.tree.leaves(_["intermediates"])
    assert {x.dtype for x in captured if x.shape != outputs.logits.shape} == {
        jnp.dtype("bfloat16")
    }
