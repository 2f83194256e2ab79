"""A measured time beside what the machine allows."""

import jax.numpy as jnp

from fashionjax.bench.ceilings import machine
from fashionjax.bench.cost import IDEAL, TUNED, Cost, seconds
from fashionjax.bench.models import Setting


def shares(
    cost: Cost, setting: Setting, step_seconds: float, *, train: bool
) -> dict[str, float]:
    """Says how near a step is to the ceilings of this process.

    Args:
        cost: The model at the setting's size.
        setting: What was measured.
        step_seconds: Its median.
        train: Whether the step trains.

    Returns:
        By name: arithmetic and bytes of an image, and both achieved; `mfu`, the
        arithmetic over what a large product reaches; bounds in milliseconds (all
        arithmetic, all bytes at least and as XLA passes over them, the roofline of
        each kernel, the tuned estimate) and the measured time's share of the last two.
    """
    limits = machine(setting.dtype)
    itemsize = jnp.dtype(setting.dtype).itemsize
    rows = setting.batch_size
    flops = rows * cost.work(train=train)
    fused = rows * cost.fused_bytes(itemsize, train=train)
    xla = rows * cost.xla_bytes(itemsize, train=train)
    roofline, tuned = (
        seconds(
            cost,
            limits,
            efficiency,
            batch_size=rows,
            itemsize=itemsize,
            train=train,
        )
        for efficiency in (IDEAL, TUNED)
    )
    return {
        "gflop_image": flops / rows / 1e9,
        "fused_mb_image": fused / rows / 1e6,
        "xla_mb_image": xla / rows / 1e6,
        "matmul_tflops": limits.flops / 1e12,
        "copy_gb_s": limits.bytes / 1e9,
        "tflops": flops / step_seconds / 1e12,
        "gb_s": xla / step_seconds / 1e9,
        "mfu": flops / step_seconds / limits.flops,
        "flop_bound_ms": 1e3 * flops / limits.flops,
        "fused_bound_ms": 1e3 * fused / limits.bytes,
        "xla_bound_ms": 1e3 * xla / limits.bytes,
        "roofline_ms": 1e3 * roofline,
        "tuned_ms": 1e3 * tuned,
        "roofline_share": roofline / step_seconds,
        "tuned_share": tuned / step_seconds,
    }
