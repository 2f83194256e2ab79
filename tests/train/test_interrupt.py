import os
import signal
import threading

import pytest

from fashionjax.train.interrupt import StopRequest


def test_the_first_signal_is_noted_and_told(capfd):
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        assert stop.signal == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err == "SIGTERM: saving after the steps under way\n"


def test_ctrl_c_for_the_second_time_interrupts():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_still_interrupts_after_sigterm():
    with StopRequest():
        os.kill(os.getpid(), signal.SIGTERM)
        # A launcher that forwards SIGTERM may have got this Ctrl-C as well.
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_outside_of_the_main_thread_nothing_is_heard():
    heard = []

    def enter():
        with StopRequest() as stop:
            heard.append(stop.requested)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert heard == [False]
