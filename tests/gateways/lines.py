"""Accounts of every socket dialect over real sockets, with a simulated carrier at the other end."""

from __future__ import annotations

import queue
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.gateways.conftest import SECRET
from voting_portal.gateways.accounts import Account
from voting_portal.gateways.simulator.carrier import Carrier
from voting_portal.gateways.simulator.inbox import Inbox
from voting_portal.gateways.simulator.sockets import SocketCarrier
from voting_portal.gateways.sockets import SocketGateway

# What each account would have in GATEWAYS, but for `url` and `listen`.
ACCOUNTS = {
    "cmpp3": {
        "dialect": "cmpp",
        "sp_id": "900001",
        "secret": "888888",
        "src_id": "10690001",
        "strict": True,
    },
    "cmpp2": {
        "dialect": "cmpp",
        "version": "2.0",
        "sp_id": "900001",
        "secret": "888888",
        "src_id": "10690001",
        "strict": True,
    },
    "smgp": {"dialect": "smgp", "client_id": "9001", "secret": "888888", "src_id": "10690001"},
    "smpp": {"dialect": "smpp", "system_id": "vote", "password": "pw", "src_id": "10690001"},
    "sgip": {
        "dialect": "sgip",
        "node": 3010,
        "login": "vote",
        "password": "pw",
        "corp_id": "00001",
        "src_id": "10690001",
    },
}


NOBODY = "tcp://127.0.0.1:1"  # where nobody listens, and nobody will


def free_port():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return nobody.getsockname()[1]


def options_of(account, **others):
    options = {**ACCOUNTS[account], "rate": 100_000, **others}
    if options["dialect"] == "sgip":
        options.setdefault("listen", f"127.0.0.1:{free_port()}")
    return options


def until(condition, *, seconds=30.0):
    """Wait until something is so; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


@dataclass
class Line:
    """A gateway whose account this process has opened, and what came over it."""

    gateway: SocketGateway
    account: Account
    server: SocketCarrier | None
    told: queue.Queue = field(default_factory=queue.Queue)

    @property
    def inbox(self):
        return self.server.carrier.inbox

    def hear(self, number, *, seconds=30.0):
        """The next so many receipts and replies."""
        return [self.told.get(timeout=seconds) for _ in range(number)]

    def silence(self, *, seconds=0.2):
        """Whatever comes within that time."""
        time.sleep(seconds)
        return list(self.told.queue)


@contextmanager
def opened(options, *, server=None, name="line", keep=None):
    """The account of these options, opened and at the end closed."""
    told = queue.Queue()

    def put(lines):
        for line in lines:
            told.put(line)

    gateway = SocketGateway(name, options)
    account = gateway.open(keep=keep or put)
    try:
        yield Line(gateway, account, server, told)
    finally:
        account.close()


@contextmanager
def carrier_of(options, inbox_file, *, name="line"):
    """A simulated carrier that knows the account; its `url` is where it listens."""
    inbox = Inbox(inbox_file)
    carrier = Carrier(inbox, secret=SECRET, receipt_url="http://127.0.0.1:9")
    server = SocketCarrier(options["dialect"], options, carrier, 0)
    server.open()
    try:
        yield server
    finally:
        server.close()
        inbox.close()


@contextmanager
def line_to_carrier(account, inbox_file, **others):
    options = options_of(account, **others)
    with carrier_of(options, inbox_file) as server:
        options["url"] = f"tcp://127.0.0.1:{server.port}"
        with opened(options, server=server) as line:
            yield line
