"""A file of sampled outputs of one public implementation.

Nothing but NumPy, so that torch's scripts and our tests can import it.
"""

import dataclasses
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "fixtures"
NUM_SAMPLES = 400


@dataclasses.dataclass(frozen=True)
class Sample:
    """Some values of one array.

    Attributes:
        shape: Shape of the whole array, channels last.
        scale: Its largest absolute value.
        values: Values at `positions(name, shape)`, float32.
    """

    shape: tuple[int, ...]
    scale: float
    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class Fixture:
    """What one reference computed.

    Attributes:
        reference: Name of the reference, as `fashionjax.pretrained` knows it.
        library: Name and version of what was run.
        shapes: Names and shapes of its state dict.
        samples: Outputs by name: `eval/HxW/NAME` for outputs in evaluation mode,
            `train/HxW/NAME` in training mode, `grad/HxW/TENSOR` for gradients of
            the loss by a tensor of the state dict (in that tensor's own layout).
        options: Keyword arguments of `reference_module`, such as num_classes.
    """

    reference: str
    library: str
    shapes: Mapping[str, tuple[int, ...]]
    samples: Mapping[str, Sample]
    options: Mapping[str, int | bool]


def positions(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Which values of an array are stored: flat indices, drawn by its name."""
    size = int(np.prod(shape))
    if size <= NUM_SAMPLES:
        return np.arange(size)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.sort(rng.choice(size, NUM_SAMPLES, replace=False))


def sample(name: str, array: np.ndarray) -> Sample:
    """Samples an array, channels last."""
    flat = np.asarray(array, np.float32).reshape(-1)
    chosen = flat[positions(name, array.shape)]
    return Sample(tuple(array.shape), float(np.abs(flat).max()), chosen)


def path_of(reference: str, suffix: str = "", folder: str = "") -> Path:
    """Where a reference's fixture lies."""
    return FOLDER / folder / f"{reference.replace('/', '-')}{suffix}.npz"


def save(fixture: Fixture, path: Path) -> None:
    """Writes a fixture."""
    meta = dataclasses.asdict(fixture)
    samples = meta.pop("samples")
    meta["samples"] = {
        name: {"shape": s["shape"], "scale": s["scale"]} for name, s in samples.items()
    }
    arrays = {name: s["values"] for name, s in samples.items()}
    path.parent.mkdir(exist_ok=True)
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(path, meta=text, **arrays)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


def load(path: Path) -> Fixture:
    """Reads a fixture."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(arrays.pop("meta").tobytes())
    samples = {
        name: Sample(tuple(s["shape"]), s["scale"], arrays[name])
        for name, s in meta.pop("samples").items()
    }
    shapes = {name: tuple(shape) for name, shape in meta.pop("shapes").items()}
    return Fixture(samples=samples, shapes=shapes, **meta)
