"""Socket links: CMPP and SMPP at a carrier 30 ms away, and as fast as this machine can.

With a distance the floor is arithmetic: a window of 16 on each link, once a round trip. Without one
it is a bare socket that pushes the same submits, written beforehand, in the same windows at the
same carrier and only counts the octets that come back. The carrier is a process of its own.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench import Row, Scale

LINKS, WINDOW, ROUND_TRIP = 2, 16, 0.03
ACCOUNTS = {
    "cmpp": {"dialect": "cmpp", "sp_id": "900001", "secret": "s", "src_id": "10690001"},
    "smpp": {"dialect": "smpp", "system_id": "vote", "password": "pw", "src_id": "10690001"},
}
TEXT = "【上证信息】您持有的虚构一(600001)6月26日开股东会,点此投票 " + "0" * 26
# A phone that the simulated carrier does not reach: nothing is written to a handset.
PHONE = "15400000013"
CARRIER = """
import json, pathlib, sys, tempfile
import django
django.setup()
from voting_portal.gateways.simulator.carrier import Carrier, Faults
from voting_portal.gateways.simulator.inbox import Inbox
from voting_portal.gateways.simulator.sockets import SocketCarrier
options, delay = json.loads(sys.argv[1]), float(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    inbox = Inbox(pathlib.Path(folder) / "inbox.sqlite3")
    carrier = Carrier(inbox, secret="s", receipt_url="http://127.0.0.1:9")
    carrier.faults = Faults(delay=delay, no_receipts=True)
    server = SocketCarrier(options["dialect"], options, carrier, 0)
    server.open()
    print(server.port, flush=True)
    sys.stdin.read()
    server.close()
"""


def measure(scale: Scale) -> Iterator[Row]:
    for name, options in ACCOUNTS.items():
        best = LINKS * WINDOW / ROUND_TRIP
        with _carrier(options, delay=ROUND_TRIP) as port:
            ours = _send(options, port, seconds=scale.seconds)
        note = f"{LINKS} links, window {WINDOW}, {ROUND_TRIP * 1000:.0f} ms away"
        yield Row(f"links {name}, far", ours, best, "messages/s", is_rate=True, note=note)
        with _carrier(options, delay=0) as port:
            ours = _send(options, port, seconds=scale.seconds)
            floor = _push(options, port, seconds=scale.seconds)
        note = f"{LINKS} links against a bare socket"
        yield Row(f"links {name}, near", ours, floor, "messages/s", is_rate=True, note=note)


def _send(options: dict[str, Any], port: int, *, seconds: float) -> float:
    """Messages a second through an account, in batches as dispatching sends them."""
    from concurrent.futures import ThreadPoolExecutor

    from voting_portal.gateways import Message, Outcome
    from voting_portal.gateways.sockets import SocketGateway

    gateway = SocketGateway(
        "bench",
        {**options, "url": f"tcp://127.0.0.1:{port}", "rate": 10_000_000, "links": LINKS},
    )
    account = gateway.open(keep=lambda _lines: None)
    messages = [Message(str(n), PHONE, TEXT) for n in range(gateway.batch_size)]
    until = time.perf_counter() + seconds

    def send_batches() -> int:
        sent = 0
        while time.perf_counter() < until:
            results = gateway.send(messages)
            assert {result.outcome for result in results} == {Outcome.ACCEPTED}
            sent += len(results)
        return sent

    gateway.send(messages)
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(lambda _thread: send_batches(), range(4)))
    took = time.perf_counter() - began
    account.close()
    return sent / took


def _push(options: dict[str, Any], port: int, *, seconds: float) -> float:
    """Messages a second over a bare socket, a window at a time."""
    from django.utils import timezone

    from voting_portal.gateways import Message
    from voting_portal.gateways.sockets import SOCKET_DIALECTS
    from voting_portal.gateways.wire import Pdu

    dialect = SOCKET_DIALECTS[options["dialect"]](options)
    (submit,) = dialect.submits(Message("1", PHONE, TEXT))
    login = dialect.login(timezone.localtime())
    window = b"".join(
        dialect.header.pack(Pdu(submit.command, number, submit.body)) for number in range(WINDOW)
    )
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as carrier:
        carrier.sendall(dialect.header.pack(Pdu(login.command, 1, login.body)))
        carrier.recv(4_096)
        began = time.perf_counter()
        while time.perf_counter() < began + seconds:
            carrier.sendall(window)
            answers = b""
            while not _is_whole(answers):
                answers += carrier.recv(65_536)
            sent += WINDOW
        return sent / (time.perf_counter() - began)


def _is_whole(answers: bytes) -> bool:
    """Whether a window's answers are all there; each is as long as the first."""
    return len(answers) >= 4 and len(answers) >= WINDOW * int.from_bytes(answers[:4])


@contextlib.contextmanager
def _carrier(options: dict[str, Any], *, delay: float) -> Iterator[int]:
    """A simulated carrier as a process; its port."""
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", CARRIER, json.dumps(options), str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
