import jax.numpy as jnp
import pytest

from fashionjax.bench.models import MODELS, make_setting
from fashionjax.bench.training import draw_batch


def test_a_setting_is_the_documents_where_nothing_else_is_said():
    setting = make_setting("extunet", batch_size=2)
    assert setting.image_size == (288, 192)
    assert setting.num_classes == 9
    given = make_setting(
        "extunet", batch_size=2, image_size=(64, 32), num_classes=5, dtype="bfloat16"
    )
    assert given.record() == {
        "model": "extunet",
        "batch": 2,
        "size": "64x32",
        "classes": 5,
        "dtype": "bfloat16",
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet1", {}, "unknown model 'resnet1'; allowed are unet-vgg16, "),
        ("extunet", {"dtype": "float8"}, "unknown dtype 'float8'; allowed are float32"),
    ],
)
def test_unknown_names_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_setting(name, batch_size=1, **options)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_built_at_its_type(name):
    setting = make_setting(name, batch_size=1, dtype="bfloat16")
    model = setting.build()
    assert model.num_classes == setting.num_classes
    assert jnp.dtype(model.dtype) == "bfloat16"
    terms = [term.name for term in setting.build_objective(model).terms]
    assert terms[0] == "segmentation"
    assert sorted(terms[1:]) == sorted(MODELS[name].branches)


def test_batches_differ_by_seed_alone():
    first, same, other = (
        draw_batch(make_setting("extunet", batch_size=2, seed=seed))
        for seed in (0, 0, 1)
    )
    assert (first["image"] == same["image"]).all()
    assert (first["image"] != other["image"]).any()
    assert first["image"].shape == (2, 288, 192, 3)
    assert first["label"].max() == 8
