import os
import signal
import threading

import pytest
from sidebus_openedx._stop_signal import stopped_by_sigterm


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def heard():
    """What was called, with a handler for SIGTERM that was there before."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append("before"))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_the_first_sigterm_stops_and_the_second_does_what_it_did_before(heard):
    with stopped_by_sigterm(lambda: heard.append("stop")):
        terminate()
        terminate()

    assert heard == ["stop", "before"]


def test_afterwards_sigterm_does_what_it_did_before(heard):
    with stopped_by_sigterm(lambda: heard.append("stop")):
        pass
    terminate()

    assert heard == ["before"]


def test_in_another_thread_it_changes_nothing(heard):
    def inside():
        with stopped_by_sigterm(lambda: heard.append("stop")):
            heard.append("inside")

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()

    assert heard == ["inside"]
