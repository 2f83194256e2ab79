import jax.numpy as jnp
import pytest

from fashionjax.losses import Objective, Term
from fashionjax.ops.targets import make_targets
from fashionjax.types import Outputs


def test_terms_are_weighted_and_reported_unweighted():
    objective = Objective(
        (
            Term("a", 2.0, lambda outputs, _: outputs.logits.sum()),
            Term("b", 0.5, lambda *_: jnp.float32(10)),
        )
    )
    targets = make_targets(jnp.zeros((1, 2, 2), jnp.uint8), 3)
    loss, terms = objective(Outputs(logits=jnp.ones((1, 2, 2, 3))), targets)
    assert loss == 2 * 12 + 5
    assert terms == {"a": 12, "b": 10}


def test_an_objective_without_terms_is_refused():
    with pytest.raises(ValueError, match="at least one term"):
        Objective(())
