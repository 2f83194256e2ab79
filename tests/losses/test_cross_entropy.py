import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses import softmax_cross_entropy


def _random(seed=0, classes=5):
    rng = np.random.RandomState(seed)
    logits = jnp.asarray(3 * rng.randn(2, 4, 6, classes), jnp.float32)
    label = jnp.asarray(rng.randint(0, classes, (2, 4, 6)), jnp.int32)
    return logits, label


def test_uniform_logits_cost_log_num_classes():
    loss = softmax_cross_entropy(
        jnp.zeros((2, 4, 4, 7)), jnp.zeros((2, 4, 4), jnp.int32)
    )
    np.testing.assert_allclose(loss, np.log(7), rtol=1e-6)


def test_weights_normalise_as_in_torch():
    # sum(w[y] * ce) / sum(w[y]), by hand in NumPy.
    logits, label = _random()
    weights = [1.0, 2.0, 0.5, 3.0, 2.0]
    z = np.asarray(logits, np.float64).reshape(-1, 5)
    y = np.asarray(label).ravel()
    ce = np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]
    w = np.asarray(weights)[y]
    np.testing.assert_allclose(
        softmax_cross_entropy(logits, label, class_weights=weights),
        (w * ce).sum() / w.sum(),
        rtol=1e-6,
    )


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 2.0, 2.0, 2.0]])
def test_ignored_pixels_change_nothing(weights):
    logits, label = _random()
    cut = softmax_cross_entropy(logits[:, :2], label[:, :2], class_weights=weights)
    label = label.at[:, 2:].set(IGNORE_INDEX)
    logits = logits.at[:, 2:].set(1e4)
    loss, grad = jax.value_and_grad(softmax_cross_entropy)(
        logits, label, class_weights=weights
    )
    np.testing.assert_allclose(loss, cut, rtol=1e-6)
    assert not np.asarray(grad[:, 2:]).any()
    assert np.asarray(grad[:, :2]).any()


def test_a_batch_without_labels_costs_nothing_and_has_no_gradient():
    logits, label = _random()
    label = jnp.full_like(label, IGNORE_INDEX)
    loss, grad = jax.value_and_grad(softmax_cross_entropy)(logits, label)
    assert loss == 0
    assert not np.asarray(grad).any()


def test_extreme_logits_stay_finite():
    logits = jnp.asarray([[[[1e4, -1e4, 0.0]]]])
    for target in range(3):
        loss = softmax_cross_entropy(logits, jnp.full((1, 1, 1), target, jnp.int32))
        assert np.isfinite(loss)


def test_gradient_has_no_scatter():
    logits, label = _random()
    text = jax.jit(jax.grad(softmax_cross_entropy)).lower(logits, label).as_text()
    assert "scatter" not in text


def test_a_wrong_number_of_weights_is_refused():
    logits, label = _random()
    with pytest.raises(ValueError, match="3 class weights for 5 classes"):
        softmax_cross_entropy(logits, label, class_weights=[1.0, 2.0, 2.0])


def test_smoothing_moves_a_share_of_the_target_to_all_classes():
    # -(0.7 + 0.1) log p[0] - 0.1 log p[1] - 0.1 log p[2], p = softmax(log 2, 0, 0).
    logits = jnp.asarray([[[[np.log(2.0), 0, 0]]]])
    loss = softmax_cross_entropy(
        logits, jnp.zeros((1, 1, 1), jnp.int32), label_smoothing=0.3
    )
    expected = -(0.8 * np.log(0.5) + 0.2 * np.log(0.25))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_the_target_is_the_row_of_the_label():
    confusion = [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]]
    logits = jnp.asarray([[[[np.log(2.0), 0, 0]] * 2]])
    label = jnp.asarray([[[0, 2]]])
    loss = softmax_cross_entropy(logits, label, annotator_confusion=confusion)
    of_0 = -0.5 * np.log(0.5) - 0.5 * np.log(0.25)
    of_2 = -0.2 * np.log(0.5) - 0.8 * np.log(0.25)
    np.testing.assert_allclose(loss, (of_0 + of_2) / 2, rtol=1e-6)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0, 2.0]])
def test_smoothing_is_one_kind_of_confusion(weights):
    logits, label = _random()
    confusion = (0.9 * np.eye(5) + 0.1 / 5).tolist()
    np.testing.assert_allclose(
        softmax_cross_entropy(
            logits, label, annotator_confusion=confusion, class_weights=weights
        ),
        softmax_cross_entropy(
            logits, label, label_smoothing=0.1, class_weights=weights
        ),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("confusion", "message"),
    [
        (np.eye(4), r"shape \[4, 4\]; allowed is \[5, 5\]"),
        (2 * np.eye(5), r"rows \[0, 1, 2, 3, 4\] are no distributions"),
        (np.add(np.eye(5), [1, -1, 0, 0, 0]), "are no distributions"),
        (np.eye(5) * np.nan, "are no distributions"),
    ],
)
def test_what_is_no_confusion_is_refused(confusion, message):
    with pytest.raises(ValueError, match=message):
        softmax_cross_entropy(*_random(), annotator_confusion=confusion.tolist())


def test_a_smoothing_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"label smoothing 1\.5; allowed is 0 to 1"):
        softmax_cross_entropy(*_random(), label_smoothing=1.5)
