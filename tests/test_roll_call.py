import contextlib
import socket
import threading
import time

import pytest

from fashionjax.roll_call import (
    Roll,
    call_roll,
    describe_all,
    is_loopback,
    split_address,
)


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _call(rolls, *, versions=None, seconds=1.0):
    """Calls the roll in all processes at once; returns what each gets."""
    results = [None] * len(rolls)

    def call(place):
        version = versions[place] if versions else "1.0"
        try:
            results[place] = call_roll(
                rolls[place], version=version, timeout_seconds=seconds
            )
        except (OSError, ValueError) as error:
            results[place] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(rolls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_all_hear_the_hosts_of_all(address):
    results = _call([Roll(address, 3, k) for k in (2, 0, 1)], seconds=20)
    assert results == [(socket.gethostname(),) * 3] * 3


def test_the_port_is_free_afterwards(address):
    for _ in range(2):
        assert len(_call([Roll(address, 2, 0), Roll(address, 2, 1)], seconds=20)) == 2


def test_it_listens_only_where_it_is_told(address):
    roll = Roll(address, 2, 0, bind_address=address)
    first, second = _call([roll, Roll(address, 2, 1)], seconds=20)
    assert first == second


def test_who_is_missing_is_named_to_all_that_came(address):
    hosts = ("host-a", "host-b", "host-c", "host-d")
    start = time.monotonic()
    results = _call([Roll(address, 4, k, hosts) for k in (0, 2)], seconds=1)
    assert time.monotonic() - start < 10
    message = (
        f"2 of 4 processes came to {address} within 1 s; missing: processes 1 on"
        " host-b, 3 on host-d"
    )
    assert [str(error) for error in results] == [message] * 2
    assert all(isinstance(error, TimeoutError) for error in results)


def test_without_host_names_numbers_are_told(address):
    (error,) = _call([Roll(address, 2, 0)], seconds=0.2)
    assert str(error).endswith("missing: process 1")


def test_an_absent_coordinator_is_named(address):
    (error,) = _call([Roll(address, 2, 1, ("host-a", "host-b"))], seconds=0.2)
    assert str(error).startswith(
        "process 1 on host-b did not reach the coordinator, process 0 on host-a, at"
        f" {address} within 0.2 s: Connection refused"
    )
    assert "every host itself" in str(error)


def test_a_port_in_use_is_named(address):
    with socket.create_server(split_address(address)):
        roll = Roll(address, 2, 0, bind_address=address)
        (error,) = _call([roll], seconds=0.2)
    assert str(error).startswith(f"process 0 cannot listen on {address}: ")


def test_other_versions_are_refused(address):
    rolls = [Roll(address, 2, 0), Roll(address, 2, 1)]
    results = _call(rolls, versions=["jax 1", "jax 2"], seconds=20)
    for error in results:
        assert isinstance(error, ValueError)
        assert "runs jax 2, process 0" in str(error)


def test_other_numbers_of_processes_are_refused(address):
    results = _call([Roll(address, 2, 0), Roll(address, 3, 2)], seconds=20)
    for error in results:
        assert "as one of 3 processes" in str(error)


def test_two_of_the_same_number_are_refused(address):
    results = _call([Roll(address, 3, 0), *[Roll(address, 3, 1)] * 2], seconds=5)
    for error in results:
        assert "two processes say that they are process 1" in str(error)


def test_strangers_at_the_port_are_ignored(address):
    stop = threading.Event()

    def bother():
        while not stop.is_set():
            with (
                contextlib.suppress(OSError),
                socket.create_connection(split_address(address), 1) as stranger,
            ):
                stranger.sendall(b'{"process_id": "x"}\n')
            time.sleep(0.01)

    thread = threading.Thread(target=bother)
    thread.start()
    first = threading.Thread(
        target=_call, args=([Roll(address, 2, 0)],), kwargs={"seconds": 20}
    )
    first.start()
    time.sleep(0.3)
    ((*hosts,),) = _call([Roll(address, 2, 1)], seconds=20)
    stop.set()
    thread.join(10)
    first.join(10)
    assert len(hosts) == 2


def test_a_process_that_went_away_is_awaited_again(address):
    results = []
    first = threading.Thread(
        target=lambda: results.extend(_call([Roll(address, 3, 0)], seconds=20))
    )
    first.start()
    time.sleep(0.3)
    with socket.create_connection(split_address(address), 5) as gone:
        gone.sendall(
            b'{"process_id": 1, "num_processes": 3, "host": "h", "version": "1.0"}\n'
        )
        time.sleep(0.2)
    others = _call([Roll(address, 3, 1), Roll(address, 3, 2)], seconds=20)
    first.join(30)
    assert [*results, *others] == [(socket.gethostname(),) * 3] * 3


@pytest.mark.parametrize("address", ["host", "host:", ":1", "host:x", "host:70000"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        split_address(address)


def test_addresses_are_taken_apart():
    assert split_address("host:80") == ("host", 80)
    assert split_address("[::1]:80") == ("::1", 80)


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("localhost:1", True),
        ("127.0.0.2:1", True),
        ("[::1]:1", True),
        ("10.0.0.1:1", False),
        ("node1:1", False),
    ],
)
def test_loopback_addresses_are_known(address, is_own):
    assert is_loopback(address) == is_own


def test_long_lists_are_cut():
    assert describe_all(range(100), ()).endswith(", 14, 15, and 84 more")
