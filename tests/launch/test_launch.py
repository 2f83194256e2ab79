"""The launch scripts: what they would run, and what the local one does run."""

import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "launch").glob("*.sh"))
FLAGS = ["--config=configs/unet_ext.py", "--config.note=two words"]
NEEDS_FLAGS = "needs flags for fashionjax.main"
VARIABLES = ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "PYTHON", "JAX_NUM_CPU_DEVICES")

ARGUMENTS = {
    "local.sh": ["--processes=2", "--port=4242"],
    "slurm.sh": ["--nodes=2", "--gpus_per_node=8", "--sbatch=--partition=gpu"],
    "tpu_vm.sh": ["--name=my-tpu", "--zone=us-central2-b"],
    "kubernetes.sh": ["--name=run", "--image=i:1", "--claim=c", "--processes=2"],
}
REQUIRED = {
    "local.sh": ["--processes"],
    "slurm.sh": ["--nodes"],
    "tpu_vm.sh": ["--name", "--zone"],
    "kubernetes.sh": ["--name", "--image", "--claim", "--processes"],
}


def _environment(**variables):
    clean = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    return clean | variables


def _run(script, *arguments, **variables):
    return subprocess.run(
        ["bash", str(ROOT / "launch" / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=_environment(**variables),
    )


def _dry_run(script, *more, flags=FLAGS, **variables):
    arguments = [*ARGUMENTS[script], *more, "--dry-run", "--", *flags]
    result = _run(script, *arguments, **variables)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_whole(script):
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=10)
    assert os.access(script, os.X_OK)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck_finds_nothing():
    subprocess.run(["shellcheck", *map(str, SCRIPTS)], check=True, timeout=60)


@pytest.mark.parametrize("script", ARGUMENTS)
def test_help_is_the_head_of_the_script(script):
    result = _run(script, "--help")
    assert result.returncode == 0
    assert f"launch/{script}" in result.stdout
    assert "#" not in result.stdout
    assert "set -euo" not in result.stdout


@pytest.mark.parametrize(
    ("script", "name"), [(s, name) for s, names in REQUIRED.items() for name in names]
)
def test_what_lacks_is_told_in_one_line(script, name):
    given = [a for a in ARGUMENTS[script] if not a.startswith(f"{name}=")]
    result = _run(script, *given, "--dry-run", "--", *FLAGS)
    assert result.returncode == 2
    assert not result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: needs {name}=")


@pytest.mark.parametrize("script", ARGUMENTS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [((), NEEDS_FLAGS), (("--nonsense",), "unexpected argument --nonsense")],
)
def test_wrong_arguments_are_told_in_one_line(script, wrong, message):
    result = _run(script, *ARGUMENTS[script], *wrong)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert message in line


def test_local_gives_each_process_its_settings():
    lines = _dry_run("local.sh", "--devices_per_process=3", JAX_PLATFORMS="cpu")
    for index, line in enumerate(lines.splitlines()):
        words = shlex.split(line)
        assert words[0] == "env"
        assert words[1:6] == [
            "FASHIONJAX_COORDINATOR=127.0.0.1:4242",
            "FASHIONJAX_NUM_PROCESSES=2",
            f"FASHIONJAX_PROCESS_ID={index}",
            "JAX_COORDINATOR_BIND_ADDRESS=127.0.0.1:4242",
            "JAX_NUM_CPU_DEVICES=3",
        ]
        assert words[6:] == [".venv/bin/python", "-u", "-m", "fashionjax.main", *FLAGS]
    assert index == 1


def test_local_shares_gpus_out():
    lines = _dry_run("local.sh", CUDA_VISIBLE_DEVICES="4,5,6,7").splitlines()
    shares = [shlex.split(line)[5] for line in lines]
    assert shares == ["CUDA_VISIBLE_DEVICES=4,5", "CUDA_VISIBLE_DEVICES=6,7"]


def test_local_refuses_more_gpus_than_there_are():
    arguments = ["--processes=2", "--devices_per_process=2", "--port=1", "--", *FLAGS]
    result = _run("local.sh", *arguments, CUDA_VISIBLE_DEVICES="0,1,2")
    assert result.returncode == 2
    assert "2 processes cannot share 3 GPUs" in result.stderr


@pytest.fixture
def stand_in(tmp_path):
    """A stand-in for Python: runs its flags as Python code instead of a run."""
    file = tmp_path / "python"
    file.write_text(
        f'#!/usr/bin/env bash\n[ "$1" = -c ] || set -- -c "$5"\n'
        f'exec {sys.executable} -u "$@"\n'
    )
    file.chmod(0o755)
    return str(file)


PREAMBLE = """
import os, signal, sys, time
index = int(os.environ["FASHIONJAX_PROCESS_ID"])
"""


def _local(stand_in, code, *, processes=2, **variables):
    # The stand-in takes the second flag; the first stays what it is in a run.
    flags = ["--config=x", PREAMBLE + code]
    return subprocess.Popen(
        ["bash", "launch/local.sh", f"--processes={processes}", "--", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(PYTHON=stand_in, JAX_PLATFORMS="cpu", **variables),
        # A shell that runs these tests in the background ignores Ctrl-C, and a script
        # that was started ignoring a signal cannot listen for it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _end(process, limit=20):
    try:
        output, errors = process.communicate(timeout=limit)
    finally:
        process.kill()
    return process.returncode, output.splitlines(), errors.splitlines()


def test_local_starts_all_and_says_whose_line_it_is(stand_in):
    code = """
print("out", os.environ["FASHIONJAX_NUM_PROCESSES"])
print("err", file=sys.stderr)
print(os.environ["JAX_NUM_CPU_DEVICES"], end="")
"""
    status, output, errors = _end(_local(stand_in, code))
    assert status == 0
    assert sorted(output) == ["[0] 1", "[0] out 2", "[1] 1", "[1] out 2"]
    assert sorted(errors) == ["[0] err", "[1] err"]


def test_local_ends_all_when_one_fails(stand_in):
    code = """
if index == 1:
    sys.exit(7)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(300)
"""
    process = _local(stand_in, code, FASHIONJAX_GRACE_SECONDS="1")
    status, _, errors = _end(process)
    assert status == 7
    assert "error: a process ended with status 7; the others end too" in errors


def test_local_ends_the_workers_of_its_processes(stand_in, tmp_path):
    mark = tmp_path / "worker"
    code = f"""
if os.fork() == 0:
    time.sleep(3)
    open({str(mark)!r}, "w").close()
    time.sleep(300)
"""
    status, _, _ = _end(_local(stand_in, code, processes=1))
    assert status == 0
    time.sleep(3.5)
    assert not mark.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_local_forwards_signals_and_keeps_status_75(stand_in, number):
    code = """
def stop(number, frame):
    time.sleep(0.1 + 2 * index)
    print(signal.Signals(number).name)
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
print("ready")
time.sleep(300)
"""
    process = _local(stand_in, code, FASHIONJAX_GRACE_SECONDS="0")
    assert {process.stdout.readline(), process.stdout.readline()} == {
        "[0] ready\n",
        "[1] ready\n",
    }
    process.send_signal(number)
    status, output, _ = _end(process)
    assert status == 75
    assert output == [f"[0] {number.name}", f"[1] {number.name}"]


def test_slurm_prints_its_batch_script(tmp_path):
    script = _dry_run("slurm.sh")
    file = tmp_path / "batch.sh"
    file.write_text(script)
    subprocess.run(["bash", "-n", str(file)], check=True, timeout=10)
    for option in (
        "--nodes=2",
        "--ntasks-per-node=1",
        "--gpus-per-node=8",
        "--partition=gpu",
        "--signal=B:TERM@120",
        "--requeue",
    ):
        assert f"#SBATCH {option}\n" in script
    assert f"cd {shlex.quote(str(ROOT))} || exit\n" in script


@pytest.fixture
def cluster(tmp_path):
    """A Slurm of two nodes on this machine, as far as the batch script knows it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "scontrol").write_text(
        "#!/usr/bin/env bash\n"
        '[ "$1" = show ] && printf "node1\\nnode2\\n" || echo "scontrol $*"\n'
    )
    (folder / "srun").write_text(
        "#!/usr/bin/env bash\n"
        "while [[ $1 == --* ]]; do shift; done\n"
        "for i in 0 1; do\n"
        '  SLURM_PROCID=$i "$@" &\n'
        "  pids+=($!)\n"
        "done\n"
        "trap 'kill -TERM \"${pids[@]}\"' TERM\n"
        "highest=0\n"
        'for pid in "${pids[@]}"; do\n'
        '  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done\n'
        '  wait "$pid" || highest=$?\n'
        "done\n"
        "exit $highest\n"
    )
    for file in folder.iterdir():
        file.chmod(0o755)
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": "5000",
    }


def _batch(stand_in, cluster, code):
    """Starts the batch script; its tasks share a pipe: a line must be one write."""
    flags = ["--config=x", PREAMBLE + code]
    script = _dry_run("slurm.sh", flags=flags, PYTHON=stand_in)
    return subprocess.Popen(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(**cluster),
    )


def test_slurm_tells_each_task_who_it_is(stand_in, cluster):
    code = """
names = ("COORDINATOR", "NUM_PROCESSES", "PROCESS_ID", "HOSTS")
told = " ".join(os.environ["FASHIONJAX_" + name] for name in names)
os.write(1, told.encode() + b"\\n")
"""
    status, output, errors = _end(_batch(stand_in, cluster, code))
    assert status == 0, errors
    told = "node1:62344 2 {} node1,node2"
    assert sorted(output) == [told.format(0), told.format(1)]


def test_slurm_queues_a_stopped_run_again(stand_in, cluster):
    code = """
def stop(number, frame):
    time.sleep(0.5)
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready\\n")
time.sleep(300)
"""
    process = _batch(stand_in, cluster, code)
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    process.send_signal(signal.SIGTERM)
    status, output, _ = _end(process)
    assert status == 75
    assert output == ["scontrol requeue 5000"]


def test_slurm_leaves_a_failed_run_alone(stand_in, cluster):
    status, output, _ = _end(_batch(stand_in, cluster, "sys.exit(1)"))
    assert status == 1
    assert output == []


def test_tpu_vm_quotes_for_both_shells():
    words = shlex.split(_dry_run("tpu_vm.sh", "--project=p", "--dir=my repo"))
    assert words[:6] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "my-tpu"]
    assert words[6:9] == ["--zone=us-central2-b", "--project=p", "--worker=all"]
    (command,) = words[9:]
    remote = shlex.split(command.removeprefix("--command="))
    assert remote[:3] == ["cd", "my repo", "&&"]
    assert remote[3:] == [
        "exec", ".venv/bin/python", "-u", "-m", "fashionjax.main", "--distributed=auto",
        *FLAGS,
    ]  # fmt: skip


def test_kubernetes_prints_its_manifest():
    flags = ['--config.note="a\\b" $(HOME) & @NAME@', "--mode=train"]
    text = _dry_run("kubernetes.sh", "--gpus_per_process=8", flags=flags)
    manifest = yaml.safe_load(text)
    assert manifest["metadata"]["name"] == "run"
    assert manifest["spec"]["failurePolicy"]["maxRestarts"] == 10
    (workers,) = manifest["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    assert job["completions"] == job["parallelism"] == 2
    (rule,) = job["podFailurePolicy"]["rules"]
    # 75 and what a signal leaves behind start all processes again.
    assert rule["onExitCodes"]["operator"] == "In"
    assert rule["onExitCodes"]["values"] == [1, 2]
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    values = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert values == {
        "FASHIONJAX_COORDINATOR": "run-workers-0-0.run:8476",
        "FASHIONJAX_NUM_PROCESSES": "2",
        "FASHIONJAX_HOSTS": "run-workers-0-0,run-workers-0-1",
        "FASHIONJAX_PROCESS_ID": None,
    }
    assert container["image"] == "i:1"
    assert container["args"] == [flags[0].replace("$(", "$$("), flags[1]]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 8}}


def test_kubernetes_without_gpus_asks_for_none():
    manifest = yaml.safe_load(_dry_run("kubernetes.sh"))
    pod = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"] == {"limits": {}}
