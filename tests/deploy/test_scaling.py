"""nginx on one host notices by itself how many web containers there are, and where."""

from __future__ import annotations

import http.server
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.house.test_nginx import (
    DEPLOY,
    NGINX,
    Proxy,
    free_port,
    nginx_version,
    wait_for,
    with_upstreams,
    write_certificate,
)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        NGINX is None or nginx_version() < (1, 27, 3),
        reason="LEFT OUT: no nginx of 1.27.3 or newer (compose has one), so --scale was not tried",
    ),
]
WEB = {b"\x03web", b"\x09web-staff"}


class Names(threading.Thread):
    """Docker's name server for a test: `web` is where `addresses` says."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.addresses: list[str] = []
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                question, client = self.socket.recvfrom(512)
            except OSError:
                return
            self.asked += 1
            self.socket.sendto(self.answer(question), client)

    def answer(self, question: bytes) -> bytes:
        name = question[12 : question.index(b"\0", 12)]
        asked = question[12 : 12 + len(name) + 5]
        found = [socket.inet_aton(a) for a in self.addresses] if name in WEB else []
        flags = 0x8180 if found else 0x8183  # no such name
        # Docker says that an answer is good for ten minutes; `valid=` must count for more.
        records = b"".join(struct.pack("!HHHIH4s", 0xC00C, 1, 1, 600, 4, a) for a in found)
        return question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + asked + records


class Where(http.server.BaseHTTPRequestHandler):
    """A web container that says which address it has."""

    def do_GET(self) -> None:
        said = str(self.server.server_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def container(address: str, port: int) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer((address, port), Where)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture
def names() -> Iterator[Names]:
    serving = Names()
    serving.start()
    yield serving
    serving.socket.close()


@pytest.fixture
def web_port() -> int:
    return free_port()


@pytest.fixture
def proxy(tmp_path, names, web_port) -> Iterator[Proxy]:
    """The real nginx with the upstreams of one host; nothing is found yet."""
    tmp_path.chmod(0o755)
    write_certificate(tmp_path)
    text = (DEPLOY / "upstreams.conf").read_text()
    for old, new in {
        "resolver 127.0.0.11 valid=5s": f"resolver 127.0.0.1:{names.port} valid=1s",
        "server web:8000 resolve;": f"server web:{web_port} resolve;",
        "server web-staff:8000 resolve;": f"server web-staff:{web_port} resolve;",
    }.items():
        assert old in text
        text = text.replace(old, new)
    found = Proxy(tmp_path, free_port(), free_port())
    file = tmp_path / "nginx.conf"
    file.write_text(with_upstreams(text, tmp_path, https=found.https, http=found.http))
    command = [NGINX, "-e", str(found.error_log), "-p", str(tmp_path), "-c", str(file)]
    running = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        wait_for(found.https)
        yield found
    finally:
        running.terminate()
        running.wait(60)


def answering(proxy: Proxy) -> set[str]:
    """Which containers answer a holder now; `503` is nginx's own page."""
    answers = [proxy.ask("GET", "/m/7/ballot") for _each in range(12)]
    return {str(a.status) if a.status != 200 else a.body for a in answers}


def wait_until(proxy: Proxy, expected: set[str]) -> None:
    deadline = time.monotonic() + 60
    while (found := answering(proxy)) != expected:
        assert time.monotonic() < deadline, f"{found} answer, not {expected}"
        time.sleep(0.1)


def test_containers_that_come_and_go_are_noticed_without_a_reload(proxy, names, web_port):
    with container("127.0.0.2", web_port):
        names.addresses = ["127.0.0.2"]
        wait_until(proxy, {"127.0.0.2"})
        with container("127.0.0.3", web_port), container("127.0.0.4", web_port):
            names.addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
            wait_until(proxy, {"127.0.0.2", "127.0.0.3", "127.0.0.4"})

        gone = answering(proxy)
        names.addresses = ["127.0.0.2"]
        wait_until(proxy, {"127.0.0.2"})

    assert gone == {"127.0.0.2"}  # what is not there any more is passed over at once
    assert names.asked > 3


def test_nginx_comes_up_before_any_web_container(proxy, names, web_port):
    first = answering(proxy)
    names.addresses = ["127.0.0.5"]

    with container("127.0.0.5", web_port):
        wait_until(proxy, {"127.0.0.5"})

    assert first == {"503"}
