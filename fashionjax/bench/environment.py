"""What a measurement depends on besides the code."""

import os

import jax


def environment() -> dict[str, str]:
    """Returns device, version of jax, and how memory is asked for."""
    device = jax.devices()[0]
    return {
        "device": f"{device.device_kind} x{os.cpu_count()}"
        if device.platform == "cpu"
        else device.device_kind,
        "jax": jax.__version__,
        "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", ""),
    }
