import jax
import jax.numpy as jnp
import pytest

from fashionjax.encoders import ResNet


def test_feature_maps_come_finest_first_at_the_promised_reductions():
    encoder = ResNet((1, 1, 1, 1), features=4)
    image = jnp.zeros((2, 64, 96, 3))
    maps, _ = jax.eval_shape(
        lambda: encoder.init_with_output(jax.random.key(0), image, train=False)
    )
    assert encoder.reductions == (2, 4, 8, 16, 32)
    assert [m.shape for m in maps] == [
        (2, 64 // r, 96 // r, c)
        for r, c in zip(encoder.reductions, (4, 4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize(
    ("stage_sizes", "count"),
    [((2, 2, 2, 2), 11_176_512), ((3, 4, 6, 3), 21_284_672)],
)
def test_it_has_the_published_number_of_parameters(stage_sizes, count):
    variables = jax.eval_shape(
        lambda: ResNet(stage_sizes).init(
            jax.random.key(0), jnp.zeros((1, 64, 64, 3)), train=False
        )
    )
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == count
