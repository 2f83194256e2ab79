"""What the dense CRF costs, beside pydensecrf2 where that is at hand."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
from PIL import Image

from fashionjax.bench.peer import Worker, summarize, take_turns
from fashionjax.bench.timing import in_milliseconds, time_windows
from fashionjax.data.images import decode_image
from fashionjax.data.synthetic import render_photo
from fashionjax.postprocess.dense_crf import infer, make_kernels

_WORKER = Path(__file__).parent / "crf_side" / "worker.py"
_STRIDE = 8


def measure_crf(
    image: np.ndarray,
    probs: np.ndarray,
    options: Mapping[str, float],
    *,
    num_steps: int,
    peer_python: str | None = None,
) -> dict[str, Any]:
    """Times the CRF of a batch: the tables of its kernels, and the mean field.

    Args:
        image: uint8 `[batch, height, width, 3]`.
        probs: float32 `[batch, height, width, classes]`.
        options: Of `dense_crf`.
        num_steps: Repetitions that count.
        peer_python: Interpreter with pydensecrf2, which then takes turns with us, on
            the first image of the batch; None for us alone.

    Returns:
        What was measured, by name; times in milliseconds. "ratio" is our time an image
        over the peer's.

    Raises:
        ValueError: If the peer does not start.
    """
    given = dict(options)
    num_iterations = int(given.pop("num_iterations"))
    device_image, device_probs = jax.device_put((image, probs))

    def build() -> Any:
        return make_kernels(device_image, **given)

    kernels = build()

    def iterate() -> jax.Array:
        return infer(device_probs, kernels, num_iterations=num_iterations)

    def both() -> jax.Array:
        return infer(device_probs, build(), num_iterations=num_iterations)

    refined = np.asarray(iterate())
    row = {
        "batch": len(image),
        "size": "x".join(map(str, image.shape[1:3])),
        "classes": probs.shape[-1],
        **options,
        "changed": float(np.mean(probs.argmax(-1) != refined.argmax(-1))),
        **in_milliseconds("build", _times(build, num_steps)),
        **in_milliseconds("iterations", _times(iterate, num_steps)),
    }
    if peer_python is None:
        seconds = _times(both, num_steps)
    else:
        seconds, beside = _take_turns(
            both, num_steps, peer_python, image[0], probs[0], options
        )
        marginals, theirs = beside.pop("marginals"), beside.pop("seconds")
        row |= beside
        is_equal = refined[0].argmax(-1) == marginals.argmax(-1)
        row["labels_equal"] = float(np.mean(is_equal))
        row["peer_ms"] = 1e3 * median(theirs)
        turns = zip(seconds, theirs, strict=True)
        row |= summarize([a / len(image) / b for a, b in turns])
    row["image_ms"] = 1e3 * median(seconds) / len(image)
    row["images_per_second"] = len(image) / median(seconds)
    return row | {"steps": num_steps}


def _times(dispatch: Callable[[], Any], num_steps: int) -> list[float]:
    return time_windows(dispatch, num_steps=num_steps, window=1)


def _take_turns(
    ours: Callable[[], Any],
    num_steps: int,
    python: str,
    image: np.ndarray,
    probs: np.ndarray,
    options: Mapping[str, float],
) -> tuple[list[float], dict[str, Any]]:
    """Times ours and pydensecrf2 by turns; returns our seconds, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        case, result = Path(folder, "case.npz"), Path(folder, "result.npy")
        np.savez(case, probs=probs, image=image)
        command = [python, str(_WORKER), f"--case={case}", f"--result={result}"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with Worker(command, side="pydensecrf2's") as worker:
            turns = take_turns(
                lambda count: _times(ours, count)[-1], worker.time_steps, num_steps
            )
        said = {
            "peer": worker.hello["version"],
            "marginals": np.load(result),
            "seconds": [theirs for _, theirs in turns],
        }
    return [seconds for seconds, _ in turns], said


def make_case(
    *,
    batch_size: int,
    image_size: tuple[int, int],
    num_classes: int,
    photo: Path | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Makes images, and probabilities that do not fit them well.

    Args:
        batch_size: Images.
        image_size: (height, width).
        num_classes: Number of classes.
        photo: A photo to use, resized; drawn figures if None.
        seed: Of drawn figures and of probabilities.

    Returns:
        uint8 `[batch, height, width, 3]`, float32 `[batch, height, width, classes]`.
    """
    numbers = range(seed, seed + batch_size)
    images = [_load(photo, number, image_size) for number in numbers]
    return np.stack(images), np.stack([_guess(x, num_classes, seed) for x in images])


def _load(photo: Path | None, number: int, size: tuple[int, int]) -> np.ndarray:
    """A photo, or a drawn one, RGB."""
    if photo is not None:
        return decode_image(photo.read_bytes(), name=str(photo), size=size)
    return render_photo(number, size).image


def _guess(image: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    """What a network at stride 8 might say of an image whose classes are its colours.

    Smooth and noisy: the CRF has edges to find and errors to mend.
    """
    height, width = image.shape[:2]
    rows, columns = -(-height // _STRIDE), -(-width // _STRIDE)
    third = image.astype(int) // 86
    label = third @ np.array([9, 3, 1]) % num_classes
    one_hot = np.eye(num_classes, dtype=np.float32)[label]
    margins = (rows * _STRIDE - height, columns * _STRIDE - width)
    one_hot = np.pad(one_hot, ((0, margins[0]), (0, margins[1]), (0, 0)), mode="edge")
    blocks = one_hot.reshape(rows, _STRIDE, columns, _STRIDE, num_classes)
    logits = 4 * blocks.mean((1, 3))
    logits += np.random.default_rng(seed).normal(0, 0.7, logits.shape)
    planes = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)
        for plane in np.moveaxis(logits, -1, 0).astype(np.float32)
    ]
    odds = np.exp(np.stack([np.asarray(plane) for plane in planes], -1))
    return odds / odds.sum(-1, keepdims=True)
