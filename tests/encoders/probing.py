"""What the tests of the encoders ask of a module."""

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp


def abstract_outputs(module, size=(64, 64)):
    """Outputs and variables as shapes and types, computing nothing."""
    image = jnp.zeros((2, *size, 3))
    return jax.eval_shape(
        lambda: module.init_with_output(jax.random.key(0), image, train=False)
    )


def count_parameters(module):
    _, variables = abstract_outputs(module)
    return sum(x.size for x in jax.tree.leaves(variables["params"]))


def map_sizes(encoder, size):
    """(height, width, channels) of each feature map."""
    maps, _ = abstract_outputs(encoder, size)
    return [m.shape[1:] for m in maps]


def dilations(encoder):
    """Dilation of each convolution that is larger than 1×1, by its path."""
    found = {}

    def look(method, args, kwargs, context):
        layer = context.module
        if isinstance(layer, nn.Conv) and layer.kernel_size != (1, 1):
            found["/".join(layer.path)] = layer.kernel_dilation
        return method(*args, **kwargs)

    with nn.intercept_methods(look):
        abstract_outputs(encoder)
    return found


def parameters_without_gradient(encoder, size=(32, 32)):
    """Paths of the parameters that the deepest map does not depend on."""
    image = jax.random.normal(jax.random.key(1), (1, *size, 3))

    @jax.jit
    def gradients():
        variables = encoder.init(jax.random.key(0), image, train=False)

        def loss(params):
            maps = encoder.apply(variables | {"params": params}, image, train=False)
            return (maps[-1] ** 2).sum()

        return jax.grad(loss)(variables["params"])

    flat = flax.traverse_util.flatten_dict(gradients(), sep="/")
    return [path for path, gradient in flat.items() if not gradient.any()]
