import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.precision import LossScale
from fashionjax.train.selection import Scored, Selection, write_history
from fashionjax.train.state import TrainState


def _state(step, value):
    params = {"kernel": jnp.full((3, 4), value, jnp.float32)}
    stats = {"mean": jnp.full((4,), value + 1, jnp.float32)}
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats=stats,
        opt_state=(jnp.full((3, 4), value + 2, jnp.float32),),
        ema=jax.tree.map(lambda x: x + 10, {"params": params, "batch_stats": stats}),
        loss_scale=LossScale(jnp.float32(2.0**9), jnp.int32(7)),
        num_skipped=jnp.int32(2),
    )


def _abstract(state=None):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        _state(0, 0.0) if state is None else state,
    )


def _open(directory, metric="mean_iou", **options):
    return Checkpoints(directory, best_metric=metric, **options)


def _train(directory, scores, metric="mean_iou"):
    """Saves and evaluates; None: saved, but never evaluated."""
    with _open(directory, metric) as checkpoints:
        for step, score in scores.items():
            checkpoints.save(_state(step, float(step)), {"names": ["a", "b"]})
            if score is not None:
                checkpoints.record(step, {metric: score})


def _steps(checkpoints):
    return sorted(int(p.name) for p in checkpoints.directory.iterdir() if p.is_dir())


def test_the_last_and_the_best_are_kept(tmp_path):
    _train(tmp_path / "c", {1: 0.2, 2: 0.7, 3: 0.5, 4: 0.6})
    with _open(tmp_path / "c", read_only=True) as checkpoints:
        assert checkpoints.latest_step == 4
        assert checkpoints.best_step == 2
    with _open(tmp_path / "c") as checkpoints:
        assert checkpoints.best_step == 2
        assert checkpoints.selection == Selection(2, 0.7, 2)
        stale = [checkpoints.num_stale_since(step) for step in (0, 2, 3, 4)]
        assert stale == [2, 2, 1, 0]
        assert _steps(checkpoints) == [2, 4]


def test_a_state_comes_back_whole(tmp_path):
    _train(tmp_path / "c", {2: 0.7})
    with _open(tmp_path / "c") as checkpoints:
        state = checkpoints.restore(2, _abstract())
        for a, b in zip(
            jax.tree.leaves(state), jax.tree.leaves(_state(2, 2.0)), strict=True
        ):
            np.testing.assert_array_equal(a, b)
        assert checkpoints.meta(2) == {"names": ["a", "b"]}


@pytest.mark.parametrize(("ema", "value"), [(False, 4), (True, 14)])
def test_variables_come_back_alone(tmp_path, ema, value):
    _train(tmp_path / "c", {4: 0.7})
    abstract = _abstract()
    with _open(tmp_path / "c") as checkpoints:
        variables = checkpoints.restore_variables(
            4,
            {"params": abstract.params, "batch_stats": abstract.batch_stats},
            ema=ema,
        )
    assert set(variables) == {"params", "batch_stats"}
    np.testing.assert_array_equal(variables["params"]["kernel"], np.full((3, 4), value))


def test_a_loss_is_best_where_it_is_lowest(tmp_path):
    _train(tmp_path / "c", {1: 3.0, 2: 1.0, 3: 2.0}, "loss")
    with _open(tmp_path / "c", "loss") as checkpoints:
        assert checkpoints.best_step == 2


def test_a_checkpoint_that_was_not_evaluated_is_no_best(tmp_path):
    _train(tmp_path / "c", {1: 0.1, 2: None})
    with _open(tmp_path / "c") as checkpoints:
        assert checkpoints.best_step == 1
        assert checkpoints.latest_step == 2
        assert checkpoints.is_evaluated(1)
        assert not checkpoints.is_evaluated(2)
        # The evaluation comes after all, in the next process.
        checkpoints.save(_state(2, 5.0), {})
        checkpoints.record(2, {"mean_iou": 0.4})
        assert checkpoints.best_step == 2
        assert _steps(checkpoints) == [2]
        np.testing.assert_array_equal(
            checkpoints.restore(2, _abstract()).params["kernel"], np.full((3, 4), 2)
        )


def test_checkpoints_between_evaluations_do_not_pile_up(tmp_path):
    _train(tmp_path / "c", {1: 0.5, 2: None, 3: None, 4: None})
    with _open(tmp_path / "c") as checkpoints:
        # The one before the last goes when the next is saved: it is the refuge of a
        # process that is killed meanwhile.
        assert _steps(checkpoints) == [1, 3, 4]


def test_evaluations_of_steps_that_were_lost_are_forgotten(tmp_path):
    _train(tmp_path / "c", {1: 0.5})
    history = [Scored(1, {"mean_iou": 0.5}), Scored(9, {"mean_iou": 0.9})]
    write_history(tmp_path / "c/evaluations.json", history)
    with _open(tmp_path / "c") as checkpoints:
        assert checkpoints.best_step == 1
        assert not checkpoints.is_evaluated(9)


def test_under_another_metric_the_best_is_one_that_is_there(tmp_path):
    with _open(tmp_path / "c") as checkpoints:
        for step, (a, b) in {1: (0.1, 0.9), 2: (0.8, 0.2), 3: (0.3, 0.3)}.items():
            checkpoints.save(_state(step, 0.0), {})
            checkpoints.record(step, {"mean_iou": a, "f1": b})
    with _open(tmp_path / "c", "f1") as checkpoints:
        assert checkpoints.best_step == 3


def test_a_save_followed_by_donation_is_not_harmed(tmp_path):
    bump = jax.jit(
        lambda s: jax.tree.map(lambda x: x + jnp.ones((), x.dtype), s), donate_argnums=0
    )
    state = _state(1, 0.0).replace(params={"kernel": jnp.zeros((512, 1024))})
    abstract = _abstract(state)
    with _open(tmp_path / "c") as checkpoints:
        checkpoints.save(state, {})
        for _ in range(20):
            state = bump(state)
        jax.block_until_ready(state)
        checkpoints.wait()
        restored = checkpoints.restore(1, abstract)
    assert not np.asarray(restored.params["kernel"]).any()


def test_an_absent_folder_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoints in"):
        _open(tmp_path / "none", read_only=True)
