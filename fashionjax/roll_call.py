"""Whether all processes of a run have come, asked before JAX's own runtime starts.

That runtime ends a process by a stack trace, without a word of who is missing. Here
process 0 listens on the very port that JAX takes afterwards, the others come and say
who they are, and all hear the same answer: the host names of all, or what is wrong.
"""

import contextlib
import dataclasses
import ipaddress
import json
import socket
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

_RETRY_SECONDS = 0.5
_GREETING_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_MAX_BYTES = 1 << 20
_MAX_NAMES = 16


@dataclasses.dataclass(frozen=True)
class Roll:
    """Who takes part in a run, as one of its processes knows it.

    Attributes:
        address: HOST:PORT at which all reach process 0.
        num_processes: Number of processes.
        process_id: Which of them this one is.
        hosts: Host names in the order of the processes; () where they are not known.
        bind_address: HOST:PORT at which process 0 listens; None for the port of
            `address` on all its interfaces.
    """

    address: str
    num_processes: int
    process_id: int
    hosts: tuple[str, ...] = ()
    bind_address: str | None = None


def split_address(address: str) -> tuple[str, int]:
    """Takes HOST:PORT apart.

    Raises:
        ValueError: If it has another form.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{address!r} is not HOST:PORT, such as 10.0.0.1:8476")
    return host.strip("[]"), int(port)


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT means the very host that it is used on."""
    host, _ = split_address(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def describe(process_id: int, hosts: Sequence[str]) -> str:
    """Writes `1 on host-b`, or `1` where the host is not known."""
    if process_id < len(hosts):
        return f"{process_id} on {hosts[process_id]}"
    return str(process_id)


def describe_all(process_ids: Sequence[int], hosts: Sequence[str]) -> str:
    """Writes processes as a list that stays readable."""
    names = [describe(number, hosts) for number in process_ids[:_MAX_NAMES]]
    if len(process_ids) > _MAX_NAMES:
        names.append(f"and {len(process_ids) - _MAX_NAMES} more")
    return ", ".join(names)


def call_roll(roll: Roll, *, version: str, timeout_seconds: float) -> tuple[str, ...]:
    """Waits until all processes of the run have come.

    A process waits for process 0 as long as `timeout_seconds`, and for its answer as
    long again, since process 0 may have been started later.

    Args:
        roll: Who takes part.
        version: What must be the same everywhere.
        timeout_seconds: How long process 0 waits for the others, and they for it.

    Returns:
        The host names of all processes, in their order.

    Raises:
        OSError: If a process is missing, by its number and, if known, its host; if
            process 0 cannot be reached or cannot listen.
        ValueError: If the processes do not belong together.
    """
    greeting = {
        "process_id": roll.process_id,
        "num_processes": roll.num_processes,
        "host": socket.gethostname(),
        "version": version,
    }
    if roll.process_id == 0:
        answer = _listen(roll, greeting, timeout_seconds)
    else:
        answer = _report(roll, greeting, timeout_seconds)
    if answer.get("missing"):
        raise TimeoutError(answer["missing"])
    if answer.get("refused"):
        raise ValueError(answer["refused"])
    return tuple(answer["hosts"])


def _listen(
    roll: Roll, mine: Mapping[str, Any], timeout_seconds: float
) -> dict[str, Any]:
    """Process 0: collects the others and gives all of them the same answer."""
    deadline = time.monotonic() + timeout_seconds
    come: dict[int, tuple[socket.socket, dict[str, Any]]] = {}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_open_server(roll))
        while len(come) < roll.num_processes - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
            except TimeoutError:
                missing = _missing(roll, come, timeout_seconds)
                return _answer_all([c for c, _ in come.values()], {"missing": missing})
            stack.enter_context(connection)
            greeting = _receive(connection, _GREETING_SECONDS)
            # One that died since may have been started again.
            come = {k: v for k, v in come.items() if _is_open(v[0])}
            if greeting is None or not _is_greeting(greeting):
                continue
            present = [mine, *(theirs for _, theirs in come.values())]
            if refused := _objection(greeting, present):
                told = [connection, *(c for c, _ in come.values())]
                return _answer_all(told, {"refused": refused})
            come[greeting["process_id"]] = connection, greeting
        hosts = [come[k][1]["host"] for k in sorted(come)]
        return _answer_all(
            [c for c, _ in come.values()], {"hosts": [mine["host"], *hosts]}
        )


