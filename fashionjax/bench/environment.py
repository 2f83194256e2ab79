"""What a measurement depends on besides the code."""

import contextlib
import functools
import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jaxlib

_VARIABLES = ("XLA_FLAGS", "GLIBC_TUNABLES", "NVIDIA_TF32_OVERRIDE")


TF32 = "TF32"
"""What a GPU makes of float32 in products and convolutions, 10 bits of fraction."""

_FIRST_WITH_TF32 = 8
"""NVIDIA's compute capability, its first number."""


def environment() -> dict[str, str | int]:
    """Returns all that is needed to repeat a measurement: versions, flags, device.

    `matmul_precision` is what float32 is multiplied as.
    """
    device = jax.devices()[0]
    kind = device.device_kind
    return {
        "device": f"{kind} x{os.cpu_count()}" if device.platform == "cpu" else kind,
        "devices": len(jax.devices()),
        "platform": device.platform,
        "platform_version": device.client.platform_version.replace("\n", ", "),
        "driver": _driver(),
        "cudnn": _cudnn(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "matmul_precision": _matmul_precision(device),
        "host_cpu": _host_cpu(),
        "host_cores": os.cpu_count() or 0,
        "revision": _revision(),
        "command": shlex.join(["python", "-m", "fashionjax.bench", *sys.argv[1:]]),
        **{name: os.environ.get(name, "") for name in _VARIABLES},
    }


def _matmul_precision(device: Any) -> str:
    """JAX's option where it is set, else what the device does by itself."""
    chosen = getattr(jax.config, "jax_default_matmul_precision")  # noqa: B009 (hidden)
    if chosen is not None:
        return str(chosen)
    # "9.0"; other makers have other words.
    first = str(getattr(device, "compute_capability", "")).partition(".")[0]
    has_tf32 = first.isdecimal() and int(first) >= _FIRST_WITH_TF32
    if has_tf32 and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0":
        return TF32
    return "default" if device.platform == "tpu" else "float32"


@functools.cache
def _host_cpu() -> str:
    """The processor's name as the system tells it; empty if it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(names, "").strip()


@functools.cache
def _driver() -> str:
    """Version of NVIDIA's driver; empty without."""
    if shutil.which("nvidia-smi") is None:
        return ""
    return _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def _cudnn() -> str:
    """Version of the cuDNN that jax's packages for NVIDIA bring; empty without."""
    for name in ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return ""


@functools.cache
def _revision() -> str:
    """The commit of this code, with "-dirty" where files differ; empty if unknown."""
    folder = str(Path(__file__).parent)
    return _output("git", "-C", folder, "describe", "--always", "--dirty")


def _output(*command: str) -> str:
    """First line of what a command prints; empty where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
