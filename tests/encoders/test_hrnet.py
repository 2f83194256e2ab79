import jax
import jax.numpy as jnp
import pytest
from jax.interpreters.partial_eval import dce_jaxpr

from fashionjax.encoders import HRNet
from fashionjax.models.classifier import Classifier
from fashionjax.models.hrnet_head import HRNetHead
from tests.encoders.probing import abstract_outputs, map_sizes


def _tiny(**changes):
    options = {"features": 2, "stem_features": 4, "num_blocks": 1}
    return HRNet(**{**options, "num_modules": (1, 1, 1)} | changes)


@pytest.mark.parametrize(
    ("features", "count", "with_head"),
    [
        (18, 9_562_260, 21_299_004),
        pytest.param(32, 29_305_536, 41_232_680, marks=pytest.mark.slow),
        pytest.param(48, 65_325_120, 77_469_864, marks=pytest.mark.slow),
    ],
)
def test_it_has_the_published_number_of_parameters(features, count, with_head):
    classifier = Classifier(HRNet(features), HRNetHead(1000))
    _, variables = abstract_outputs(classifier)
    params = variables["params"]
    assert sum(x.size for x in jax.tree.leaves(params["encoder"])) == count
    assert sum(x.size for x in jax.tree.leaves(params)) == with_head


@pytest.mark.parametrize("fuse", ["bilinear", "nearest"])
def test_each_map_is_half_the_one_before_rounded_up_and_twice_as_wide(fuse):
    encoder = _tiny(fuse=fuse)
    assert encoder.reductions == (4, 8, 16, 32)
    assert map_sizes(encoder, (97, 65)) == [
        (25, 17, 2),
        (13, 9, 4),
        (7, 5, 8),
        (4, 3, 16),
    ]


@pytest.mark.slow
def test_every_parameter_reaches_a_map():
    encoder = _tiny()
    _, variables = abstract_outputs(encoder)
    image = jnp.zeros((1, 64, 64, 3))
    traced = jax.make_jaxpr(lambda v: encoder.apply(v, image, train=False))(variables)
    # What remains when everything that no output needs is taken away.
    _, used = dce_jaxpr(traced.jaxpr, [True] * len(encoder.reductions))
    assert len(used) == len(jax.tree.leaves(variables))
    assert all(used)


@pytest.mark.slow
def test_every_branch_is_fused_into_every_other_in_each_module():
    _, variables = abstract_outputs(_tiny(num_modules=(1, 1, 2)))
    names = variables["params"]["stage4_module1"]
    for target in range(4):
        for source in range(4):
            steps = max(target - source, 0)
            count = sum(n.startswith(f"fuse{target}_from{source}_conv") for n in names)
            assert count == (steps if target > source else int(source > target))


def test_the_two_ways_of_fusing_share_their_parameters():
    trees = [abstract_outputs(_tiny(fuse=f))[1] for f in ("bilinear", "nearest")]
    assert trees[0] == trees[1]


def test_an_unknown_way_of_fusing_is_refused():
    with pytest.raises(ValueError, match=r"'cubic' is none of .*'nearest'"):
        abstract_outputs(_tiny(fuse="cubic"))


@pytest.mark.slow
def test_maps_are_bfloat16_where_asked():
    maps, variables = abstract_outputs(_tiny(dtype=jnp.bfloat16))
    assert {m.dtype for m in maps} == {jnp.dtype(jnp.bfloat16)}
    kept = {x.dtype for x in jax.tree.leaves(variables)}
    assert kept == {jnp.dtype(jnp.float32)}
