"""Operations of programs, of one that XLA compiled and of one as it writes for GPUs."""

import jax
import jax.numpy as jnp
import pytest

from fashionjax.bench.hlo_ops import KINDS, PASSES, Operation, read_operations
from fashionjax.bench.profile import Event, Trace, summarize, trace_steps

GPU = """
HloModule jit_step

%fused (p: bf16[8]) -> bf16[8] {
  %p = bf16[8]{0} parameter(0)
  %exp.1 = bf16[8]{0} exponential(%p), metadata={op_name="jit(step)/jvp(UNet)/a/exp"}
  ROOT %reduce.1 = bf16[] reduce(%exp.1, %p), dimensions={0}
}

ENTRY %main (p.1: bf16[8]) -> bf16[8] {
  %p.1 = bf16[8]{0} parameter(0)
  %cudnn-conv.1 = (bf16[1,4,4,8]{3,2,1,0}, u8[0]{0}) custom-call(%p.1), custom_call_target="__cudnn$convForward", metadata={op_name="jit(step)/jvp(UNet)/encoder/UNet._conv/stem_conv/counts_9_for_4/cond/branch_0_fun/conv"}
  %gemm.1 = bf16[8]{0} custom-call(%p.1), custom_call_target="__cublas$gemm", metadata={op_name="jit(step)/transpose(jvp(UNet))/head/dot_general"}
  %loop_fusion = bf16[8]{0} fusion(%p.1), kind=kLoop, calls=%fused, metadata={op_name="jit(step)/transpose(jvp(UNet))/decoder0/norm/mul"}
  %all-reduce-start.1 = bf16[8]{0} all-reduce-start(%p.1), to_apply=%fused
  %dot.1 = bf16[8]{0} dot(%p.1, %p.1), metadata={op_name="jit(label)/FPN/encoder/stage1/dot_general"}
  ROOT %copy.1 = bf16[8]{0} copy(%loop_fusion)
}
"""  # noqa: E501


def test_operations_have_kind_pass_and_layer():
    operations = read_operations(GPU)
    assert operations["cudnn-conv.1"] == Operation(
        "custom-call", "convolution", "forward", "encoder/stem_conv"
    )
    assert operations["gemm.1"] == Operation(
        "custom-call", "product", "backward", "head"
    )
    assert operations["loop_fusion"] == Operation(
        "fusion", "reduction", "backward", "decoder0/norm"
    )
    assert operations["all-reduce-start.1"].kind == "collective"
    assert operations["dot.1"] == Operation(
        "dot", "product", "forward", "encoder/stage1"
    )
    assert operations["copy.1"] == Operation("copy", "copy", "update", "")


def test_shares_add_up_and_overlaps_count_once():
    events = [
        Event("cudnn-conv.1", 0, 600),
        Event("gemm.1", 400, 200),
        Event("loop_fusion", 800, 200),
        Event("unknown", 0, 9000),
    ]
    row = summarize(Trace(events, 4), read_operations(GPU), num_steps=2)
    assert row["step_ms"] == 0.0005
    assert row["operations"] == 1.5
    assert row["busy_share"] == 0.8
    assert row["graph_launches"] == 2
    assert {k: row[k] for k in KINDS if row[k]} == {
        "convolution": 0.6,
        "product": 0.2,
        "reduction": 0.2,
    }
    assert {k: row[k] for k in PASSES} == {
        "forward": 0.6,
        "backward": 0.4,
        "update": 0.0,
    }
    assert row["slowest"][0] == {
        "layer": "encoder/stem_conv",
        "pass": "forward",
        "kind": "convolution",
        "ms": 0.0003,
        "share": 0.6,
    }


def test_kernels_of_a_graph_may_have_no_names():
    """They count as work, and shares are of what has a name."""
    events = [
        Event("cudnn-conv.1", 0, 600),
        Event("", 600, 150),
        Event("call.7", 800, 250),
    ]
    trace = Trace(events, 2, are_kernels=True)
    row = summarize(trace, read_operations(GPU), num_steps=1)
    assert (row["operations"], row["graph_launches"]) == (3, 2)
    assert row["step_ms"] == 0.00105
    assert row["busy_share"] == pytest.approx(1000 / 1050)
    assert row["named_share"] == 0.6
    assert row["convolution"] == 1


@pytest.mark.parametrize("events", [[], [Event("", 0, 500)]])
def test_a_graph_without_any_name_tells_its_launches(events):
    row = summarize(Trace(events, 4, are_kernels=True), read_operations(GPU), 2)
    assert row["graph_launches"] == 2
    assert row.get("operations") == (0.5 if events else None)
    assert "convolution" not in row


def test_a_program_without_its_operations_is_refused():
    with pytest.raises(ValueError, match="none of the program's operations"):
        summarize(Trace([Event("other", 0, 1)], 0), read_operations(GPU), 1)


def test_a_program_that_runs_is_seen():
    @jax.jit
    def step(x):
        return jnp.tanh(x @ x).sum()

    x = jnp.ones((64, 64))
    compiled = step.lower(x).compile()

    def time_steps(num_steps):
        for _ in range(num_steps):
            compiled(x).block_until_ready()
        return 0.0

    row = summarize(
        trace_steps(time_steps, 3), read_operations(compiled.as_text()), num_steps=3
    )
    assert row["product"] > 0
    assert 0 < row["busy_share"] <= 1
    assert sum(row[kind] for kind in KINDS) == pytest.approx(1)
