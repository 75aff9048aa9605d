"""`make demo` from a bare copy: it starts, says where to click, and leaves nothing behind."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import time
import urllib.request

import pytest

from tests.checkout import Checkout

pytestmark = pytest.mark.servers

SECONDS_TO_START = 90


@pytest.fixture
def checkout(tmp_path):
    copy = Checkout.at_a_long_path(tmp_path)
    sockets = copy.sockets()
    try:
        yield copy
    finally:
        copy.run("manage.py", "embedded", "stop")
        shutil.rmtree(sockets, ignore_errors=True)  # there are none where nothing started


@pytest.fixture
def port():
    """Two neighbouring ports that nobody uses."""
    for first in range(18_000, 19_000, 2):
        with socket.socket() as web, socket.socket() as simulator:
            if not any(
                s.connect_ex(("127.0.0.1", n)) == 0
                for s, n in ((web, first), (simulator, first + 1))
            ):
                return first
    raise AssertionError("no free ports")


def play(checkout, port):
    """Start the demo, open what it prints, stop it by Ctrl-C; return what it said and its links."""
    demo = checkout.begin("manage.py", "demo", "--holders", "300", PORT=str(port))
    said, deadline = "", time.monotonic() + SECONDS_TO_START
    while "Ctrl-C" not in said:
        line = demo.stdout.readline()
        assert line, said
        assert time.monotonic() < deadline, said
        said += line
    links = re.findall(r"http://\S+", said)
    statuses = [urllib.request.urlopen(link).status for link in links]
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=60)
    return said + rest, statuses


def test_the_demo_plays_twice_and_leaves_nothing_running(checkout, port):
    first, opened_first = play(checkout, port)
    left_after_first = checkout.processes()
    second, opened_second = play(checkout, port)

    assert "Register of 300 holders" in first
    assert "Register of" not in second
    assert opened_first == opened_second == [200] * 6
    assert "Stopped everything" in first
    assert left_after_first == checkout.processes() == []


def test_a_taken_port_is_named_with_what_to_do(checkout, port):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # it was just left
        other.bind(("127.0.0.1", port + 1))
        other.listen()
        demo = checkout.begin("manage.py", "demo", "--holders", "300", PORT=str(port))
        said, _ = demo.communicate(timeout=SECONDS_TO_START)

    assert demo.returncode != 0
    assert f"Port {port + 1} is taken" in said
    assert "PORT=8100" in said
    assert checkout.processes() == []
