import numpy as np
import pytest

from fashionjax.train.phases import make_phases
from tests.integration.conftest import load_config


def _config(**freeze):
    config = load_config("unet_ext", "synthetic_full")
    config.freeze.update(freeze)
    return config


def test_the_document_trains_in_two_phases_with_a_cycle_each():
    first, second = make_phases(_config(), num_steps=200, steps_per_epoch=10)
    assert (first.start, first.end, first.frozen) == (0, 100, "fastai")
    assert (second.start, second.end, second.frozen) == (100, 200, None)
    for phase in (first, second):
        rates = [float(phase.learning_rate(t)) for t in range(100)]
        np.testing.assert_allclose(max(rates), 1e-4, rtol=1e-6)
        np.testing.assert_allclose(rates[0], 1e-4 / 25, rtol=1e-6)
        assert np.argmax(rates) == 30
        np.testing.assert_allclose(float(phase.momentum(30)), 0.85, rtol=1e-6)


def test_nothing_frozen_is_one_phase():
    (phase,) = make_phases(_config(num_epochs=0.0), num_steps=50, steps_per_epoch=10)
    assert (phase.start, phase.end, phase.frozen) == (0, 50, None)


@pytest.mark.parametrize("epochs", [5.0, 6.0, -1.0])
def test_a_frozen_phase_that_leaves_no_other_is_refused(epochs):
    config = _config(num_epochs=epochs)
    config.num_epochs = 5.0
    with pytest.raises(ValueError, match=r"config\.freeze\.num_epochs=.* less than"):
        make_phases(config, num_steps=50, steps_per_epoch=10)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"config\.freeze\.batch_norm='frozen'"):
        make_phases(_config(batch_norm="frozen"), num_steps=50, steps_per_epoch=5)
