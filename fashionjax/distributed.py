"""A run of several processes: joining JAX's own runtime, and leaving it together.

Nothing here starts a device: `initialize` comes before anything that does. In a run of
one process every function of this module returns at once.
"""

import atexit
import contextlib
import dataclasses
import importlib.metadata
import itertools
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn

from fashionjax.roll_call import (
    Roll,
    call_roll,
    describe,
    describe_all,
    is_loopback,
    split_address,
)

TIMEOUT_SECONDS = 300
"""How long processes wait for each other at the start, unless said otherwise."""

HEARTBEAT_SECONDS = 100
"""After what silence a process counts as dead, unless said otherwise."""

_COORDINATOR = "FASHIONJAX_COORDINATOR"
_NUM_PROCESSES = "FASHIONJAX_NUM_PROCESSES"
_PROCESS_ID = "FASHIONJAX_PROCESS_ID"
_HOSTS = "FASHIONJAX_HOSTS"
_BIND_ADDRESS = "JAX_COORDINATOR_BIND_ADDRESS"

_SHUTDOWN_SECONDS = 1800
"""How long processes that are done wait for the rest: process 0 writes the report."""

_COMPILE_SECONDS = 1800
"""How long a process waits for the slowest to have compiled."""

_FAILURE_KEY = "fashionjax/failure"
_POLL_MS = 1000
_GRACE_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes of a run.

    Attributes:
        index: Which of them this one is.
        count: Number of processes.
    """

    index: int = 0
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is known of a run before its processes have met.

    Attributes:
        roll: Who takes part.
        local_device_ids: The devices of this process; None for all that it sees.
    """

    roll: Roll
    local_device_ids: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class _Member:
    """This process, once it has joined a run of several."""

    processes: Processes
    hosts: tuple[str, ...]
    client: Any
    timeout_seconds: int
    heartbeat_seconds: int
    turns: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    @property
    def name(self) -> str:
        return f"process {describe(self.processes.index, self.hosts)}"


_member: _Member | None = None
_ending = threading.Lock()


def initialize(
    *,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    detect: bool = False,
    timeout_seconds: int = TIMEOUT_SECONDS,
    heartbeat_seconds: int = HEARTBEAT_SECONDS,
) -> Processes:
    """Joins the other processes of the run, if it has others.

    From then on an error that ends one process ends all of them, and the interpreter's
    normal end waits for all. Must come before anything that starts a device.

    Args:
        coordinator: HOST:PORT of process 0; else FASHIONJAX_COORDINATOR.
        num_processes: Number of processes; else FASHIONJAX_NUM_PROCESSES.
        process_id: Which of them this one is; else FASHIONJAX_PROCESS_ID.
        detect: Whether to take what is lacking from the cluster that this process runs
            in, as JAX finds it: Slurm, TPU VM, Kubernetes, Open MPI.
        timeout_seconds: How long processes wait for each other.
        heartbeat_seconds: After what silence a process counts as dead.

    Returns:
        The processes of the run.

    Raises:
        ValueError: If the settings are partial or contradict each other, or if the
            processes do not belong together.
        OSError: If a process is missing: names it.
    """
    if min(timeout_seconds, heartbeat_seconds) < 1:
        raise ValueError("timeouts are at least one second")
    settings = read_settings(
        os.environ,
        coordinator=coordinator,
        num_processes=num_processes,
        process_id=process_id,
        detect=detect,
        timeout_seconds=timeout_seconds,
    )
    if settings is None or settings.roll.num_processes == 1:
        return Processes()
    hosts = call_roll(
        settings.roll, version=_version(), timeout_seconds=timeout_seconds
    )
    _join(settings, hosts, timeout_seconds, heartbeat_seconds)
    return Processes(settings.roll.process_id, settings.roll.num_processes)


