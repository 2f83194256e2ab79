"""A model in inference, on images that do not change."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fashionjax.augment import Normalization
from fashionjax.augment.normalize import normalize
from fashionjax.bench.compilation import compile_program
from fashionjax.bench.models import Setting
from fashionjax.bench.timing import time_windows
from fashionjax.bench.training import WARM_UP, draw_batch
from fashionjax.constants import IMAGE
from fashionjax.inference import fold_batch_norm


class Inference:
    """Compiled program from bytes to labels, and the images that it sees.

    Attributes:
        setting: What is run.
        num_params: Number of trained parameters.
        compilation: The compiled program, and what compiling it took.
    """

    def __init__(self, setting: Setting, *, fold: bool = True) -> None:
        """Compiles the program and runs it a few times to warm up.

        Args:
            setting: What to run.
            fold: Whether BatchNorm is folded into convolutions, and kernels are cast in
                advance, as for prediction.
        """
        self.setting = setting
        model = setting.build()

        def init(key: jax.Array) -> Any:
            image = jnp.zeros((1, *setting.image_size, 3), jnp.float32)
            return model.init(key, image, train=False)

        variables = jax.jit(init)(jax.random.key(setting.seed))
        self.num_params = sum(x.size for x in jax.tree.leaves(variables["params"]))
        apply: Callable[[Any, jax.Array], Any]
        if fold:
            shape = (1, *setting.image_size, 3)
            folded, variables = fold_batch_norm(model, variables, shape)
            variables = folded.cast_kernels(variables)
            apply = folded.apply
        else:
            apply = functools.partial(model.apply, train=False)

        def label(variables: Any, image: jax.Array) -> jax.Array:
            outputs: Any = apply(variables, normalize(image, Normalization()))
            return jnp.argmax(outputs.logits, axis=-1).astype(jnp.uint8)

        self._variables = jax.device_put(variables, jax.devices()[0])
        self._image = jax.device_put(draw_batch(setting)[IMAGE])
        self.compilation = compile_program(jax.jit(label), self._variables, self._image)
        self.time_steps(WARM_UP)

    def dispatch(self) -> jax.Array:
        """Begins to label the images."""
        return self.compilation.program(self._variables, self._image)

    def time_steps(self, num_steps: int = 1) -> float:
        """Labels the images some times, waiting after the last; seconds of one."""
        (seconds,) = time_windows(self.dispatch, num_steps=num_steps, window=num_steps)
        return seconds
