"""Runs of several processes: how they find each other, and how they end."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from fashionjax import distributed
from fashionjax.distributed import Processes, read_settings

HEARTBEAT_SECONDS = 10

# Joins the run, then does what its last argument says.
CHILD = f"""
import sys, time
from fashionjax import distributed
index, port, timeout, what = int(sys.argv[1]), *sys.argv[2:]
processes = distributed.initialize(
    coordinator="127.0.0.1:" + port, num_processes=2, process_id=index,
    timeout_seconds=int(timeout), heartbeat_seconds={HEARTBEAT_SECONDS},
)
assert processes == distributed.Processes(index, 2)
print("joined", flush=True)
exec(what)
print("done", flush=True)
"""


def _port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(index, port, what, *, timeout=60):
    command = [sys.executable, "-c", CHILD, str(index), str(port), str(timeout), what]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )


def _end(*processes, limit=60):
    """Waits for all within one limit; returns status, output and errors of each."""
    deadline = time.monotonic() + limit
    try:
        outputs = [
            p.communicate(timeout=deadline - time.monotonic()) for p in processes
        ]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *o) for p, o in zip(processes, outputs, strict=True)]


def _read(environment=None, **given):
    arguments = {
        "coordinator": None,
        "num_processes": None,
        "process_id": None,
        "detect": False,
        "timeout_seconds": 1,
    }
    return read_settings(environment or {}, **arguments | given)


def test_without_settings_a_run_is_of_one_process():
    assert _read() is None
    assert distributed.initialize() == Processes(0, 1)
    distributed.check_same_on_all_processes("digest", "config")
    with distributed.first_process_first():
        pass


def test_importing_the_module_loads_no_jax():
    code = "import sys, fashionjax.distributed; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_settings_come_from_the_environment():
    environment = {
        "FASHIONJAX_COORDINATOR": "host-a:1234",
        "FASHIONJAX_NUM_PROCESSES": "2",
        "FASHIONJAX_PROCESS_ID": "1",
        "FASHIONJAX_HOSTS": "host-a,host-b",
        "JAX_COORDINATOR_BIND_ADDRESS": "10.0.0.1:1234",
    }
    settings = _read(environment)
    assert settings is not None
    roll = settings.roll
    assert (roll.address, roll.num_processes, roll.process_id) == ("host-a:1234", 2, 1)
    assert roll.hosts == ("host-a", "host-b")
    assert roll.bind_address == "10.0.0.1:1234"
    assert settings.local_device_ids is None


def test_flags_win():
    environment = {"FASHIONJAX_COORDINATOR": "a:1", "FASHIONJAX_PROCESS_ID": "1"}
    settings = _read(environment, coordinator="b:2", num_processes=3, process_id=0)
    assert settings is not None
    assert settings.roll.address == "b:2"
    assert settings.roll.process_id == 0


@pytest.mark.parametrize(
    ("given", "environment", "message"),
    [
        (
            {"coordinator": "a:1"},
            {},
            r"lacks --num_processes \(or FASHIONJAX_NUM_PROCESSES\), --process_id",
        ),
        ({"num_processes": 2, "process_id": 0}, {}, "lacks --coordinator"),
        ({}, {"FASHIONJAX_PROCESS_ID": "0"}, "lacks --coordinator"),
        (
            {"coordinator": "a:1", "num_processes": 2, "process_id": 2},
            {},
            "--process_id=2 with --num_processes=2; allowed is 0 to 1",
        ),
        (
            {"coordinator": "a", "num_processes": 2, "process_id": 1},
            {},
            "'a' is not HOST:PORT",
        ),
        ({}, {"FASHIONJAX_PROCESS_ID": "one"}, "FASHIONJAX_PROCESS_ID='one' is not"),
        (
            {"coordinator": "a:1", "num_processes": 2, "process_id": 1},
            {"FASHIONJAX_HOSTS": "a,b,c"},
            "names 3 hosts for 2 processes",
        ),
        (
            {"coordinator": "a:1", "num_processes": 2, "process_id": 1},
            {"JAX_COORDINATOR_BIND_ADDRESS": "a"},
            "'a' is not HOST:PORT",
        ),
    ],
)
def test_partial_and_wrong_settings_are_refused(given, environment, message):
    with pytest.raises(ValueError, match=message):
        _read(environment, **given)


@pytest.mark.parametrize(
    "environment", [{"SLURM_STEP_NUM_NODES": "2"}, {"FASHIONJAX_HOSTS": "a,b"}]
)
def test_loopback_is_refused_on_several_hosts(environment):
    given = {"coordinator": "localhost:1", "num_processes": 2, "process_id": 1}
    with pytest.raises(ValueError, match="means every host itself, and this run has 2"):
        _read(environment, **given)


def test_loopback_is_fine_on_one_host():
    given = {"coordinator": "localhost:1", "num_processes": 2, "process_id": 1}
    assert _read({"FASHIONJAX_HOSTS": "a,a", "SLURM_STEP_NUM_NODES": "1"}, **given)


@pytest.fixture
def slurm(monkeypatch):
    """A task of Slurm, as JAX's own detection sees it."""
    variables = {
        "SLURM_JOB_ID": "4097",
        "SLURM_STEP_NODELIST": "node[007-008]",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("slurm")
def test_detection_asks_the_cluster():
    settings = _read(detect=True)
    assert settings is not None
    assert settings.roll.address == "node007:61441"
    assert (settings.roll.num_processes, settings.roll.process_id) == (2, 1)
    assert settings.local_device_ids == (0,)


@pytest.mark.usefixtures("slurm")
def test_detection_leaves_what_is_given():
    settings = _read(detect=True, coordinator="other:1")
    assert settings is not None
    assert settings.roll.address == "other:1"
    assert settings.roll.process_id == 1


def test_detection_without_a_cluster_says_so(monkeypatch):
    for name in ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST", "OMPI_MCA_orte_hnp_uri"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="found no cluster"):
        _read(detect=True)


def test_timeouts_are_positive():
    with pytest.raises(ValueError, match="at least one second"):
        distributed.initialize(timeout_seconds=0)


def test_an_error_of_one_process_alone_is_one_line():
    with pytest.raises(SystemExit, match=r"^error: no such thing$"):
        distributed.exit_with_error("no such thing")


def test_two_processes_join_agree_and_take_turns(tmp_path):
    what = f"""
from pathlib import Path
distributed.check_same_on_all_processes("digest", "config")
for turn in range(2):
    with distributed.first_process_first():
        file = Path({str(tmp_path)!r}) / str(turn)
        if index == 0:
            time.sleep(0.5)
            file.write_text("made")
        assert file.read_text() == "made"
file = Path({str(tmp_path)!r}) / "slow"
if index == 1:
    time.sleep(0.5)
    file.write_text("came")
distributed.wait_for_all()
assert file.read_text() == "came"
import jax
assert jax.process_count() == 2
"""
    port = _port()
    results = _end(_start(0, port, what), _start(1, port, what))
    for status, output, errors in results:
        assert status == 0, errors
        assert output.split() == ["joined", "done"]


@pytest.mark.slow
def test_a_missing_process_is_named():
    start = time.monotonic()
    ((status, output, errors),) = _end(_start(0, _port(), "pass", timeout=3))
    assert time.monotonic() - start < 20
    assert status == 1
    assert not output
    assert "1 of 2 processes came" in errors
    assert errors.strip().endswith("missing: process 1")


@pytest.mark.slow
def test_a_missing_coordinator_is_named():
    port = _port()
    ((status, output, errors),) = _end(_start(1, port, "pass", timeout=3))
    assert status == 1
    assert not output
    assert f"did not reach the coordinator, process 0, at 127.0.0.1:{port}" in errors


@pytest.mark.slow
def test_processes_that_were_started_differently_end(tmp_path):
    command = [sys.executable, "-m", "fashionjax.main", "--config=configs/unet_ext.py"]
    command += [f"--workdir={tmp_path}", f"--coordinator=127.0.0.1:{_port()}"]
    command += ["--num_processes=2"]
    processes = [
        subprocess.Popen(
            [*command, f"--process_id={index}", f"--config.seed={index}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )
        for index in range(2)
    ]
    for status, output, errors in _end(*processes):
        assert status == 1
        assert not output
        (line,) = errors.strip().splitlines()
        assert line.startswith("error: process ")
        assert line.endswith(f"on: 1 on {socket.gethostname()}")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize(
    "waiting",
    [
        "time.sleep(300)",
        "index or time.sleep(300)\nwith distributed.first_process_first(): pass",
        "from jax.experimental.multihost_utils import sync_global_devices as sync\n"
        "if index == {victim}: time.sleep(300)\n"
        "sync('all')",
    ],
    ids=["idle", "turn", "collective"],
)
def test_a_process_that_is_killed_ends_the_other(victim, waiting):
    port = _port()
    what = waiting.replace("{victim}", str(victim))
    processes = [_start(index, port, what) for index in range(2)]
    for process in processes:
        assert process.stdout.readline() == "joined\n"
    time.sleep(2)
    processes[victim].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    results = _end(*processes)
    assert time.monotonic() - killed < 2 * HEARTBEAT_SECONDS
    status, output, errors = results[1 - victim]
    assert status not in (0, None)
    assert "done" not in output
    if victim == 1:
        assert "unhealthy (stopped sending heartbeats):\n1\n" in errors
    else:
        assert "the leader task was preempted/died" in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "words"),
    [(0, "CoordinationService/Heartbeat"), (1, "heartbeats):\n1\n")],
)
def test_a_process_that_hangs_ends_the_other(victim, words):
    port = _port()
    processes = [_start(index, port, "time.sleep(300)") for index in range(2)]
    for process in processes:
        assert process.stdout.readline() == "joined\n"
    processes[victim].send_signal(signal.SIGSTOP)
    hung = time.monotonic()
    try:
        ((status, _, errors),) = _end(processes[1 - victim], limit=60)
    finally:
        processes[victim].kill()
    assert time.monotonic() - hung < 2 * HEARTBEAT_SECONDS
    assert status == -signal.SIGABRT
    assert words in errors


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_ends_the_other_and_is_told_there(failing):
    port = _port()
    what = f"if index == {failing}: raise KeyError('lost')\ntime.sleep(300)"
    results = _end(_start(0, port, what), _start(1, port, what), limit=15)
    for index, (status, output, errors) in enumerate(results):
        assert status == 1
        assert "done" not in output
        assert ("Traceback" in errors) == (index == failing)
    told = results[1 - failing][2].strip()
    host = socket.gethostname()
    assert told == f"error: process {failing} on {host}: KeyError: 'lost'"


@pytest.mark.slow
def test_a_turn_that_fails_is_not_waited_for():
    what = """
try:
    with distributed.first_process_first():
        if index == 0:
            raise OSError("no space")
except (OSError, RuntimeError) as error:
    print(error, flush=True)
"""
    port = _port()
    results = _end(_start(0, port, what), _start(1, port, what))
    assert [status for status, _, _ in results] == [0, 0]
    assert "no space" in results[0][1]
    expected = f"process 0 on {socket.gethostname()} failed: OSError: no space"
    assert expected in results[1][1]


@pytest.mark.slow
def test_who_is_done_waits_for_the_rest():
    port = _port()
    first = _start(0, port, "time.sleep(4)")
    results = _end(first, _start(1, port, "import sys; sys.exit(75)"))
    assert [status for status, _, _ in results] == [0, 75]


@pytest.mark.slow
def test_sigterm_ends_a_process_that_only_waits():
    port = _port()
    processes = [_start(index, port, "time.sleep(300)") for index in range(2)]
    for process in processes:
        assert process.stdout.readline() == "joined\n"
    for process in processes:
        process.terminate()
    results = _end(*processes)
    assert -signal.SIGTERM in [status for status, _, _ in results]
    assert 0 not in [status for status, _, _ in results]
