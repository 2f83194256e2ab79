import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from fashionjax.bench.collectives import all_reduce_bytes, count_collectives
from fashionjax.train.sharding import make_mesh

TEXT = """
  %a = f32[8,4]{1,0} all-reduce(f32[8,4]{1,0} %x), replica_groups={}
  %b = (bf16[16]{0}, f32[]) all-reduce-start(bf16[16]{0} %y, f32[] %z)
  %c = (bf16[16]{0}, f32[]) all-reduce-done(%b)
  %d = f32[32]{0} all-gather(f32[4]{0} %x), dimensions={0}
  %e = f32[8,4]{1,0} add(%all-reduce, %a)
"""


def test_collectives_are_counted_once():
    counts = count_collectives(TEXT)
    assert counts["all-reduce"] == 2
    assert counts["all-gather"] == 1
    assert sum(counts.values()) == 3
    assert all_reduce_bytes(TEXT) == 4 * 32 + 2 * 16 + 4


def test_collectives_of_a_compiled_program():
    mesh = make_mesh(jax.devices()[:2])
    rows = NamedSharding(mesh, PartitionSpec("data"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    total = jax.jit(
        lambda x: x.sum(axis=0), in_shardings=rows, out_shardings=everywhere
    )
    text = total.lower(jnp.ones((4, 6))).compile().as_text()
    assert count_collectives(text)["all-reduce"] == 1
    assert all_reduce_bytes(text) == 6 * 4
