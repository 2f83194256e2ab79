import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.state import TrainState


def _state(step, value):
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params={"kernel": jnp.full((3, 4), value, jnp.float32)},
        batch_stats={"mean": jnp.full((4,), value + 1, jnp.float32)},
        opt_state=(jnp.full((3, 4), value + 2, jnp.float32),),
    )


def _abstract():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        _state(0, 0.0),
    )


def _save_all(directory, scores):
    with Checkpoints(directory, best_metric="mean_iou") as checkpoints:
        for step, score in scores.items():
            metrics = {} if score is None else {"mean_iou": score}
            checkpoints.save(
                _state(step, float(step)), metrics=metrics, meta={"names": ["a", "b"]}
            )


def test_the_last_and_the_best_are_kept(tmp_path):
    _save_all(tmp_path / "c", {1: 0.2, 2: 0.7, 3: 0.5, 4: 0.6})
    with Checkpoints(
        tmp_path / "c", best_metric="mean_iou", read_only=True
    ) as checkpoints:
        assert checkpoints.latest_step == 4
        assert checkpoints.best_step == 2
    with Checkpoints(tmp_path / "c", best_metric="mean_iou") as checkpoints:
        assert checkpoints.best_step == 2
        assert sorted(int(p.name) for p in checkpoints.directory.iterdir()) == [2, 4]
        state = checkpoints.restore(2, _abstract())
        for a, b in zip(
            jax.tree.leaves(state), jax.tree.leaves(_state(2, 2.0)), strict=True
        ):
            np.testing.assert_array_equal(a, b)
        abstract = _abstract()
        variables = checkpoints.restore_variables(
            4, {"params": abstract.params, "batch_stats": abstract.batch_stats}
        )
        assert set(variables) == {"params", "batch_stats"}
        np.testing.assert_array_equal(variables["params"]["kernel"], np.full((3, 4), 4))
        assert checkpoints.meta(4) == {"names": ["a", "b"]}


def test_a_checkpoint_without_the_metric_is_the_worst(tmp_path):
    _save_all(tmp_path / "c", {1: 0.1, 2: None})
    with Checkpoints(tmp_path / "c", best_metric="mean_iou") as checkpoints:
        assert checkpoints.best_step == 1


def test_a_save_followed_by_donation_is_not_harmed(tmp_path):
    bump = jax.jit(
        lambda s: jax.tree.map(lambda x: x + jnp.ones((), x.dtype), s), donate_argnums=0
    )
    state = TrainState(
        step=jnp.asarray(1, jnp.int32),
        params={"kernel": jnp.zeros((512, 1024), jnp.float32)},
        batch_stats={},
        opt_state=(),
    )
    with Checkpoints(tmp_path / "c", best_metric="m") as checkpoints:
        checkpoints.save(state, metrics={"m": 1.0}, meta={})
        for _ in range(20):
            state = bump(state)
        jax.block_until_ready(state)
        checkpoints.wait()
        sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state
        )
        restored = checkpoints.restore(1, abstract)
    assert not np.asarray(restored.params["kernel"]).any()


def test_an_absent_folder_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoints in"):
        Checkpoints(tmp_path / "none", best_metric="", read_only=True)
