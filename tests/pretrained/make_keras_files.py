"""Writes the small files of Keras 3 that the tests read; needs keras and h5py.

KERAS_BACKEND=torch python -m tests.pretrained.make_keras_files
"""

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "files"

SHAPES = {
    "block1_conv1.kernel": (3, 3, 3, 2),
    "block1_conv1.bias": (2,),
    "norm.gamma": (2,),
    "norm.beta": (2,),
    "norm.moving_mean": (2,),
    "norm.moving_variance": (2,),
    "block1_conv2.kernel": (1, 1, 2, 4),
    "predictions.kernel": (4, 5),
    "predictions.bias": (5,),
}


def expected():
    """What is in every file."""
    rng = np.random.default_rng(1)
    return {
        name: rng.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def main():
    import keras

    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, name="block1_conv1")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(4, 1, use_bias=False, name="block1_conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(5, name="predictions")(x)
    model = keras.Model(image, x)
    for layer in model.layers:
        if layer.weights:
            names = [n for n in expected() if n.startswith(f"{layer.name}.")]
            layer.set_weights([expected()[name] for name in names])
    FOLDER.mkdir(exist_ok=True)
    model.save_weights(FOLDER / "keras3.weights.h5")
    model.save(FOLDER / "keras2_model.h5")


if __name__ == "__main__":
    main()
