import pathlib

import pytest

from fashionjax import config_files

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"


FILES = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix()
    for path in CONFIGS.rglob("*.py")
)
"""Every config, such as `fpn` and `s1/unet_focal_adam`."""


def load_module(name):
    return config_files.load_module(CONFIGS / f"{name}.py")


def load_config(name, dataset="synthetic"):
    return load_module(name).get_config(dataset)


def shrink(config):
    """The same run at a size that a test can afford."""
    config.data.image_size = (64, 64)
    config.data.num_threads = 1
    config.model.pretrained = "none"
    config.model.encoder_options.features = 4
    config.model.decoder_features = (8, 8, 8, 4)
    config.model.branch_features = 8
    config.batch_size = 8
    config.eval_batch_size = 8
    return config


@pytest.fixture(scope="session")
def small_config():
    """Builds `unet_ext.py` shrunk to four steps an epoch."""

    def build(**changes):
        config = shrink(load_config("unet_ext"))
        config.model.encoder = "resnet18"
        for split, count in {"train": 32, "val": 9, "test": 10}.items():
            config.data.num_examples[split] = count
        config.num_epochs = 1.0
        config.eval_every_epochs = 0.5
        config.log_every_steps = 1
        config.num_panels = 2
        config.update(changes)
        return config

    return build
