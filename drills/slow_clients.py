"""Slow clients (slowloris, slow bodies, slow readers) hold no worker: others vote as before."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from drills import Outcome
from drills.load import Load
from drills.phones import TRUSTING
from drills.scene import Scene

SLOW_QUICK, SLOW_FULL = 40, 130  # of each of the three kinds
SECONDS_QUICK, SECONDS_FULL = 6.0, 60.0
DRIP_SECONDS = 0.5
SLOWER = 3.0  # times the quiet p99 that is allowed, and half a second for a busy machine


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    slow = SLOW_QUICK if scene.is_quick else SLOW_FULL
    seconds = SECONDS_QUICK if scene.is_quick else SECONDS_FULL
    quiet = _walked(scene, seconds)
    with _dripping(scene.portal, slow) as clients:
        held = _walked(scene, seconds)
        cut = sum(_is_cut(client) for client in clients)
    for load in (quiet, held):
        load.settle()
    before, under = (_p99([s for _step, s in load.seconds]) for load in (quiet, held))
    outcome.expect(not held.failures, f"requests failed: {held.failures[:3]}")
    outcome.expect(
        under < SLOWER * before + 0.5, f"p99 {under:.2f} s beside {before:.2f} s without them"
    )
    outcome.did = (
        f"{3 * slow} slow connections: p99 {under * 1000:.0f} ms beside {before * 1000:.0f} ms"
        f" without, none of {len(held.seconds):,} requests failed"
    )
    outcome.notes.append(f"nginx had cut {cut} of the slow connections by then")
    return outcome


def _walked(scene: Scene, seconds: float) -> Load:
    load = scene.load("slow_clients")
    with load.running(4):
        time.sleep(seconds)
    return load


@contextmanager
def _dripping(portal: tuple[str, int], number: int) -> Iterator[list[socket.socket]]:
    """Connections that send their header, or their body, byte by byte, or never read."""
    head = b"POST /v/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = head + b"Content-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"
    page = b"GET /static/css/base.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
    clients: list[socket.socket] = []
    for number_of in range(3 * number):
        plain = socket.create_connection(portal, timeout=10, source_address=("127.9.9.9", 0))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        clients.append(TRUSTING.wrap_socket(plain))
        clients[-1].sendall((head, body, page)[number_of % 3])
    over = threading.Event()

    def drip() -> None:
        while not over.wait(DRIP_SECONDS):
            for place, client in enumerate(clients):
                if place % 3 < 2:
                    try:
                        client.sendall(b"X" if place % 3 else b"X: y\r\n")
                    except OSError:
                        continue

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        yield clients
    finally:
        over.set()
        dripping.join()
        for client in clients:
            client.close()


def _is_cut(client: socket.socket) -> bool:
    try:
        client.sendall(b"X")
    except OSError:
        return True
    return False


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] if len(seconds) > 1 else 0.0
