"""The command line as users type it."""

import subprocess
import sys

import pytest

CONFIG = "--config=configs/unet_ext.py"


def _run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "fashionjax.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Flag --config must have a value"),
        (
            (CONFIG, "--config.batchsize=3"),
            "config has no key 'batchsize'; allowed are accumulate_steps, augment, ",
        ),
        (
            ("--config", "configs/unet_ext.py:ccp4", "--config.model.foo=1"),
            "config.model has no key 'foo'; allowed are branch_features, ",
        ),
        ((CONFIG, "--config.seed.x=1"), "config.seed is a value and has no key 'x'"),
        ((CONFIG, "--config.batch_size=many"), "invalid literal for int()"),
        ((f"{CONFIG}:cpp",), "no dataset 'cpp'; allowed are synthetic, "),
        ((CONFIG, "--mode=trian"), "--mode=trian"),
        ((CONFIG, "--mode=predict"), "needs --images"),
    ],
)
def test_a_mistake_is_answered_in_one_line(arguments, message):
    result = _run(*arguments)
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line
