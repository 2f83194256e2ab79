import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from fashionjax.compilation_cache import CacheWatch, use_compilation_cache
from tests.train.toy import Training

OPTIONS = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """A user without any cache; what a test changes is put back."""
    before = {name: jax.config.values[name] for name in OPTIONS}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def _folder():
    """Where JAX keeps programs now; None for nowhere."""
    if not jax.config.values["jax_enable_compilation_cache"]:
        return None
    return jax.config.values["jax_compilation_cache_dir"]


def test_accelerators_have_a_folder_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert use_compilation_cache() is None
    assert _folder() == str(tmp_path / "home/fashionjax/jax")
    # Who writes there can run code as the user.
    assert (tmp_path / "home/fashionjax/jax").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cores", [1, 2])
def test_cpus_have_one_for_each_number_of_cores(monkeypatch, tmp_path, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert use_compilation_cache() is None
    assert _folder() == str(tmp_path / f"home/fashionjax/jax/{cores}-cores")


def test_a_jax_that_reports_every_program_as_an_error_has_none(monkeypatch):
    monkeypatch.setattr(jax, "__version_info__", (0, 10, 1))
    assert use_compilation_cache() is None
    assert _folder() is None


def test_several_processes_have_none_unless_they_are_given_one(monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert use_compilation_cache() is None
    assert _folder() is None
    use_compilation_cache(str(tmp_path / "shared"))
    assert _folder() == str(tmp_path / "shared")


def test_a_choice_wins_over_the_environment_and_that_over_the_default(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "environment"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "7")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 7.0)
    assert use_compilation_cache() is None
    assert _folder() == str(tmp_path / "environment")
    assert jax.config.values["jax_persistent_cache_min_compile_time_secs"] == 7
    assert jax.config.values["jax_persistent_cache_min_entry_size_bytes"] == -1
    assert use_compilation_cache(str(tmp_path / "choice")) is None
    assert _folder() == str(tmp_path / "choice")
    assert use_compilation_cache("none") is None
    assert _folder() is None


def test_a_folder_keeps_its_name_from_wherever_it_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    use_compilation_cache("here")
    assert _folder() == str(tmp_path / "here")


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    line = use_compilation_cache(str(tmp_path / "file/folder"))
    assert line == (
        f"warning: compiled programs are not kept in {tmp_path}/file/folder: Not a"
        " directory"
    )
    assert _folder() is None


def test_a_program_from_the_cache_computes_the_same_bits(tmp_path):
    use_compilation_cache(str(tmp_path / "cache"))
    states = []
    for is_read in (False, True):
        training = Training(ema=True)
        with CacheWatch() as watch:
            states.append(training.run(3))
        # The training step is the latest program that was asked for.
        assert watch.was_read == is_read
    fresh, read = (jax.tree.leaves(state) for state in states)
    assert len(fresh) == len(read) > 10
    for a, b in zip(fresh, read, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert any("train_step" in file.name for file in _files(tmp_path / "cache"))


def test_a_torn_entry_costs_a_warning_and_a_compilation(tmp_path):
    use_compilation_cache(str(tmp_path / "cache"))
    jax.jit(lambda x: jnp.sin(x) + 1)(np.ones(7))
    for file in _files(tmp_path / "cache"):
        file.write_bytes(file.read_bytes()[:-9])
    with CacheWatch() as watch, pytest.warns(UserWarning, match="compilation cache"):
        result = jax.jit(lambda x: jnp.sin(x) + 1)(np.zeros(7))
    assert not watch.was_read
    np.testing.assert_array_equal(result, 1)


def test_nothing_is_read_without_a_cache():
    use_compilation_cache("none")
    with CacheWatch() as watch:
        jax.jit(lambda x: 3 * x + 1)(np.ones(7))
    assert not watch.was_read


def _files(folder: pathlib.Path):
    return [path for path in folder.iterdir() if path.is_file()]