def _answer_all(
    connections: Iterable[socket.socket], answer: dict[str, Any]
) -> dict[str, Any]:
    for connection in connections:
        _send(connection, answer)
    return answer


def _report(
    roll: Roll, mine: Mapping[str, Any], timeout_seconds: float
) -> dict[str, Any]:
    """Any other process: says who it is and waits for the answer of process 0."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            with socket.create_connection(
                split_address(roll.address), timeout=_GREETING_SECONDS
            ) as connection:
                _send(connection, mine)
                answer = _receive(connection, timeout_seconds + _ANSWER_SECONDS)
            if answer is not None:
                return answer
            problem = "the connection was closed"
        except OSError as error:
            problem = error.strerror or str(error)
        if time.monotonic() >= deadline:
            raise TimeoutError(_unreachable(roll, timeout_seconds, problem))
        time.sleep(_RETRY_SECONDS)


def _open_server(roll: Roll) -> socket.socket:
    host, port = split_address(roll.bind_address or roll.address)
    try:
        if roll.bind_address:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=1024)
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
        return socket.create_server(("", port), backlog=1024)
    except OSError as error:
        where = roll.bind_address or f"port {port}"
        raise OSError(
            f"process 0 cannot listen on {where}: {error.strerror or error}"
        ) from None


def _is_greeting(message: Mapping[str, Any]) -> bool:
    """Whether a message comes from this program; anyone may connect to a port."""
    numbers = (message.get("process_id"), message.get("num_processes"))
    texts = (message.get("host"), message.get("version"))
    return all(isinstance(value, int) for value in numbers) and all(
        isinstance(value, str) for value in texts
    )


def _objection(
    theirs: Mapping[str, Any], present: Sequence[Mapping[str, Any]]
) -> str | None:
    """Says why a process does not belong to those that are present, if so."""
    first = present[0]
    number, who = theirs["process_id"], f"process {theirs['process_id']}"
    for other in present:
        if other["process_id"] == number:
            return (
                f"two processes say that they are {who}: on {other['host']} and on"
                f" {theirs['host']}"
            )
    if theirs["num_processes"] != first["num_processes"]:
        return (
            f"{who} on {theirs['host']} was started as one of"
            f" {theirs['num_processes']} processes, process 0 on {first['host']} as"
            f" one of {first['num_processes']}"
        )
    if theirs["version"] != first["version"]:
        return (
            f"{who} on {theirs['host']} runs {theirs['version']}, process 0 on"
            f" {first['host']} {first['version']}"
        )
    if not 0 <= number < first["num_processes"]:
        return f"{who} on {theirs['host']} is none of 0 … {first['num_processes'] - 1}"
    return None


def _missing(roll: Roll, come: Container[int], timeout_seconds: float) -> str:
    missing = [k for k in range(1, roll.num_processes) if k not in come]
    present = roll.num_processes - len(missing)
    plural = "es" if len(missing) > 1 else ""
    return (
        f"{present} of {roll.num_processes} processes came to {roll.address} within"
        f" {timeout_seconds:g} s; missing: process{plural}"
        f" {describe_all(missing, roll.hosts)}"
    )


def _unreachable(roll: Roll, timeout_seconds: float, problem: str) -> str:
    hint = ""
    if is_loopback(roll.address):
        hint = "; this address means every host itself"
    return (
        f"process {describe(roll.process_id, roll.hosts)} did not reach the"
        f" coordinator, process {describe(0, roll.hosts)}, at {roll.address} within"
        f" {timeout_seconds:g} s: {problem}{hint}"
    )


def _send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    # Who has gone in the meantime needs no answer.
    with contextlib.suppress(OSError):
        connection.settimeout(_GREETING_SECONDS)
        connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket, seconds: float) -> dict[str, Any] | None:
    """Reads one message; None for anything else, and if none comes in time."""
    deadline = time.monotonic() + seconds
    data = b""
    try:
        while not data.endswith(b"\n") and len(data) < _MAX_BYTES:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(65536)
            if not part:
                return None
            data += part
        message = json.loads(data)
        return message if isinstance(message, dict) else None
    except (OSError, ValueError):
        return None


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
