"""Our modules compute what the public implementations compute."""

import functools

import jax
import numpy as np
import pytest

from fashionjax.pretrained import convert, reference_module
from tests.references import fixture
from tests.references.draw import draw_image, draw_state

TOLERANCE = 1e-4
"""Of the largest absolute value of an output."""

PATHS = sorted(fixture.FOLDER.glob("*.npz"))


def _outputs(stored, size, *, head):
    """Our outputs in evaluation mode, by the names of the fixture."""
    state = draw_state(stored.shapes)
    module = reference_module(stored.reference, head=head, **stored.options)
    aux = stored.options.get("aux", False)
    variables = convert(stored.reference, state, head=head, aux=aux)
    apply = jax.jit(functools.partial(module.apply, train=False))
    with jax.default_matmul_precision("highest"):
        outputs = apply(variables, draw_image(size))
    if head:
        return {"head": outputs}
    if isinstance(outputs, tuple):
        return {f"map{i}": x for i, x in enumerate(outputs)}
    named = {"logits": outputs.logits, "aux_logits": outputs.aux_logits}
    return {name: x for name, x in named.items() if x is not None}


def _sizes(stored):
    keys = [key.split("/") for key in stored.samples]
    sizes = {key[1] for key in keys if key[0] == "eval"}
    return sorted(tuple(map(int, size.split("x"))) for size in sizes)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_outputs_equal_those_of_the_reference(path):
    stored = fixture.load(path)
    sizes = _sizes(stored)
    assert len(sizes) >= 2
    for size in sizes:
        prefix = f"eval/{size[0]}x{size[1]}/"
        expected = {
            name.removeprefix(prefix): sample
            for name, sample in stored.samples.items()
            if name.startswith(prefix)
        }
        heads = (False, True) if "head" in expected else (False,)
        outputs = {}
        for head in heads:
            outputs |= _outputs(stored, size, head=head)
        assert set(outputs) == set(expected)
        for name, sample in expected.items():
            ours = fixture.sample(prefix + name, np.asarray(outputs[name]))
            assert ours.shape == sample.shape
            difference = np.abs(ours.values - sample.values).max()
            assert difference <= TOLERANCE * sample.scale, (name, size)
