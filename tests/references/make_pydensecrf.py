"""Runs pydensecrf2. `python -m tests.references.make_pydensecrf`.

Needs nothing but pydensecrf2 and NumPy. What it is given is stored beside what it
returns: images of drawn shapes with noise, and what a network at stride 8 might say of
them.
"""

import importlib.metadata
import json

import numpy as np
from pydensecrf import densecrf
from pydensecrf.utils import unary_from_softmax

from tests.references.pydensecrf_cases import (
    FIXTURE,
    NUM_CLASSES,
    SETTINGS,
    SIZE,
    Case,
    positions,
    probs_of,
)

NUM_SHAPES = 24


def draw(seed: int) -> Case:
    """Draws ellipses over a gradient, and coarse logits of their classes."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    y, x = np.mgrid[:height, :width]
    image = np.stack([80 + y / 2, 120 + x / 2, 200 - y / 2], -1).astype(float)
    label = np.zeros(SIZE, int)
    for shape in range(1, NUM_SHAPES + 1):
        center = rng.uniform(0, 1, 2) * SIZE
        radius = rng.uniform(4, 20, 2)
        inside = ((y - center[0]) / radius[0]) ** 2 < 1 - (
            (x - center[1]) / radius[1]
        ) ** 2
        image[inside] = rng.uniform(0, 255, 3) + 20 * np.sin(x[inside, None] / 3)
        label[inside] = shape % NUM_CLASSES
    image += rng.normal(0, 6, image.shape)
    blocks = np.eye(NUM_CLASSES)[label].reshape(height // 8, 8, width // 8, 8, -1)
    logits = 4 * blocks.mean((1, 3))
    logits += rng.normal(0, 0.7, logits.shape)
    return Case(np.clip(image, 0, 255).astype(np.uint8), logits.astype(np.float16))


def refine(case: Case, setting: dict[str, float]) -> np.ndarray:
    """What pydensecrf2 makes of a case."""
    probs = np.ascontiguousarray(np.moveaxis(probs_of(case), -1, 0))
    field = densecrf.DenseCRF2D(SIZE[1], SIZE[0], NUM_CLASSES)
    field.setUnaryEnergy(unary_from_softmax(probs))
    field.addPairwiseGaussian(
        sxy=setting["gaussian_sxy"], compat=setting["gaussian_compat"]
    )
    field.addPairwiseBilateral(
        sxy=setting["bilateral_sxy"],
        srgb=setting["bilateral_srgb"],
        rgbim=np.ascontiguousarray(case.image),
        compat=setting["bilateral_compat"],
    )
    refined = np.asarray(field.inference(setting["num_iterations"]))
    return np.moveaxis(refined.reshape(NUM_CLASSES, *SIZE), 0, -1)


def main() -> None:
    """Writes the fixture."""
    arrays: dict[str, np.ndarray] = {}
    for number in range(2):
        case = draw(number)
        arrays[f"{number}/image"], arrays[f"{number}/logits"] = case
        for index, setting in enumerate(SETTINGS):
            refined = refine(case, setting)
            arrays[f"{number}/{index}/label"] = refined.argmax(-1).astype(np.uint8)
            arrays[f"{number}/{index}/probs"] = refined.reshape(-1)[positions()]
    meta = {
        "library": f"pydensecrf2 {importlib.metadata.version('pydensecrf2')}",
        "settings": SETTINGS,
    }
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(FIXTURE, meta=text, **arrays)
    print(f"{FIXTURE.name}: {FIXTURE.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
