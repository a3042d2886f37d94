import os
import threading

import pytest
from sidebus_openedx._process_bus import ProcessBus

HERE = "unix:/nonexistent/socket"


def test_all_threads_of_a_process_share_a_bus():
    one, got = ProcessBus(), []
    threads = [threading.Thread(target=lambda: got.append(one.get(HERE))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_another_endpoint_is_another_bus():
    one = ProcessBus()

    assert one.get(HERE).endpoint != one.get("127.0.0.1:7420").endpoint


def test_a_malformed_endpoint_is_told_each_time():
    one = ProcessBus()

    for _ in range(2):
        with pytest.raises(ValueError):
            one.get("nowhere")


def test_a_forked_process_makes_its_own_bus_whoever_held_the_lock(monkeypatch):
    one = ProcessBus()
    parents = one.get(HERE)
    one._lock.acquire()
    monkeypatch.setattr(os, "getpid", lambda: -1)

    childs = one.get(HERE)

    assert childs is not parents
    assert one.get(HERE) is childs
