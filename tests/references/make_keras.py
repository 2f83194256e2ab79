"""Runs Keras's models. `KERAS_BACKEND=torch python -m tests.references.make_keras`."""

import sys
from collections.abc import Mapping

import keras
import numpy as np

from tests.references import fixture
from tests.references.draw import draw_image, draw_state

HEAD_SIZE = (224, 224)
SIZES = (HEAD_SIZE, (97, 65))

MODELS = {
    "vgg16": (keras.applications.VGG16, (2, 2, 3, 3, 3)),
    "vgg19": (keras.applications.VGG19, (2, 2, 4, 4, 4)),
}


def make_vgg(name: str) -> None:
    """Feature maps, finest first; class logits at the one size that has them."""
    build, stage_sizes = MODELS[name]
    taps = [f"block{i}_conv{n}" for i, n in enumerate(stage_sizes, start=1)]
    taps.append("block5_pool")
    samples = {}
    shapes = {}
    for size in SIZES:
        head = size == HEAD_SIZE
        model = build(
            weights=None,
            include_top=head,
            input_shape=(*size, 3),
            classifier_activation=None,
        )
        shapes |= _shapes(model)
        _load(model, draw_state(shapes))
        outputs = {f"map{i}": model.get_layer(tap).output for i, tap in enumerate(taps)}
        if head:
            outputs["head"] = model.output
        computed = keras.Model(model.input, outputs).predict(
            draw_image(size), verbose=0
        )
        for output, values in computed.items():
            key = f"eval/{size[0]}x{size[1]}/{output}"
            samples[key] = fixture.sample(key, values)
    reference = f"keras/{name}"
    library = f"keras {keras.__version__}"
    fixture.save(
        fixture.Fixture(reference, library, shapes, samples, {}),
        fixture.path_of(reference),
    )


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {
        f"{layer.name}.{weight.name}": tuple(weight.shape)
        for layer in model.layers
        for weight in layer.weights
    }


def _load(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    for layer in model.layers:
        layer.set_weights([state[f"{layer.name}.{w.name}"] for w in layer.weights])


if __name__ == "__main__":
    for chosen in sys.argv[1:] or MODELS:
        make_vgg(chosen)
