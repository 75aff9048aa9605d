"""A simulator in a thread with real sockets, and a portal that only collects receipts."""

from __future__ import annotations

import json
import queue
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.simulator.server import Simulator

SECRET = "a secret of the tests"


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Portal(ThreadingHTTPServer):
    """Keeps the receipts that were posted: `(headers, body)` each."""

    def __init__(self):
        self.receipts = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._take(urlsplit(self.path).query.encode())

    def do_POST(self):
        self._take(self.rfile.read(int(self.headers["Content-Length"])))

    def _take(self, body):
        self.server.receipts.put((self.headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def portal():
    with serving(Portal()) as portal:
        yield portal


@pytest.fixture
def simulator(portal, tmp_path):
    receipt_url = f"http://127.0.0.1:{portal.server_port}/gateway/sms/receipts"
    simulator = Simulator(0, tmp_path / "inbox.sqlite3", secret=SECRET, receipt_url=receipt_url)
    with serving(simulator):
        yield simulator


@pytest.fixture
def gateway(simulator):
    return HttpBatchGateway("sms", {"url": simulator.url, "secret": SECRET, "rate": 1_000})


@pytest.fixture
def break_it(simulator):
    """Ask the simulator for faults over HTTP, as a person would."""

    def ask(**faults):
        request = urllib.request.Request(
            f"{simulator.url}/faults", json.dumps(faults).encode(), method="POST"
        )
        with urllib.request.urlopen(request):
            pass

    return ask
