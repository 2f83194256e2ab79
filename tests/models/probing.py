"""What the tests of several segmentation models look at."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.train.sharding import by_example, make_mesh, on_mesh, replicated


class Given(nn.Module):
    """An encoder that returns the feature maps it was made with."""

    maps: tuple = ()
    reductions: tuple[int, ...] = (2, 4, 8)

    def __call__(self, image, *, train):
        del train
        if self.maps:
            return self.maps
        batch, height, width, _ = image.shape
        return tuple(
            jnp.zeros((batch, -(-height // r), -(-width // r), 4 * i))
            for i, r in enumerate(self.reductions, start=1)
        )


def shapes(model, size, *, batch=1):
    """Outputs and variables of a model, without computing them."""
    image = jnp.zeros((batch, *size, 3))
    return jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), image, train=False)
    )


def num_params(model, size=(64, 64)):
    """Number of a model's parameters."""
    _, variables = shapes(model, size)
    return sum(x.size for x in jax.tree.leaves(variables["params"]))


def feature_gradients(model, size=(16, 8)):
    """Largest gradient of the logits by each map of the encoder, of a `Given` model."""
    image = jnp.zeros((1, *size, 3))
    variables = _drawn(shapes(model, size)[1])
    maps = _drawn(jax.eval_shape(lambda: model.encoder(image, train=False)))

    def total(maps):
        given = model.clone(encoder=model.encoder.clone(maps=maps))
        return jnp.sum(jnp.sin(given.apply(variables, image, train=False).logits))

    grads = jax.jit(jax.grad(total))(maps)
    return [float(jnp.abs(g).max()) for g in grads]


def _drawn(tree):
    rng = np.random.RandomState(0)
    return jax.tree.map(lambda x: rng.uniform(0.1, 0.9, x.shape).astype("f4"), tree)


def convolution_dtypes(model, size=(32, 32)):
    """Types of the convolutions' results in a model's gradient, on accelerators."""
    _, variables = shapes(model, size)
    image = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)

    def loss(params, rest, image):
        outputs = model.apply({**rest, "params": params}, image, train=False)
        return jnp.sum(outputs.logits)

    rest = {k: v for k, v in variables.items() if k != "params"}
    traced = jax.jit(jax.grad(loss)).trace(variables["params"], rest, image)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    return set(re.findall(r"stablehlo\.convolution.*-> tensor<[0-9x]*x(\w+)>", text))


def sharded_gradient_ops(model, size=(32, 32)):
    """Names of the HLO operations of a gradient, its batch over eight devices."""
    mesh = make_mesh(jax.devices()[:8])
    _, variables = shapes(model, size)

    def loss(variables, image):
        outputs, _ = model.apply(
            variables,
            image,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )
        return jnp.mean(outputs.logits**2)

    grad = jax.jit(
        on_mesh(jax.grad(loss), mesh),
        in_shardings=(replicated(mesh), by_example(mesh)),
        out_shardings=replicated(mesh),
    )
    image = jax.ShapeDtypeStruct((8, *size, 3), jnp.float32)
    text = grad.lower(variables, image).compile().as_text()
    return set(re.findall(r" ([a-z][a-z-]*)\(", text))
