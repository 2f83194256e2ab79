import types

import jax
import jax.numpy as jnp
import pytest

from fashionjax.train import memory


class Device:
    def __init__(self, stats):
        self._stats = stats

    def memory_stats(self):
        return self._stats


def test_the_plan_counts_outputs_in_place_of_arguments_once():
    analysis = types.SimpleNamespace(
        argument_size_in_bytes=3_000_000,
        output_size_in_bytes=2_000_000,
        alias_size_in_bytes=1_500_000,
        temp_size_in_bytes=5_000_000,
    )
    assert memory.describe_memory(analysis, 80_000_000_000) == (
        "memory    a step needs 8.5 MB of 80 GB on each device: arguments 3 MB, outputs"
        " 2 MB (1.5 MB in place of arguments), temporary 5 MB"
    )
    assert "needs 8.5 MB on each device" in memory.describe_memory(analysis, None)
    assert "does not tell" in memory.describe_memory(None, 1)


def test_the_plan_of_a_real_step_is_read():
    step = jax.jit(lambda x: x @ x, donate_argnums=0)
    analysis = step.lower(jnp.zeros((8, 8))).compile().memory_analysis()
    assert "arguments 256 B, outputs 256 B (" in memory.describe_memory(analysis, None)


@pytest.mark.parametrize(
    ("stats", "limit", "peak"),
    [
        ([None, None], None, None),
        ([{}], None, None),
        (
            [
                {"bytes_limit": 9, "peak_bytes_in_use": 3},
                {"bytes_limit": 8, "peak_bytes_in_use": 5},
            ],
            8,
            5,
        ),
    ],
)
def test_devices_tell_their_least_memory_and_their_highest_use(
    monkeypatch, stats, limit, peak
):
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(s) for s in stats])
    assert memory.memory_limit() == limit
    assert memory.peak_memory() == peak