def read_settings(
    environment: Mapping[str, str],
    *,
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    detect: bool,
    timeout_seconds: int,
) -> Settings | None:
    """Puts together what arguments, environment and cluster say.

    Args:
        environment: The variables of the environment.
        coordinator: See `initialize`.
        num_processes: See `initialize`.
        process_id: See `initialize`.
        detect: See `initialize`.
        timeout_seconds: See `initialize`.

    Returns:
        The settings; None for a run of this one process.

    Raises:
        ValueError: If they are partial, wrong or contradict each other.
    """
    coordinator = coordinator or environment.get(_COORDINATOR) or None
    count = _number(num_processes, environment, _NUM_PROCESSES)
    index = _number(process_id, environment, _PROCESS_ID)
    local_device_ids = None
    if detect:
        coordinator, count, index, local_device_ids = _detect(
            coordinator, count, index, timeout_seconds
        )
    if coordinator is None and count is None and index is None:
        return None
    if coordinator is None or count is None or index is None:
        raise ValueError(_lacking(coordinator, count, index))
    if not 0 <= index < count:
        raise ValueError(
            f"--process_id={index} with --num_processes={count}; allowed is 0 to"
            f" {count - 1}"
        )
    split_address(coordinator)
    hosts = tuple(h.strip() for h in environment.get(_HOSTS, "").split(",") if h)
    if hosts and len(hosts) != count:
        raise ValueError(f"{_HOSTS} names {len(hosts)} hosts for {count} processes")
    _check_reachable(coordinator, hosts, environment)
    bind_address = environment.get(_BIND_ADDRESS)
    if bind_address:
        split_address(bind_address)
    return Settings(
        Roll(coordinator, count, index, hosts, bind_address), local_device_ids
    )


def check_same_on_all_processes(digest: str, what: str) -> None:
    """Refuses processes that were not started alike.

    Args:
        digest: Must be the same text on all processes.
        what: What it stands for, in words.

    Raises:
        ValueError: On every process, if one differs from process 0; names all that do.
    """
    member = _member
    if member is None:
        return
    folder = f"fashionjax/digest/{next(member.turns)}"
    member.client.key_value_set(f"{folder}/{member.processes.index}", digest)
    member.client.wait_at_barrier(folder, 1000 * member.timeout_seconds)
    digests = {
        int(key.rpartition("/")[2]): theirs
        for key, theirs in member.client.key_value_dir_get(folder)
    }
    others = sorted(k for k, theirs in digests.items() if theirs != digests[0])
    if others:
        raise ValueError(
            f"all processes of a run need the same {what}; they differ from process"
            f" {describe(0, member.hosts)} on: {describe_all(others, member.hosts)}"
        )


def wait_for_all() -> None:
    """Waits until every process has come here.

    Before the first run of a program in which processes meet: compiling one takes as
    long as each machine is busy, and jax's processes wait half a minute for each other.
    """
    member = _member
    if member is not None:
        folder = f"fashionjax/barrier/{next(member.turns)}"
        member.client.wait_at_barrier(folder, 1000 * _COMPILE_SECONDS)


@contextlib.contextmanager
def first_process_first() -> Iterator[None]:
    """Lets process 0 pass a block before the others enter it.

    For what the first one makes and the others find made, on a disk that they share;
    where they do not, each makes its own. All processes must come here equally often.

    Raises:
        RuntimeError: On the others, if process 0 failed in the block.
    """
    member = _member
    if member is None:
        yield
        return
    key = f"fashionjax/turn/{next(member.turns)}"
    if member.processes.index > 0:
        # If process 0 dies, JAX or the watching thread ends this process meanwhile.
        while (failure := _peek(member, key)) is None:
            pass
        if failure:
            raise RuntimeError(f"process {describe(0, member.hosts)} failed: {failure}")
        yield
        return
    try:
        yield
    except BaseException as error:
        member.client.key_value_set(key, _one_line(error))
        raise
    member.client.key_value_set(key, "")


def exit_with_error(message: str) -> NoReturn:
    """Ends this process with an error of one line, and with it all others of the run.

    Args:
        message: What is wrong.
    """
    member = _member
    if member is None:
        sys.exit(f"error: {message}")
    _end(f"error: {member.name}: {message}", tell=message)


def _number(
    given: int | None, environment: Mapping[str, str], variable: str
) -> int | None:
    if given is not None or not environment.get(variable):
        return given
    try:
        return int(environment[variable])
    except ValueError:
        raise ValueError(
            f"{variable}={environment[variable]!r} is not a number"
        ) from None


def _detect(
    coordinator: str | None, count: int | None, index: int | None, timeout_seconds: int
) -> tuple[str | None, int | None, int | None, tuple[int, ...] | None]:
    """Fills in what JAX finds; it has no public name for asking without starting."""
    from jax._src.clusters import ClusterEnv

    try:
        coordinator, count, index, ids = (
            ClusterEnv.auto_detect_unset_distributed_params(
                coordinator, count, index, None, None, timeout_seconds
            )
        )
    except RuntimeError as error:
        raise ValueError(f"--distributed=auto: {_one_line(error)}") from error
    if coordinator is None and count is None and index is None:
        raise ValueError(
            "--distributed=auto found no cluster (Slurm, TPU VM, Kubernetes, Open MPI);"
            " give --coordinator, --num_processes and --process_id"
        )
    return coordinator, count, index, None if ids is None else tuple(ids)


