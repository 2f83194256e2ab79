import numpy as np
import pytest

from fashionjax.pretrained.matching import find_matches
from tests.references import fixture

REFERENCE = "fastai/unet-resnet34"


@pytest.mark.parametrize(("block", "head"), [(10, 11), (11, 12)])
def test_a_model_for_any_size_may_have_any_number_of_classes(block, head):
    shapes = dict(fixture.load(fixture.path_of(REFERENCE)).shapes)
    state = {}
    for name, shape in shapes.items():
        if name.startswith("layers.11.0."):
            name, shape = name.replace("11", str(head), 1), (5, *shape[1:])
        elif name.startswith("layers.10."):
            name = name.replace("10", str(block), 1)
        state[name] = np.ones(shape, np.float32)
    (match,) = find_matches(state, [REFERENCE])
    assert match.options.num_classes == 5
    assert match.variables["params"]["head"]["kernel"].shape[-1] == 5