def _lacking(coordinator: str | None, count: int | None, index: int | None) -> str:
    values = {
        f"--coordinator (or {_COORDINATOR})": coordinator,
        f"--num_processes (or {_NUM_PROCESSES})": count,
        f"--process_id (or {_PROCESS_ID})": index,
    }
    lacking = ", ".join(name for name, value in values.items() if value is None)
    return f"a run of several processes lacks {lacking}"


def _check_reachable(
    coordinator: str, hosts: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Refuses an address that means another host on every host."""
    nodes = environment.get("SLURM_STEP_NUM_NODES", "")
    num_hosts = max(len(set(hosts)), int(nodes) if nodes.isdecimal() else 0)
    if num_hosts > 1 and is_loopback(coordinator):
        raise ValueError(
            f"coordinator {coordinator} means every host itself, and this run has"
            f" {num_hosts} hosts: the others would wait for themselves; give the name"
            " or address of process 0's host"
        )


def _version() -> str:
    return ", ".join(
        f"{n} {importlib.metadata.version(n)}" for n in ("fashionjax", "jax")
    )


def _join(
    settings: Settings,
    hosts: tuple[str, ...],
    timeout_seconds: int,
    heartbeat_seconds: int,
) -> None:
    global _member
    import jax

    # JAX's exchange of keys has no public name; Orbax uses it as well.
    from jax._src import distributed as runtime

    # It would take SIGTERM away from the process and keep it; `train.interrupt` has
    # its own way, and whatever comes before training may simply end.
    jax.config.update("jax_enable_preemption_service", False)
    roll = settings.roll
    jax.distributed.initialize(
        coordinator_address=roll.address,
        num_processes=roll.num_processes,
        process_id=roll.process_id,
        local_device_ids=settings.local_device_ids,
        cluster_detection_method="deactivate",
        initialization_timeout=timeout_seconds,
        heartbeat_timeout_seconds=heartbeat_seconds,
        shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )
    _member = member = _Member(
        processes=Processes(roll.process_id, roll.num_processes),
        hosts=hosts,
        client=runtime.global_state.client,
        timeout_seconds=timeout_seconds,
        heartbeat_seconds=heartbeat_seconds,
    )
    left = threading.Event()
    watch = threading.Thread(target=_watch, args=(member, left), daemon=True)
    watch.start()
    sys.excepthook = _end_all
    atexit.register(_leave, left, watch)


def _watch(member: _Member, left: threading.Event) -> None:
    """Ends this process when another one says that it failed."""
    # Any error means that JAX's runtime is about to end, and this process with it.
    with contextlib.suppress(Exception):
        while not left.is_set():
            failure = _peek(member, _FAILURE_KEY)
            if failure is not None:
                _end(f"error: {failure}", tell=None)


def _peek(member: _Member, key: str) -> str | None:
    """Waits for a value for a second: a longer wait would not hear Ctrl-C."""
    try:
        return member.client.blocking_key_value_get(key, _POLL_MS)
    except Exception as error:
        if "DEADLINE_EXCEEDED" in str(error):
            return None
        raise


def _leave(left: threading.Event, watch: threading.Thread) -> None:
    """Waits for all, then ends the thread: one in JAX's hands aborts a normal end."""
    import jax

    jax.distributed.shutdown()
    left.set()
    watch.join()


def _end_all(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Ends the run after an error that nobody caught: `sys.excepthook`."""
    from jax.errors import JaxRuntimeError

    member = _member
    assert member is not None
    if _ending.locked():
        time.sleep(member.heartbeat_seconds)
    sys.__excepthook__(kind, error, trace)
    if isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
        # Most likely the echo of a process that died. Within this time JAX ends this
        # process with its number, or the one that failed tells why.
        time.sleep(member.heartbeat_seconds + _GRACE_SECONDS)
    _end(f"error: {member.name} ends the run", tell=_one_line(error))


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _end(line: str, *, tell: str | None) -> NoReturn:
    """Prints, tells the others if they are to know, and ends at once.

    A normal end would wait for processes that wait for this one.
    """
    member = _member
    assert member is not None
    if not _ending.acquire(blocking=False):
        time.sleep(member.heartbeat_seconds)
    print(line, file=sys.stderr, flush=True)
    if tell is not None:
        # Another process may have been the first to say so.
        with contextlib.suppress(Exception):
            member.client.key_value_set(_FAILURE_KEY, f"{member.name}: {tell}")
    # All leave together: process 0 answers the others, and a connection that breaks
    # would make them print errors of their own.
    time.sleep(_GRACE_SECONDS)
    for child in multiprocessing.active_children():
        child.terminate()
    sys.stdout.flush()
    os._exit(1)
